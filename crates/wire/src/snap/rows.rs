//! Rows of an answer: keys with their values, all views into one buffer.
//!
//! A received row is three offsets into its message: no allocation, no count of references and no copy a row. Order and
//! content are as received; nothing here is proved.

use std::{fmt, iter::FusedIterator, ops::Range, slice};

use alloy_primitives::{B256, Bytes};

use crate::{error::Error, rlp::Reader};

const KEY: usize = 32;

/// The least bytes of a row in a message: its list's head, its key with a head, a value of one byte.
const ROW_BYTES_MIN: usize = 1 + 1 + KEY + 1;

/// Where a row lies in its buffer. Invariant: `key + 32 <= bytes.len()` and `value <= end <= bytes.len()`.
#[derive(Clone, Copy, Debug)]
struct Span {
    key: u32,
    value: u32,
    end: u32,
}

impl Span {
    fn new(key: usize, value: Range<usize>) -> Self {
        let offset =
            |at| u32::try_from(at).expect("a message, and what is to become one, is far below 4 GiB");
        Self { key: offset(key), value: offset(value.start), end: offset(value.end) }
    }

    fn row<'a>(&self, bytes: &'a [u8]) -> (&'a B256, &'a [u8]) {
        let key = &bytes[self.key as usize..][..KEY];
        (key.try_into().expect("a slice of 32 bytes"), &bytes[self.value as usize..self.end as usize])
    }
}

/// Keys with their values, in the order received.
#[derive(Clone, Default)]
pub struct Rows {
    bytes: Bytes,
    spans: Vec<Span>,
}

impl Rows {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn content_bytes(&self) -> u64 {
        self.spans.iter().map(|span| KEY as u64 + u64::from(span.end - span.value)).sum()
    }

    /// Each key with its value.
    pub fn iter(&self) -> RowsIter<'_> {
        self.part(0..self.spans.len())
    }

    pub(super) fn part(&self, range: Range<usize>) -> RowsIter<'_> {
        RowsIter { bytes: &self.bytes, spans: self.spans[range].iter() }
    }
}

/// Rows that are put together here, in a buffer of their own.
#[derive(Default)]
pub(super) struct RowsMaker {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl RowsMaker {
    pub(super) fn push(&mut self, key: &B256, value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key.as_slice());
        self.bytes.extend_from_slice(value);
        self.spans.push(Span::new(start, start + KEY..self.bytes.len()));
    }

    /// Rows made so far.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn finish(self) -> Rows {
        Rows { bytes: self.bytes.into(), spans: self.spans }
    }
}

impl<V: AsRef<[u8]>> FromIterator<(B256, V)> for Rows {
    fn from_iter<I: IntoIterator<Item = (B256, V)>>(rows: I) -> Self {
        let mut maker = RowsMaker::default();
        rows.into_iter().for_each(|(key, value)| maker.push(&key, value.as_ref()));
        maker.finish()
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = (&'a B256, &'a [u8]);
    type IntoIter = RowsIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Equal rows may lie anywhere in their buffers.
impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl Eq for Rows {}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Shown)).finish()
    }
}

/// Walks over rows.
#[derive(Clone)]
pub struct RowsIter<'a> {
    bytes: &'a [u8],
    spans: slice::Iter<'a, Span>,
}

impl<'a> Iterator for RowsIter<'a> {
    type Item = (&'a B256, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.spans.next().map(|span| span.row(self.bytes))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl DoubleEndedIterator for RowsIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.spans.next_back().map(|span| span.row(self.bytes))
    }
}

impl ExactSizeIterator for RowsIter<'_> {}
impl FusedIterator for RowsIter<'_> {}

impl fmt::Debug for RowsIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(Shown)).finish()
    }
}

/// A row for people: bytes as hexadecimal digits.
struct Shown<'a>((&'a B256, &'a [u8]));

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, value) = self.0;
        f.debug_tuple("").field(key).field(&alloy_primitives::hex::encode(value)).finish()
    }
}

/// What a row's value is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// SPEC: an account is an RLP list in its row, not a string that holds one: head and payload are the value.
    Item,
    /// SPEC: a slot is a string that holds the RLP of a number: the payload is the value.
    String,
}

/// Reads the rows of one message, in one pass over its bytes.
pub(super) struct RowsReader<'a> {
    message: &'a Bytes,
    value: Value,
    /// Over all lists of the message: many of them must not multiply it.
    rows_max: usize,
    spans: Vec<Span>,
}

impl<'a> RowsReader<'a> {
    /// A reader with room for the rows that these bytes of `message` can hold: at most a third of their number, once.
    pub(super) fn new(message: &'a Bytes, bytes: &[u8], value: Value, rows_max: usize) -> Self {
        let spans = Vec::with_capacity(rows_max.min(bytes.len() / ROW_BYTES_MIN));
        Self { message, value, rows_max, spans }
    }

