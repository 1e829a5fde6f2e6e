//! Rows that became durable, told together: a sync of a hundred million leaves commits them in far more pieces than anybody wants to hear of.
//!
//! It tells nobody; `outlets.rs` says when.

use snapsync_trie::{Gaps, HashRange};

/// Stretches of the account key space that are named; as many ranges as are fetched at once, twice.
const RANGES_MAX: usize = 64;

/// Rows that became durable since this was told last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Account rows.
    pub accounts: u64,
    /// Stretches of the account key space that have no unknown account any more, rising; neighbours are joined. They are of the targets that
    /// they were asked of.
    pub ranges: Vec<HashRange>,
    /// Stretches beyond these, which are not named.
    pub more_ranges: usize,
    /// Storages of which slots came.
    pub storages: u64,
    /// Slots.
    pub slots: u64,
    /// Codes.
    pub codes: u64,
}

/// What is to be told.
#[derive(Debug)]
pub(crate) struct Applying {
    told: Applied,
    ranges: Gaps,
}

impl Applying {
    pub(crate) fn nothing() -> Self {
        Self { told: Applied::default(), ranges: Gaps::none() }
    }

    /// Account rows of a stretch are durable.
    pub(crate) fn accounts(&mut self, rows: u64, covered: HashRange) {
        self.told.accounts += rows;
        self.ranges.insert(covered);
    }

    /// Slots of so many storages are durable.
    pub(crate) fn storages(&mut self, storages: u64, slots: u64) {
        self.told.storages += storages;
        self.told.slots += slots;
    }

    /// Codes are durable.
    pub(crate) fn codes(&mut self, codes: u64) {
        self.told.codes += codes;
    }

    /// What came since the last call, if anything did.
    pub(crate) fn take(&mut self) -> Option<Applied> {
        let Self { told, ranges } = std::mem::replace(self, Self::nothing());
        let more_ranges = ranges.len().saturating_sub(RANGES_MAX);
        let applied = Applied { ranges: ranges.iter().take(RANGES_MAX).collect(), more_ranges, ..told };
        (applied != Applied::default()).then_some(applied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_piece_by_piece_is_told_once_with_neighbours_joined_and_few_ranges() {
        let mut applying = Applying::nothing();
        let pieces = HashRange::FULL.split(1 << 12);
        pieces[..1_000].iter().for_each(|piece| applying.accounts(3, *piece));
        applying.storages(2, 50);
        applying.codes(1);
        let told = applying.take().expect("rows came");
        assert_eq!(told.ranges, [HashRange::new(pieces[0].start(), pieces[999].last()).expect("rising")]);
        assert_eq!((told.accounts, told.storages, told.slots, told.codes), (3_000, 2, 50, 1));
        assert_eq!(applying.take(), None);
        pieces.iter().step_by(2).for_each(|piece| applying.accounts(0, *piece));
        let told = applying.take().expect("that nobody is there is told, too");
        assert_eq!((told.ranges.len(), told.more_ranges), (RANGES_MAX, 2_048 - RANGES_MAX));
    }
}
