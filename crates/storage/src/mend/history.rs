//! Headers, bodies and receipts that are not what the hashes above them say go, and are asked for again.
//!
//! ```text
//!   from the top down, hash by hash       a header that is another ends the piece: what lies below is asked for again
//!   numbers, and what is canonical        as the headers say
//!   a body, receipts                      not its header's: it goes, and is missing
//!   what lies beside the chain            not its hash's: it goes
//! ```
//!
//! It trusts the record's top, which its seal vouches for. Where the topmost header is the one that is gone, it does nothing: what lies
//! below hangs from nothing then.

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256;
use snapsync_wire::Header;

use crate::{
    env::{Table, WriteTxn},
    error::Result,
    history::{
        record::{HISTORY_KEY, HeaderPiece, HistoryRecord},
        snapshot::HistorySnapshot,
        spans::{BlockSpan, Spans, join},
        store::HistoryStore,
        tables::{
            BODIES, BODY_GAPS, CANONICAL, HEADERS, NUMBERS, PROGRESS, RECEIPT_GAPS, RECEIPTS, block_key,
        },
    },
    mend::{begin::readable, record::Mended},
    verify::{check_beside, check_raw_body, check_raw_receipts},
};

/// Blocks that one transaction looks after, and rows beside the chain that one takes away.
const CHUNK: u64 = 256;

/// Bodies or receipts: their table, that of their gaps, and the gaps.
struct Parts {
    table: &'static Table,
    gaps: Spans,
}

/// What is to change for some blocks.
#[derive(Default)]
struct Changes {
    canonical: Vec<(u64, B256)>,
    numbers: Vec<(u64, B256)>,
    lost: Vec<(&'static Table, Vec<u8>)>,
    /// Numbers that are missing now, of bodies and of receipts.
    missing: [Vec<u64>; 2],
    /// Numbers that are said to be missing, and are not.
    found: [Vec<u64>; 2],
    /// The lowest header that is sound, with its parent's hash, where that one is not.
    ends: Option<(u64, B256)>,
}

/// Puts the history right.
pub(crate) fn mend(store: &HistoryStore, mended: &mut Mended) -> Result<()> {
    let snapshot = store.snapshot()?;
    let Some(mut record) = snapshot.record()? else { return Ok(()) };
    let Some(held) = record.held else { return Ok(()) };
    let mut parts = [
        Parts { table: BODIES, gaps: gaps(store, &snapshot, BODY_GAPS, mended)? },
        Parts { table: RECEIPTS, gaps: gaps(store, &snapshot, RECEIPT_GAPS, mended)? },
    ];
    let mut next = Some((held.top.number, held.top.hash));
    while let Some(from) = next {
        let mut changes = Changes::default();
        next = walk(&store.snapshot()?, &record, &parts, from, &mut changes)?;
        if changes.ends.is_some_and(|(floor, _)| floor > held.top.number) {
            return Ok(());
        }
        apply(store, &mut record, &mut parts, held, changes, mended)?;
    }
    let lost = record.held.map(|held| held.floor_parent);
    beside(store, lost.unwrap_or_default(), mended)
}

/// The gaps that are recorded; where they cannot be read, none: they are found again block by block.
fn gaps(
    store: &HistoryStore,
    snapshot: &HistorySnapshot,
    table: &'static Table,
    mended: &mut Mended,
) -> Result<Spans> {
    if let Some(gaps) = readable(Spans::load(&snapshot.txn, table))? {
        return Ok(gaps);
    }
    mended.records += 1;
    let env = store.env().clone();
    let txn = env.writer()?;
    let mut cursor = snapshot.txn.cursor(table)?;
    let mut row = cursor.seek(&[])?;
    while let Some((key, _)) = row {
        txn.delete(table, key)?;
        row = cursor.next()?;
    }
    txn.commit()?;
    Spans::load(&store.snapshot()?.txn, table)
}

/// Looks at some blocks from one on downward; gives the next one, if there is one.
fn walk(
    snapshot: &HistorySnapshot,
    record: &HistoryRecord,
    parts: &[Parts; 2],
    (mut number, mut hash): (u64, B256),
    changes: &mut Changes,
) -> Result<Option<(u64, B256)>> {
    let floor = record.held.map_or(0, |held| held.floor);
    let gaps = parts.each_ref().map(|parts| parts.gaps.list());
    for _ in 0..CHUNK {
        let key = block_key(number, &hash);
        let raw = snapshot.txn.get(HEADERS, &key)?;
        let header = raw.filter(|raw| keccak256(raw) == hash).map(Bytes::copy_from_slice);
        let header =
            header.and_then(|raw| Header::decode(&raw).ok()).filter(|header| header.number == number);
        let Some(header) = header else {
            changes.lost.extend(raw.map(|_| (HEADERS, key.to_vec())));
            changes.ends = Some((number + 1, hash));
            return Ok(None);
        };
        let at = number.to_be_bytes();
        if snapshot.txn.get(CANONICAL, &at)? != Some(hash.as_slice()) {
            changes.canonical.push((number, hash));
        }
        if snapshot.txn.get(NUMBERS, hash.as_slice())? != Some(&at[..]) {
            changes.numbers.push((number, hash));
        }
        for (nth, Parts { table, .. }) in parts.iter().enumerate() {
            let raw = snapshot.txn.get(table, &key)?;
            let is_its = |raw: &[u8]| match nth {
                0 => check_raw_body(&header, raw).is_ok(),
                _ => check_raw_receipts(&header, raw).is_ok(),
            };
            let is_sound = raw.is_some_and(is_its);
            if raw.is_some() && !is_sound {
                changes.lost.push((table, key.to_vec()));
            }
            let within = |span: &BlockSpan| (span.first..=span.last).contains(&number);
            let is_missing = gaps[nth].iter().any(within);
            if is_sound && is_missing {
                changes.found[nth].push(number);
            } else if !is_sound && !is_missing && record.wanted.as_ref().is_some_and(within) {
                changes.missing[nth].push(number);
            }
        }
        if number <= floor {
            return Ok(None);
        }
        (number, hash) = (number - 1, header.parent_hash);
    }
    Ok(Some((number, hash)))
}

fn apply(
    store: &HistoryStore,
    record: &mut HistoryRecord,
    parts: &mut [Parts; 2],
    held: HeaderPiece,
    changes: Changes,
    mended: &mut Mended,
) -> Result<()> {
    let Changes { canonical, numbers, lost, missing, found, ends } = changes;
    let counts = [&canonical, &numbers].map(Vec::len).iter().sum::<usize>() + lost.len();
    if counts == 0 && ends.is_none() && missing.iter().chain(&found).all(Vec::is_empty) {
        return Ok(());
    }
    let env = store.env().clone();
    let txn = env.writer()?;
    mended.records += (canonical.len() + numbers.len()) as u64;
    for (number, hash) in canonical {
        txn.put(CANONICAL, &number.to_be_bytes(), hash.as_slice())?;
    }
    for (number, hash) in numbers {
        txn.put(NUMBERS, hash.as_slice(), &number.to_be_bytes())?;
    }
    take_away(&txn, &lost, mended)?;
    for ((parts, missing), found) in parts.iter_mut().zip(missing).zip(found) {
        for number in found {
            parts.gaps.take(&txn, number)?;
        }
        for span in join(missing) {
            mended.blocks += span.last - span.first + 1;
            parts.gaps.open(&txn, span)?;
        }
    }
    if let Some((floor, floor_parent)) = ends {
        mended.headers += 1;
        for number in held.floor..floor {
            txn.delete(CANONICAL, &number.to_be_bytes())?;
        }
        record.held = Some(HeaderPiece { floor, floor_parent, ..held });
    }
    txn.put(PROGRESS, &HISTORY_KEY, &record.encode())?;
    txn.commit()
}

fn take_away(txn: &WriteTxn<'_>, lost: &[(&'static Table, Vec<u8>)], mended: &mut Mended) -> Result<()> {
    for (table, key) in lost {
        mended.rows += u64::from(txn.delete(table, key)?);
    }
    Ok(())
}

