//! The virtual clock: a queue of what happens when.
//!
//! Time jumps from one entry to the next; two entries of one moment keep the order in which they were set. Nothing here
//! waits.

use std::{collections::BTreeMap, time::Duration};

/// Virtual time and the entries that lie ahead.
#[derive(Debug)]
pub struct Clock<T> {
    now: Duration,
    ahead: BTreeMap<(Duration, u64), T>,
    set: u64,
}

impl<T> Default for Clock<T> {
    fn default() -> Self {
        Self { now: Duration::ZERO, ahead: BTreeMap::new(), set: 0 }
    }
}

impl<T> Clock<T> {
    /// The present.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Sets an entry; a moment in the past means now.
    pub fn set(&mut self, at: Duration, entry: T) {
        self.ahead.insert((at.max(self.now), self.set), entry);
        self.set += 1;
    }

    /// Sets an entry at a delay from now.
    pub fn set_after(&mut self, delay: Duration, entry: T) {
        self.set(self.now + delay, entry);
    }

    /// When the next entry is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Duration> {
        self.ahead.first_key_value().map(|((at, _), _)| *at)
    }

    /// Moves to the next entry and takes it; one that a jump has passed is taken now.
    pub fn advance(&mut self) -> Option<T> {
        let ((at, _), entry) = self.ahead.pop_first()?;
        self.now = self.now.max(at);
        Some(entry)
    }

    /// Moves to a moment at or before the next entry.
    pub fn advance_to(&mut self, at: Duration) {
        debug_assert!(self.next_at().is_none_or(|next| at <= next), "an entry would be skipped");
        self.now = self.now.max(at);
    }

    /// Jumps ahead, as that of a machine that slept: what should have happened meanwhile happens right after, in its order.
    pub fn jump(&mut self, by: Duration) {
        self.now += by;
    }

    /// Drops the entries for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.ahead.retain(|_, entry| keep(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_jump_has_passed_happens_after_it_in_its_order() {
        let mut clock = Clock::default();
        for (at, entry) in [(3, 'c'), (1, 'a'), (2, 'b'), (9, 'd')] {
            clock.set(Duration::from_secs(at), entry);
        }
        clock.jump(Duration::from_secs(5));
        let mut seen = Vec::new();
        while let Some(entry) = clock.advance() {
            seen.push((entry, clock.now().as_secs()));
        }
        assert_eq!(seen, [('a', 5), ('b', 5), ('c', 5), ('d', 9)]);
    }

    #[test]
    fn equal_moments_keep_their_order() {
        let mut clock = Clock::default();
        clock.set(Duration::from_secs(2), 'c');
        clock.set(Duration::from_secs(1), 'a');
        clock.set(Duration::from_secs(1), 'b');
        assert_eq!(std::iter::from_fn(|| clock.advance()).collect::<String>(), "abc");
        assert_eq!(clock.now(), Duration::from_secs(2));
    }
}
