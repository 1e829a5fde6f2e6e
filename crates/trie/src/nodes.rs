//! Finished branches on their way to the disk: paths, and disk forms in one buffer. It does not say which trie
//! they belong to.

use std::ops::Range;

use crate::{Branch, Path};

/// Branches in the order of their paths, already in their disk form, without an allocation each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    path: Path,
    start: usize,
    len: u16,
}

impl Nodes {
    /// How many branches there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The paths and disk forms (see [`Branch::encode`]), by rising path.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Path, &[u8])> + '_ {
        self.slice(0..self.entries.len())
    }

    /// The same, decoded.
    pub fn branches(&self) -> impl ExactSizeIterator<Item = (Path, Branch)> + '_ {
        self.iter().map(|(path, bytes)| {
            (path, Branch::decode(bytes).expect("these bytes were written as a branch by this crate"))
        })
    }

    /// Some of the branches, by their positions.
    pub(crate) fn slice(&self, range: Range<usize>) -> impl ExactSizeIterator<Item = (Path, &[u8])> + '_ {
        self.entries[range]
            .iter()
            .map(|entry| (entry.path, &self.bytes[entry.start..entry.start + usize::from(entry.len)]))
    }

    /// Makes room for so many branches that have so many references in all.
    pub(crate) fn reserve(&mut self, branches: usize, references: usize) {
        self.entries.reserve(branches);
        self.bytes.reserve(Branch::MASK_BYTES * branches + 32 * references);
    }

    /// Adds a branch whose disk form `write` appends.
    pub(crate) fn push(&mut self, path: Path, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        // Three masks and 16 references of at most 32 bytes: 518 bytes at most.
        self.entries.push(Entry { path, start, len: (self.bytes.len() - start) as u16 });
    }

    /// Puts the branches into the order of their paths. They come in a few sorted pieces, which a stable sort merges.
    pub(crate) fn sort(&mut self) {
        self.entries.sort_by_key(|entry| entry.path);
    }

    /// Adds the branches of `others`.
    pub(crate) fn append(&mut self, others: &Self) {
        for (path, bytes) in others.iter() {
            self.push(path, |out| out.extend_from_slice(bytes));
        }
    }

    /// Heap bytes in use, for those who keep a memory budget.
    pub fn bytes_held(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.bytes.capacity()
    }
}
