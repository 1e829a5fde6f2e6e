//! The first transaction: what has no root above it is read by its seals, and made anew where these are broken.
//!
//! ```text
//!   the record of the sync      the state is not whole; unreadable, its target is the newest that is known
//!   targets                     the one of the record is known; others are only if they can be read
//!   what is held                as of no known block; unreadable, all of it counts as held: healing finds what is not there
//!   what is pending             unreadable, it goes: whoever compares slots and claims finds it again
//!   marks, undo                 go: all branches are compared, and no block can be taken back any more
//! ```

use std::collections::BTreeSet;

use snapsync_trie::{Coverage, Standing, TargetId};

use crate::{
    env::{ReadTxn, Table, WriteTxn},
    error::{Error, Result},
    gate::CommitGate,
    mend::{mending::Mending, record::MendRecord},
    state::{
        coverage::AccountCoverage,
        pending,
        progress::{MEND_KEY, SyncRecord},
        snapshot::StateSnapshot,
        store::StateStore,
        tables::{
            ACCOUNT_RANGES, CODES, DIRTY_ACCOUNTS, DIRTY_SLOTS, PENDING_CODES, PENDING_STORAGES, PROGRESS,
            TARGETS, UNDO, UNDO_BLOCKS,
        },
        targets::{KnownTarget, Targets},
    },
};

/// Begins a mending, or goes on with one that was begun. None where no target is recorded: nothing can be held against anything.
pub(crate) fn begin<'s>(
    store: &'s StateStore,
    gate: &'s mut dyn CommitGate,
    phase: u8,
) -> Result<Option<Mending<'s>>> {
    let snapshot = store.snapshot()?;
    let (record, records_lost) = match snapshot.record() {
        Ok(Some(record)) => (record, 0),
        Ok(None) => return Ok(None),
        Err(error @ Error::Corrupt { .. }) => (record_of_rows(&snapshot)?.ok_or(error)?, 1),
        Err(error) => return Err(error),
    };
    let Some(pin) = record.progress.pin else { return Ok(None) };
    let begun = snapshot.txn.get(PROGRESS, &MEND_KEY)?.map(MendRecord::decode);
    if let Some(Some(at)) = begun.map(readable).transpose()? {
        let held = AccountCoverage::load(&snapshot.txn)?;
        return Ok(Some(Mending::new(store, gate, record, pin, held, at)));
    }
    let held = AccountCoverage::default();
    let mut mending = Mending::new(store, gate, record, pin, held, MendRecord::default());
    mending.mended.records = records_lost;
    mending.change(|txn, mending| {
        mending.set_back(phase);
        put_right(&snapshot, txn, mending)
    })?;
    Ok(Some(mending))
}

/// What the record of the sync must have said: its target is the newest that is known, and no claim is of a later commit than there were.
fn record_of_rows(snapshot: &StateSnapshot) -> Result<Option<SyncRecord>> {
    let mut record = SyncRecord::default();
    each(&snapshot.txn, TARGETS, |key, value| {
        let target = readable(KnownTarget::decode(key, value))?;
        record.progress.pin = target.map(|target| target.asked).or(record.progress.pin);
        Ok(())
    })?;
    each(&snapshot.txn, PENDING_STORAGES, |key, value| {
        let since = readable(pending::decode(key, value))?.map(|row| row.since);
        record.commits = record.commits.max(since.unwrap_or_default());
        Ok(())
    })?;
    Ok(record.progress.pin.map(|_| record))
}

/// Nothing, where the bytes are not what their table promises.
pub(crate) fn readable<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Error::Corrupt { .. } | Error::Version { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn put_right(snapshot: &StateSnapshot, txn: &WriteTxn<'_>, mending: &mut Mending<'_>) -> Result<()> {
    let known = targets(snapshot, txn, mending)?;
    let held = readable(AccountCoverage::load(&snapshot.txn))?;
    mending.mended.records += u64::from(held.is_none());
    let held = held.map_or_else(|| Coverage::all(Standing::Mixed), |held| of_no_block(held.get()));
    clear(snapshot, txn, ACCOUNT_RANGES)?;
    mending.held = AccountCoverage::anew(txn, held)?;
    pendings(snapshot, txn, mending, &known)?;
    for table in [DIRTY_ACCOUNTS, DIRTY_SLOTS, UNDO, UNDO_BLOCKS] {
        clear(snapshot, txn, table)?;
    }
    Ok(())
}

/// The same, held as of no known block.
fn of_no_block(held: &Coverage) -> Coverage {
    let less = |standing: Standing| if standing.is_held() { Standing::Mixed } else { Standing::Missing };
    let mut marks: Vec<_> = held.marks().iter().map(|(start, standing)| (*start, less(*standing))).collect();
    marks.dedup_by_key(|(_, standing)| *standing);
    Coverage::from_marks(marks).unwrap_or_else(|| Coverage::all(Standing::Mixed))
}

fn targets(
    snapshot: &StateSnapshot,
    txn: &WriteTxn<'_>,
    mending: &mut Mending<'_>,
) -> Result<BTreeSet<TargetId>> {
    let mut known = BTreeSet::new();
    each(&snapshot.txn, TARGETS, |key, value| {
        match readable(KnownTarget::decode(key, value))? {
            Some(target) => drop(known.insert(target.asked.id)),
            None => {
                mending.mended.records += 1;
                txn.delete(TARGETS, key)?;
            }
        }
        Ok(())
    })?;
    if known.insert(mending.pin.id) {
        Targets::new(Vec::new()).record(txn, mending.pin)?;
    }
    Ok(known)
}

fn pendings(
    snapshot: &StateSnapshot,
    txn: &WriteTxn<'_>,
    mending: &mut Mending<'_>,
    known: &BTreeSet<TargetId>,
) -> Result<()> {
    let mut scratch = Vec::new();
    each(&snapshot.txn, PENDING_STORAGES, |key, value| {
        let Some(mut row) = readable(pending::decode(key, value))? else {
            mending.mended.records += 1;
            return txn.delete(PENDING_STORAGES, key).map(drop);
        };
        row.storage.parts = of_no_block(&row.storage.parts);
        if !known.contains(&row.storage.target) {
            row.storage.target = mending.pin.id;
        }
        pending::put(txn, &row, &mut scratch)
    })?;
    each(&snapshot.txn, PENDING_CODES, |key, value| {
        let is_readable = readable(pending::decode_code(key, value))?.is_some();
        mending.mended.records += u64::from(!is_readable);
        if !is_readable || snapshot.txn.get(CODES, key)?.is_some() {
            txn.delete(PENDING_CODES, key)?;
        }
        Ok(())
    })
}

fn clear(snapshot: &StateSnapshot, txn: &WriteTxn<'_>, table: &'static Table) -> Result<()> {
    each(&snapshot.txn, table, |key, _| txn.delete(table, key).map(drop))
}

fn each(txn: &ReadTxn, table: &'static Table, mut see: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
    let mut cursor = txn.cursor(table)?;
    let mut row = cursor.seek(&[])?;
    while let Some((key, value)) = row {
        see(key, value)?;
        row = cursor.next()?;
    }
    Ok(())
}
