//! What a sync of the big world came to. It judges nothing; tests do.

use std::{fmt, time::Duration};

/// The figures of one run.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Bytes of all rows of the state.
    pub state_bytes: u64,
    /// From the first peer's joining until the last row was durable.
    pub took: Duration,
    /// When 99 % of the state's bytes had arrived.
    pub until_last_percent: Duration,
    /// The sum of the bandwidths of the peers present, over that time.
    pub capacity_bytes: u64,
    /// Bytes of rows that had arrived by then, each once.
    pub used_bytes: u64,
    /// Bytes of everything that arrived.
    pub received_bytes: u64,
    /// Bytes of answers, or parts of answers, that brought nothing new.
    pub twice_bytes: u64,
    /// Bytes of bodies, receipts and headers.
    pub history_bytes: u64,
    /// What a peer of median latency and bandwidth needs for an answer of 2 MiB.
    pub median_answer: Duration,
    /// Share of the time from the first request for state to the last row's arrival in which the only peer's server, or its
    /// line, was at work.
    pub busy_share: f64,
    /// Requests.
    pub requests: u64,
    /// The most that was reserved.
    pub reserved_peak: u64,
}

impl Figures {
    /// Share of the peers' bandwidth that brought rows, until the last percent.
    #[must_use]
    pub fn used_share(&self) -> f64 {
        self.used_bytes as f64 / self.capacity_bytes.max(1) as f64
    }

    /// How long the last percent took, in full answers of a median peer.
    #[must_use]
    pub fn last_percent_in_answers(&self) -> f64 {
        (self.took - self.until_last_percent).as_secs_f64() / self.median_answer.as_secs_f64().max(1e-9)
    }

    /// Share of the received bytes that were useless.
    #[must_use]
    pub fn twice_share(&self) -> f64 {
        self.twice_bytes as f64 / self.received_bytes.max(1) as f64
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.2} GB in {:.2} s, {} requests; used {:.1} % until the last percent, which took {:.2} s = {:.2} answers; \
             twice {:.2} %; busy {:.1} %; reserved {} MiB; history {} MB",
            self.state_bytes as f64 / 1e9,
            self.took.as_secs_f64(),
            self.requests,
            self.used_share() * 100.0,
            (self.took - self.until_last_percent).as_secs_f64(),
            self.last_percent_in_answers(),
            self.twice_share() * 100.0,
            self.busy_share * 100.0,
            self.reserved_peak >> 20,
            self.history_bytes / 1_000_000,
        )
    }
}
