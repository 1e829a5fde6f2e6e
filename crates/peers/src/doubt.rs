//! Doubt in a peer's ranges: how often in a row what it sent of a state did not prove.
//!
//! A server that imports a block while it reads may mix two states in one answer and not know it; geth does. Such an answer
//! costs no score. Its peer is left alone with state for a while, the longer the more often that happens in a row, and is
//! asked for one range at a time until it proves one again. Trust: none. What no race explains is charged by the book, and so
//! is a peer that never proved a range while others proved those that it broke.

use std::time::Duration;

use crate::Fault;

/// Broken ranges in a row after which a peer counts as one that does not have the root. One in four broken by races, which
/// is a server under more load than any that was seen, gets there once in 65,536 times.
const SET_ASIDE: u32 = 8;

/// The first pause: a block's import takes about that long.
const PAUSE_FIRST: Duration = Duration::from_millis(250);

/// The longest pause while others have the state, too.
const PAUSE_LAST: Duration = Duration::from_secs(60);

/// The longest pause of a peer that nobody can stand in for. Well below the patience with a root that nobody has, so that a
/// set-aside peer is tried several times before it is given up.
const PAUSE_ALONE: Duration = Duration::from_secs(1);

/// Whether somebody else can be asked for state meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// A peer that nobody doubts is connected.
    Others,
    /// There is none.
    Alone,
}

/// Doubt in one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doubt {
    /// Broken ranges in a row; a proved one halves it.
    level: u32,
    /// When it broke the last one; none since it proved one.
    broke_at: Option<Duration>,
    /// Ranges that it broke and others proved, as long as it proved none itself.
    contradicted: u32,
    has_proved: bool,
    /// What was wrong with the last one.
    last: Option<Fault>,
}

impl Doubt {
    /// A range did not prove.
    pub(crate) fn broke(&mut self, now: Duration, fault: Fault) {
        self.level = (self.level + 1).min(2 * SET_ASIDE);
        self.broke_at = Some(now);
        self.last = Some(fault);
    }

    /// A range was proved.
    pub(crate) fn proved(&mut self) {
        self.level /= 2;
        self.broke_at = None;
        self.contradicted = 0;
        self.has_proved = true;
    }

    /// It is asked again at once, for one range at a time as long as it proves none. What tells a liar stays.
    pub(crate) fn rest_no_more(&mut self) {
        self.level = self.level.min(1);
        self.broke_at = None;
    }

    /// Somebody else proved a range that this peer broke. Gives the fault when that is no race any more: it never proved one.
    pub(crate) fn contradicted(&mut self) -> Option<Fault> {
        self.contradicted += 1;
        let lies = !self.has_proved && self.contradicted >= SET_ASIDE;
        if lies { self.last.clone() } else { None }
    }

    /// Whether the peer has to prove itself: with one range at a time.
    pub(crate) fn is_doubted(&self) -> bool {
        self.level > 0
    }

    /// Whether it counts as one that does not have the state.
    pub(crate) fn is_set_aside(&self) -> bool {
        self.level >= SET_ASIDE
    }

    /// Until when it is left alone with state; zero if it is not.
    pub(crate) fn rests_until(&self, company: Company) -> Duration {
        let Some(broke_at) = self.broke_at else { return Duration::ZERO };
        let longest = match company {
            Company::Others => PAUSE_LAST,
            Company::Alone => PAUSE_ALONE,
        };
        broke_at + (PAUSE_FIRST * (1 << self.level.saturating_sub(1))).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(times: u32) -> Doubt {
        let mut doubt = Doubt::default();
        for nth in 0..times {
            doubt.broke(Duration::from_secs(100 + u64::from(nth)), Fault::WrongKind);
        }
        doubt
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_are_short_for_who_is_alone() {
        let pause = |times: u32, company| {
            broken(times).rests_until(company) - Duration::from_secs(99 + u64::from(times))
        };
        let pauses: Vec<u128> =
            [1, 2, 3, 8, 9, 40].map(|times| pause(times, Company::Others).as_millis()).into();
        assert_eq!(pauses, [250, 500, 1_000, 32_000, 60_000, 60_000]);
        assert_eq!(pause(8, Company::Alone), PAUSE_ALONE);
        assert_eq!(Doubt::default().rests_until(Company::Others), Duration::ZERO);
    }

    #[test]
    fn a_proved_range_halves_the_doubt_and_ends_the_pause() {
        let mut doubt = broken(8);
        assert!(doubt.is_set_aside());
        doubt.proved();
        assert!(!doubt.is_set_aside() && doubt.is_doubted());
        assert_eq!(doubt.rests_until(Company::Others), Duration::ZERO);
        (0..3).for_each(|_| doubt.proved());
        assert!(!doubt.is_doubted());
    }

    #[test]
    fn who_rests_no_more_has_to_prove_itself_still_and_a_liar_is_one_as_soon_as_ever() {
        let mut doubt = broken(9);
        assert!((1..SET_ASIDE).all(|_| doubt.contradicted().is_none()));
        doubt.rest_no_more();
        assert!(doubt.is_doubted() && !doubt.is_set_aside());
        assert_eq!(doubt.rests_until(Company::Others), Duration::ZERO);
        assert_eq!(doubt.contradicted(), Some(Fault::WrongKind));
    }

    #[test]
    fn only_who_never_proved_a_range_is_called_a_liar_for_broken_ones() {
        let mut honest = broken(1);
        honest.proved();
        honest.broke(Duration::from_secs(1), Fault::WrongKind);
        assert!((0..100).all(|_| honest.contradicted().is_none()));
        let mut liar = broken(8);
        assert!((1..SET_ASIDE).all(|_| liar.contradicted().is_none()));
        assert_eq!(liar.contradicted(), Some(Fault::WrongKind));
    }
}
