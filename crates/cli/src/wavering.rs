//! A chain that turns to and fro: many turns to another branch in a short time, as heads on two branches that are named in turn make them. That
//! is said once, until there is quiet again.
//!
//! Pure: time is passed in. It does not know who named what.

use std::{collections::VecDeque, time::Duration};

/// So many turns within the time are no network's own: that turns a few times an hour.
const TURNS: usize = 6;
/// The time in which they count.
const WITHIN: Duration = Duration::from_secs(180);
/// What is quiet for so long and wavers again is told again.
const QUIET: Duration = Duration::from_secs(600);

/// The turns of late. See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Wavering {
    turns: VecDeque<Duration>,
    /// Whether the last thing that happened was that a block was taken back.
    is_going_back: bool,
    /// Whether it was told, and there was no quiet since.
    is_told: bool,
}

impl Wavering {
    /// A block was taken: what is taken back after it is another turn.
    pub(crate) fn on_taken(&mut self) {
        self.is_going_back = false;
    }

    /// The state is brought to another branch by what differs: no block leads there.
    pub(crate) fn on_moved(&mut self, now: Duration) -> Option<String> {
        let said = self.on_taken_back(now);
        self.is_going_back = false;
        said
    }

    /// A block was taken back. What is to be said of it, if anything is.
    pub(crate) fn on_taken_back(&mut self, now: Duration) -> Option<String> {
        if std::mem::replace(&mut self.is_going_back, true) {
            return None;
        }
        let is_quiet = self.turns.back().is_none_or(|last| now >= *last + QUIET);
        self.is_told &= !is_quiet;
        self.turns.push_back(now);
        while self.turns.len() > TURNS {
            self.turns.pop_front();
        }
        let is_often =
            self.turns.len() == TURNS && self.turns.front().is_some_and(|first| now < *first + WITHIN);
        if !is_often || self.is_told {
            return None;
        }
        self.is_told = true;
        Some(format!(
            "warning: the chain has turned to another branch {TURNS} times within {} s: do two consensus clients name different heads?",
            WITHIN.as_secs()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns of three blocks, so many seconds apart; at which of them something is said.
    fn said(wavering: &mut Wavering, times: impl Iterator<Item = u64>) -> Vec<u64> {
        let said = times.filter(|second| {
            wavering.on_taken();
            let lines = (0..3).filter_map(|_| wavering.on_taken_back(Duration::from_secs(*second)));
            lines.count() == 1
        });
        said.collect()
    }

    #[test]
    fn a_branch_to_which_no_block_leads_is_a_turn_and_one_alone() {
        let mut wavering = Wavering::default();
        let times = (0..200).step_by(12).filter(|second| {
            wavering.on_taken();
            let lines = [
                wavering.on_taken_back(Duration::from_secs(*second)),
                wavering.on_moved(Duration::from_secs(*second)),
            ];
            lines.iter().flatten().count() == 1
        });
        assert_eq!(times.collect::<Vec<u64>>(), [60]);
        let mut wavering = Wavering::default();
        let said = |wavering: &mut Wavering, second| wavering.on_moved(Duration::from_secs(second)).is_some();
        assert_eq!(
            (0..200).step_by(12).filter(|second| said(&mut wavering, *second)).collect::<Vec<u64>>(),
            [60]
        );
    }

    // ROW: F1
    #[test]
    fn many_turns_are_told_once_until_there_was_quiet() {
        let mut wavering = Wavering::default();
        assert_eq!(said(&mut wavering, (0..4_000).step_by(60)), [] as [u64; 0], "not that many");
        assert_eq!(said(&mut wavering, (5_000..9_000).step_by(12)), [5_060]);
        assert_eq!(said(&mut wavering, (9_300..9_500).step_by(12)), [] as [u64; 0], "no quiet between");
        assert_eq!(said(&mut wavering, (10_200..10_300).step_by(12)), [10_260]);
    }
}
