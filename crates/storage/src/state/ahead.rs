//! Blocks that were derived and are not on the disk yet: what they leave, over the rows and branches of a snapshot.
//!
//! Whoever takes many blocks one after the other does not wait for the disk: the next block is derived over these, and several are written in
//! one transaction meanwhile. What has become durable is let go of now and then; until then it says what the disk says.
//!
//! It trusts what it is given, since a [`DerivedBlock`] has the root that its header claims, and it holds no block that does not follow the one
//! before.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
};

use alloy_primitives::{B256, Bytes};

use crate::state::{
    block::{BlockClaim, DerivedBlock, DerivedStorage, DerivedTrie},
    progress::{StateProgress, TargetRecord},
    undo::Kind,
};

/// A row that a block has changed: its body, if it is still there, and the number of the last block that changed it.
#[derive(Clone, Debug)]
struct Changed {
    by: u64,
    body: Option<Vec<u8>>,
}

/// A block, and what it holds in memory, about.
#[derive(Clone, Copy, Debug)]
struct Held {
    claim: BlockClaim,
    bytes: usize,
}

/// Blocks above a state, one after the other.
#[derive(Clone, Debug, Default)]
pub struct BlocksAhead {
    blocks: VecDeque<Held>,
    /// By kind, then by key, with the account's in front where it has one.
    rows: [BTreeMap<Vec<u8>, Changed>; 4],
    /// Accounts of whose storage nothing is left that was there before the block of this number.
    wiped: BTreeMap<B256, u64>,
    codes: BTreeMap<B256, (u64, Bytes)>,
    bytes: usize,
    /// How many blocks are let go of whose rows still are here.
    stale: usize,
}

impl BlocksAhead {
    /// The newest block.
    pub fn tip(&self) -> Option<BlockClaim> {
        self.blocks.back().map(|held| held.claim)
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there is no block.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Heap bytes in use, about: what was let go of counts until its rows go.
    pub const fn bytes_held(&self) -> usize {
        self.bytes
    }

    /// Adds the block that follows the newest one; says whether it does.
    pub fn push(&mut self, block: &DerivedBlock) -> bool {
        let claim = block.claim();
        if self.tip().is_some_and(|tip| tip.hash != claim.parent) {
            return false;
        }
        let bytes = block.bytes_held();
        self.blocks.push_back(Held { claim, bytes });
        self.bytes += bytes;
        let by = claim.number;
        self.codes.extend(block.codes.iter().map(|(hash, code)| (*hash, (by, code.clone()))));
        for (account, DerivedStorage { wiped, trie }) in &block.storages {
            if *wiped {
                self.wipe(account, by);
            }
            self.lay(Kind::Slot, Kind::StorageBranch, account.as_slice(), trie, by);
        }
        self.lay(Kind::Account, Kind::AccountBranch, &[], &block.accounts, by);
        true
    }

    /// Lets go of the blocks up to this number: they are on the disk, and no snapshot older than that is looked at any more. Their rows go with
    /// as many others, so that each row is looked at a few times in all.
    pub fn forget(&mut self, number: u64) {
        while self.blocks.pop_front_if(|held| held.claim.number <= number).is_some() {
            self.stale += 1;
        }
        if self.stale == 0 || self.stale < self.blocks.len() {
            return;
        }
        self.stale = 0;
        self.bytes = self.blocks.iter().map(|held| held.bytes).sum();
        for rows in &mut self.rows {
            rows.retain(|_, changed| changed.by > number);
        }
        self.wiped.retain(|_, by| *by > number);
        self.codes.retain(|_, (by, _)| *by > number);
    }

    /// Whether these blocks bring on the state of this block: the first follows it, or it is one of them.
    pub(crate) fn follow(&self, state: B256) -> bool {
        let is_first = self.blocks.front().is_some_and(|held| held.claim.parent == state);
        is_first || self.blocks.iter().any(|held| held.claim.hash == state)
    }

    /// What is on record once all are written.
    pub(crate) fn progress(&self, on_disk: StateProgress) -> StateProgress {
        let (Some(pin), Some(tip)) = (on_disk.pin, self.tip()) else { return on_disk };
        let BlockClaim { number, hash, root, .. } = tip;
        let pin = TargetRecord { number, hash, root, ..pin };
        StateProgress { pin: Some(pin), rebuilt: Some(root), ..on_disk }
    }

    pub(crate) fn code(&self, hash: &B256) -> Option<&Bytes> {
        self.codes.get(hash).map(|(_, code)| code)
    }

    /// A row as the blocks leave it, if one of them has changed it.
    pub(crate) fn row(&self, kind: Kind, key: &[u8]) -> Option<Option<&[u8]>> {
        self.rows_of(kind).get(key).map(|changed| changed.body.as_deref())
    }

    /// The first row at or behind `from` that a block has changed.
    pub(crate) fn first_at(&self, kind: Kind, from: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
        let mut behind = self.rows_of(kind).range::<[u8], _>((Bound::Included(from), Bound::Unbounded));
        behind.next().map(|(key, changed)| (key.as_slice(), changed.body.as_deref()))
    }

    /// Whether nothing counts that the disk holds of a storage.
    pub(crate) fn is_wiped(&self, account: &[u8]) -> bool {
        B256::try_from(account).is_ok_and(|account| self.wiped.contains_key(&account))
    }

    fn rows_of(&self, kind: Kind) -> &BTreeMap<Vec<u8>, Changed> {
        &self.rows[kind as usize]
    }

    fn wipe(&mut self, account: &B256, by: u64) {
        self.wiped.insert(*account, by);
        for kind in [Kind::Slot, Kind::StorageBranch] {
            let rows = &mut self.rows[kind as usize];
            let from = (Bound::Included(account.as_slice()), Bound::Unbounded);
            let of_account = rows.range::<[u8], _>(from).map(|(key, _)| key);
            let of_account: Vec<_> =
                of_account.take_while(|key| key.starts_with(account.as_slice())).cloned().collect();
            of_account.iter().for_each(|key| drop(rows.remove(key)));
        }
    }

    /// Lays what changes in one trie over what was before.
    fn lay(&mut self, row: Kind, branch: Kind, prefix: &[u8], trie: &DerivedTrie, by: u64) {
        let rows = &mut self.rows[row as usize];
        for (key, body) in &trie.rows {
            rows.insert([prefix, key.as_slice()].concat(), Changed { by, body: body.clone() });
        }
        let branches = &mut self.rows[branch as usize];
        for changes in &trie.branches {
            let removed = changes.removed.iter().map(|path| (*path, None));
            // Where a path is taken away and put, it is put.
            let put = changes.put.iter().map(|(path, body)| (path, Some(body.to_vec())));
            for (path, body) in removed.chain(put) {
                let mut key = prefix.to_vec();
                path.write_key(&mut key);
                branches.insert(key, Changed { by, body });
            }
        }
    }
}
