//! What a block changes in a whole state, derived before it is written.
//!
//! Its changes are laid over a snapshot of the parent's state: the root and every branch that changes are known then, and only a block
//! whose root is the one that its header claims becomes a [`DerivedBlock`]. So the writer can trust it, and writes rows and branches
//! in one transaction. Trust: none in the changes, whoever executed the block; the parent's state is ours.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{B256, Bytes, U256};
use snapsync_keccak::keccak256;
use snapsync_trie::{
    Account, Builder, EMPTY_ROOT, Overlay, Path, RowChanges, SlotRow, TargetId, rebuild_whole,
};

use crate::{
    error::{Error, Result},
    state::{
        accounts,
        ahead::BlocksAhead,
        claim::BlockClaim,
        nodes::NodeChanges,
        progress::TargetRecord,
        snapshot::StateSnapshot,
        storages,
        undo::{self, Kind, UndoRow},
    },
};

/// What a block changes, under the hashes of addresses and slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChanges {
    /// Accounts as they are afterwards; `None`: there is none any more, and its storage is gone with it.
    pub accounts: BTreeMap<B256, Option<AccountChange>>,
    /// Storages that change. Their accounts need not be named above if nothing else of them changes.
    pub storages: BTreeMap<B256, StorageChange>,
    /// Codes that are new. Those that no account above names are not kept.
    pub codes: Vec<Bytes>,
}

impl StateChanges {
    /// The root of a whole state with these changes: for whoever makes the header above them.
    ///
    /// # Errors
    /// When they cannot be laid over it.
    pub fn root_above(&self, snapshot: &StateSnapshot) -> std::result::Result<B256, BlockError> {
        snapshot.progress()?.unwrap_or_default().whole().ok_or(BlockError::NotTheParent)?;
        Ok(Derivation::above(snapshot, None).lay(self)?.root)
    }
}

/// An account after a block, but for its storage root, which is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// The digest of the account's code.
    pub code_hash: B256,
}

/// What a block changes in a storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageChange {
    /// Whether all that was there before is gone.
    pub wiped: bool,
    /// Slots as they are afterwards; zero: there is none.
    pub slots: BTreeMap<B256, U256>,
}

/// Why a block's changes cannot be laid over a state.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The changes give another root than the header claims.
    #[error("the changes give root {derived}, the header claims {claimed}")]
    Root {
        /// What the changes give.
        derived: B256,
        /// What the header claims.
        claimed: B256,
    },
    /// The state is not whole, or not the parent's.
    #[error("the state is not the parent's")]
    NotTheParent,
    /// A storage changes of which there is no account.
    #[error("a storage of {account} changes, which is no account")]
    NoAccount {
        /// The account's hash.
        account: B256,
    },
    /// An account names a code that is neither held nor among the new ones.
    #[error("code {hash} is missing")]
    NoCode {
        /// The code's hash.
        hash: B256,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] Error),
}

/// A block's rows and branches, whose root is the header's. It has no other constructor than [`DerivedBlock::derive`].
#[derive(Debug)]
pub struct DerivedBlock {
    pub(crate) claim: BlockClaim,
    pub(crate) accounts: DerivedTrie,
    pub(crate) storages: Vec<(B256, DerivedStorage)>,
    pub(crate) codes: Vec<(B256, Bytes)>,
    /// All rows and branches that change, as they were before; rising. `None`: it cannot be taken back.
    pub(crate) undo: Option<Vec<UndoRow>>,
    /// How many accounts and slots there are more than before; fewer, if negative.
    pub(crate) accounts_more: i64,
    pub(crate) slots_more: i64,
}

/// What changes in one trie.
#[derive(Debug, Default)]
pub(crate) struct DerivedTrie {
    /// Bodies by key, rising; `None` takes a row away.
    pub(crate) rows: Vec<(B256, Option<Vec<u8>>)>,
    pub(crate) branches: Vec<NodeChanges>,
}

#[derive(Debug)]
pub(crate) struct DerivedStorage {
    /// Whether what was there before goes first.
    pub(crate) wiped: bool,
    pub(crate) trie: DerivedTrie,
}

impl DerivedBlock {
    /// Lays changes over the parent's state.
    ///
    /// # Errors
    /// [`BlockError::Root`] when they are not what the header commits to.
    pub fn derive(
        snapshot: &StateSnapshot,
        claim: BlockClaim,
        changes: &StateChanges,
    ) -> std::result::Result<Self, BlockError> {
        Self::lay(snapshot, claim, changes, Some(Vec::new()))
    }

