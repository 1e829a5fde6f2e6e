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
            let mut row = list.list()?;
            let key = row.exactly(KEY)?;
            let value = match self.value {
                Value::Item => row.item()?.raw,
                Value::String => row.string()?,
            };
            row.finish()?;
            let (key, value_start) = (self.offset(key), self.offset(value));
            self.spans.push(Span::new(key, value_start..value_start + value.len()));
        }
        Ok(())
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
