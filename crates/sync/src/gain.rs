//! The race between our rows and the head: blocks by which rows are brought on, against blocks that the chain grows by meanwhile.
//!
//! ```text
//!   rows   100 ──────────> 160            60 blocks brought on
//!   head   200 ──> 215                    15 produced: the gain is 4, and the rest takes (215 - 160) / (60 - 15) of that time
//! ```
//!
//! The head wins where it grows faster than lists bring rows on, for as long as is looked back; and where a move cuts off two walks in a row,
//! of which the second found no fewer differences. Then the next pivot is taken nearer to the head, each time by half: peers keep its state
//! that much longer, and so long is a walk's time.
//!
//! It trusts whoever says how far rows are. It moves no pivot, and it ends no sync.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Config, Phase, TargetId};

/// Where rows and head are is written down this often at most, as a share of the time that is looked back.
const SAMPLES: u32 = 32;

/// Blocks that the chain must have grown by before a race is called: fewer come in a burst.
const PRODUCED_MIN: u64 = 8;

/// Blocks by which rows were brought on, and blocks that were produced meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gain {
    /// Blocks by which the oldest rows are younger.
    pub brought: u64,
    /// Blocks by which the head is.
    pub produced: u64,
    /// In how long, milliseconds.
    pub over_ms: u64,
}

impl Gain {
    /// Blocks brought on for each that was produced; nothing if none was.
    pub fn ratio(&self) -> Option<f64> {
        (self.produced > 0).then(|| self.brought as f64 / self.produced as f64)
    }

    /// How long it takes at this pace until rows that are so many blocks behind are at the head; nothing if never.
    pub fn time_for(&self, behind: u64) -> Option<Duration> {
        let net = self.brought.checked_sub(self.produced).filter(|net| *net > 0)?;
        Duration::try_from_secs_f64(self.over_ms as f64 / 1e3 * behind as f64 / net as f64).ok()
    }
}

/// Where both were at a moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    rows: u64,
    head: u64,
}

