//! A stretch of the 256-bit key space. It trusts nobody and knows nothing of what lies in it.

use alloy_primitives::{B256, U256};
use serde::{Deserialize, Serialize};

/// All keys from `start` to `last`, both included.
///
/// Invariant: `start <= last`, so a range holds at least one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Ends", into = "Ends")]
pub struct HashRange {
    start: B256,
    last: B256,
}

impl HashRange {
    /// Every key there is.
    pub const FULL: Self = Self { start: B256::ZERO, last: B256::repeat_byte(0xff) };

    /// The keys from `start` to `last`; `None` when `last` lies before `start`.
    pub fn new(start: B256, last: B256) -> Option<Self> {
        (start <= last).then_some(Self { start, last })
    }

    /// The range of exactly one key.
    pub fn single(key: B256) -> Self {
        Self { start: key, last: key }
    }

    /// The keys from `start` to the last key there is.
    pub fn from_start(start: B256) -> Self {
        Self { start, last: Self::FULL.last }
    }

    /// The first key.
    pub fn start(&self) -> B256 {
        self.start
    }

    /// The last key, which belongs to the range.
    pub fn last(&self) -> B256 {
        self.last
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &B256) -> bool {
        self.start <= *key && *key <= self.last
    }

    /// Whether all of `other` lies in the range.
    pub fn covers(&self, other: &Self) -> bool {
        self.start <= other.start && other.last <= self.last
    }

    /// Whether the two have no key in common.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.last < other.start || other.last < self.start
    }

    /// The keys that lie in both.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.last.min(other.last))
    }

    /// Cuts behind `key`: the left part ends with it. `None` when `key` is outside or is the last key.
    pub fn split_at(&self, key: B256) -> Option<(Self, Self)> {
        if !self.contains(&key) {
            return None;
        }
        let right = Self::new(Self::after(key)?, self.last)?;
        Some((Self { start: self.start, last: key }, right))
    }

    /// Cuts into `parts` ranges of (nearly) equal size, in order; fewer when there are fewer keys than parts.
    pub fn split(&self, parts: usize) -> Vec<Self> {
        let (start, last) = (number(self.start), number(self.last));
        let wanted = U256::from(parts.max(1));
        // Sizes less one throughout: FULL has 2^256 keys, which no U256 holds.
        let step_less_one = (last - start) / wanted;
        let mut ranges = Vec::with_capacity(parts.max(1));
        let mut at = start;
        loop {
            let end = at.checked_add(step_less_one).map_or(last, |end| end.min(last));
            ranges.push(Self { start: key(at), last: key(end) });
            if end == last {
                return ranges;
            }
            at = end + U256::ONE;
        }
    }

    /// The share of the whole key space, from (nearly) 0 to 1.
    pub fn share(&self) -> f64 {
        let size_less_one = number(self.last) - number(self.start);
        let top: u128 = (size_less_one >> 128usize).to::<u128>();
        (top as f64 + 1.0) / 2f64.powi(128)
    }

    /// The key that follows `key`; `None` after the last one.
    pub fn after(key_before: B256) -> Option<B256> {
        number(key_before).checked_add(U256::ONE).map(key)
    }

    /// The key that precedes `key`; `None` before the first one.
    pub fn before(key_after: B256) -> Option<B256> {
        number(key_after).checked_sub(U256::ONE).map(key)
    }
}

fn number(key: B256) -> U256 {
    U256::from_be_bytes(key.0)
}

fn key(number: U256) -> B256 {
    B256::from(number.to_be_bytes())
}

/// The written form of a range, whose invariant is checked when it is read.
#[derive(Serialize, Deserialize)]
struct Ends {
    start: B256,
    last: B256,
}

impl From<HashRange> for Ends {
    fn from(range: HashRange) -> Self {
        Self { start: range.start, last: range.last }
    }
}

impl TryFrom<Ends> for HashRange {
    type Error = String;

    fn try_from(ends: Ends) -> Result<Self, String> {
        Self::new(ends.start, ends.last)
            .ok_or_else(|| format!("a range from {} to {} holds no key", ends.start, ends.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u64) -> B256 {
        key(U256::from(n))
    }

    #[test]
    fn parts_touch_and_fill_the_range() {
        for parts in [0, 1, 2, 3, 16, 17, 1000] {
            let ranges = HashRange::FULL.split(parts);
            assert_eq!(ranges.len(), parts.max(1));
            assert_eq!(ranges[0].start(), B256::ZERO);
            assert_eq!(ranges[ranges.len() - 1].last(), HashRange::FULL.last());
            for pair in ranges.windows(2) {
                assert_eq!(HashRange::after(pair[0].last()), Some(pair[1].start()));
            }
        }
    }

    #[test]
    fn a_short_range_gives_no_more_parts_than_keys() {
        let range = HashRange::new(at(5), at(7)).unwrap();
        let parts = range.split(16);
        assert_eq!(parts, vec![HashRange::single(at(5)), HashRange::single(at(6)), HashRange::single(at(7))]);
    }

    #[test]
    fn a_cut_keeps_every_key() {
        let range = HashRange::new(at(5), at(9)).unwrap();
        let (left, right) = range.split_at(at(6)).unwrap();
        assert_eq!((left.start(), left.last(), right.start(), right.last()), (at(5), at(6), at(7), at(9)));
        assert!(range.split_at(at(9)).is_none());
        assert!(range.split_at(at(4)).is_none());
        assert!(left.is_disjoint(&right));
        assert_eq!(left.intersection(&right), None);
    }

    #[test]
    fn shares_add_up() {
        assert!((HashRange::FULL.share() - 1.0).abs() < 1e-12);
        let sum: f64 = HashRange::FULL.split(7).iter().map(HashRange::share).sum();
        assert!((sum - 1.0).abs() < 1e-9);
    }
}