    /// Lays what several blocks change together over the state before the first of them: `claim` is of the last, but names the parent of the
    /// first. One root is derived, the last one's, and neither these blocks nor any below them can be taken back once they are written.
    ///
    /// # Errors
    /// [`BlockError::Root`] when they are not what the last block's header commits to: one of the blocks is bad, or its list.
    pub fn derive_stretch(
        snapshot: &StateSnapshot,
        claim: BlockClaim,
        changes: &StateChanges,
    ) -> std::result::Result<Self, BlockError> {
        Self::lay(snapshot, claim, changes, None)
    }

    fn lay(
        snapshot: &StateSnapshot,
        claim: BlockClaim,
        changes: &StateChanges,
        undo: Option<Vec<UndoRow>>,
    ) -> std::result::Result<Self, BlockError> {
        // What takes blocks back is kept under their numbers, which rise by one.
        let follows = |parent: u64| match undo {
            Some(_) => parent.checked_add(1) == Some(claim.number),
            None => parent < claim.number,
        };
        let whole = snapshot.progress()?.unwrap_or_default().whole();
        whole
            .filter(|parent| parent.hash == claim.parent && follows(parent.number))
            .ok_or(BlockError::NotTheParent)?;
        let mut derivation = Derivation::above(snapshot, undo);
        let Laid { root, accounts, codes } = derivation.lay(changes)?;
        if root != claim.root {
            return Err(BlockError::Root { derived: root, claimed: claim.root });
        }
        let Derivation { storages, slots_more, accounts_more, mut undo, .. } = derivation;
        if let Some(undo) = &mut undo {
            undo.sort_unstable();
            undo.dedup();
        }
        Ok(Self { claim, accounts, storages, codes, undo, accounts_more, slots_more })
    }

    /// Which block it is; of several, the last, above the parent of the first.
    pub const fn claim(&self) -> BlockClaim {
        self.claim
    }

    /// The target that the state is of once it is written, under the short name of the one before.
    pub(crate) fn target(&self, id: TargetId) -> TargetRecord {
        let BlockClaim { number, hash, root, .. } = self.claim;
        TargetRecord { id, number, hash, root }
    }

    /// What takes it back, as it is kept: bytes of keys and values.
    pub fn undo_bytes(&self) -> usize {
        self.undo.as_deref().map_or(0, undo::bytes_kept)
    }

    /// Heap bytes in use, about.
    pub fn bytes_held(&self) -> usize {
        let tries =
            || std::iter::once(&self.accounts).chain(self.storages.iter().map(|(_, held)| &held.trie));
        let rows =
            tries().flat_map(|trie| &trie.rows).map(|(_, body)| 64 + body.as_ref().map_or(0, Vec::len));
        let branches = tries().flat_map(|trie| &trie.branches).map(|changes| changes.put.bytes_held());
        let undo =
            self.undo.iter().flatten().map(|row| 48 + row.key.len() + row.old.as_ref().map_or(0, Vec::len));
        rows.sum::<usize>()
            + branches.sum::<usize>()
            + undo.sum::<usize>()
            + self.codes.iter().map(|(_, code)| code.len()).sum::<usize>()
    }
}

impl BlocksAhead {
    /// Adds the block that follows the newest one; says whether it does.
    pub fn push(&mut self, block: &DerivedBlock) -> bool {
        let by = block.claim.number;
        if !self.begin(block.claim, block.bytes_held()) {
            return false;
        }
        self.add_codes(&block.codes, by);
        for (account, DerivedStorage { wiped, trie }) in &block.storages {
            if *wiped {
                self.wipe(account, by);
            }
            self.lay([Kind::Slot, Kind::StorageBranch], account.as_slice(), &trie.rows, &trie.branches, by);
        }
        let DerivedTrie { rows, branches } = &block.accounts;
        self.lay([Kind::Account, Kind::AccountBranch], &[], rows, branches, by);
        true
    }
}

/// A derivation under way.
struct Derivation<'s> {
    snapshot: &'s StateSnapshot,
    storages: Vec<(B256, DerivedStorage)>,
    /// `None`: what was before is not asked for.
    undo: Option<Vec<UndoRow>>,
    slots_more: i64,
    accounts_more: i64,
}

/// Changes that are laid over a state.
struct Laid {
    root: B256,
    accounts: DerivedTrie,
    codes: Vec<(B256, Bytes)>,
}

impl<'s> Derivation<'s> {
    const fn above(snapshot: &'s StateSnapshot, undo: Option<Vec<UndoRow>>) -> Self {
        Self { snapshot, storages: Vec::new(), undo, slots_more: 0, accounts_more: 0 }
    }
}

