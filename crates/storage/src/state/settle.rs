//! What derived branches bring: a storage leaves Pending, or the account trie has a root that counts.
//!
//! Branches are of the rows that their snapshot saw. Rows that have changed since are marked with a later commit: those marks stay, and
//! while there are any, no root counts.

use alloy_primitives::B256;
use snapsync_trie::{PendingStorage, Standing};

use crate::{
    env::{Table, WriteTxn},
    error::{Error, Result},
    state::{
        accounts::{self, ROW_MAX},
        coverage::AccountCoverage,
        derivations::{Derivations, Turn},
        dirty::{self, Marks},
        fences::Fences,
        marked,
        nodes::{self, NodeChanges},
        pack_writer, pending,
        progress::{CommitNumber, MEND_KEY},
        tables::{ACCOUNTS, DIRTY_ACCOUNTS, DIRTY_SLOTS, PENDING_CODES, PENDING_STORAGES, PROGRESS},
        write::{AccountTrieOutcome, Derived, Settlement},
    },
};

/// Branches of one trie, derived from a snapshot.
#[derive(Debug)]
pub(crate) struct DerivedNodes {
    pub(crate) nodes: NodeChanges,
    pub(crate) derived: Derived,
    /// What the snapshot had seen.
    pub(crate) seen: CommitNumber,
}

/// Derived branches of a storage whose rows are all held; the account leaves Pending once the root is known, unless rows have changed
/// meanwhile, or the root contradicts what they were proved by.
pub(crate) fn storage(
    txn: &WriteTxn<'_>,
    held: &mut AccountCoverage,
    derivations: &mut Derivations,
    commit: CommitNumber,
    account: &B256,
    nodes: &DerivedNodes,
) -> Result<Settlement> {
    let settlement = derived(txn, held, derivations, commit, account, nodes)?;
    if matches!(settlement, Settlement::Settled | Settlement::Taken { .. } | Settlement::Dropped) {
        derivations.forget(account);
    }
    Ok(settlement)
}

fn derived(
    txn: &WriteTxn<'_>,
    held: &mut AccountCoverage,
    derivations: &mut Derivations,
    commit: CommitNumber,
    account: &B256,
    DerivedNodes { nodes, derived, seen }: &DerivedNodes,
) -> Result<Settlement> {
    let row = pending::get(txn, account)?;
    // What was seen before it became pending is another storage.
    let row = row.filter(|row| row.storage.is_filled() && row.since <= *seen);
    let Some(pending) = row.map(|row| row.storage) else { return Ok(Settlement::Dropped) };
    if derivations.write(Some(account), *seen, commit) == Turn::Overlapping {
        return Ok(Settlement::Outdated);
    }
    // All its rows are held: no pack can reach over a gap.
    nodes::put_changes(txn, Some(account), &Fences::none(), nodes)?;
    let Derived::Whole(root) = *derived else { return Ok(Settlement::Unfinished) };
    if dirty::clear(txn, Some(account), *seen)? == Marks::Newer {
        return Ok(Settlement::Outdated);
    }
    if pending.expected == Some(root) {
        txn.delete(PENDING_STORAGES, account.as_slice())?;
        return Ok(Settlement::Settled);
    }
    if pending.is_of_one_target() {
        // The claim stays what it was: nothing may look right that is not.
        return Ok(Settlement::Unequal { expected: pending.expected, derived: root });
    }
    take(txn, held, commit, &pending, root)?;
    Ok(Settlement::Taken { root, standing: held.get().at(pending.account) })
}

/// Pending's second exit: the account's row takes the root that its slots give, and its path is marked.
fn take(
    txn: &WriteTxn<'_>,
    held: &mut AccountCoverage,
    commit: CommitNumber,
    pending: &PendingStorage,
    root: B256,
) -> Result<()> {
    let key = pending.account.as_slice();
    let Some(row) = pack_writer::find(txn, ACCOUNTS, &[], key)? else {
        return Err(Error::corrupt(ACCOUNTS.name, key, "a storage is pending of which there is no account"));
    };
    let mut account = accounts::decode(key, &row)?;
    account.storage_root = root;
    let mut body = [0; ROW_MAX];
    let length = accounts::encode(&account, &mut body);
    marked::change(txn, None, held.get(), commit, [(&pending.account, Some(&body[..length]))])?;
    txn.delete(PENDING_STORAGES, key)?;
    // From now on the storage is as new as its account: both are as old as the older of them.
    let oldest = pending.parts.stretches().map(|(_, standing)| standing).reduce(Standing::older);
    held.lower(txn, pending.account, oldest.unwrap_or_default())
}

/// Derived branches of the account trie. Its root counts if no account has changed since, and none owes the root of its storage.
pub(crate) fn accounts(
    txn: &WriteTxn<'_>,
    held: &AccountCoverage,
    derivations: &mut Derivations,
    commit: CommitNumber,
    DerivedNodes { nodes, derived, seen }: &DerivedNodes,
) -> Result<AccountTrieOutcome> {
    if derivations.write(None, *seen, commit) == Turn::Overlapping {
        return Ok(AccountTrieOutcome::Outdated);
    }
    nodes::put_changes(txn, None, &held.branch_fences(), nodes)?;
    let Derived::Whole(root) = *derived else { return Ok(AccountTrieOutcome::Unfinished) };
    let is_last = dirty::clear(txn, None, *seen)? == Marks::Gone;
    if is_last && are_empty(txn, [DIRTY_SLOTS, PENDING_STORAGES])? {
        return Ok(AccountTrieOutcome::Derived(root));
    }
    Ok(AccountTrieOutcome::Outdated)
}

/// Whether nothing has changed since it was derived, nothing is pending, and nothing is being mended: only then a root is the whole state's.
pub(crate) fn is_at_rest(txn: &WriteTxn<'_>) -> Result<bool> {
    Ok(txn.get(PROGRESS, &MEND_KEY)?.is_none()
        && are_empty(txn, [DIRTY_ACCOUNTS, DIRTY_SLOTS, PENDING_STORAGES, PENDING_CODES])?)
}

fn are_empty<const N: usize>(txn: &WriteTxn<'_>, tables: [&'static Table; N]) -> Result<bool> {
    for table in tables {
        if txn.cursor(table)?.seek(&[])?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}
