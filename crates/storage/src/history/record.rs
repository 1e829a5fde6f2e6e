//! The record of history: the pieces of headers that are held, which blocks are wanted, what was counted.

use alloy_primitives::B256;

use crate::{
    chain::Chain,
    error::Result,
    history::{spans::BlockSpan, tables::PROGRESS},
    record::{Reader, push_seal},
};

/// The version of the record.
pub(crate) const HISTORY_VERSION: u8 = 3;
/// The one before, which did not say where blocks beside the chain may be. It is read, and never written.
const WITHOUT_MARK: u8 = 2;
/// Its key in `Progress`.
pub(crate) const HISTORY_KEY: [u8; 1] = [1];

/// A block by number and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRef {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// The headers that are held in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderPiece {
    /// The highest one.
    pub top: BlockRef,
    /// Number of the lowest one.
    pub floor: u64,
    /// Parent hash in the lowest one. The chain is joined when `floor` is 1 and this is the genesis hash.
    pub floor_parent: B256,
}

/// What the writer has counted since the directory was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryCounters {
    /// Headers written.
    pub headers: u64,
    /// Bodies written.
    pub bodies: u64,
    /// Blocks whose receipts were written.
    pub receipts: u64,
    /// Bytes of the responses that all of these came in.
    pub response_bytes: u64,
}

/// Everything that the history environment knows of an unfinished sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryJournal {
    /// The chain of the directory.
    pub chain: Chain,
    /// The canonical headers, held in one piece.
    pub headers: Option<HeaderPiece>,
    /// Headers from a later head down to where its descent stands; it has not met the canonical ones yet.
    pub descent: Option<HeaderPiece>,
    /// Blocks whose bodies and receipts are wanted; `None` until that was recorded.
    pub wanted: Option<BlockSpan>,
    /// Blocks without a body, rising.
    pub bodies: Vec<BlockSpan>,
    /// Blocks without receipts, rising.
    pub receipts: Vec<BlockSpan>,
    /// What the writer has counted.
    pub counters: HistoryCounters,
}

/// The stored record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HistoryRecord {
    pub(crate) held: Option<HeaderPiece>,
    pub(crate) descent: Option<HeaderPiece>,
    pub(crate) wanted: Option<BlockSpan>,
    pub(crate) counters: HistoryCounters,
    /// Blocks beside the chain may be held at this number and above, and nowhere below; there is none, if it is not said.
    pub(crate) beside: Option<u64>,
}

impl HistoryRecord {
    /// Blocks at this number, or above it, may be beside the chain from now on.
    pub(crate) fn may_be_beside(&mut self, number: u64) {
        self.beside = Some(self.beside.map_or(number, |beside| beside.min(number)));
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![HISTORY_VERSION];
        for piece in [self.held, self.descent] {
            put_piece(&mut out, piece);
        }
        match self.wanted {
            None => out.push(0),
            Some(span) => {
                out.push(1);
                out.extend_from_slice(&span.first.to_be_bytes());
                out.extend_from_slice(&span.last.to_be_bytes());
            }
        }
        let HistoryCounters { headers, bodies, receipts, response_bytes } = self.counters;
        for count in [headers, bodies, receipts, response_bytes] {
            out.extend_from_slice(&count.to_be_bytes());
        }
        match self.beside {
            None => out.push(0),
            Some(number) => {
                out.push(1);
                out.extend_from_slice(&number.to_be_bytes());
            }
        }
        push_seal(&HISTORY_KEY, &mut out);
        out
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self> {
        let version = if value.first() == Some(&WITHOUT_MARK) { WITHOUT_MARK } else { HISTORY_VERSION };
        let mut reader =
            Reader::versioned(PROGRESS.name, &HISTORY_KEY, value, ("history progress", version))?;
        let (held, descent) = (reader.option(read_piece)?, reader.option(read_piece)?);
        let wanted = reader.option(|reader| Ok(BlockSpan { first: reader.u64()?, last: reader.u64()? }))?;
        let counters = HistoryCounters {
            headers: reader.u64()?,
            bodies: reader.u64()?,
            receipts: reader.u64()?,
            response_bytes: reader.u64()?,
        };
        // Whoever did not say where they may be has not looked. Beside block 0 there is none.
        let beside = if version == WITHOUT_MARK { Some(1) } else { reader.option(Reader::u64)? };
        reader.end()?;
        Ok(Self { held, descent, wanted, counters, beside })
    }
}

fn put_piece(out: &mut Vec<u8>, piece: Option<HeaderPiece>) {
    let Some(HeaderPiece { top, floor, floor_parent }) = piece else { return out.push(0) };
    out.push(1);
    out.extend_from_slice(&top.number.to_be_bytes());
    out.extend_from_slice(top.hash.as_slice());
    out.extend_from_slice(&floor.to_be_bytes());
    out.extend_from_slice(floor_parent.as_slice());
}

fn read_piece(reader: &mut Reader<'_>) -> Result<HeaderPiece> {
    Ok(HeaderPiece {
        top: BlockRef { number: reader.u64()?, hash: reader.hash()? },
        floor: reader.u64()?,
        floor_parent: reader.hash()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_record_is_an_error_at_every_length() {
        let top = BlockRef { number: 9, hash: B256::repeat_byte(1) };
        let record = HistoryRecord {
            held: Some(HeaderPiece { top, floor: 3, floor_parent: B256::repeat_byte(2) }),
            descent: Some(HeaderPiece { top, floor: 8, floor_parent: B256::repeat_byte(4) }),
            wanted: Some(BlockSpan { first: 1, last: 9 }),
            counters: HistoryCounters { headers: 7, ..HistoryCounters::default() },
            beside: Some(5),
        };
        let bytes = record.encode();
        assert_eq!(HistoryRecord::decode(&bytes).unwrap(), record);
        for len in 0..bytes.len() {
            assert!(HistoryRecord::decode(&bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn a_record_of_the_version_before_is_read_and_forks_may_be_anywhere_then() {
        let record =
            HistoryRecord { wanted: Some(BlockSpan { first: 1, last: 9 }), ..HistoryRecord::default() };
        let mut bytes = record.encode();
        // Without the mark's byte and the seal, which is made anew.
        bytes.truncate(bytes.len() - 5);
        bytes[0] = WITHOUT_MARK;
        push_seal(&HISTORY_KEY, &mut bytes);
        assert_eq!(HistoryRecord::decode(&bytes).unwrap(), HistoryRecord { beside: Some(1), ..record });
    }
}
