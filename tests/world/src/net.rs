//! The net: delay, bandwidth, loss, order and duplicates, by seed.
//!
//! A link carries one answer at a time, as a client that serves a connection serially does. A lost message never comes;
//! over TCP that is a peer which dropped our request. The net does not look inside a message.

use std::time::Duration;

use crate::chance::Chance;

/// One peer's line.
#[derive(Clone, Debug)]
pub struct Link {
    /// There and back, without load.
    pub delay: Duration,
    /// Added to the delay, at most; jitter above the gap between two answers swaps them.
    pub jitter: Duration,
    /// What the line carries.
    pub bytes_per_ms: u64,
    /// Answers in a thousand that never come.
    pub loss_per_mille: u64,
    /// Answers in a thousand that come twice.
    pub duplicate_per_mille: u64,
    /// Until when the line is taken by earlier answers.
    pub busy_until: Duration,
}

impl Link {
    /// A line of a random quality.
    #[must_use]
    pub fn draw(chance: &mut Chance) -> Self {
        let delay = Duration::from_millis(chance.between(5, 300));
        Self {
            delay,
            jitter: Duration::from_millis(chance.between(0, 150)),
            bytes_per_ms: chance.between(500, 12_500),
            loss_per_mille: if chance.hits(300) { chance.between(1, 60) } else { 0 },
            duplicate_per_mille: if chance.hits(300) { chance.between(1, 60) } else { 0 },
            busy_until: Duration::ZERO,
        }
    }

    /// A line that neither loses nor repeats nor reorders.
    #[must_use]
    pub fn steady(delay: Duration, bytes_per_ms: u64) -> Self {
        Self {
            delay,
            jitter: Duration::ZERO,
            bytes_per_ms,
            loss_per_mille: 0,
            duplicate_per_mille: 0,
            busy_until: Duration::ZERO,
        }
    }

    /// When an answer of `bytes` to a request sent `now` arrives: never, once or twice.
    pub fn carry(&mut self, chance: &mut Chance, now: Duration, bytes: u64) -> Vec<Duration> {
        let start = self.busy_until.max(now);
        let sent = start + Duration::from_micros(bytes * 1000 / self.bytes_per_ms.max(1));
        self.busy_until = sent;
        if chance.hits(self.loss_per_mille) {
            return Vec::new();
        }
        let arrive = |chance: &mut Chance, jitter: Duration| {
            sent + self.delay + Duration::from_micros(chance.below(jitter.as_micros() as u64 + 1))
        };
        let mut arrivals = vec![arrive(chance, self.jitter)];
        if chance.hits(self.duplicate_per_mille) {
            arrivals.push(arrive(chance, self.jitter * 4));
        }
        arrivals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_carries_one_answer_after_the_other() {
        let mut link = Link::steady(Duration::from_millis(20), 1000);
        let mut chance = Chance::new(1);
        assert_eq!(link.carry(&mut chance, Duration::ZERO, 5000), [Duration::from_millis(25)]);
        assert_eq!(link.carry(&mut chance, Duration::ZERO, 5000), [Duration::from_millis(30)]);
    }
}