impl Derivation<'_> {
    fn lay(&mut self, changes: &StateChanges) -> std::result::Result<Laid, BlockError> {
        let accounts = self.accounts(changes)?;
        let codes = self.codes(&accounts, &changes.codes)?;
        let mut leaves = RowChanges::new();
        let mut rows = Vec::with_capacity(accounts.len());
        for (key, account) in accounts {
            leaves.insert(key, account.map(|account| account.to_rlp()));
            rows.push((key, account.map(|account| row_of(&account))));
        }
        let (root, branches) = rebuild_whole(&mut Overlay::new(self.snapshot.account_trie()?, &leaves))?;
        self.note_branches(Kind::AccountBranch, &[], &branches)?;
        Ok(Laid { root, accounts: DerivedTrie { rows, branches }, codes })
    }

    /// All accounts that change, as they are afterwards; derives their storages.
    fn accounts(
        &mut self,
        changes: &StateChanges,
    ) -> std::result::Result<BTreeMap<B256, Option<Account>>, BlockError> {
        let none = StorageChange::default();
        let keys = changes.accounts.keys().chain(changes.storages.keys());
        let keys: BTreeSet<B256> = keys.copied().collect();
        let mut accounts = BTreeMap::new();
        for key in keys {
            let before = self.snapshot.account(&key)?;
            let after = match changes.accounts.get(&key) {
                Some(after) => *after,
                None => before.map(|Account { nonce, balance, code_hash, .. }| AccountChange {
                    nonce,
                    balance,
                    code_hash,
                }),
            };
            let storage = changes.storages.get(&key).unwrap_or(&none);
            if after.is_none() && storage.slots.values().any(|value| !value.is_zero()) {
                return Err(BlockError::NoAccount { account: key });
            }
            let root_before = before.map_or(EMPTY_ROOT, |before| before.storage_root);
            let wiped = root_before != EMPTY_ROOT && (storage.wiped || after.is_none());
            let storage_root = if wiped || !storage.slots.is_empty() {
                self.storage(key, wiped, &storage.slots)?
            } else {
                root_before
            };
            self.accounts_more += i64::from(after.is_some()) - i64::from(before.is_some());
            let after = after.map(|AccountChange { nonce, balance, code_hash }| Account {
                nonce,
                balance,
                storage_root,
                code_hash,
            });
            if before.is_some() || after.is_some() {
                self.note(Kind::Account, key.to_vec(), before.map(|before| row_of(&before)));
                accounts.insert(key, after);
            }
        }
        Ok(accounts)
    }

    /// Those of the new codes that the changed accounts name: what no row names is not kept.
    fn codes(
        &self,
        accounts: &BTreeMap<B256, Option<Account>>,
        codes: &[Bytes],
    ) -> std::result::Result<Vec<(B256, Bytes)>, BlockError> {
        let new: BTreeMap<B256, &Bytes> = codes.iter().map(|code| (keccak256(code), code)).collect();
        let named = accounts.values().flatten().filter(|account| account.has_code());
        let named: BTreeSet<B256> = named.map(|account| account.code_hash).collect();
        let mut kept = Vec::new();
        for hash in named {
            match new.get(&hash) {
                Some(code) => kept.push((hash, (*code).clone())),
                None if self.snapshot.code(&hash)?.is_some() => {}
                None => return Err(BlockError::NoCode { hash }),
            }
        }
        Ok(kept)
    }

    /// Remembers a row as it is before the block.
    fn note(&mut self, kind: Kind, key: Vec<u8>, old: Option<Vec<u8>>) {
        if let Some(undo) = &mut self.undo {
            undo.push(UndoRow { kind, key, old });
        }
    }

    /// Remembers the branches that change.
    fn note_branches(&mut self, kind: Kind, prefix: &[u8], branches: &[NodeChanges]) -> Result<()> {
        if self.undo.is_none() {
            return Ok(());
        }
        let mut paths: Vec<Path> = branches
            .iter()
            .flat_map(|changes| {
                changes.removed.iter().copied().chain(changes.put.iter().map(|(path, _)| path))
            })
            .collect();
        paths.sort_unstable();
        paths.dedup();
        let mut held = self.snapshot.rows_of(kind, prefix)?;
        for path in paths {
            let key = path.to_key();
            let old = held.find(&key)?.map(<[u8]>::to_vec);
            self.note(kind, [prefix, &key].concat(), old);
        }
        Ok(())
    }

    /// Remembers all rows of an account in one table.
    fn note_all(&mut self, kind: Kind, account: &B256) -> Result<u64> {
        let mut held = self.snapshot.rows_of(kind, account.as_slice())?;
        let (mut row, mut count) = (held.seek(&[])?, 0);
        while let Some((key, body)) = row {
            self.note(kind, [account.as_slice(), key].concat(), Some(body.to_vec()));
            count += 1;
            row = held.next()?;
        }
        Ok(count)
    }

    /// Derives one storage trie; gives its root.
    fn storage(&mut self, account: B256, wiped: bool, slots: &BTreeMap<B256, U256>) -> Result<B256> {
        let mut leaves = RowChanges::new();
        let mut rows = Vec::with_capacity(slots.len());
        let mut held = self.snapshot.rows_of(Kind::Slot, account.as_slice())?;
        if wiped {
            self.slots_more -= self.note_all(Kind::Slot, &account)?.cast_signed();
            if self.undo.is_some() {
                self.note_all(Kind::StorageBranch, &account)?;
            }
        }
        for (key, value) in slots {
            let old = held.find(key.as_slice())?.map(<[u8]>::to_vec);
            let was_there = !wiped && old.is_some();
            self.slots_more += i64::from(!value.is_zero()) - i64::from(was_there);
            let (leaf, row) = if value.is_zero() {
                (None, None)
            } else {
                let (mut leaf, mut row) = (Vec::new(), Vec::new());
                storages::write_leaf(value, &mut leaf);
                storages::encode(&SlotRow { key: *key, value: *value }, |body| row.extend_from_slice(body));
                (Some(leaf), Some(row))
            };
            if was_there || leaf.is_some() {
                self.note(Kind::Slot, [account, *key].concat(), old);
                leaves.insert(*key, leaf);
                rows.push((*key, row));
            }
        }
        let (root, branches) = if wiped {
            built(&leaves)
        } else {
            rebuild_whole(&mut Overlay::new(self.snapshot.storage_trie(account)?, &leaves))?
        };
        self.note_branches(Kind::StorageBranch, account.as_slice(), &branches)?;
        self.storages.push((account, DerivedStorage { wiped, trie: DerivedTrie { rows, branches } }));
        Ok(root)
    }
}

