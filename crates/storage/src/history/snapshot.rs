//! What readers see of the history: one moment of it.
//!
//! Bytes come back as they were received and proved; nothing is decoded here.

use alloy_primitives::B256;

use crate::{
    env::ReadTxn,
    error::{Error, Result},
    history::{
        record::{HISTORY_KEY, HistoryRecord},
        spans::{BlockSpan, Spans, highest_without},
        tables::{
            BODIES, BODY_GAPS, CANONICAL, HEADERS, NUMBERS, PROGRESS, RECEIPT_GAPS, RECEIPTS, block_key,
            number,
        },
    },
};

/// One moment of the history.
#[derive(Debug)]
pub struct HistorySnapshot {
    pub(crate) txn: ReadTxn,
}

/// Rows of each table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryRows {
    /// Headers held.
    pub headers: u64,
    /// Bodies held.
    pub bodies: u64,
    /// Blocks whose receipts are held.
    pub receipts: u64,
}

impl HistorySnapshot {
    /// The hash of the canonical block of this number.
    pub fn canonical(&self, number: u64) -> Result<Option<B256>> {
        let key = number.to_be_bytes();
        let Some(hash) = self.txn.get(CANONICAL, &key)? else { return Ok(None) };
        B256::try_from(hash)
            .map(Some)
            .map_err(|_| Error::corrupt(CANONICAL.name, &key, "the value is not a hash"))
    }

    /// The number of the block of this hash.
    pub fn number_of(&self, hash: &B256) -> Result<Option<u64>> {
        let row = self.txn.get(NUMBERS, hash.as_slice())?;
        row.map(|row| number(NUMBERS.name, hash.as_slice(), row)).transpose()
    }

    /// The RLP of the canonical header of this number.
    pub fn header(&self, number: u64) -> Result<Option<&[u8]>> {
        match self.canonical(number)? {
            Some(hash) => self.txn.get(HEADERS, &block_key(number, &hash)),
            None => Ok(None),
        }
    }

    /// The RLP of the header of this hash.
    pub fn header_by_hash(&self, hash: &B256) -> Result<Option<&[u8]>> {
        self.part(HEADERS, hash)
    }

    /// The RLP of the body of the block of this hash.
    pub fn body(&self, hash: &B256) -> Result<Option<&[u8]>> {
        self.part(BODIES, hash)
    }

    /// The receipts of the block of this hash: a list in the slim form of eth/69.
    pub fn receipts(&self, hash: &B256) -> Result<Option<&[u8]>> {
        self.part(RECEIPTS, hash)
    }

    /// Number and hash of the highest canonical block.
    pub fn highest(&self) -> Result<Option<(u64, B256)>> {
        let Some((key, hash)) = self.txn.cursor(CANONICAL)?.last()? else { return Ok(None) };
        let hash = B256::try_from(hash)
            .map_err(|_| Error::corrupt(CANONICAL.name, key, "the value is not a hash"))?;
        Ok(Some((number(CANONICAL.name, key, key)?, hash)))
    }

    /// The highest blocks in one piece whose headers, bodies and receipts are all held; `None` if there are none.
    pub fn whole(&self) -> Result<Option<BlockSpan>> {
        let Some(HistoryRecord { held: Some(piece), wanted: Some(wanted), .. }) = self.record()? else {
            return Ok(None);
        };
        let mut gaps = Spans::load(&self.txn, BODY_GAPS)?.list();
        gaps.extend(Spans::load(&self.txn, RECEIPT_GAPS)?.list());
        let first = wanted.first.max(piece.floor);
        Ok(highest_without(BlockSpan { first, last: wanted.last.min(piece.top.number) }, gaps))
    }

    /// Rows of each table. Cheap: MDBX keeps the counts.
    pub fn rows(&self) -> Result<HistoryRows> {
        Ok(HistoryRows {
            headers: self.txn.rows(HEADERS)?,
            bodies: self.txn.rows(BODIES)?,
            receipts: self.txn.rows(RECEIPTS)?,
        })
    }

    pub(crate) fn record(&self) -> Result<Option<HistoryRecord>> {
        self.txn.get(PROGRESS, &HISTORY_KEY)?.map(HistoryRecord::decode).transpose()
    }

    fn part(&self, table: &'static crate::env::Table, hash: &B256) -> Result<Option<&[u8]>> {
        match self.number_of(hash)? {
            Some(number) => self.txn.get(table, &block_key(number, hash)),
            None => Ok(None),
        }
    }
}
