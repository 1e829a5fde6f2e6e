//! Sets of rows, one behind the other, all views into one buffer.
//!
//! Answers hold a thousand sets of one to three slots: a set is a piece of one flat list and has no allocation of its own.
//! Whose set is whose is not known here.

use std::{fmt, iter::FusedIterator, slice};

use alloy_primitives::{B256, Bytes};

use super::rows::{Rows, RowsIter, RowsMaker, RowsReader, Value};
use crate::{error::Error, limits, rlp::Reader};

/// Sets of rows, in the order received.
#[derive(Clone, Default)]
pub struct RowSets {
    rows: Rows,
    /// Where each set ends. Invariant: never falling, and the last one is `rows.len()`.
    ends: Vec<u32>,
}

impl RowSets {
    /// How many sets there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no set. There may be sets without rows.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Each set.
    pub fn iter(&self) -> RowSetsIter<'_> {
        RowSetsIter { rows: &self.rows, start: 0, ends: self.ends.iter() }
    }

    /// The rows of all sets.
    pub const fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Reads all sets of a list that lies in `message`.
    pub(super) fn read(message: &Bytes, mut list: Reader<'_>) -> Result<Self, Error> {
        let mut rows = RowsReader::new(message, list.rest(), Value::String, limits::SLOTS_MAX);
        let mut ends = Vec::new();
        while !list.is_empty() {
            if ends.len() == limits::SLOT_SETS_MAX {
                return Err(list.too_many(limits::SLOT_SETS_MAX));
            }
            rows.read(list.list()?.named("slots"))?;
            ends.push(end(rows.len()));
        }
        Ok(Self { rows: rows.finish(), ends })
    }
}

impl<V, S> FromIterator<S> for RowSets
where
    V: AsRef<[u8]>,
    S: IntoIterator<Item = (B256, V)>,
{
    fn from_iter<I: IntoIterator<Item = S>>(sets: I) -> Self {
        let (mut maker, mut ends) = (RowsMaker::default(), Vec::new());
        for set in sets {
            set.into_iter().for_each(|(key, value)| maker.push(&key, value.as_ref()));
            ends.push(end(maker.len()));
        }
        Self { rows: maker.finish(), ends }
    }
}

impl<'a> IntoIterator for &'a RowSets {
    type Item = RowsIter<'a>;
    type IntoIter = RowSetsIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for RowSets {
    fn eq(&self, other: &Self) -> bool {
        self.ends == other.ends && self.rows == other.rows
    }
}

impl Eq for RowSets {}

impl fmt::Debug for RowSets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Walks over sets of rows.
#[derive(Clone, Debug)]
pub struct RowSetsIter<'a> {
    rows: &'a Rows,
    start: u32,
    ends: slice::Iter<'a, u32>,
}

impl<'a> Iterator for RowSetsIter<'a> {
    type Item = RowsIter<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = *self.ends.next()?;
        let start = std::mem::replace(&mut self.start, end);
        Some(self.rows.part(start as usize..end as usize))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ends.size_hint()
    }
}

impl ExactSizeIterator for RowSetsIter<'_> {}
impl FusedIterator for RowSetsIter<'_> {}

fn end(rows: usize) -> u32 {
    u32::try_from(rows).expect("a message, and what is to become one, is far below 4 GiB")
}
