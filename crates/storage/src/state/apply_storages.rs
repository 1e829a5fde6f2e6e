//! The storages of a batch: proved sets, and copies of settled ones.
//!
//! A set counts only for an account that is pending with exactly the root that the set was proved against. A whole set
//! settles it; a part shrinks its sub-gaps.

use std::borrow::Cow;

use alloy_primitives::B256;
use snapsync_trie::{Gaps, HashRange, StorageClaim, VerifiedStorage, VerifiedStorages};

use crate::{
    env::{SortedCursor, WriteTxn},
    error::Result,
    state::{
        accounts,
        apply::Done,
        journal::{Held, PendingStorage},
        nodes::{self, NodeKey},
        pending,
        storages::{self, VALUE_MAX},
        tables::{ACCOUNTS, PENDING_STORAGES, STORAGE_NODES, STORAGES},
        write::{StorageSet, StorageState, Summary},
    },
    writer::Ticket,
};

/// Rows or nodes of a copy that are in memory at once: ~300 KiB of slots.
const COPY_ROWS_MAX: usize = 4096;

/// The storage answers of a batch, with their places in it.
pub(crate) type Storages = Vec<(usize, Ticket, VerifiedStorages)>;

/// Writes all sets in the order of their accounts; returns how many slots that were.
pub(crate) fn apply(
    txn: &WriteTxn<'_>,
    writes: Storages,
    scratch: &mut Vec<u8>,
    done: &mut Done,
) -> Result<u64> {
    let mut sets: Vec<(usize, usize, VerifiedStorage<'_>)> = writes
        .iter()
        .enumerate()
        .flat_map(|(write, (_, _, all))| all.sets().enumerate().map(move |(set, found)| (write, set, found)))
        .collect();
    sets.sort_unstable_by_key(|(_, _, set)| (set.claim().account, set.covered().start()));
    let mut outcomes: Vec<Vec<Option<(StorageSet, u64)>>> =
        writes.iter().map(|(_, _, all)| vec![None; all.len()]).collect();
    let mut cursors =
        Cursors { txn, rows: txn.sorted(STORAGES)?, nodes: txn.sorted(STORAGE_NODES)?, scratch, written: 0 };
    for (write, at, set) in sets {
        let before = cursors.written;
        let state = cursors.apply_set(&set)?;
        let slots = set.rows().len() as u64;
        let outcome = StorageSet { account: set.claim().account, covered: set.covered(), slots, state };
        outcomes[write][at] = Some((outcome, cursors.written - before));
    }
    let written = cursors.written;
    for ((at, ticket, _), outcomes) in writes.iter().zip(outcomes) {
        let rows = outcomes.iter().flatten().map(|(_, rows)| rows).sum();
        let sets = outcomes.into_iter().flatten().map(|(set, _)| set).collect();
        done.push((*at, *ticket, Summary::Storages { sets, rows }));
    }
    Ok(written)
}

struct Cursors<'t, 'e, 's> {
    txn: &'t WriteTxn<'e>,
    rows: SortedCursor<'t>,
    nodes: SortedCursor<'t>,
    scratch: &'s mut Vec<u8>,
    written: u64,
}

impl Cursors<'_, '_, '_> {
    fn apply_set(&mut self, set: &VerifiedStorage<'_>) -> Result<StorageState> {
        let claim = set.claim();
        let pending = match pending::get(self.txn, &claim.account)? {
            Some(pending) if pending.claim == claim => pending,
            _ => return Ok(StorageState::Dropped),
        };
        if set.is_whole() { self.apply_whole(set, &pending) } else { self.apply_part(set, pending) }
    }

    fn apply_whole(&mut self, set: &VerifiedStorage<'_>, pending: &PendingStorage) -> Result<StorageState> {
        let account = pending.claim.account;
        if pending.held != Held::Nothing {
            // The pieces may be of an older target; the whole set is proved and replaces them all.
            clear(self.txn, &account)?;
        }
        self.write(set, &[HashRange::FULL])?;
        self.txn.delete(PENDING_STORAGES, account.as_slice())?;
        Ok(StorageState::Settled)
    }

    fn apply_part(&mut self, set: &VerifiedStorage<'_>, mut pending: PendingStorage) -> Result<StorageState> {
        let mut gaps = match pending.held {
            Held::Nothing => Gaps::full(),
            Held::AllBut(gaps) => gaps,
            Held::Rows => return Ok(StorageState::Dropped),
        };
        let pieces: Vec<HashRange> = gaps.within(set.covered()).collect();
        if pieces.is_empty() {
            return Ok(StorageState::Dropped);
        }
        self.write(set, &pieces)?;
        gaps.remove(set.covered());
        let (held, state) = if gaps.is_empty() {
            (Held::Rows, StorageState::Filled)
        } else {
            (Held::AllBut(gaps), StorageState::Partial)
        };
        pending.held = held;
        pending::put(self.txn, &pending, self.scratch)?;
        Ok(state)
    }

    /// Writes what of the set lies in `pieces`, which are parts of gaps: no row of them is held yet.
    fn write(&mut self, set: &VerifiedStorage<'_>, pieces: &[HashRange]) -> Result<()> {
        let account = set.claim().account;
        let key = account.as_slice();
        let mut value = [0; VALUE_MAX];
        for piece in pieces {
            let rows = set.rows();
            let from = rows.partition_point(|row| row.key < piece.start());
            let to = rows.partition_point(|row| row.key <= piece.last());
            let Some(first) = rows[from..to].first() else { continue };
            self.rows.start_dups(key, first.key.as_slice())?;
            for row in &rows[from..to] {
                let len = storages::encode(row, &mut value);
                self.rows.put_dup(key, &value[..len])?;
            }
            self.written += (to - from) as u64;
        }
        nodes::put_inside(&mut self.nodes, &mut NodeKey::storage(&account), set.nodes(), pieces)
    }
}

