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
    /// Bytes that may be in flight on a peer of which nothing is known. Four answers of 192 KiB are 1.2 s of a line of
    /// 5 Mbit/s, and enough to measure one of 100 Mbit/s by.
    pub window_first_bytes: u64,
    /// Bytes that may always be in flight: two of the smallest answers, one under way and one that queues.
    pub window_min_bytes: u64,
    /// Bytes in flight on one peer, at most; memory is reserved for them. 1 Gbit/s at 100 ms.
    pub window_max_bytes: u64,
    /// How long a peer's queue should last beyond its round trip: longer than jitter, so that its line never idles. Costs
    /// memory (width times this) and as much time at the very end.
    pub queue_ms: u64,
    /// Into how many requests a window is cut: more make it even, fewer make proofs and round trips cheaper.
    pub window_requests: u64,
    /// How many times as long as they took do bodies and receipts stay off a line that state could use. 39: a part in 40.
    pub history_rests: u32,
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
    /// How long nothing must have come for that of a peer that was of use. A first answer of [`Self::response_bytes_first`] takes about as long on a
    /// line of 25 kB/s, and those that wait behind it run out of time together.
    pub silent_ms: u64,
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
            flights_static: 12,
            flights_outbound: 12,
            flights_inbound: 8,
            window_first_bytes: 768 << 10,
            window_min_bytes: 128 << 10,
            window_max_bytes: 16 << 20,
            queue_ms: 100,
            window_requests: 4,
            history_rests: 39,
            response_bytes_min: 64 << 10,
            response_bytes_max: 2 << 20,
            response_bytes_first: 512 << 10,
            answer_ms: 2_000,
            deadline_first_ms: 4_000,
            deadline_min_ms: 1_500,
            deadline_max_ms: 30_000,
            silent_timeouts: 4,
            silent_ms: 20_000,
            refusal_ms: 15_000,
            recovery_ms: 10_000,
            half_from: 8,
            #[cfg(feature = "planted-bugs")]
            planted: None,
        }
    }
}
