//! What is held of a key space, and how new it is. The engine, the writers and the simulation keep the same map.
//!
//! ```text
//! key   00..      20..        7f..      c4..           A mark stands where a stretch begins; the next one ends it.
//!       At(2)     Missing     At(1)     Mixed
//! ```
//!
//! A row of an `At(t)` stretch is true at some block of t's chain, none older than t: the rows of one stretch may be of several blocks.
//! Access lists hold absolute values, so the lists of all blocks after t, in order, bring each of them to the newest one.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::HashRange;

/// Names a target (a block whose state is or was wanted) for as long as a data directory lives. Of two on one chain the later block
/// has the higher id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetId(pub u32);

impl TargetId {
    /// The id of the target after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// How the rows of a stretch of keys stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// None is known.
    #[default]
    Missing,
    /// All are there, true at blocks of this target's chain that are not older than it.
    At(TargetId),
    /// All are there, and nothing is known of how true they are: only comparing or fetching ends that.
    Mixed,
}

impl Standing {
    /// Whether rows are there.
    pub fn is_held(self) -> bool {
        self != Self::Missing
    }

    /// Whether rows proved at `target` are worth more than what stands here.
    pub fn yields_to(self, target: TargetId) -> bool {
        match self {
            Self::Missing | Self::Mixed => true,
            Self::At(held) => held < target,
        }
    }

    /// Whether rows proved at `target` are worth as much as what stands here, or more.
    pub fn is_up_to(self, target: TargetId) -> bool {
        self == Self::At(target) || self.yields_to(target)
    }

    /// What may be said of the rows of both: the older target, or less.
    pub fn older(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(one), Self::At(two)) => Self::At(one.min(two)),
            (Self::Missing, _) | (_, Self::Missing) => Self::Missing,
            (Self::Mixed, _) | (_, Self::Mixed) => Self::Mixed,
        }
    }
}

/// How all keys there are stand.
///
/// Invariant: the first mark is at the first key; marks rise; neighbours differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(B256, Standing)>", into = "Vec<(B256, Standing)>")]
pub struct Coverage {
    marks: Vec<(B256, Standing)>,
}

impl Default for Coverage {
    fn default() -> Self {
        Self::missing()
    }
}

impl Coverage {
    /// Stretches above which whoever keeps the map joins neighbours: a list that is copied when one changes, and rows that a commit may touch.
    /// Room for the accounts that a few left blocks changed, two stretches each; 40 bytes each.
    pub const STRETCHES_MAX: usize = 4096;

    /// Nothing is held.
    pub fn missing() -> Self {
        Self::all(Standing::Missing)
    }

    /// All keys stand the same.
    pub fn all(standing: Standing) -> Self {
        Self { marks: vec![(B256::ZERO, standing)] }
    }

    /// Everything is held, as of `target`, but what lies in `gaps`.
    pub fn all_but(gaps: impl IntoIterator<Item = HashRange>, target: TargetId) -> Self {
        let mut coverage = Self::all(Standing::At(target));
        gaps.into_iter().for_each(|gap| coverage.set(gap, Standing::Missing));
        coverage
    }

