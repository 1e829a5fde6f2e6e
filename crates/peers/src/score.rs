//! A peer's score: what it loses for what, and how it recovers.

use std::time::Duration;

use crate::Fault;

/// Where a peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Regard {
    /// It may be asked.
    Asked,
    /// Its score is below the line: it is left alone until it recovers, or, if it was but late, as long as somebody else has the same.
    Ignored,
}

/// A score between [`Score::MIN`] and [`Score::MAX`].
///
/// | what happened | points |
/// | --- | --- |
/// | a useful answer | +1 |
/// | "I don't have it" | 0: nobody is blamed |
/// | not useful: out of time, or drop by drop | -10 |
/// | a nuisance: unasked, twice, too much | -20 |
/// | a range that a race may have broken | 0: its peer is set aside for a while |
/// | a lie, or silence for good | -100 |
/// | a new connection after silence | up to the line |
/// | time, per `recovery_ms`, up to [`Score::START`] | +1 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    points: i32,
    recovered_at: Duration,
}

impl Score {
    /// The lowest score.
    pub const MIN: i32 = -100;
    /// The highest. Invariant: less than a lie costs, so that no past buys a lie.
    pub const MAX: i32 = 99;
    /// A new peer's.
    pub const START: i32 = 50;
    /// A peer below this is ignored.
    pub const LINE: i32 = 0;

    pub(crate) const USEFUL: i32 = 1;
    pub(crate) const TIMED_OUT: i32 = -10;

    /// A new peer's score.
    pub fn new(now: Duration) -> Self {
        Self { points: Self::START, recovered_at: now }
    }

    /// The points.
    pub fn points(&self) -> i32 {
        self.points
    }

    /// Where the peer stands.
    pub fn regard(&self) -> Regard {
        if self.points < Self::LINE { Regard::Ignored } else { Regard::Asked }
    }

    /// Adds points, or takes them.
    pub(crate) fn change(&mut self, points: i32) {
        self.points = (self.points + points).clamp(Self::MIN, Self::MAX);
    }

    /// Gives back what time has healed.
    pub(crate) fn recover(&mut self, now: Duration, step: Duration) {
        let step_ms = step.as_millis().max(1);
        let steps = now.saturating_sub(self.recovered_at).as_millis() / step_ms;
        if steps == 0 {
            return;
        }
        self.recovered_at += Duration::from_millis(u64::try_from(steps * step_ms).unwrap_or(u64::MAX));
        if self.points < Self::START {
            let gained = i32::try_from(steps).unwrap_or(i32::MAX);
            self.points = self.points.saturating_add(gained).min(Self::START);
        }
    }

    /// Lifts a score from below the line to it: the peer is asked as the last of all.
    pub(crate) fn raise_to_line(&mut self) {
        self.points = self.points.max(Self::LINE);
    }

    /// When the peer is above the line again, if it is below it now.
    pub(crate) fn asked_again_at(&self, step: Duration) -> Option<Duration> {
        let missing = u32::try_from(Self::LINE - self.points).ok().filter(|missing| *missing > 0)?;
        Some(self.recovered_at + step * missing)
    }
}

/// What a fault costs.
pub(crate) fn cost(fault: &Fault) -> i32 {
    match fault {
        Fault::Dripping { .. } => Score::TIMED_OUT,
        Fault::TooMany { .. } | Fault::Unsolicited { .. } | Fault::Duplicate { .. } => -20,
        Fault::Range(_)
        | Fault::WrongHeader { .. }
        | Fault::HeaderLink { .. }
        | Fault::HeaderNumber { .. }
        | Fault::WrongBody { .. }
        | Fault::WrongReceipts { .. }
        | Fault::WrongList { .. }
        | Fault::Oversized { .. }
        | Fault::Malformed(_)
        | Fault::WrongKind
        | Fault::Silent { .. } => -100,
    }
}
