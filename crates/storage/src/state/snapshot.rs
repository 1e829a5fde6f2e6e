//! What readers see of the state: one moment of it, consistent, while the writer goes on.
//!
//! Rows are checked for their form as they are read, not for their truth. A snapshot is short: open, answer, drop; while
//! it lives, the writer cannot use the space of what it overwrites.

use std::sync::Arc;

use alloy_primitives::B256;
use snapsync_trie::{Account, Branch, Coverage, Path, PendingStorage};

use crate::{
    env::ReadTxn,
    error::Result,
    state::{
        accounts,
        ahead::BlocksAhead,
        coverage::AccountCoverage,
        dated::{DatedCursor, When},
        kept::{Accounts, KeptState, Slots},
        nodes, pack_cursor, pending,
        progress::{CommitNumber, Counters, SYNC_KEY, StateProgress, SyncRecord, TargetRecord},
        reads::{AsOf, PointReads},
        source::{AccountTrie, StorageTrie},
        tables::{
            ACCOUNT_NODES, ACCOUNTS, CODES, DIRTY_ACCOUNTS, DIRTY_SLOTS, PENDING_CODES, PENDING_STORAGES,
            PROGRESS, STORAGE_NODES, STORAGES, TARGETS,
        },
        targets::KnownTarget,
        undo::{self, Kind},
    },
};

/// One moment of the state.
#[derive(Debug)]
pub struct StateSnapshot {
    pub(crate) txn: ReadTxn,
    /// Blocks that it does not have, and that count as if it had.
    ahead: Option<Arc<BlocksAhead>>,
}

/// Rows of each table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateRows {
    /// Accounts held.
    pub accounts: u64,
    /// Slots held.
    pub slots: u64,
    /// Codes held.
    pub codes: u64,
    /// Branches of the account trie held.
    pub account_nodes: u64,
    /// Branches of all storage tries held.
    pub storage_nodes: u64,
    /// Account ranges missing.
    pub account_gaps: u64,
    /// Storages not settled.
    pub storages_pending: u64,
    /// Codes missing.
    pub codes_pending: u64,
    /// Accounts that have changed since the branches above them were derived.
    pub accounts_dirty: u64,
    /// Slots that have.
    pub slots_dirty: u64,
}

impl StateSnapshot {
    pub(crate) const fn new(txn: ReadTxn) -> Self {
        Self { txn, ahead: None }
    }

    /// The same moment as it will be when these blocks are written, for whoever takes the next one: accounts, slots, codes and tries are those
    /// after the newest of them, and so is [`StateSnapshot::progress`]. `None`: they do not lead on from this state.
    pub fn under(self, blocks: &Arc<BlocksAhead>) -> Result<Option<Self>> {
        let whole = self.whole()?;
        let leads_on = whole.is_some_and(|whole| blocks.follow(whole.hash));
        Ok(leads_on.then(|| Self { ahead: Some(blocks.clone()), ..self }))
    }

    /// The account at `key`.
    pub fn account(&self, key: &B256) -> Result<Option<Account>> {
        let mut rows = self.rows_of(Kind::Account, &[])?;
        rows.find(key.as_slice())?.map(|row| accounts::decode(key.as_slice(), row)).transpose()
    }

    /// The block that all of the state is of, once its root was found equal to the header's.
    pub fn whole(&self) -> Result<Option<TargetRecord>> {
        Ok(self.progress()?.and_then(|progress| progress.whole()))
    }