/// Takes all rows and nodes of a storage away.
fn clear(txn: &WriteTxn<'_>, account: &B256) -> Result<()> {
    txn.delete(STORAGES, account.as_slice())?;
    let mut cursor = txn.sorted(STORAGE_NODES)?;
    while let Some((key, _)) = cursor.seek(account.as_slice())?
        && key.starts_with(account.as_slice())
    {
        cursor.delete()?;
    }
    Ok(())
}

/// Puts the donor's rows and nodes under those of `accounts` that expect its root; returns how many slots that were.
pub(crate) fn copy(txn: &WriteTxn<'_>, donor: StorageClaim, accounts: &[B256]) -> Result<(Summary, u64)> {
    let (mut settled, mut refused) = (Vec::new(), Vec::new());
    let fits = is_settled(txn, &donor)?;
    for account in accounts {
        match pending::get(txn, account)? {
            Some(pending) if fits && pending.claim.root == donor.root && *account != donor.account => {
                if pending.held != Held::Nothing {
                    clear(txn, account)?;
                }
                settled.push(*account);
            }
            _ => refused.push(*account),
        }
    }
    settled.sort_unstable();
    settled.dedup();
    let mut slots = 0;
    if !settled.is_empty() {
        slots = copy_rows(txn, &donor.account, &settled)?;
        copy_nodes(txn, &donor.account, &settled)?;
    }
    for account in &settled {
        txn.delete(PENDING_STORAGES, account.as_slice())?;
    }
    Ok((Summary::Copied { settled, refused }, slots))
}

/// Whether what we hold of the donor gives the root that it claims: its row says so and it is not pending.
fn is_settled(txn: &WriteTxn<'_>, donor: &StorageClaim) -> Result<bool> {
    if pending::get(txn, &donor.account)?.is_some() {
        return Ok(false);
    }
    let key = donor.account.as_slice();
    match txn.get(ACCOUNTS, key)? {
        Some(row) => Ok(accounts::decode(key, &row)?.storage_root == donor.root),
        None => Ok(false),
    }
}

fn copy_rows(txn: &WriteTxn<'_>, donor: &B256, accounts: &[B256]) -> Result<u64> {
    let mut next = Some(B256::ZERO);
    let mut copied = 0;
    while let Some(from) = next {
        let mut values = Vec::new();
        let mut cursor = txn.sorted(STORAGES)?;
        let mut value = cursor.seek_dup(donor.as_slice(), from.as_slice())?;
        while let Some(found) = value
            && values.len() < COPY_ROWS_MAX
        {
            values.push(found.into_owned());
            value = cursor.next_dup()?;
        }
        let Some(last) = values.last() else { break };
        next = HashRange::after(storages::decode(donor.as_slice(), last)?.key);
        for account in accounts {
            cursor.start_dups(account.as_slice(), &values[0])?;
            for value in &values {
                cursor.put_dup(account.as_slice(), value)?;
            }
        }
        copied += (values.len() * accounts.len()) as u64;
    }
    Ok(copied)
}

fn copy_nodes(txn: &WriteTxn<'_>, donor: &B256, accounts: &[B256]) -> Result<()> {
    let mut from = donor.to_vec();
    loop {
        let mut nodes: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut cursor = txn.sorted(STORAGE_NODES)?;
        let mut row = cursor.seek(&from)?;
        while let Some((key, value)) = row
            && nodes.len() < COPY_ROWS_MAX
            && key.starts_with(donor.as_slice())
        {
            nodes.push((Cow::into_owned(key), value.into_owned()));
            row = cursor.next()?;
        }
        let Some((last, _)) = nodes.last() else { return Ok(()) };
        // The shortest key behind `last`: a path may go on with the nibble 0.
        from.clone_from(last);
        from.push(0);
        let mut key = Vec::new();
        for account in accounts {
            for (at, (donor_key, value)) in nodes.iter().enumerate() {
                key.clear();
                key.extend_from_slice(account.as_slice());
                key.extend_from_slice(&donor_key[32..]);
                if at == 0 {
                    cursor.start_run(&key)?;
                }
                cursor.put(&key, value)?;
            }
        }
    }
}
