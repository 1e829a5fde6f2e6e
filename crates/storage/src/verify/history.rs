//! Headers against their hashes and each other; bodies and receipts against the roots in their headers.

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256;
use snapsync_wire::{BlockReceipts, Body, Header, ReceiptForm};

use crate::{
    env::Table,
    error::{Error, Result},
    history::{
        proven::{check_body, check_receipts},
        record::{HeaderPiece, HistoryJournal},
        snapshot::HistorySnapshot,
        spans::BlockSpan,
        store::HistoryStore,
        tables::{BODIES, CANONICAL, HEADERS, NUMBERS, RECEIPTS, block_key, number},
    },
    state::store::StateStore,
    verify::{
        report::{Findings, Report},
        share::{VerifyConfig, share},
    },
};

/// Blocks that one snapshot is open for.
const CHUNK_BLOCKS: u64 = 256;

#[derive(Default)]
struct Checked {
    headers: u64,
    bodies: u64,
    receipts: u64,
}

/// Checks all tables of the history.
pub(crate) fn check(
    store: &HistoryStore,
    state: Option<&StateStore>,
    config: VerifyConfig,
    findings: &Findings,
    report: &mut Report,
) -> Result<()> {
    let Some(journal) = findings.note(store.journal())? else { return Ok(()) };
    check_target(store, state, findings)?;
    check_keys(store, findings)?;
    if let Some(descent) = journal.descent {
        check_descent(store, descent, findings)?;
    }
    let Some(piece) = journal.headers else { return Ok(()) };
    let jobs = (piece.top.number - piece.floor.min(piece.top.number)) / CHUNK_BLOCKS + 1;
    let parts = share(config.threads, jobs as usize, |at| {
        let first = piece.floor + at as u64 * CHUNK_BLOCKS;
        let span = BlockSpan { first, last: piece.top.number.min(first + CHUNK_BLOCKS - 1) };
        check_chunk(store, &journal, span, findings)
    })?;
    for checked in parts {
        report.headers += checked.headers;
        report.bodies += checked.bodies;
        report.receipts += checked.receipts;
    }
    Ok(())
}

/// The state's target must be the block that our headers have there.
fn check_target(store: &HistoryStore, state: Option<&StateStore>, findings: &Findings) -> Result<()> {
    let Some(state) = state else { return Ok(()) };
    let Some(Some(progress)) = findings.note(state.snapshot()?.progress())? else { return Ok(()) };
    let Some(pin) = progress.pin else { return Ok(()) };
    let snapshot = store.snapshot()?;
    let Some(raw) = snapshot.header_by_hash(&pin.hash)? else { return Ok(()) };
    match Header::decode(&Bytes::copy_from_slice(raw)) {
        Ok(header) if header.state_root == pin.root && header.number == pin.number => {}
        _ => findings.add("Progress", &[1], "the target's header has another number or state root"),
    }
    Ok(())
}

/// Every key of the tables by hash must have its header, and every header its way back.
fn check_keys(store: &HistoryStore, findings: &Findings) -> Result<()> {
    let snapshot = store.snapshot()?;
    let mut cursor = snapshot.txn.cursor(NUMBERS)?;
    let mut row = cursor.seek(&[])?;
    while let Some((key, value)) = row {
        let block = findings.note(number(NUMBERS.name, key, value))?;
        let header = block.map(|number| [&number.to_be_bytes(), key].concat());
        if let Some(header) = header
            && snapshot.txn.get(HEADERS, &header)?.is_none()
        {
            findings.add(NUMBERS.name, key, "there is no header of this number and hash");
        }
        row = cursor.next()?;
    }
    for table in [HEADERS, BODIES, RECEIPTS] {
        let mut cursor = snapshot.txn.cursor(table)?;
        let mut row = cursor.seek(&[])?;
        while let Some((key, value)) = row {
            let known = match key.split_at_checked(8) {
                Some((number, hash)) => snapshot.txn.get(NUMBERS, hash)? == Some(number),
                None => false,
            };
            if !known {
                findings.add(table.name, key, "the key is not that of a known block");
            } else if let Some(what) = check_beside(&snapshot, table, key, value)? {
                findings.add(table.name, key, what);
            }
            row = cursor.next()?;
        }
    }
    Ok(())
}

/// A part of a block that is not canonical: a header by its hash, a body and receipts by the roots in their header. What is
/// canonical is looked at with its neighbours.
pub(crate) fn check_beside(
    snapshot: &HistorySnapshot,
    table: &'static Table,
    key: &[u8],
    value: &[u8],
) -> Result<Option<String>> {
    let Some((number, hash)) = key.split_at_checked(8) else { return Ok(None) };
    if snapshot.txn.get(CANONICAL, number)? == Some(hash) {
        return Ok(None);
    }
    if table.index == HEADERS.index {
        let is_its = keccak256(value).as_slice() == hash;
        return Ok((!is_its).then(|| "the header does not have its hash".to_owned()));
    }
    let raw = snapshot.txn.get(HEADERS, key)?.map(Bytes::copy_from_slice);
    let Some(Ok(header)) = raw.as_ref().map(Header::decode) else {
        return Ok(Some("the block has no header that can be read".to_owned()));
    };
    let checked = if table.index == BODIES.index {
        check_raw_body(&header, value)
    } else {
        check_raw_receipts(&header, value)
    };
    Ok(checked.err())
}

