//! Blocks beside the chain go once what is final lies above them: no chain that keeps to that comes back to one.
//!
//! ```text
//!   held      top ──► ... ──► final ──► ... ──► mark ──► ... ──► floor
//!   beside                      x ──► x  x               nothing: nobody looks there
//! ```
//!
//! The record's mark says where such blocks may be. Whatever puts one there brings it down; a walk over the keys of the headers above it
//! takes it up. It does not decide what is final, and takes away no canonical block, nor one of a descent, which may be canonical soon.

use alloy_primitives::B256;

use crate::{
    env::WriteTxn,
    error::{Error, Result},
    history::{
        record::HistoryRecord,
        tables::{BODIES, CANONICAL, HEADERS, NUMBERS, RECEIPTS, block_key},
    },
};

/// Headers that one write looks at: some milliseconds, and at most as many blocks that go. A first walk over a long chain takes many commits, and each
/// lets others in.
pub(crate) const HEADERS_A_WRITE: usize = 4096;

/// What a write took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pruned {
    /// How many blocks, each with its header and whatever else was held of it.
    pub(crate) blocks: u64,
    /// Whether another write would find more.
    pub(crate) more: bool,
}

/// Blocks beside the chain that were found, and where to go on if that was not all.
#[derive(Debug, Default)]
struct Beside {
    blocks: Vec<(u64, B256)>,
    next: Option<u64>,
}

/// Takes away the blocks beside the chain up to a canonical block's number, or some of them.
pub(crate) fn prune(txn: &WriteTxn<'_>, record: &mut HistoryRecord, last: u64) -> Result<Pruned> {
    let Some(held) = record.held else { return Ok(Pruned::default()) };
    let last = record.descent.map_or(last, |descent| last.min(descent.floor.saturating_sub(1)));
    // Of what lies below the floor nobody knows yet what is canonical.
    let Some(first) = record.beside.filter(|first| (held.floor..=last).contains(first)) else {
        return Ok(Pruned::default());
    };
    let Beside { blocks, next } = find(txn, first, last)?;
    for (number, hash) in &blocks {
        let key = block_key(*number, hash);
        for table in [HEADERS, BODIES, RECEIPTS] {
            txn.delete(table, &key)?;
        }
        txn.delete(NUMBERS, hash.as_slice())?;
    }
    record.beside = Some(next.unwrap_or(last.saturating_add(1)));
    Ok(Pruned { blocks: blocks.len() as u64, more: next.is_some() })
}

fn find(txn: &WriteTxn<'_>, first: u64, last: u64) -> Result<Beside> {
    let mut found = Beside::default();
    let mut headers = txn.cursor(HEADERS)?;
    let mut row = headers.seek(&block_key(first, &B256::ZERO))?;
    for nth in 0.. {
        let Some((key, _)) = row else { break };
        let block =
            key.split_first_chunk::<8>().and_then(|(at, hash)| Some((*at, B256::try_from(hash).ok()?)));
        let Some((at, hash)) = block else {
            return Err(Error::corrupt(HEADERS.name, &key, "the key is no block's"));
        };
        let number = u64::from_be_bytes(at);
        if number > last {
            break;
        }
        if nth == HEADERS_A_WRITE {
            found.next = Some(number);
            break;
        }
        if txn.get(CANONICAL, &at)?.is_some_and(|canonical| *canonical != *hash) {
            found.blocks.push((number, hash));
        }
        row = headers.next()?;
    }
    Ok(found)
}
