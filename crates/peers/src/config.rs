//! How peers are weighed.

#[cfg(feature = "planted-bugs")]
use snapsync_sync::Bug;

/// The book's settings. Start from [`Config::standing`] and change fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Requests in flight on a static peer, at most.
    pub flights_static: usize,
    /// Requests in flight on a peer that we dialled, at most.
    pub flights_outbound: usize,
    /// Requests in flight on a peer that dialled us, at most.
    pub flights_inbound: usize,
    /// Smallest answer that is asked for, in bytes.
    pub response_bytes_min: u64,
    /// Largest answer that is asked for, in bytes; servers stop near 2 MiB by themselves.
    pub response_bytes_max: u64,
    /// First answer that is asked of a peer, in bytes.
    pub response_bytes_first: u64,
    /// Time that an answer should take; sizes grow below it and shrink above.
    pub answer_ms: u64,
    /// Deadline of the first request on a peer whose latency is unknown.
    pub deadline_first_ms: u64,
    /// Shortest deadline.
    pub deadline_min_ms: u64,
    /// Longest deadline.
    pub deadline_max_ms: u64,
    /// Requests in a row without an answer that make a peer [`crate::Fault::Silent`]; twice as many if it was of use once.
    pub silent_timeouts: u32,
    /// How long a refusal of a root is remembered.
    pub refusal_ms: u64,
    /// How long a peer takes to get back one point of score.
    pub recovery_ms: u64,
    /// From this many candidates on, only the better half is drawn from.
    pub half_from: usize,
    /// A mistake to make, for the tests that must catch it.
    #[cfg(feature = "planted-bugs")]
    pub planted: Option<Bug>,
}

impl Config {
    /// For one run to a standing target.
    pub fn standing() -> Self {
        Self {
            flights_static: 4,
            flights_outbound: 3,
            flights_inbound: 2,
            response_bytes_min: 64 << 10,
            response_bytes_max: 2 << 20,
            response_bytes_first: 512 << 10,
            answer_ms: 2_000,
            deadline_first_ms: 4_000,
            deadline_min_ms: 1_500,
            deadline_max_ms: 30_000,
            silent_timeouts: 4,
            refusal_ms: 15_000,
            recovery_ms: 10_000,
            half_from: 8,
            #[cfg(feature = "planted-bugs")]
            planted: None,
        }
    }
}
