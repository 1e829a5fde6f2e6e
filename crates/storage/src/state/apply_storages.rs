//! The storages of a batch: proved sets, and copies of settled ones.
//!
//! A set counts only for an account that is pending with exactly the root that the set was proved against. A whole set
//! settles it; a part shrinks its sub-gaps.

use alloy_primitives::B256;
use snapsync_trie::{PendingStorage, StorageClaim, TargetId};

use crate::{
    env::{Table, WriteCursor, WriteTxn},
    error::Result,
    state::{
        accounts, dirty,
        pack::PackRows,
        pack_inserter::Inserter,
        pack_writer,
        packed::{PackedStorages, SetView},
        pending::{self, PendingRow},
        progress::CommitNumber,
        tables::{ACCOUNTS, PENDING_STORAGES, STORAGE_NODES, STORAGES},
        write::{Done, StorageCopy, StorageSet, StorageState, Summary},
    },
    writer::Ticket,
};

/// Packs of a copy that are in memory at once: ~1 MiB.
const COPY_PACKS_MAX: usize = 512;

/// How many slots a batch put, and how many it took away to put others in their place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slots {
    pub(crate) put: u64,
    pub(crate) cleared: u64,
}

/// A storage answer, with its place in its batch.
#[derive(Debug)]
pub(crate) struct ProvedStorages {
    pub(crate) at: usize,
    pub(crate) ticket: Ticket,
    pub(crate) target: TargetId,
    pub(crate) storages: PackedStorages,
}

/// Writes all sets in the order of their accounts; returns how many slots that were.
pub(crate) fn apply(
    txn: &WriteTxn<'_>,
    writes: Vec<ProvedStorages>,
    scratch: &mut Vec<u8>,
    done: &mut Done,
) -> Result<Slots> {
    let mut sets: Vec<(usize, usize, SetView<'_>)> = writes
        .iter()
        .enumerate()
        .flat_map(|(write, all)| all.storages.sets().enumerate().map(move |(set, found)| (write, set, found)))
        .collect();
    sets.sort_unstable_by_key(|(_, _, set)| (set.claim().account, set.covered().start()));
    let mut outcomes: Vec<Vec<Option<(StorageSet, u64)>>> =
        writes.iter().map(|all| vec![None; all.storages.len()]).collect();
    let mut cursors = Cursors {
        txn,
        rows: Inserter::new(txn, STORAGES)?,
        nodes: Inserter::new(txn, STORAGE_NODES)?,
        pendings: txn.cursor(PENDING_STORAGES)?,
        scratch,
        slots: Slots::default(),
    };
    for (write, at, set) in sets {
        let before = cursors.slots.put;
        let state = cursors.apply_set(&set)?;
        let slots = set.rows_len();
        let outcome = StorageSet { account: set.claim().account, covered: set.covered(), slots, state };
        outcomes[write][at] = Some((outcome, cursors.slots.put - before));
    }
    cursors.rows.settle()?;
    cursors.nodes.settle()?;
    let slots = cursors.slots;
    for (ProvedStorages { at, ticket, .. }, outcomes) in writes.iter().zip(outcomes) {
        let rows = outcomes.iter().flatten().map(|(_, rows)| rows).sum();
        let sets = outcomes.into_iter().flatten().map(|(set, _)| set).collect();
        done.push((*at, *ticket, Summary::Storages { sets, rows }));
    }
    Ok(slots)
}

struct Cursors<'t, 'e, 's> {
    txn: &'t WriteTxn<'e>,
    rows: Inserter<'t>,
    nodes: Inserter<'t>,
    pendings: WriteCursor<'t>,
    scratch: &'s mut Vec<u8>,
    slots: Slots,
}

impl Cursors<'_, '_, '_> {
    fn apply_set(&mut self, set: &SetView<'_>) -> Result<StorageState> {
        let (claim, key) = (set.claim(), set.claim().account);
        let Some(row) = self.pendings.find(key.as_slice())? else { return Ok(StorageState::Dropped) };
        let pending = pending::decode(key.as_slice(), &row)?;
        if !pending.storage.waits_for(&claim) {
            return Ok(StorageState::Unclaimed);
        }
        if set.is_whole() { self.apply_whole(set, &pending.storage) } else { self.apply_part(set, pending) }
    }

    fn apply_whole(&mut self, set: &SetView<'_>, pending: &PendingStorage) -> Result<StorageState> {
        if !pending.parts.is_missing() {
            // The pieces may be of an older target; the whole set is proved and replaces them all.
            self.rows.settle()?;
            self.nodes.settle()?;
            self.slots.cleared += clear(self.txn, &pending.account)?;
        }
        self.put_all(set)?;
        self.pendings.delete()?;
        Ok(StorageState::Settled)
    }

    fn apply_part(&mut self, set: &SetView<'_>, mut row: PendingRow) -> Result<StorageState> {
        let pending = &mut row.storage;
        // Slots that give the claimed root are as new as the claim, whatever the state was that they were asked of.
        let pieces = pending.fill(set.covered(), pending.target);
        if pieces.is_empty() {
            // Whoever asked has to hear that this much is held, or waits for ever for what an answer of others was cut short at.
            return Ok(part_of(&row));
        }
        if pieces == [set.covered()] {
            self.put_all(set)?;
        } else {
            let (rows, nodes, count) = set.within(&pieces)?;
            self.rows.insert(rows.iter())?;
            self.nodes.insert(nodes.iter())?;
            self.slots.put += count;
        }
        pending::put(self.txn, &row, self.scratch)?;
        Ok(part_of(&row))
    }

    /// Writes all of a set: no row of what it covers is held.
    fn put_all(&mut self, set: &SetView<'_>) -> Result<()> {
        self.rows.insert(set.rows())?;
        self.nodes.insert(set.nodes())?;
        self.slots.put += set.rows_len();
        Ok(())
    }
}