/// A descent that has not met the canonical chain hangs together down to where it is said to stand.
fn check_descent(store: &HistoryStore, piece: HeaderPiece, findings: &Findings) -> Result<()> {
    let snapshot = store.snapshot()?;
    let (mut number, mut hash) = (piece.top.number, piece.top.hash);
    loop {
        let raw = snapshot.txn.get(HEADERS, &block_key(number, &hash))?.map(Bytes::copy_from_slice);
        let Some(Ok(header)) = raw.as_ref().map(Header::decode) else {
            findings.add(HEADERS.name, &block_key(number, &hash), "a header of the descent is missing");
            return Ok(());
        };
        if number <= piece.floor {
            if header.parent_hash != piece.floor_parent {
                findings.add("Progress", &[1], "the descent's floor has another parent");
            }
            return Ok(());
        }
        (number, hash) = (number - 1, header.parent_hash);
    }
}

pub(crate) fn check_raw_body(header: &Header, raw: &[u8]) -> std::result::Result<(), String> {
    let body = Body::decode(&Bytes::copy_from_slice(raw)).map_err(|error| error.to_string())?;
    check_body(header, &body).map_err(|fault| fault.to_string())
}

pub(crate) fn check_raw_receipts(header: &Header, raw: &[u8]) -> std::result::Result<(), String> {
    let list = BlockReceipts::from_raw(ReceiptForm::Slim, Bytes::copy_from_slice(raw));
    check_receipts(header, &list.map_err(|error| error.to_string())?).map_err(|fault| fault.to_string())
}

fn check_chunk(
    store: &HistoryStore,
    journal: &HistoryJournal,
    span: BlockSpan,
    findings: &Findings,
) -> Result<Checked> {
    let snapshot = store.snapshot()?;
    let mut checked = Checked::default();
    for number in span.first..=span.last {
        if findings.is_full() {
            break;
        }
        let Some((hash, header)) = findings.note(check_header(&snapshot, journal, number))? else { continue };
        checked.headers += 1;
        let key = block_key(number, &hash);
        let body = snapshot.txn.get(BODIES, &key)?;
        if is_contradicted(journal, &journal.bodies, number, body.is_some()) {
            findings.add(BODIES.name, &key, "the body and the gaps contradict each other");
        }
        if let Some(raw) = body {
            if let Err(what) = check_raw_body(&header, raw) {
                findings.add(BODIES.name, &key, what);
            }
            checked.bodies += 1;
        }
        let receipts = snapshot.txn.get(RECEIPTS, &key)?;
        if is_contradicted(journal, &journal.receipts, number, receipts.is_some()) {
            findings.add(RECEIPTS.name, &key, "the receipts and the gaps contradict each other");
        }
        if let Some(raw) = receipts {
            if let Err(what) = check_raw_receipts(&header, raw) {
                findings.add(RECEIPTS.name, &key, what);
            }
            checked.receipts += 1;
        }
    }
    Ok(checked)
}

/// Whether the journal says the contrary of what is held of a block. Of one that is not wanted it says nothing.
fn is_contradicted(journal: &HistoryJournal, gaps: &[BlockSpan], number: u64, is_held: bool) -> bool {
    let within = |span: &BlockSpan| (span.first..=span.last).contains(&number);
    let is_missing = gaps.iter().any(within);
    if is_held { is_missing } else { !is_missing && journal.wanted.as_ref().is_some_and(within) }
}

/// The canonical header of a number: its hash, its number, and its parent.
fn check_header(snapshot: &HistorySnapshot, journal: &HistoryJournal, number: u64) -> Result<(B256, Header)> {
    let key = number.to_be_bytes();
    let Some(hash) = snapshot.canonical(number)? else {
        return Err(Error::corrupt(CANONICAL.name, &key, "there is no canonical block of this number"));
    };
    let key = block_key(number, &hash);
    let Some(raw) = snapshot.txn.get(HEADERS, &key)? else {
        return Err(Error::corrupt(CANONICAL.name, &key[..8], "the canonical header is missing"));
    };
    if keccak256(raw) != hash {
        return Err(Error::corrupt(HEADERS.name, &key, "the header does not have its hash"));
    }
    let Ok(header) = Header::decode(&Bytes::copy_from_slice(raw)) else {
        return Err(Error::corrupt(HEADERS.name, &key, "the header cannot be read"));
    };
    let piece = journal.headers.expect("chunks are made of the piece");
    let parent =
        if number == piece.floor { Some(piece.floor_parent) } else { snapshot.canonical(number - 1)? };
    if header.number != number || parent != Some(header.parent_hash) {
        return Err(Error::corrupt(CANONICAL.name, &key[..8], "the header does not follow the one below it"));
    }
    if number == piece.top.number && hash != piece.top.hash {
        return Err(Error::corrupt(CANONICAL.name, &key[..8], "the top is not the one that was recorded"));
    }
    if snapshot.number_of(&hash)? != Some(number) {
        return Err(Error::corrupt(NUMBERS.name, hash.as_slice(), "the header's number is missing or wrong"));
    }
    Ok((hash, header))
}