/// What lies beside the chain, and what belongs to no block. What belongs to the header that is asked for again stays.
fn beside(store: &HistoryStore, lost: B256, mended: &mut Mended) -> Result<()> {
    let snapshot = store.snapshot()?;
    let mut wrong: Vec<(&'static Table, Vec<u8>)> = Vec::new();
    for table in [HEADERS, BODIES, RECEIPTS] {
        let mut cursor = snapshot.txn.cursor(table)?;
        let mut row = cursor.seek(&[])?;
        while let Some((key, value)) = row {
            let is_known = match key.split_at_checked(8) {
                Some((_, hash)) if hash == lost.as_slice() => true,
                Some((number, hash)) => {
                    snapshot.txn.get(NUMBERS, hash)? == Some(number)
                        && check_beside(&snapshot, table, key, value)?.is_none()
                }
                None => false,
            };
            if !is_known {
                wrong.push((table, key.to_vec()));
            }
            row = cursor.next()?;
        }
    }
    let mut cursor = snapshot.txn.cursor(NUMBERS)?;
    let mut row = cursor.seek(&[])?;
    while let Some((hash, number)) = row {
        if hash != lost.as_slice() && snapshot.txn.get(HEADERS, &[number, hash].concat())?.is_none() {
            wrong.push((NUMBERS, hash.to_vec()));
        }
        row = cursor.next()?;
    }
    for wrong in wrong.chunks(CHUNK as usize) {
        let env = store.env().clone();
        let txn = env.writer()?;
        take_away(&txn, wrong, mended)?;
        txn.commit()?;
    }
    Ok(())
}
