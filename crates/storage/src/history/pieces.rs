//! Where new headers belong: below or above the piece that is held, or in a descent beside it, until the two meet.
//!
//! ```text
//!   descent   top ──► ... ──► floor ──► parent          not canonical yet
//!                                         │  is a canonical hash: they join here, at the fork
//!   held      top ──► ... ──► ... ──► ... ▼ ... ──► floor ──► parent
//!             └─ above the fork: no longer canonical; the rows stay under (number, hash)
//! ```
//!
//! It trusts that headers are proved, so that whatever hangs from a hash that we name is of that chain. Which head is the right one
//! it does not know: the one that was named last.

use alloy_primitives::{B256, Bytes};
use snapsync_wire::Header;

use crate::{
    env::WriteTxn,
    error::{Error, Result},
    history::{
        proven::ProvenHeaders,
        record::{BlockRef, HeaderPiece, HistoryRecord},
        tables::{CANONICAL, HEADERS, NUMBERS, block_key},
        write::Descent,
    },
};

/// What became of headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// In a piece that goes down to here by now.
    Down { floor: u64, parent: B256 },
    /// A descent has met the held piece. Canonical above `fork` is now what the descent held.
    Met { fork: u64, top: BlockRef },
    /// They hang from nothing that is recorded.
    Loose,
}

/// Puts headers where they belong, in rows and record. Says how many of them are new, too.
pub(crate) fn place(
    txn: &WriteTxn<'_>,
    record: &mut HistoryRecord,
    headers: &ProvenHeaders,
    descent: Descent,
) -> Result<(Placed, u64)> {
    let all: Vec<&(B256, Header)> = headers.iter().collect();
    let Some(held) = record.held else {
        let piece = piece_of(&all);
        write(txn, &all)?;
        make_canonical(txn, &all)?;
        record.held = Some(piece);
        return Ok((down(piece), all.len() as u64));
    };
    let known = count_while(&all, |block| is_canonical(txn, held, block))?;
    let new = &all[known..];
    let Some((hash, _)) = new.first() else {
        return Ok((Placed::Met { fork: held.top.number, top: held.top }, 0));
    };
    if *hash == held.floor_parent {
        let lower = piece_of(new);
        let piece = HeaderPiece { top: held.top, ..lower };
        write(txn, new)?;
        make_canonical(txn, new)?;
        record.held = Some(piece);
        return Ok((down(piece), new.len() as u64));
    }
    let own = count_while(new, |block| is_canonical(txn, held, block).map(|canonical| !canonical))?;
    descend(txn, record, held, &new[..own], descent)
}

/// Puts headers of which none is canonical into the descent, and joins that with the held piece where they meet.
fn descend(
    txn: &WriteTxn<'_>,
    record: &mut HistoryRecord,
    held: HeaderPiece,
    own: &[&(B256, Header)],
    descent: Descent,
) -> Result<(Placed, u64)> {
    // What came twice is here already; a descent that begins may pass what an earlier one has left.
    let known = match descent {
        Descent::Anew | Descent::Begins => 0,
        Descent::GoesOn => count_while(own, |block| is_held(txn, block))?,
    };
    let new = &own[known..];
    let before = count_while(new, |block| is_held(txn, block))?;
    write(txn, new)?;
    if let Some((_, lowest)) = new.last() {
        record.may_be_beside(lowest.number);
    }
    let count = (new.len() - before) as u64;
    let open = record.descent;
    let mut piece = match (descent, open, new.first()) {
        (Descent::GoesOn, Some(open), None) => open,
        (Descent::GoesOn, Some(open), Some((hash, _))) if open.floor_parent == *hash => {
            HeaderPiece { top: open.top, ..piece_of(new) }
        }
        (Descent::Anew | Descent::Begins, _, Some(_)) => piece_of(new),
        (Descent::GoesOn, _, Some(_)) if piece_of(new).floor_parent == held.top.hash => piece_of(new),
        _ => return Ok((Placed::Loose, count)),
    };
    match lead_down(txn, held, open, &mut piece)? {
        Some(fork) => {
            switch(txn, held, piece.top, fork)?;
            if fork < held.top.number {
                record.may_be_beside(fork + 1);
            }
            record.held = Some(HeaderPiece { top: piece.top, ..held });
            record.descent = None;
            Ok((Placed::Met { fork, top: piece.top }, count))
        }
        None => {
            record.descent = Some(piece);
            Ok((down(piece), count))
        }
    }
}

