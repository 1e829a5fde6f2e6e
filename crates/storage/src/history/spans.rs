//! Block numbers that are missing, a row for each span, mirrored in the writer's memory.
//!
//! ```text
//! key      first number    8 bytes, big-endian
//! value    last number     8 bytes, big-endian, inclusive; then the seal, 4 bytes
//! ```

use std::collections::BTreeMap;

use crate::{
    env::{ReadTxn, Table, WriteTxn},
    error::{Error, Result},
    history::tables::number,
    record::{Reader, push_seal},
};

/// Block numbers, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockSpan {
    /// The lowest number.
    pub first: u64,
    /// The highest number.
    pub last: u64,
}

/// The spans of one table of gaps.
#[derive(Clone, Debug)]
pub(crate) struct Spans {
    table: &'static Table,
    spans: BTreeMap<u64, u64>,
}

impl Spans {
    pub(crate) fn load(txn: &ReadTxn, table: &'static Table) -> Result<Self> {
        let mut spans = BTreeMap::new();
        let mut cursor = txn.cursor(table)?;
        let mut row = cursor.seek(&[])?;
        let mut free_from = Some(0);
        while let Some((key, value)) = row {
            let mut reader = Reader::sealed(table.name, key, value)?;
            let (first, last) = (number(table.name, key, key)?, reader.u64()?);
            reader.end()?;
            if last < first || free_from.is_none_or(|free| first < free) {
                return Err(Error::corrupt(table.name, key, "gaps overlap or end before they start"));
            }
            free_from = last.checked_add(1);
            spans.insert(first, last);
            row = cursor.next()?;
        }
        Ok(Self { table, spans })
    }

    pub(crate) fn list(&self) -> Vec<BlockSpan> {
        self.spans.iter().map(|(first, last)| BlockSpan { first: *first, last: *last }).collect()
    }

    pub(crate) fn open(&mut self, txn: &WriteTxn<'_>, span: BlockSpan) -> Result<()> {
        self.spans.insert(span.first, span.last);
        let key = span.first.to_be_bytes();
        let mut value = span.last.to_be_bytes().to_vec();
        push_seal(&key, &mut value);
        txn.put(self.table, &key, &value)
    }

    /// Takes a number out; false if it was not missing.
    pub(crate) fn take(&mut self, txn: &WriteTxn<'_>, number: u64) -> Result<bool> {
        let Some((first, last)) =
            self.spans.range(..=number).next_back().map(|(first, last)| (*first, *last))
        else {
            return Ok(false);
        };
        if last < number {
            return Ok(false);
        }
        self.spans.remove(&first);
        txn.delete(self.table, &first.to_be_bytes())?;
        if first < number {
            self.open(txn, BlockSpan { first, last: number - 1 })?;
        }
        if number < last {
            self.open(txn, BlockSpan { first: number + 1, last })?;
        }
        Ok(true)
    }
}

/// Joins numbers, in any order, into spans.
pub(crate) fn join(mut numbers: Vec<u64>) -> Vec<BlockSpan> {
    numbers.sort_unstable();
    let mut spans: Vec<BlockSpan> = Vec::new();
    for number in numbers {
        match spans.last_mut() {
            Some(span) if number <= span.last.saturating_add(1) => span.last = number,
            _ => spans.push(BlockSpan { first: number, last: number }),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_join_into_spans() {
        let span = |first, last| BlockSpan { first, last };
        assert_eq!(join(vec![3, 1, 2, 2, 7]), [span(1, 3), span(7, 7)]);
        assert_eq!(join(Vec::new()), []);
    }
}