impl Sample {
    fn until(&self, later: &Self) -> Gain {
        Gain {
            brought: later.rows.saturating_sub(self.rows),
            produced: later.head.saturating_sub(self.head),
            over_ms: u64::try_from(later.at.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// A walk that a move cut off.
#[derive(Clone, Copy, Debug)]
struct Cut {
    target: TargetId,
    /// Answers of it that found rows to differ.
    differing: u64,
}

/// The race. See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Race {
    first: Option<Sample>,
    /// Rising, and no further apart than is looked back.
    lately: VecDeque<Sample>,
    /// Answers of the walk that is under way that found rows to differ.
    differing: u64,
    cut: Option<Cut>,
    /// How often in a row a walk was cut off and found no fewer differences than the one before.
    lost: u32,
    /// Whether lists have lost for as long as is looked back.
    is_outrun: bool,
}

impl Race {
    /// Rows and head are here at this moment; of rows that are still on their way nothing is said.
    pub(crate) fn see(&mut self, config: &Config, at: Duration, rows: u64, head: u64, phase: Phase) {
        let window = Duration::from_millis(config.gain_window_ms.max(1));
        let sample = Sample { at, rows, head };
        self.first.get_or_insert(sample);
        self.lately.push_back(sample);
        // One that is as old as is looked back stays, so that the whole of it is spanned.
        while self.lately.get(1).is_some_and(|second| second.at + window <= at) {
            self.lately.pop_front();
        }
        let is_spanned = self.lately.front().is_some_and(|first| first.at + window <= at);
        let gain = self.lately().unwrap_or_default();
        self.is_outrun = phase == Phase::CatchUp
            && is_spanned
            && gain.produced >= PRODUCED_MIN
            && gain.brought < gain.produced;
    }

    pub(crate) fn is_due(&self, config: &Config, at: Duration) -> bool {
        let step = Duration::from_millis(config.gain_window_ms) / SAMPLES;
        self.lately.back().is_none_or(|last| last.at + step <= at)
    }

    /// What was gained lately.
    pub(crate) fn lately(&self) -> Option<Gain> {
        Some(self.lately.front()?.until(self.lately.back()?))
    }

    /// What was gained since it is looked.
    pub(crate) fn whole(&self) -> Option<Gain> {
        Some(self.first?.until(self.lately.back()?))
    }

    /// Whether rows were seen at this block last.
    pub(crate) fn is_seen_at(&self, rows: u64) -> bool {
        self.lately.back().is_some_and(|last| last.rows == rows)
    }

    /// Rows differed, and were put right.
    pub(crate) fn differed(&mut self) {
        self.differing += 1;
    }

    /// A move cuts off the walk to this target. Said again of the same one, it changes nothing.
    pub(crate) fn cut(&mut self, target: TargetId) {
        if self.cut.is_some_and(|cut| cut.target == target) {
            return;
        }
        let is_lost = self.cut.is_some_and(|before| self.differing >= before.differing);
        self.lost = if is_lost { self.lost + 1 } else { 0 };
        self.cut = Some(Cut { target, differing: std::mem::take(&mut self.differing) });
    }

    /// A walk came to its end.
    pub(crate) fn walked(&mut self) {
        (self.differing, self.cut, self.lost) = (0, None, 0);
    }

    /// Whether the head wins.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost > 0 || self.is_outrun
    }

    /// Blocks between the head and the next pivot.
    pub(crate) fn distance(&self, config: &Config) -> u64 {
        let halvings = self.lost.max(u32::from(self.is_outrun));
        let usual = config.pivot_distance;
        usual.checked_shr(halvings).unwrap_or(0).max(config.pivot_distance_min.min(usual))
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;

    fn config() -> Config {
        Config { gain_window_ms: 60_000, ..Config::standing(B256::ZERO) }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_brought_on_is_held_against_what_is_produced() {
        let mut race = Race::default();
        race.see(&config(), at(0), 100, 200, Phase::CatchUp);
        race.see(&config(), at(30), 160, 215, Phase::CatchUp);
        let gain = race.lately().expect("two samples");
        assert_eq!(gain, Gain { brought: 60, produced: 15, over_ms: 30_000 });
        assert_eq!((gain.ratio(), gain.time_for(90)), (Some(4.0), Some(at(60))));
        assert_eq!(Gain { brought: 3, produced: 3, ..gain }.time_for(1), None, "never");
        assert_eq!(Gain { produced: 0, ..gain }.ratio(), None, "the chain stands still");
        assert!(!race.is_lost());
    }

    #[test]
    fn a_head_that_outruns_lists_has_won_only_after_a_while_and_no_longer_than_it_does() {
        let mut race = Race::default();
        let mut told = Vec::new();
        // Ten blocks in ten seconds, half of which are brought on.
        for step in 0..12 {
            race.see(&config(), at(10 * step), 100 + 5 * step, 200 + 10 * step, Phase::CatchUp);
            told.push(race.is_lost());
        }
        assert_eq!(told.iter().position(|lost| *lost), Some(6), "a whole minute: {told:?}");
        assert_eq!(race.distance(&config()), 32, "half as far from the head");
        for step in 12..20 {
            race.see(
                &config(),
                at(10 * step),
                160 + 40 * (step - 12),
                320 + 10 * (step - 12),
                Phase::CatchUp,
            );
        }
        assert!(!race.is_lost());
        assert_eq!(race.distance(&config()), 64);
        assert!(race.lately.len() <= 8, "what is older than is looked back is forgotten");
    }

    #[test]
    fn of_two_walks_that_are_cut_off_the_second_has_to_find_less() {
        let mut race = Race::default();
        let mut cut = |target: u32, differing: u64| {
            (0..differing).for_each(|_| race.differed());
            race.cut(TargetId(target));
            race.cut(TargetId(target));
            (race.is_lost(), race.distance(&config()))
        };
        assert_eq!(cut(1, 50), (false, 64));
        assert_eq!(cut(2, 40), (false, 64), "it comes nearer");
        assert_eq!(cut(3, 40), (true, 32));
        assert_eq!(cut(4, 70), (true, 16));
        for target in 5..100 {
            cut(target, 70);
        }
        assert_eq!(cut(100, 70), (true, 8), "some blocks are left, since peers are not all at the head");
        assert_eq!(cut(101, 10), (false, 64));
        assert_eq!(cut(102, 10), (true, 32));
        race.walked();
        assert_eq!((race.is_lost(), race.distance(&config())), (false, 64), "a walk came to its end");
    }
}
