//! A peer's line: latency that changes, bandwidth, and a server that answers one request after the other.
//!
//! ```text
//!   request --- half the round trip ---> [ server: one at a time ] ---> [ line: bytes / bandwidth ] --- half ---> answer
//! ```
//!
//! Answers of one connection come in order, as over TCP. Nothing is lost; what is under way when a peer leaves never comes.

use std::time::Duration;

use crate::chance::Chance;

/// What a line is like.
#[derive(Clone, Debug)]
pub struct Quality {
    /// There and back, without load.
    pub round_trip: Duration,
    /// What the line carries.
    pub bytes_per_s: u64,
    /// Processor time of the server for a row.
    pub row_ns: u64,
    /// What the server does before it answers for bodies or receipts.
    pub block_thinks: Duration,
    /// Whether latency wanders (seconds) and jitters (each answer), in percent of the round trip.
    pub unrest_percent: u64,
}

/// A line and what is on it.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is like.
    pub quality: Quality,
    /// Until when the server works.
    server_until: Duration,
    /// Until when the line carries answers.
    line_until: Duration,
    arrived: Duration,
    /// Added to the round trip now, in percent.
    wander_percent: u64,
    wanders_at: Duration,
}

impl Line {
    /// An idle line.
    #[must_use]
    pub fn new(quality: Quality) -> Self {
        Self {
            quality,
            server_until: Duration::ZERO,
            line_until: Duration::ZERO,
            arrived: Duration::ZERO,
            wander_percent: 0,
            wanders_at: Duration::ZERO,
        }
    }

    /// A new connection: nothing is on the line.
    pub fn reconnect(&mut self, now: Duration) {
        (self.server_until, self.line_until, self.arrived) = (now, now, now);
    }

    /// When an answer of `bytes` to a request sent `now` arrives, if the server works on it for `works`; and how long server
    /// and line were taken by it.
    pub fn carry(
        &mut self,
        chance: &mut Chance,
        now: Duration,
        works: Duration,
        bytes: u64,
    ) -> (Duration, Duration) {
        if now >= self.wanders_at {
            self.wanders_at = now + Duration::from_secs(3);
            self.wander_percent = chance.below(self.quality.unrest_percent + 1);
        }
        let jitter_percent = chance.below(self.quality.unrest_percent / 4 + 1);
        let trip = self.quality.round_trip * (100 + self.wander_percent as u32 + jitter_percent as u32) / 100;
        self.server_until = self.server_until.max(now + trip / 2) + works;
        let sends = Duration::from_nanos(bytes * 1_000_000_000 / self.quality.bytes_per_s.max(1));
        self.line_until = self.line_until.max(self.server_until) + sends;
        self.arrived = self.arrived.max(self.line_until + trip / 2);
        (self.arrived, works.max(sends))
    }
}
