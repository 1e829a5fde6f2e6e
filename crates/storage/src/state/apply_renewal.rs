//! An account range that was asked again: rows that are not newer than its target make way for those that were proved now.
//!
//! ```text
//! a row that is gone now          goes, with its storage
//! a storage of another root       what is held of it stays, and is pending with the new claim: the derived root tells
//! a storage of the same root      is settled if it was, and else has a claim of now
//! ```
//!
//! What is missing stays missing, and what is newer stays as it is. Rows of the same target differ in their storage's root at most, where a
//! list that was applied has left it owed.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use snapsync_trie::{Account, Coverage, EMPTY_ROOT, HashRange, PendingStorage, Standing, TargetId};

use crate::{
    env::WriteTxn,
    error::Result,
    state::{
        accounts::{self, hash_key},
        apply_list::Grown,
        apply_storages,
        coverage::AccountCoverage,
        marked,
        pack::PackRows,
        pack_writer::{self, Revision},
        packed::PackedAccounts,
        pending::{self, PendingRow},
        progress::CommitNumber,
        tables::{ACCOUNTS, PENDING_STORAGES},
    },
};

/// What a renewal has changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Renewed {
    /// Where rows are of the target now, rising.
    pub(crate) pieces: Vec<HashRange>,
    pub(crate) grown: Grown,
    /// Rows that changed.
    pub(crate) rows: u64,
    /// Storages that are pending now, of the rows that were looked at.
    pub(crate) storages: Vec<PendingStorage>,
    /// Accounts whose storages wait no more: they have none now.
    pub(crate) freed: Vec<B256>,
    /// Codes that rows name now, each once.
    pub(crate) codes: BTreeSet<B256>,
}

/// Puts the rows of a proved range in the place of older ones.
pub(crate) fn apply(
    txn: &WriteTxn<'_>,
    held: &mut AccountCoverage,
    commit: CommitNumber,
    target: TargetId,
    accounts: &PackedAccounts,
) -> Result<Renewed> {
    let older: Vec<(HashRange, Standing)> = held
        .get()
        .within(accounts.covered())
        .filter(|(_, standing)| standing.is_held() && standing.is_up_to(target))
        .collect();
    let mut renewal = Renewal::new(txn, commit, target);
    for (piece, standing) in &older {
        renewal.piece(*piece, *standing, &accounts.within(&[*piece])?)?;
        renewal.renewed.pieces.push(*piece);
    }
    let renewed = renewal.write(held.get())?;
    held.renew(txn, &renewed.pieces, target)?;
    Ok(renewed)
}

/// Rows that differ, gathered until they are written at once.
pub(crate) struct Renewal<'a, 'e> {
    txn: &'a WriteTxn<'e>,
    commit: CommitNumber,
    target: TargetId,
    changes: BTreeMap<B256, Option<Vec<u8>>>,
    renewed: Renewed,
}

impl<'a, 'e> Renewal<'a, 'e> {
    pub(crate) fn new(txn: &'a WriteTxn<'e>, commit: CommitNumber, target: TargetId) -> Self {
        Self { txn, commit, target, changes: BTreeMap::new(), renewed: Renewed::default() }
    }

    /// What has changed, where `rows` rows were written by whoever asked what becomes of each.
    pub(crate) fn written(self, rows: usize) -> Renewed {
        Renewed { rows: rows as u64, ..self.renewed }
    }

    /// Writes the rows, and marks them.
    fn write(self, held: &Coverage) -> Result<Renewed> {
        let Self { txn, commit, changes, mut renewed, .. } = self;
        renewed.rows = changes.len() as u64;
        marked::change(txn, None, held, commit, changes.iter().map(|(key, body)| (key, body.as_deref())))?;
        Ok(renewed)
    }

    fn piece(&mut self, piece: HashRange, standing: Standing, now: &PackedAccounts) -> Result<()> {
        let mut before = BTreeMap::new();
        let held =
            pack_writer::rows_in(self.txn, ACCOUNTS, &[], piece.start().as_slice(), piece.last().as_slice())?;
        for (key, body) in held {
            before.insert(hash_key(ACCOUNTS.name, &key)?, body);
        }
        for (pack, value) in now.rows.iter() {
            let mut rows = PackRows::new(ACCOUNTS, 0, pack, value)?;
            while let Some((key, body)) = rows.next()? {
                let hash = hash_key(ACCOUNTS.name, key)?;
                let old = before.remove(&hash);
                if let Revision::Put(body) = self.account(hash, standing, old.as_deref(), body)? {
                    self.changes.insert(hash, Some(body.into_owned()));
                }
            }
        }
        for key in before.into_keys() {
            self.gone(key)?;
            self.changes.insert(key, None);
        }
        Ok(())
    }

    /// An account that is there no more.
    pub(crate) fn gone<'b>(&mut self, key: B256) -> Result<Revision<'b>> {
        self.clear(&key)?;
        self.renewed.grown.accounts -= 1;
        Ok(Revision::Gone)
    }

    /// An account that is there now: what becomes of its row.
    pub(crate) fn account<'b>(
        &mut self,
        key: B256,
        standing: Standing,
        old: Option<&[u8]>,
        body: &'b [u8],
    ) -> Result<Revision<'b>> {
        let now = accounts::decode(key.as_slice(), body)?;
        let before = old.map(|old| accounts::decode(key.as_slice(), old)).transpose()?;
        self.claim(key, standing, before, now.storage_root)?;
        if now.has_code() {
            self.renewed.codes.insert(now.code_hash);
        }
        if old == Some(body) {
            return Ok(Revision::Same);
        }
        self.renewed.grown.accounts += i64::from(old.is_none());
        Ok(Revision::Put(body.into()))
    }

    /// What is known of the storage that the row claims now.
    fn claim(
        &mut self,
        account: B256,
        standing: Standing,
        before: Option<Account>,
        root: B256,
    ) -> Result<()> {
        if root == EMPTY_ROOT {
            return self.clear(&account);
        }
        let (target, expected, mut scratch) = (self.target, Some(root), Vec::new());
        let row = match pending::get(self.txn, &account)? {
            Some(row) if row.storage.expected == expected && row.storage.target == target => {
                self.renewed.storages.push(row.storage);
                return Ok(());
            }
            Some(PendingRow { mut storage, since }) => {
                // What was derived for another claim would take this one's row away.
                let since = if storage.expected == expected { since } else { self.commit };
                storage.reclaim(root, target);
                PendingRow { storage, since }
            }
            None => {
                let root_before = before.map_or(EMPTY_ROOT, |before| before.storage_root);
                if root_before == root {
                    return Ok(());
                }
                let is_new = root_before == EMPTY_ROOT;
                let parts = if is_new { Coverage::missing() } else { Coverage::all(standing) };
                PendingRow {
                    storage: PendingStorage { account, expected, target, parts },
                    since: self.commit,
                }
            }
        };
        pending::put(self.txn, &row, &mut scratch)?;
        self.renewed.storages.push(row.storage);
        Ok(())
    }

    fn clear(&mut self, account: &B256) -> Result<()> {
        self.renewed.grown.slots -= apply_storages::clear(self.txn, account)?.cast_signed();
        if self.txn.delete(PENDING_STORAGES, account.as_slice())? {
            self.renewed.freed.push(*account);
        }
        Ok(())
    }
}