    /// What [`Coverage::marks`] gave. `None` when they are no marks of all keys.
    pub fn from_marks(marks: Vec<(B256, Standing)>) -> Option<Self> {
        let begins = marks.first().is_some_and(|(start, _)| start.is_zero());
        let rises = marks.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1);
        (begins && rises).then_some(Self { marks })
    }

    /// Where each stretch begins, rising, and how it stands.
    pub fn marks(&self) -> &[(B256, Standing)] {
        &self.marks
    }

    /// How `key` stands.
    pub fn at(&self, key: B256) -> Standing {
        self.marks[self.index_of(key)].1
    }

    /// All keys of `range` stand like this from now on.
    pub fn set(&mut self, range: HashRange, standing: Standing) {
        let from = self.marks.partition_point(|(start, _)| *start < range.start());
        let behind = HashRange::after(range.last());
        let to = behind
            .map_or(self.marks.len(), |behind| self.marks.partition_point(|(start, _)| *start <= behind));
        // How what follows the range stands, should no mark of its own be there.
        let next = behind.map(|behind| (behind, self.at(behind)));
        let before = from.checked_sub(1).map(|before| self.marks[before].1);
        let first = (before != Some(standing)).then_some((range.start(), standing));
        let next = next.filter(|(_, next)| *next != standing);
        self.marks.splice(from..to, first.into_iter().chain(next));
    }

    /// Rows of `covered`, proved at `target`, are held now: the pieces of it that were missing, rising. How other keys stand does not
    /// change.
    pub fn fill(&mut self, covered: HashRange, target: TargetId) -> Vec<HashRange> {
        let missing: Vec<HashRange> = self.gaps_within(covered).collect();
        missing.iter().for_each(|piece| self.set(*piece, Standing::At(target)));
        missing
    }

    /// What is held as of one target is held as of another from now on.
    pub fn rename(&mut self, from: TargetId, to: TargetId) {
        for (_, standing) in &mut self.marks {
            if *standing == Standing::At(from) {
                *standing = Standing::At(to);
            }
        }
        self.marks.dedup_by_key(|(_, standing)| *standing);
    }

    /// The stretches, rising.
    pub fn stretches(&self) -> impl Iterator<Item = (HashRange, Standing)> + '_ {
        self.within(HashRange::FULL)
    }

    /// The stretches of `range`, clipped to it, rising.
    pub fn within(&self, range: HashRange) -> impl Iterator<Item = (HashRange, Standing)> + '_ {
        let from = self.index_of(range.start());
        self.marks[from..].iter().enumerate().map_while(move |(at, (start, standing))| {
            let next = self.marks.get(from + at + 1).and_then(|(next, _)| HashRange::before(*next));
            let whole = HashRange::new(*start, next.unwrap_or(HashRange::FULL.last()))?;
            Some((whole.intersection(&range)?, *standing))
        })
    }

    /// What is missing, rising.
    pub fn gaps(&self) -> impl Iterator<Item = HashRange> + '_ {
        self.gaps_within(HashRange::FULL)
    }

    /// What of `range` is missing, rising.
    pub fn gaps_within(&self, range: HashRange) -> impl Iterator<Item = HashRange> + '_ {
        self.within(range).filter(|(_, standing)| !standing.is_held()).map(|(range, _)| range)
    }

    /// Whether nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.marks.iter().all(|(_, standing)| standing.is_held())
    }

    /// Whether everything is missing.
    pub fn is_missing(&self) -> bool {
        self.marks.iter().all(|(_, standing)| !standing.is_held())
    }

    /// What may be said of all that is held; `Missing` if nothing is.
    pub fn oldest(&self) -> Standing {
        let held = self.marks.iter().map(|(_, standing)| *standing).filter(|standing| standing.is_held());
        held.reduce(Standing::older).unwrap_or_default()
    }

    /// The share of the key space that is missing, from 0 to 1.
    pub fn share_missing(&self) -> f64 {
        self.gaps().map(|gap| gap.share()).sum()
    }

    /// Where there are more than `max` stretches, all held neighbours become one, of which no more is said than of the oldest. Gaps stay.
    pub fn join(&mut self, max: usize) {
        if self.marks.len() <= max {
            return;
        }
        let mut joined: Vec<(B256, Standing)> = Vec::with_capacity(self.marks.len());
        for (start, standing) in self.marks.drain(..) {
            match joined.last_mut() {
                Some((_, before)) if before.is_held() == standing.is_held() => {
                    *before = before.older(standing);
                }
                _ => joined.push((start, standing)),
            }
        }
        self.marks = joined;
    }

    fn index_of(&self, key: B256) -> usize {
        // The first mark is at the first key.
        self.marks.partition_point(|(start, _)| *start <= key) - 1
    }
}

