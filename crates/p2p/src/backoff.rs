//! How long to wait before dialling again: doubling, with jitter from a seed.
//!
//! Pure, no clock. Does not dial; the dialler asks it.

use std::time::Duration;

/// Waiting times between attempts.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    attempts: u32,
    seed: u64,
}

impl Backoff {
    pub(crate) fn new(first: Duration, seed: u64) -> Self {
        Self { first, attempts: 0, seed }
    }

    /// The next waiting time: between three quarters and the whole of `first * 2^n`, at most `last`. A node that is there and will
    /// have room soon is worth a shorter one than a node that is away.
    ///
    /// The jitter keeps two nodes that dial each other from refusing each other's connection for ever.
    pub(crate) fn next(&mut self, last: Duration) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX));
        // 31 doublings of a millisecond are three weeks; more would only overflow.
        self.attempts = (self.attempts + 1).min(31);
        let whole = doubled.min(last);
        whole - whole.mul_f64(self.draw() / 4.0)
    }

    /// A session that held counts as a fresh start.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The next number in [0, 1), by splitmix64.
    fn draw(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // 53 bits, as many as a double has.
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn grows_from_the_first_to_the_last_with_jitter() {
        let mut backoff = Backoff::new(SECOND, 1);
        for whole in [1, 2, 4, 8, 16, 30, 30, 30] {
            let wait = backoff.next(30 * SECOND);
            assert!(wait <= whole * SECOND && wait >= whole * SECOND * 3 / 4, "{wait:?} of {whole} s");
        }
        for _ in 0..100 {
            assert!(backoff.next(30 * SECOND) <= 30 * SECOND);
        }
        backoff.reset();
        assert!(backoff.next(30 * SECOND) <= SECOND);
    }

    #[test]
    fn a_nearer_bound_holds_while_it_is_asked_for() {
        let mut backoff = Backoff::new(SECOND, 1);
        for _ in 0..10 {
            assert!(backoff.next(3 * SECOND) <= 3 * SECOND);
        }
        assert!(backoff.next(30 * SECOND) > 20 * SECOND);
    }

    #[test]
    fn a_seed_gives_its_own_sequence() {
        let waits = |seed| {
            let mut backoff = Backoff::new(SECOND, seed);
            (0..5).map(|_| backoff.next(30 * SECOND)).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