/// Takes a descent down over headers that are here already, of forks that were left. Says where it meets the held piece, if it
/// does.
fn lead_down(
    txn: &WriteTxn<'_>,
    held: HeaderPiece,
    open: Option<HeaderPiece>,
    piece: &mut HeaderPiece,
) -> Result<Option<u64>> {
    loop {
        let Some(below) = piece.floor.checked_sub(1) else { return Ok(None) };
        let hangs_alike = piece.floor == held.floor && piece.floor_parent == held.floor_parent;
        if hangs_alike || is_canonical_at(txn, held, below, &piece.floor_parent)? {
            return Ok(Some(below));
        }
        if let Some(open) = open.filter(|open| open.top.hash == piece.floor_parent) {
            (piece.floor, piece.floor_parent) = (open.floor, open.floor_parent);
        } else if let Some(header) = header(txn, below, &piece.floor_parent)? {
            (piece.floor, piece.floor_parent) = (below, header.parent_hash);
        } else {
            return Ok(None);
        }
    }
}

/// Makes the chain below `top` canonical, down to the fork.
fn switch(txn: &WriteTxn<'_>, held: HeaderPiece, top: BlockRef, fork: u64) -> Result<()> {
    for number in top.number + 1..=held.top.number {
        txn.delete(CANONICAL, &number.to_be_bytes())?;
    }
    let (mut number, mut hash) = (top.number, top.hash);
    while number > fork {
        txn.put(CANONICAL, &number.to_be_bytes(), hash.as_slice())?;
        let Some(header) = header(txn, number, &hash)? else {
            return Err(Error::corrupt(
                HEADERS.name,
                &block_key(number, &hash),
                "a header of a descent is gone",
            ));
        };
        (number, hash) = (number - 1, header.parent_hash);
    }
    Ok(())
}

fn header(txn: &WriteTxn<'_>, number: u64, hash: &B256) -> Result<Option<Header>> {
    let key = block_key(number, hash);
    let Some(raw) = txn.get(HEADERS, &key)? else { return Ok(None) };
    let header = Header::decode(&Bytes::copy_from_slice(&raw));
    header.map(Some).map_err(|_| Error::corrupt(HEADERS.name, &key, "the header cannot be read"))
}

fn is_held(txn: &WriteTxn<'_>, (hash, header): &(B256, Header)) -> Result<bool> {
    Ok(txn.get(HEADERS, &block_key(header.number, hash))?.is_some())
}

fn is_canonical(txn: &WriteTxn<'_>, held: HeaderPiece, (hash, header): &(B256, Header)) -> Result<bool> {
    is_canonical_at(txn, held, header.number, hash)
}

fn is_canonical_at(txn: &WriteTxn<'_>, held: HeaderPiece, number: u64, hash: &B256) -> Result<bool> {
    if !(held.floor..=held.top.number).contains(&number) {
        return Ok(false);
    }
    Ok(txn.get(CANONICAL, &number.to_be_bytes())?.as_deref() == Some(hash.as_slice()))
}

fn count_while(
    blocks: &[&(B256, Header)],
    mut is: impl FnMut(&(B256, Header)) -> Result<bool>,
) -> Result<usize> {
    for (at, block) in blocks.iter().enumerate() {
        if !is(block)? {
            return Ok(at);
        }
    }
    Ok(blocks.len())
}

/// Rows of headers, rising, as cursors like it.
fn write(txn: &WriteTxn<'_>, falling: &[&(B256, Header)]) -> Result<()> {
    let mut rows = txn.cursor(HEADERS)?;
    for (hash, header) in falling.iter().rev() {
        rows.put(&block_key(header.number, hash), header.raw())?;
        txn.put(NUMBERS, hash.as_slice(), &header.number.to_be_bytes())?;
    }
    Ok(())
}

fn make_canonical(txn: &WriteTxn<'_>, falling: &[&(B256, Header)]) -> Result<()> {
    let mut canonical = txn.cursor(CANONICAL)?;
    for (hash, header) in falling.iter().rev() {
        canonical.put(&header.number.to_be_bytes(), hash.as_slice())?;
    }
    Ok(())
}

/// The piece that falling headers are.
fn piece_of(falling: &[&(B256, Header)]) -> HeaderPiece {
    let (Some((hash, top)), Some((_, lowest))) = (falling.first(), falling.last()) else {
        unreachable!("whoever asks has looked at the first one")
    };
    let top = BlockRef { number: top.number, hash: *hash };
    HeaderPiece { top, floor: lowest.number, floor_parent: lowest.parent_hash }
}

fn down(piece: HeaderPiece) -> Placed {
    Placed::Down { floor: piece.floor, parent: piece.floor_parent }
}