    /// Reads all rows of a list.
    pub(super) fn read(&mut self, mut list: Reader<'_>) -> Result<(), Error> {
        while !list.is_empty() {
            if self.spans.len() == self.rows_max {
                return Err(list.too_many(self.rows_max));
            }
            let rest = list.rest();
            let span = match usual(rest, self.value) {
                Some(row) => {
                    list = list.at(&rest[row.value.end..]);
                    let start = self.offset(rest);
                    Span::new(start + row.key, start + row.value.start..start + row.value.end)
                }
                None => self.strict(&mut list)?,
            };
            self.spans.push(span);
        }
        Ok(())
    }

    /// The next row, by all the rules.
    #[cold]
    fn strict(&self, list: &mut Reader<'_>) -> Result<Span, Error> {
        let mut row = list.list()?;
        let key = row.exactly(KEY)?;
        let value = match self.value {
            Value::Item => row.item()?.raw,
            Value::String => row.string()?,
        };
        row.finish()?;
        let value_start = self.offset(value);
        Ok(Span::new(self.offset(key), value_start..value_start + value.len()))
    }

    /// Rows read so far.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// What was read.
    pub(super) fn finish(self) -> Rows {
        Rows { bytes: self.message.clone(), spans: self.spans }
    }

    fn offset(&self, part: &[u8]) -> usize {
        part.as_ptr() as usize - self.message.as_ptr() as usize
    }
}

/// A row at the start of some bytes: where its key starts, and its value, which ends with it.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    key: usize,
    value: Range<usize>,
}

/// The first row, if it has the form that all but the strangest have: lengths of at most 255 bytes, canonical, and nothing
/// behind the value. What is not recognised here is read, or refused, by the rules.
#[inline]
fn usual(bytes: &[u8], value: Value) -> Option<Row> {
    let (head, length) = short_list(bytes)?;
    let row = bytes.get(..head + length)?;
    let key = head + 1;
    let (start, rest) = (key + KEY, row.get(key + KEY..)?);
    if row[head] != 0x80 + KEY as u8 {
        return None;
    }
    let start = match (value, rest) {
        (Value::Item, _) => {
            let (head, length) = short_list(rest)?;
            (head + length == rest.len()).then_some(start)?
        }
        // SPEC: a byte below 0x80 is its own encoding, and has no other.
        (Value::String, [0x00..=0x7f]) => start,
        (Value::String, [0x81, 0x00..=0x7f]) => return None,
        (Value::String, [first @ 0x80..=0xb7, payload @ ..]) => {
            (usize::from(first - 0x80) == payload.len()).then_some(start + 1)?
        }
        (Value::String, _) => return None,
    };
    Some(Row { key, value: start..row.len() })
}

/// The lengths of a list's head and payload, if that is of at most 255 bytes and canonical.
#[inline]
fn short_list(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes {
        [first @ 0xc0..=0xf7, ..] => Some((1, usize::from(first - 0xc0))),
        [0xf8, length @ 56..=0xff, ..] => Some((2, usize::from(length))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the rules say of the first row.
    fn by_the_rules(bytes: &Bytes, value: Value) -> Option<(Span, usize)> {
        let reader = RowsReader::new(bytes, bytes, value, 1);
        let mut list = Reader::sharing("rows", bytes);
        let span = reader.strict(&mut list).ok()?;
        Some((span, bytes.len() - list.rest().len()))
    }

    proptest! {
        /// Rows of all lengths around the borders of the short forms, spoilt in a byte or not at all.
        #[test]
        fn the_usual_row_is_what_the_rules_say(
            payload in prop_oneof![0..4usize, 50..60usize, 215..262usize],
            first in any::<u8>(),
            is_account in any::<bool>(),
            spoilt in proptest::option::of((0..40usize, any::<u8>())),
            cut in 0..3usize,
        ) {
            let value = if is_account { Value::Item } else { Value::String };
            let mut content = vec![first; payload];
            let mut bytes = vec![0xa0; 1 + KEY];
            if is_account {
                crate::rlp::put_list(&mut bytes, |out| out.append(&mut content));
            } else {
                crate::rlp::put_string(&mut bytes, &content);
            }
            let mut row = Vec::new();
            crate::rlp::put_list(&mut row, |out| out.append(&mut bytes));
            if let Some((at, byte)) = spoilt {
                let at = at % row.len();
                row[at] = byte;
            }
            row.extend_from_slice(&[0xc1, 0x80]);
            row.truncate(row.len() - cut);
            let row = Bytes::from(row);
            let Some(usual) = usual(&row, value) else { return Ok(()) };
            let (span, end) = by_the_rules(&row, value).expect("what is usual is legal");
            let (key, value) = (span.key as usize, span.value as usize..span.end as usize);
            prop_assert_eq!((usual.value.end, usual), (end, Row { key, value }));
        }
    }

    #[test]
    fn what_servers_send_is_usual() {
        for (length, value) in
            [(70, Value::Item), (104, Value::Item), (1, Value::String), (33, Value::String)]
        {
            let mut row = Vec::new();
            crate::rlp::put_list(&mut row, |out| {
                crate::rlp::put_string(out, &[7; KEY]);
                match value {
                    Value::Item => crate::rlp::put_list(out, |out| out.extend_from_slice(&vec![1; length])),
                    Value::String => crate::rlp::put_string(out, &vec![1; length]),
                }
            });
            assert!(usual(&row, value).is_some(), "{length}");
        }
    }
}