/// An account's row.
fn row_of(account: &Account) -> Vec<u8> {
    let mut body = [0; accounts::ROW_MAX];
    let length = accounts::encode(account, &mut body);
    body[..length].to_vec()
}

/// A trie of these leaves alone.
fn built(leaves: &RowChanges) -> (B256, Vec<NodeChanges>) {
    let mut builder = Builder::new();
    for (key, leaf) in leaves {
        if let Some(leaf) = leaf {
            builder.push_leaf(*key, leaf);
        }
    }
    let built = builder.finish();
    (built.root, vec![NodeChanges { put: built.nodes, removed: built.removed }])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        MemoryEnv,
        env::{Env, WriteTxn},
        state::tables::{ENV, TABLES, UNDO, UNDO_BLOCKS},
    };

    #[test]
    fn what_takes_a_block_back_is_as_large_as_it_says() {
        let row = |last: u8, old| UndoRow { kind: Kind::Slot, key: vec![last; 64], old };
        let undo = vec![row(1, None), row(2, Some(vec![7; 9])), row(3, Some(Vec::new()))];
        let env = Env::open_memory(&Arc::new(MemoryEnv::default()), ENV, &TABLES, |_| Ok(())).unwrap();
        let txn = env.writer().unwrap();
        let parent = TargetRecord { id: TargetId(1), number: 6, hash: B256::ZERO, root: B256::ZERO };
        let before = undo::UndoBlock { hash: B256::ZERO, parent, accounts_more: 0, slots_more: 0 };
        undo::keep(&txn, 7, &before, &undo).unwrap();
        let bytes = |txn: &WriteTxn<'_>, table| {
            let mut cursor = txn.cursor(table).unwrap();
            let (mut row, mut all) = (cursor.seek(&[]).unwrap(), Vec::new());
            while let Some((key, value)) = row {
                all.push(key.len() + value.len());
                row = cursor.next().unwrap();
            }
            all
        };
        let (rows, block) = (bytes(&txn, UNDO), bytes(&txn, UNDO_BLOCKS));
        // A part of the list has a key of twelve bytes and a seal of four.
        assert_eq!((rows.len(), block.len()), (3, 2));
        assert_eq!(undo::bytes_kept(&undo), rows.iter().sum::<usize>() + block[1] - 16);
    }
}
