//! What is still missing of a key space, as ranges. It does not know why something is missing.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::HashRange;

/// An ordered set of keys kept as disjoint ranges.
///
/// Invariant: the ranges rise, and between two of them lies at least one key that is not in the set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<HashRange>", into = "Vec<HashRange>")]
pub struct Gaps {
    ranges: Vec<HashRange>,
}

impl Gaps {
    /// No gap at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// The whole key space is missing.
    pub fn full() -> Self {
        Self { ranges: vec![HashRange::FULL] }
    }

    /// Adds the keys of `range`, merging what overlaps or touches.
    pub fn insert(&mut self, range: HashRange) {
        // Ranges that end before the key before `range.start` neither overlap nor touch it; same on the right.
        let from = match HashRange::before(range.start()) {
            Some(before) => self.ranges.partition_point(|gap| gap.last() < before),
            None => 0,
        };
        let to = match HashRange::after(range.last()) {
            Some(after) => self.ranges.partition_point(|gap| gap.start() <= after),
            None => self.ranges.len(),
        };
        let start = self.ranges[from..to].first().map_or(range.start(), |gap| gap.start().min(range.start()));
        let last = self.ranges[from..to].last().map_or(range.last(), |gap| gap.last().max(range.last()));
        self.ranges.splice(from..to, HashRange::new(start, last));
    }

    /// Takes the keys of `range` out.
    pub fn remove(&mut self, range: HashRange) {
        let from = self.ranges.partition_point(|gap| gap.last() < range.start());
        let to = self.ranges.partition_point(|gap| gap.start() <= range.last());
        if from >= to {
            return;
        }
        let left = HashRange::before(range.start())
            .and_then(|before| HashRange::new(self.ranges[from].start(), before));
        let right = HashRange::after(range.last())
            .and_then(|after| HashRange::new(after, self.ranges[to - 1].last()));
        self.ranges.splice(from..to, left.into_iter().chain(right));
    }

    /// The first range that is missing.
    pub fn first(&self) -> Option<HashRange> {
        self.ranges.first().copied()
    }

    /// The longest range that is missing; the first of them when several are equally long.
    pub fn longest(&self) -> Option<HashRange> {
        let size = |range: &HashRange| {
            let (start, last) = (range.start(), range.last());
            alloy_primitives::U256::from_be_bytes(last.0) - alloy_primitives::U256::from_be_bytes(start.0)
        };
        self.ranges.iter().rev().max_by_key(|range| size(range)).copied()
    }

    /// All ranges that are missing, rising.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = HashRange> + '_ {
        self.ranges.iter().copied()
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether `key` is missing.
    pub fn contains(&self, key: &B256) -> bool {
        let at = self.ranges.partition_point(|gap| gap.last() < *key);
        self.ranges.get(at).is_some_and(|gap| gap.contains(key))
    }

    /// Whether all of `range` is missing.
    pub fn covers(&self, range: &HashRange) -> bool {
        let at = self.ranges.partition_point(|gap| gap.last() < range.start());
        self.ranges.get(at).is_some_and(|gap| gap.covers(range))
    }

    /// What of `range` is missing, rising.
    pub fn within(&self, range: HashRange) -> impl Iterator<Item = HashRange> + '_ {
        let from = self.ranges.partition_point(|gap| gap.last() < range.start());
        self.ranges[from..].iter().map_while(move |gap| gap.intersection(&range))
    }

    /// The share of the key space that is missing, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.ranges.iter().map(HashRange::share).sum()
    }
}

impl From<Vec<HashRange>> for Gaps {
    fn from(ranges: Vec<HashRange>) -> Self {
        ranges.into_iter().collect()
    }
}

impl From<Gaps> for Vec<HashRange> {
    fn from(gaps: Gaps) -> Self {
        gaps.ranges
    }
}

impl FromIterator<HashRange> for Gaps {
    fn from_iter<I: IntoIterator<Item = HashRange>>(ranges: I) -> Self {
        let mut gaps = Self::none();
        for range in ranges {
            gaps.insert(range);
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Keys near both ends of the key space, so that the edges are met often.
    fn at(n: u8) -> B256 {
        let mut key = if n < 128 { B256::ZERO } else { B256::repeat_byte(0xff) };
        key.0[31] = n;
        key
    }

    proptest! {
        #[test]
        fn gaps_equal_a_plain_set(steps in prop::collection::vec((any::<bool>(), any::<u8>(), any::<u8>()), 0..40)) {
            let mut gaps = Gaps::none();
            let mut plain = [false; 256];
            for (add, a, b) in steps {
                let (low, high) = (a.min(b), a.max(b));
                let range = HashRange::new(at(low), at(high)).unwrap();
                if add { gaps.insert(range) } else { gaps.remove(range) }
                plain[low as usize..=high as usize].fill(add);
            }
            for n in 0..=255u8 {
                prop_assert_eq!(gaps.contains(&at(n)), plain[n as usize]);
            }
            for pair in gaps.ranges.windows(2) {
                prop_assert!(HashRange::after(pair[0].last()).unwrap() < pair[1].start());
            }
            for gap in gaps.iter() {
                prop_assert!(gaps.covers(&gap));
                prop_assert_eq!(gaps.within(gap).collect::<Vec<_>>(), vec![gap]);
            }
        }
    }
}
