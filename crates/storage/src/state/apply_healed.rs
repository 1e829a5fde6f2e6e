//! Rows that healing found to differ take the place of ours.
//!
//! ```text
//! an account that differs       takes the row; a storage of another root stays as it is held, and is pending with the new claim
//! an account that is gone       goes, with its storage
//! a slot that differs           changes below the claim that it was healed for; a claim that is another by now takes nothing
//! ```
//!
//! What changes is marked, and how new a stretch is does not change: rows of a target that is no older than their stretch are as good as any of
//! it. What is newer stays as it is, and what is missing stays missing: it comes by ranges.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use snapsync_trie::{Coverage, Standing, StorageClaim, TargetId};

use crate::{
    env::{Table, WriteTxn},
    error::Result,
    state::{
        accounts::hash_key,
        apply_renewal::{Renewal, Renewed},
        healed::{HealedAccounts, HealedRows, HealedSlots},
        marked,
        pack_writer::{self, Revision},
        pending,
        progress::CommitNumber,
        tables::{ACCOUNTS, STORAGES},
    },
};

/// Puts accounts of `target` in the place of ours.
pub(crate) fn accounts(
    txn: &WriteTxn<'_>,
    held: &Coverage,
    commit: CommitNumber,
    target: TargetId,
    HealedAccounts { rows: healed }: &HealedAccounts,
) -> Result<Renewed> {
    let mut renewal = Renewal::new(txn, commit, target);
    let takes = |standing: Standing| standing.is_held() && standing.is_up_to(target);
    let gone = rows_gone(txn, ACCOUNTS, &[], held, takes, healed)?;
    let rows = theirs(gone, healed.rows.iter().filter(|(key, _)| takes(held.at(**key))));
    let changed = marked::revise(txn, None, held, commit, &rows, |Theirs { key, body }, old| match body {
        Some(body) => renewal.account(*key, held.at(*key), old, body),
        None => renewal.gone(*key),
    })?;
    Ok(renewal.written(changed))
}

/// A row as it is on their side.
#[derive(Clone, Copy, Debug)]
struct Theirs<'h> {
    key: B256,
    /// `None`: there is none.
    body: Option<&'h [u8]>,
}

impl AsRef<[u8]> for Theirs<'_> {
    fn as_ref(&self) -> &[u8] {
        self.key.as_slice()
    }
}

/// Rows that are gone and rows that are there, rising.
fn theirs<'h>(gone: BTreeSet<B256>, there: impl Iterator<Item = (&'h B256, &'h Vec<u8>)>) -> Vec<Theirs<'h>> {
    let mut rows: BTreeMap<B256, Option<&[u8]>> = gone.into_iter().map(|key| (key, None)).collect();
    rows.extend(there.map(|(key, body)| (*key, Some(body.as_slice()))));
    rows.into_iter().map(|(key, body)| Theirs { key, body }).collect()
}

/// What became of slots that were healed.
#[derive(Debug, Default)]
pub(crate) struct HealedStorages {
    /// By how many there are more than before.
    pub(crate) grown: i64,
    /// Rows that changed.
    pub(crate) rows: u64,
    /// Claims whose slots were put.
    pub(crate) healed: Vec<StorageClaim>,
    /// Claims that do not stand any more.
    pub(crate) dropped: Vec<StorageClaim>,
}

/// Puts slots in the place of ours.
pub(crate) fn storages(
    txn: &WriteTxn<'_>,
    commit: CommitNumber,
    storages: &[HealedSlots],
) -> Result<HealedStorages> {
    let mut done = HealedStorages::default();
    for found in storages {
        match slots(txn, commit, found)? {
            Some((grown, rows)) => {
                done.grown += grown;
                done.rows += rows;
                done.healed.push(found.claim());
            }
            None => done.dropped.push(found.claim()),
        }
    }
    Ok(done)
}

/// The same of one storage, if its account still claims the root that they are of; returns by how many there are more than before, and how many
/// have changed.
fn slots(txn: &WriteTxn<'_>, commit: CommitNumber, healed: &HealedSlots) -> Result<Option<(i64, u64)>> {
    let (claim, healed) = (healed.claim(), &healed.rows);
    let account = claim.account.as_slice();
    let Some(pending) = pending::get(txn, &claim.account)?.filter(|row| row.storage.waits_for(&claim)) else {
        return Ok(None);
    };
    let parts = &pending.storage.parts;
    let gone = rows_gone(txn, STORAGES, account, parts, Standing::is_held, healed)?;
    let rows = theirs(gone, healed.rows.iter().filter(|(key, _)| parts.at(**key).is_held()));
    let mut grown = 0;
    let changed = marked::revise(txn, Some(&claim.account), parts, commit, &rows, |row, old| {
        if old == row.body {
            return Ok(Revision::Same);
        }
        grown += i64::from(row.body.is_some()) - i64::from(old.is_some());
        Ok(row.body.map_or(Revision::Gone, |body| Revision::Put(body.into())))
    })?;
    Ok(Some((grown, changed as u64)))
}

/// Keys of rows that stand where none is, and give way to it.
fn rows_gone(
    txn: &WriteTxn<'_>,
    table: &'static Table,
    prefix: &[u8],
    held: &Coverage,
    takes: impl Fn(Standing) -> bool,
    healed: &HealedRows,
) -> Result<BTreeSet<B256>> {
    let mut keys = BTreeSet::new();
    for range in &healed.gone {
        for (piece, _) in held.within(*range).filter(|(_, standing)| takes(*standing)) {
            let (start, last) = (piece.start(), piece.last());
            for (key, _) in pack_writer::rows_in(txn, table, prefix, start.as_slice(), last.as_slice())? {
                keys.insert(hash_key(table.name, &key)?);
            }
        }
    }
    Ok(keys)
}
