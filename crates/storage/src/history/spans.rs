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

    /// Opens the numbers of a span but these, which rise; none of the span is open.
    pub(crate) fn open_but(&mut self, txn: &WriteTxn<'_>, span: BlockSpan, held: &[u64]) -> Result<()> {
        let mut next = span.first;
        for number in held.iter().copied().filter(|number| (span.first..=span.last).contains(number)) {
            if next < number {
                self.open_behind(txn, BlockSpan { first: next, last: number - 1 })?;
            }
            next = number + 1;
        }
        if next <= span.last {
            self.open_behind(txn, BlockSpan { first: next, last: span.last })
        } else {
            Ok(())
        }
    }

    /// Opens a span, joined with the one that ends right below it: a chain that grows block by block leaves one row, not many.
    fn open_behind(&mut self, txn: &WriteTxn<'_>, span: BlockSpan) -> Result<()> {
        let below = self.spans.range(..span.first).next_back().filter(|(_, last)| **last + 1 == span.first);
        let first = below.map_or(span.first, |(first, _)| *first);
        self.open(txn, BlockSpan { first, ..span })
    }

    /// Takes out all numbers.
    pub(crate) fn close_all(&mut self, txn: &WriteTxn<'_>) -> Result<()> {
        for first in std::mem::take(&mut self.spans).into_keys() {
            txn.delete(self.table, &first.to_be_bytes())?;
        }
        Ok(())
    }

    /// Takes out all numbers above one.
    pub(crate) fn close_above(&mut self, txn: &WriteTxn<'_>, number: u64) -> Result<()> {
        let above: Vec<u64> =
            self.spans.iter().filter(|(_, last)| **last > number).map(|(first, _)| *first).collect();
        for first in above {
            self.spans.remove(&first);
            txn.delete(self.table, &first.to_be_bytes())?;
            if first <= number {
                self.open(txn, BlockSpan { first, last: number })?;
            }
        }
        Ok(())
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

/// The highest numbers of a span, in one piece, that lie in no gap. The gaps may overlap.
pub(crate) fn highest_without(span: BlockSpan, mut gaps: Vec<BlockSpan>) -> Option<BlockSpan> {
    let BlockSpan { mut first, mut last } = span;
    gaps.sort_unstable_by_key(|gap| std::cmp::Reverse(gap.last));
    for gap in gaps {
        if gap.last < last {
            // All that come after it end below it.
            first = first.max(gap.last + 1);
            break;
        }
        if gap.first <= last {
            last = gap.first.checked_sub(1)?;
        }
    }
    (first <= last).then_some(BlockSpan { first, last })
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
    fn the_highest_piece_ends_at_gaps_on_both_sides() {
        let span = |first, last| BlockSpan { first, last };
        let within = |gaps: &[BlockSpan]| highest_without(span(1, 20), gaps.to_vec());
        assert_eq!(within(&[]), Some(span(1, 20)));
        assert_eq!(within(&[span(5, 10)]), Some(span(11, 20)));
        assert_eq!(within(&[span(5, 10), span(7, 12), span(18, 30)]), Some(span(13, 17)));
        assert_eq!(within(&[span(5, 10), span(8, 20)]), Some(span(1, 4)));
        assert_eq!(within(&[span(1, 19), span(20, 20)]), None);
        assert_eq!(within(&[span(0, 30)]), None);
        assert_eq!(within(&[span(19, 25), span(3, 3), span(30, 40)]), Some(span(4, 18)));
        // Every other block is missing.
        assert_eq!(within(&[1, 3, 5, 19].map(|at| span(at, at))), Some(span(20, 20)));
    }

    #[test]
    fn numbers_join_into_spans() {
        let span = |first, last| BlockSpan { first, last };
        assert_eq!(join(vec![3, 1, 2, 2, 7]), [span(1, 3), span(7, 7)]);
        assert_eq!(join(Vec::new()), []);
    }
}
