//! How fast a peer answers one noun: latency, throughput, and the size to ask for.

use std::time::Duration;

use crate::Config;

/// Measured figures of one peer and one noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Smoothed time from sending to the answer; zero when nothing was measured.
    pub latency_ms: u64,
    /// Smoothed deviation of the latency.
    pub deviation_ms: u64,
    /// Smoothed bytes a second; zero when nothing was measured.
    pub bytes_per_s: u64,
    /// Bytes to ask for.
    pub response_bytes: u64,
    /// How often in a row the time ran out.
    pub timeouts: u32,
}

impl Rate {
    /// Of a peer that was never asked.
    pub fn new(config: &Config) -> Self {
        Self {
            latency_ms: 0,
            deviation_ms: 0,
            bytes_per_s: 0,
            response_bytes: config.response_bytes_first,
            timeouts: 0,
        }
    }

    /// Whether the peer was tried: it answered, or let the time run out.
    pub(crate) fn is_measured(&self) -> bool {
        self.latency_ms > 0 || self.timeouts > 0
    }

    /// How long an answer takes at most, as a rule.
    pub(crate) fn usual(&self) -> Option<Duration> {
        (self.latency_ms > 0).then(|| Duration::from_millis(self.latency_ms + 4 * self.deviation_ms))
    }

    /// An answer came. A size grows by a half while full answers come in good time, and shrinks in proportion above it.
    pub(crate) fn answered(&mut self, config: &Config, asked: u64, bytes: u64, took: Duration) {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        if self.latency_ms == 0 {
            self.latency_ms = took_ms;
            self.deviation_ms = took_ms / 2;
        } else {
            let off = self.latency_ms.abs_diff(took_ms);
            self.deviation_ms = (self.deviation_ms * 3 + off) / 4;
            self.latency_ms = (self.latency_ms * 7 + took_ms) / 8;
        }
        let speed = bytes.saturating_mul(1000) / took_ms;
        self.bytes_per_s = if self.bytes_per_s == 0 {
            speed
        } else {
            self.bytes_per_s.saturating_mul(7).saturating_add(speed) / 8
        };
        self.timeouts = 0;
        let full = bytes >= asked / 2;
        if took_ms > config.answer_ms {
            self.resize(config, asked.saturating_mul(config.answer_ms) / took_ms);
        } else if full && asked >= self.response_bytes && took_ms * 2 <= config.answer_ms {
            self.resize(config, self.response_bytes + self.response_bytes / 2);
        }
    }

    /// No answer came in time: half the size.
    pub(crate) fn timed_out(&mut self, config: &Config) {
        self.timeouts = self.timeouts.saturating_add(1);
        self.resize(config, self.response_bytes / 2);
    }

    /// How long to wait for an answer: four deviations above the latency, scaled to the size, doubled for each time-out
    /// in a row.
    pub(crate) fn deadline(&self, config: &Config) -> Duration {
        let first = Duration::from_millis(config.deadline_first_ms);
        self.patience(config, self.usual().map_or(first, |usual| usual * 2))
    }

    /// So long, and twice as long after each time-out in a row, within the limits.
    pub(crate) fn patience(&self, config: &Config, base: Duration) -> Duration {
        let grown = base.saturating_mul(1 << self.timeouts.min(6));
        let limit = Duration::from_millis;
        grown.clamp(limit(config.deadline_min_ms), limit(config.deadline_max_ms))
    }

    fn resize(&mut self, config: &Config, bytes: u64) {
        self.response_bytes = bytes.clamp(config.response_bytes_min, config.response_bytes_max);
    }
}
