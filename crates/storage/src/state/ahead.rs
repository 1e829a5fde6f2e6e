//! Blocks that were derived and are not on the disk yet: what they leave, over the rows and branches of a snapshot.
//!
//! Whoever takes many blocks one after the other does not wait for the disk: the next block is derived over these, and several are written in
//! one transaction meanwhile. What has become durable is let go of now and then; until then it says what the disk says.
//!
//! It trusts what it is given, since a derived block has the root that its header claims, and it holds no block that does not follow the one
//! before.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
};

use alloy_primitives::{B256, Bytes};
use snapsync_trie::Path;

use crate::state::{
    claim::BlockClaim,
    inline_key::InlineKey,
    nodes::NodeChanges,
    progress::{StateProgress, TargetRecord},
    undo::Kind,
};

/// A row that a block has changed: its body, if it is still there, and the number of the last block that changed it.
#[derive(Clone, Debug)]
struct Changed {
    by: u64,
    body: Option<Vec<u8>>,
}

/// The key of a row, with the account's in front where it has one: no longer than that and a path.
type HeldKey = InlineKey<{ 32 + 64 }>;

fn row_key(prefix: &[u8], key: &[u8]) -> HeldKey {
    HeldKey::of(prefix.iter().chain(key).copied())
}

fn branch_key(prefix: &[u8], path: &Path) -> HeldKey {
    HeldKey::of(prefix.iter().copied().chain((0..path.len()).map(|index| path.nibble(index))))
}

/// A block, and what it holds in memory, about.
#[derive(Clone, Copy, Debug)]
struct HeldBlock {
    claim: BlockClaim,
    bytes: usize,
}

/// Blocks above a state, one after the other.
#[derive(Clone, Debug, Default)]
pub struct BlocksAhead {
    blocks: VecDeque<HeldBlock>,
    /// By kind, then by key, with the account's in front where it has one.
    rows: [BTreeMap<HeldKey, Changed>; 4],
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

    /// Whether a block is one of them.
    pub fn has(&self, hash: &B256) -> bool {
        self.blocks.iter().any(|held| held.claim.hash == *hash)
    }

    /// Heap bytes in use, about: what was let go of counts until its rows go.
    pub const fn bytes_held(&self) -> usize {
        self.bytes
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
        is_first || self.has(&state)
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

    fn rows_of(&self, kind: Kind) -> &BTreeMap<HeldKey, Changed> {
        &self.rows[kind as usize]
    }

    /// Begins with the block that follows the newest one; says whether it does.
    pub(crate) fn begin(&mut self, claim: BlockClaim, bytes: usize) -> bool {
        let follows = self.tip().is_none_or(|tip| tip.hash == claim.parent);
        if follows {
            self.blocks.push_back(HeldBlock { claim, bytes });
            self.bytes += bytes;
        }
        follows
    }

    pub(crate) fn add_codes(&mut self, codes: &[(B256, Bytes)], by: u64) {
        self.codes.extend(codes.iter().map(|(hash, code)| (*hash, (by, code.clone()))));
    }

    /// Nothing is left of a storage that was there before.
    pub(crate) fn wipe(&mut self, account: &B256, by: u64) {
        self.wiped.insert(*account, by);
        for kind in [Kind::Slot, Kind::StorageBranch] {
            let rows = &mut self.rows[kind as usize];
            let from = (Bound::Included(account.as_slice()), Bound::Unbounded);
            let of_account = rows.range::<[u8], _>(from).map(|(key, _)| key);
            let of_account: Vec<_> = of_account
                .take_while(|key| key.as_slice().starts_with(account.as_slice()))
                .copied()
                .collect();
            of_account.iter().for_each(|key| drop(rows.remove(key.as_slice())));
        }
    }

    /// A row has this body, or is not there.
    pub(crate) fn set(&mut self, kind: Kind, key: Vec<u8>, body: Option<Vec<u8>>, by: u64) {
        self.bytes += key.len() + body.as_ref().map_or(0, Vec::len);
        self.rows[kind as usize].insert(row_key(&[], &key), Changed { by, body });
    }

    /// Lays what changes in one trie over what was before.
    pub(crate) fn lay(
        &mut self,
        [row, branch]: [Kind; 2],
        prefix: &[u8],
        rows: &[(B256, Option<Vec<u8>>)],
        branches: &[NodeChanges],
        by: u64,
    ) {
        let held = &mut self.rows[row as usize];
        for (key, body) in rows {
            held.insert(row_key(prefix, key.as_slice()), Changed { by, body: body.clone() });
        }
        let held = &mut self.rows[branch as usize];
        for changes in branches {
            let removed = changes.removed.iter().map(|path| (*path, None));
            // Where a path is taken away and put, it is put.
            let put = changes.put.iter().map(|(path, body)| (path, Some(body.to_vec())));
            for (path, body) in removed.chain(put) {
                held.insert(branch_key(prefix, &path), Changed { by, body });
            }
        }
    }
}