    /// The rows of one kind, under the account's key where they have one.
    pub(crate) fn rows_of(&self, kind: Kind, prefix: &[u8]) -> Result<DatedCursor<'_>> {
        DatedCursor::new(&self.txn, kind, prefix, self.when())
    }

    /// Whether blocks count that it does not have.
    pub(crate) const fn is_ahead(&self) -> bool {
        self.ahead.is_some()
    }

    fn when(&self) -> When<'_> {
        self.ahead.as_deref().map_or(When::Newest, When::Ahead)
    }

    /// The whole state of this root, if it is that of the newest block or of one whose rows can still be looked at.
    pub fn kept(&self, root: B256) -> Result<Option<KeptState<'_>>> {
        Ok(self.as_of(root)?.map(|as_of| KeptState::new(&self.txn, self.when_of(as_of))))
    }

    /// At which block rows are to be looked at, to see those of the whole state of this root: nothing, if it is not kept.
    pub fn as_of(&self, root: B256) -> Result<Option<AsOf>> {
        let Some(newest) = self.whole()? else { return Ok(None) };
        if newest.root == root {
            return Ok(Some(AsOf::Newest));
        }
        // What blocks that are not written change is not kept yet.
        if self.ahead.is_some() {
            return Ok(None);
        }
        let number = undo::block_of(&self.txn, newest.number, root)?;
        Ok(number.map(AsOf::Block))
    }

    fn when_of(&self, as_of: AsOf) -> When<'_> {
        match as_of {
            AsOf::Newest => self.when(),
            AsOf::Block(number) => When::Block(number),
        }
    }

    fn newest(&self) -> KeptState<'_> {
        KeptState::new(&self.txn, self.when())
    }

    /// The accounts from `start` on, by rising key.
    pub fn accounts_from(&self, start: B256) -> Result<Accounts<'_>> {
        self.newest().accounts_from(start)
    }

    /// The slots of `account` from `start` on, by rising key.
    pub fn slots_from(&self, account: B256, start: B256) -> Result<Slots<'_>> {
        self.newest().slots_from(account, start)
    }

    /// The block whose state [`Write::TakeBack`](crate::Write::TakeBack) of the newest would leave; nothing, if the state is not whole or
    /// the newest block cannot be taken back.
    pub fn below_newest(&self) -> Result<Option<TargetRecord>> {
        let newest = self.whole()?;
        newest.map_or(Ok(None), |newest| undo::below(&self.txn, &newest))
    }

    /// The lowest block at whose state rows can be looked at: as many are kept as can be taken back. `None`: only the newest.
    pub fn lowest_block(&self) -> Result<Option<u64>> {
        // The first block that is kept tells what was before it.
        Ok(undo::lowest(&self.txn)?.and_then(|first| first.checked_sub(1)))
    }

    /// Point reads with cursors that are kept: of this moment, or as it was after an older block.
    pub fn reads(&self, as_of: AsOf) -> Result<PointReads<'_>> {
        PointReads::new(&self.txn, self.when_of(as_of))
    }

    /// The code of this hash.
    pub fn code(&self, hash: &B256) -> Result<Option<&[u8]>> {
        match self.ahead.as_ref().and_then(|blocks| blocks.code(hash)) {
            Some(code) => Ok(Some(code)),
            None => self.txn.get(CODES, hash.as_slice()),
        }
    }

    /// The branch at `path` of the account trie.
    pub fn account_branch(&self, path: &Path) -> Result<Option<Branch>> {
        let key = path.to_key();
        let mut branches = self.rows_of(Kind::AccountBranch, &[])?;
        let branch = branches.find(&key)?;
        branch.map(|branch| nodes::decode(ACCOUNT_NODES, &key, branch)).transpose()
    }

    /// The branch at `path` of the storage trie of `account`.
    pub fn storage_branch(&self, account: &B256, path: &Path) -> Result<Option<Branch>> {
        let key = path.to_key();
        let mut branches = self.rows_of(Kind::StorageBranch, account.as_slice())?;
        let branch = branches.find(&key)?;
        branch.map(|branch| nodes::decode(STORAGE_NODES, &key, branch)).transpose()
    }

    /// The account trie, for proofs and rebuilds.
    pub fn account_trie(&self) -> Result<AccountTrie<'_>> {
        self.newest().account_trie()
    }

    /// The storage trie of `account`, for proofs and rebuilds.
    pub fn storage_trie(&self, account: B256) -> Result<StorageTrie<'_>> {
        self.newest().storage_trie(account)
    }

    /// What is missing of the storage of `account`; `None` when it is settled (or there is no such account).
    pub fn pending_storage(&self, account: &B256) -> Result<Option<PendingStorage>> {
        let row = self.txn.get(PENDING_STORAGES, account.as_slice())?;
        row.map(|row| Ok(pending::decode(account.as_slice(), row)?.storage)).transpose()
    }

    /// The pending storages, by rising account.
    pub fn pending_storages(&self) -> Result<Vec<PendingStorage>> {
        self.all_of(|row| Ok(pending::decode(row.0, row.1)?.storage), PENDING_STORAGES)
    }

    /// Accounts from `start` on whose storages owe their root and of which every slot is held, rising; as many at most.
    pub fn owed_from(&self, start: B256, max: usize) -> Result<Vec<B256>> {
        let mut cursor = self.txn.cursor(PENDING_STORAGES)?;
        let mut row = cursor.seek(start.as_slice())?;
        let mut owed = Vec::new();
        while let Some((key, value)) = row.filter(|_| owed.len() < max) {
            let pending = pending::decode(key, value)?.storage;
            if pending.expected.is_none() && pending.is_filled() {
                owed.push(pending.account);
            }
            row = cursor.next()?;
        }
        Ok(owed)
    }

    /// The codes that are missing, rising.
    pub fn pending_codes(&self) -> Result<Vec<B256>> {
        self.all_of(|row| pending::decode_code(row.0, row.1), PENDING_CODES)
    }

    /// The targets that rows and pendings name.
    pub fn targets(&self) -> Result<Vec<KnownTarget>> {
        self.all_of(|row| KnownTarget::decode(row.0, row.1), TARGETS)
    }

    /// What is held of the accounts.
    pub fn account_coverage(&self) -> Result<Coverage> {
        Ok(AccountCoverage::load(&self.txn)?.get().clone())
    }

    /// How many commits it has seen.
    pub fn number(&self) -> Result<CommitNumber> {
        Ok(self.record()?.unwrap_or_default().commits)
    }

    /// What the engine recorded last.
    pub fn progress(&self) -> Result<Option<StateProgress>> {
        let on_disk = self.record()?.map(|record| record.progress);
        Ok(match &self.ahead {
            Some(blocks) => on_disk.map(|on_disk| blocks.progress(on_disk)),
            None => on_disk,
        })
    }

    /// What the writer has counted.
    pub fn counters(&self) -> Result<Counters> {
        Ok(self.record()?.unwrap_or_default().counters)
    }

    /// Rows of each table. Walks through all packs, ~70 MB of them a million leaves: for tests and tools. A running
    /// sync has [`StateSnapshot::counters`].
    pub fn rows(&self) -> Result<StateRows> {
        let rows = |table| self.txn.rows(table);
        Ok(StateRows {
            accounts: pack_cursor::count(&self.txn, ACCOUNTS, 0)?,
            slots: pack_cursor::count(&self.txn, STORAGES, 32)?,
            codes: rows(CODES)?,
            account_nodes: self.account_nodes_len()?,
            storage_nodes: pack_cursor::count(&self.txn, STORAGE_NODES, 32)?,
            account_gaps: self.account_coverage()?.gaps().count() as u64,
            storages_pending: rows(PENDING_STORAGES)?,
            codes_pending: rows(PENDING_CODES)?,
            accounts_dirty: rows(DIRTY_ACCOUNTS)?,
            slots_dirty: rows(DIRTY_SLOTS)?,
        })
    }

    /// How many branches of the account trie are held. Walks through them.
    pub(crate) fn account_nodes_len(&self) -> Result<u64> {
        pack_cursor::count(&self.txn, ACCOUNT_NODES, 0)
    }

    pub(crate) fn record(&self) -> Result<Option<SyncRecord>> {
        self.txn.get(PROGRESS, &SYNC_KEY)?.map(SyncRecord::decode).transpose()
    }

    fn all_of<T>(
        &self,
        read: impl Fn((&[u8], &[u8])) -> Result<T>,
        table: &'static crate::env::Table,
    ) -> Result<Vec<T>> {
        let mut cursor = self.txn.cursor(table)?;
        let mut row = cursor.seek(&[])?;
        let mut all = Vec::new();
        while let Some(found) = row {
            all.push(read(found)?);
            row = cursor.next()?;
        }
        Ok(all)
    }
}