impl TryFrom<Vec<(B256, Standing)>> for Coverage {
    type Error = &'static str;

    fn try_from(marks: Vec<(B256, Standing)>) -> Result<Self, Self::Error> {
        Self::from_marks(marks).ok_or("marks do not rise from the first key, or neighbours stand the same")
    }
}

impl From<Coverage> for Vec<(B256, Standing)> {
    fn from(coverage: Coverage) -> Self {
        coverage.marks
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

    fn range(one: u8, other: u8) -> HashRange {
        HashRange::new(at(one.min(other)), at(one.max(other))).unwrap()
    }

    fn standing() -> impl Strategy<Value = Standing> {
        prop_oneof![
            Just(Standing::Missing),
            (1..4u32).prop_map(|id| Standing::At(TargetId(id))),
            Just(Standing::Mixed),
        ]
    }

    proptest! {
        #[test]
        fn a_coverage_equals_a_plain_map(
            steps in prop::collection::vec((any::<u8>(), any::<u8>(), standing(), any::<bool>()), 0..40),
        ) {
            let mut coverage = Coverage::missing();
            let mut plain = [Standing::Missing; 256];
            for (one, other, to, fill) in steps {
                let keys = &mut plain[usize::from(one.min(other))..=usize::from(one.max(other))];
                match to {
                    Standing::At(target) if fill => {
                        let pieces = coverage.fill(range(one, other), target);
                        prop_assert_eq!(pieces.is_empty(), keys.iter().all(|key| key.is_held()) );
                        keys.iter_mut().filter(|key| !key.is_held()).for_each(|key| *key = to);
                    }
                    _ => {
                        coverage.set(range(one, other), to);
                        keys.fill(to);
                    }
                }
            }
            for n in 0..=255u8 {
                prop_assert_eq!(coverage.at(at(n)), plain[usize::from(n)]);
            }
            let marks = coverage.marks().to_vec();
            prop_assert_eq!(Coverage::from_marks(marks), Some(coverage.clone()));
            let mut next = Some(B256::ZERO);
            for (stretch, standing) in coverage.stretches() {
                prop_assert_eq!(Some(stretch.start()), next);
                prop_assert_eq!(coverage.at(stretch.last()), standing);
                next = HashRange::after(stretch.last());
            }
            prop_assert_eq!(next, None);
            let gaps: Vec<HashRange> = coverage.gaps().collect();
            let oldest = coverage.oldest();
            coverage.join(1);
            prop_assert_eq!(coverage.gaps().collect::<Vec<_>>(), gaps);
            prop_assert!(coverage.oldest() == oldest);
            for (n, before) in (0..=255u8).zip(plain) {
                prop_assert_eq!(coverage.at(at(n)), before.older(coverage.at(at(n))), "nothing gets newer");
            }
        }
    }

    #[test]
    fn stretches_of_targets_that_become_one_are_one() {
        let mut coverage = Coverage::all(Standing::At(TargetId(1)));
        coverage.set(range(3, 9), Standing::At(TargetId(2)));
        coverage.set(range(20, 30), Standing::Missing);
        coverage.rename(TargetId(1), TargetId(2));
        assert_eq!(coverage.stretches().count(), 3);
        assert_eq!(coverage.oldest(), Standing::At(TargetId(2)));
    }

    #[test]
    fn a_gap_at_the_end_of_all_keys_is_filled() {
        let mut coverage = Coverage::missing();
        let half = HashRange::from_start(B256::repeat_byte(0x80));
        assert_eq!(coverage.fill(half, TargetId(3)), [half]);
        assert_eq!(
            coverage.fill(HashRange::FULL, TargetId(2)),
            [HashRange::before(half.start()).and_then(|last| HashRange::new(B256::ZERO, last)).unwrap()]
        );
        assert!(coverage.is_whole());
        assert_eq!(coverage.oldest(), Standing::At(TargetId(2)));
    }
}