/// What a storage is of which a part is held.
fn part_of(row: &PendingRow) -> StorageState {
    if row.storage.is_filled() { StorageState::Filled } else { StorageState::Partial }
}

/// Takes all rows and nodes of a storage away, with what is marked of them; returns how many slots that were.
pub(crate) fn clear(txn: &WriteTxn<'_>, account: &B256) -> Result<u64> {
    dirty::clear(txn, Some(account), CommitNumber::NEWEST)?;
    pack_writer::clear(txn, STORAGE_NODES, account.as_slice())?;
    pack_writer::clear(txn, STORAGES, account.as_slice())
}

/// Puts rows and nodes of donors under those accounts that expect their roots; returns how many slots that were.
pub(crate) fn copy(txn: &WriteTxn<'_>, copies: &[StorageCopy]) -> Result<(Summary, Slots)> {
    let (mut settled, mut refused, mut slots) = (Vec::new(), Vec::new(), Slots::default());
    for copy in copies {
        settled.append(&mut copy_one(txn, copy, &mut refused, &mut slots)?);
    }
    Ok((Summary::Copied { settled, refused }, slots))
}

/// Copies one donor's storage; returns who has it now.
fn copy_one(
    txn: &WriteTxn<'_>,
    StorageCopy { donor, accounts }: &StorageCopy,
    refused: &mut Vec<B256>,
    slots: &mut Slots,
) -> Result<Vec<B256>> {
    let mut settled = Vec::new();
    let fits = is_settled(txn, donor)?;
    for account in accounts {
        match pending::get(txn, account)? {
            Some(PendingRow { storage, .. })
                if fits && storage.expected == Some(donor.root) && *account != donor.account =>
            {
                if !storage.parts.is_missing() {
                    slots.cleared += clear(txn, account)?;
                }
                settled.push(*account);
            }
            _ => refused.push(*account),
        }
    }
    settled.sort_unstable();
    settled.dedup();
    if !settled.is_empty() {
        slots.put += copy_packs(txn, STORAGES, &donor.account, &settled)?;
        copy_packs(txn, STORAGE_NODES, &donor.account, &settled)?;
    }
    for account in &settled {
        txn.delete(PENDING_STORAGES, account.as_slice())?;
    }
    Ok(settled)
}

/// Whether what we hold of the donor gives the root that it claims: its row says so and it is not pending.
fn is_settled(txn: &WriteTxn<'_>, donor: &StorageClaim) -> Result<bool> {
    if pending::get(txn, &donor.account)?.is_some() {
        return Ok(false);
    }
    let key = donor.account.as_slice();
    match pack_writer::find(txn, ACCOUNTS, &[], key)? {
        Some(row) => Ok(accounts::decode(key, &row)?.storage_root == donor.root),
        None => Ok(false),
    }
}

/// Puts the donor's packs of one table under `accounts`, who have none; returns how many rows that were.
fn copy_packs(txn: &WriteTxn<'_>, table: &'static Table, donor: &B256, accounts: &[B256]) -> Result<u64> {
    let mut cursor = txn.cursor(table)?;
    let (mut from, mut key, mut copied) = (donor.to_vec(), Vec::new(), 0);
    loop {
        let mut packs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut pack = cursor.seek(&from)?;
        while let Some((key, value)) = pack
            && packs.len() < COPY_PACKS_MAX
            && key.starts_with(donor.as_slice())
        {
            packs.push((key.into_owned(), value.into_owned()));
            pack = cursor.next()?;
        }
        let Some((last, _)) = packs.last() else { return Ok(copied) };
        // The shortest key behind `last`: a path may go on with the nibble 0.
        from.clone_from(last);
        from.push(0);
        for account in accounts {
            for (donor_key, value) in &packs {
                key.clear();
                key.extend_from_slice(account.as_slice());
                key.extend_from_slice(&donor_key[donor.len()..]);
                cursor.insert(&key, value)?;
            }
        }
        for (key, value) in &packs {
            let mut rows = PackRows::new(table, donor.len(), key, value)?;
            while rows.next()?.is_some() {
                copied += accounts.len() as u64;
            }
        }
    }
}
