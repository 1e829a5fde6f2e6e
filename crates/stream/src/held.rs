//! What is held of a block whose receipts come in parts, and for how long its peer may go on.
//!
//! Books and no rule: what becomes of a block is said in `parts.rs`.

use std::time::Duration;

use crate::RequestId;

/// Answers that one block may take. Servers cut at 2 MiB at the earliest: 64 of them are several times what any gas limit
/// in use allows.
const ROUNDS_MAX: u32 = 64;

/// A part that is not the last and smaller than this is no honest cut: the smallest answer that is ever asked for.
const SMALL_BYTES: u64 = 64 << 10;

/// How many such parts of a block are borne: a server may have its own reason for one or the other.
const SMALL_MAX: u32 = 4;

/// How long a peer may take for the parts of a block together: 16 MiB over a line of half a Mbit/s.
const LONGEST: Duration = Duration::from_secs(300);

/// What is held of a block.
#[derive(Debug)]
pub(crate) struct Held {
    /// The name under which its bytes are reserved.
    pub(crate) reservation: RequestId,
    pub(crate) bytes: u64,
    /// From each request to its answer. How long an answer then waits for our prover or disk is not its peer's.
    took: Duration,
    rounds: u32,
    small: u32,
}

impl Held {
    /// Nothing yet.
    pub(crate) const fn new(reservation: RequestId) -> Self {
        Self { reservation, bytes: 0, took: Duration::ZERO, rounds: 0, small: 0 }
    }

    /// One more part came, after so long; so many bytes are held of the block now.
    pub(crate) fn grow(&mut self, bytes: u64, took: Duration) {
        self.took += took;
        self.small += u32::from(bytes.saturating_sub(self.bytes) < SMALL_BYTES);
        self.rounds += 1;
        self.bytes = bytes;
    }

    /// Whether its peer had enough time: then the block starts anew, elsewhere first.
    pub(crate) fn is_too_slow(&self) -> bool {
        self.rounds > ROUNDS_MAX || self.small > SMALL_MAX || self.took > LONGEST
    }
}
