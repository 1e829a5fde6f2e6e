//! Fences between rows: no pack reaches over one.
//!
//! Where rows are missing, those that come later lie in packs of their own. A pack that reached over the gap would overlap them, and
//! rows would vanish. So a fence stands where each gap begins: what lies before it and what lies behind the gap share no pack.

use alloy_primitives::B256;
use snapsync_trie::Path;

/// Keys, rising: rows below one and rows from it on share no pack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fences {
    keys: Vec<Vec<u8>>,
}

impl Fences {
    /// Nothing is missing.
    pub(crate) const fn none() -> Self {
        Self { keys: Vec::new() }
    }

    /// At these keys, which rise.
    #[cfg(test)]
    pub(crate) fn at(keys: impl Iterator<Item = Vec<u8>>) -> Self {
        Self { keys: keys.collect() }
    }

    /// For rows, around gaps that begin at these keys, which rise.
    pub(crate) fn of_rows(gaps: impl Iterator<Item = B256>) -> Self {
        #[cfg(feature = "planted-bugs")]
        if crate::planted::is(crate::WriterBug::PackAcrossGap) {
            return Self::none();
        }
        Self { keys: gaps.map(|gap| gap.to_vec()).collect() }
    }

    /// For branches, around gaps that begin at these keys, which rise.
    ///
    /// The branches of a gap are those below which all keys lie in it. The first of them may be as short as the gap's first key without
    /// its zeros at the end, and whatever stands above them is shorter still.
    pub(crate) fn of_branches(gaps: impl Iterator<Item = B256>) -> Self {
        Self { keys: gaps.map(Self::before_branches).collect() }
    }

    /// The fence between the branches before a gap that begins at this key and those in it.
    pub(crate) fn before_branches(gap: B256) -> Vec<u8> {
        let mut path = Path::of_key(&gap).to_key();
        path.truncate(path.iter().rposition(|nibble| *nibble != 0).map_or(0, |last| last + 1));
        path
    }

    /// Whether two keys may lie in one pack.
    pub(crate) fn is_between(&self, one: &[u8], other: &[u8]) -> bool {
        self.place(one) == self.place(other)
    }

    fn place(&self, key: &[u8]) -> usize {
        self.keys.partition_point(|fence| fence.as_slice() <= key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use snapsync_trie::HashRange;

    use super::*;

    proptest! {
        #[test]
        fn branches_in_a_gap_lie_behind_its_fence_and_those_before_it_do_not(
            first in prop::collection::vec(0..16u8, 0..4),
            last in prop::collection::vec(0..16u8, 0..4),
            path in prop::collection::vec(0..16u8, 0..5),
        ) {
            let filled = |nibbles: &[u8], with: u8| {
                let at = |index: usize| nibbles.get(index).copied().unwrap_or(with);
                B256::from_slice(&(0..32).map(|byte| at(2 * byte) << 4 | at(2 * byte + 1)).collect::<Vec<_>>())
            };
            let Some(gap) = HashRange::new(filled(&first, 0), filled(&last, 15)) else { return Ok(()) };
            let fences = Fences::of_branches(std::iter::once(gap.start()));
            let (from, to) = (filled(&path, 0), filled(&path, 15));
            let place = fences.place(&path);
            if gap.contains(&from) && gap.contains(&to) {
                prop_assert_eq!(place, 1);
            }
            if to < gap.start() || (from < gap.start() && to >= gap.start()) {
                prop_assert_eq!(place, 0);
            }
        }
    }
}
