//! Ranges of block numbers, and ordered sets of them: what history is still missing.

use serde::{Deserialize, Serialize};

/// Block numbers, both ends inclusive. Invariant: `first <= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlockRange {
    /// The lowest number.
    pub first: u64,
    /// The highest number.
    pub last: u64,
}

impl BlockRange {
    /// The range from `first` to `last`, or nothing if that is empty.
    pub fn new(first: u64, last: u64) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// How many blocks.
    pub fn count(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Whether `number` lies in the range.
    pub fn contains(&self, number: u64) -> bool {
        (self.first..=self.last).contains(&number)
    }

    /// Whether all of `other` lies in the range.
    pub fn covers(&self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// The numbers in both ranges.
    pub fn meet(&self, other: Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }
}

/// An ordered set of disjoint block ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockGaps {
    ranges: Vec<BlockRange>,
}

impl BlockGaps {
    /// The union of the given ranges.
    pub fn new(ranges: impl IntoIterator<Item = BlockRange>) -> Self {
        let mut gaps = Self::default();
        for range in ranges {
            gaps.insert(range);
        }
        gaps
    }

    /// The ranges, rising.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = BlockRange> + '_ {
        self.ranges.iter().copied()
    }

    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many blocks are missing.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(BlockRange::count).sum()
    }

    /// Adds a range; parts that are there already change nothing.
    pub fn insert(&mut self, range: BlockRange) {
        let mut merged = range;
        let mut kept = Vec::with_capacity(self.ranges.len() + 1);
        for old in self.ranges.drain(..) {
            let touches =
                old.first <= merged.last.saturating_add(1) && merged.first <= old.last.saturating_add(1);
            if touches {
                merged = BlockRange { first: merged.first.min(old.first), last: merged.last.max(old.last) };
            } else {
                kept.push(old);
            }
        }
        let at = kept.partition_point(|old| old.first < merged.first);
        kept.insert(at, merged);
        self.ranges = kept;
    }

    /// Takes a range out; gives the parts of it that were missing until now.
    pub(crate) fn take(&mut self, range: BlockRange) -> Vec<BlockRange> {
        let parts = self.ranges.iter().filter_map(|old| old.meet(range)).collect();
        self.remove(range);
        parts
    }

    /// Takes a range out; says how many of its blocks were missing until now.
    pub fn remove(&mut self, range: BlockRange) -> u64 {
        let before = self.count();
        let mut kept = Vec::with_capacity(self.ranges.len() + 1);
        for old in self.ranges.drain(..) {
            if old.meet(range).is_none() {
                kept.push(old);
                continue;
            }
            if old.first < range.first {
                kept.push(BlockRange { first: old.first, last: range.first - 1 });
            }
            if range.last < old.last {
                kept.push(BlockRange { first: range.last + 1, last: old.last });
            }
        }
        self.ranges = kept;
        before - self.count()
    }
}
