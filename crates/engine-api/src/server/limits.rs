//! What callers may cost.

use std::time::Duration;

/// What callers may cost. Memory is at most about `connections` heads and beginnings of bodies, of [`Limits::HEAD_BYTES_MAX`] each, and, for
/// each of `calls` and `websockets`, four times `body_bytes_max` (the bytes, the text of the parameters, what they say, and the block in it) and twice
/// `answer_bytes_max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are open. For whoever comes later the one that is silent for the longest is closed, but for those whose caller has
    /// shown a token; while all are at work the next waits in the system's queue.
    pub connections: usize,
    /// Of these, how many speak WebSocket; whoever asks later is told to come back.
    pub websockets: usize,
    /// Calls over HTTP that are worked on, or have more than [`Limits::HEAD_BYTES_MAX`] of a body or an answer, at a time; later ones wait.
    pub calls: usize,
    /// How long a caller that neither sends its body nor takes its answer keeps its place of these, once another call waits for one.
    pub patience: Duration,
    /// Bytes of a body, or of a message of a WebSocket, at most.
    pub body_bytes_max: u32,
    /// Bytes of an answer at most; a batch has one answer.
    pub answer_bytes_max: u32,
    /// Calls of a batch at most.
    pub batch_max: u32,
    /// How long a connection may say nothing: this is the time for a whole head, or for a whole message.
    pub idle: Duration,
    /// How long a call may take, from its place to the last byte of its answer, and how long a body may take that needs none; then the
    /// connection is closed.
    pub call: Duration,
}

impl Limits {
    /// Bytes of a request's head at most, of what waits to be read or written on a connection, and of a body before it needs a place: a
    /// token is some 200 bytes, and most calls a few hundred.
    pub const HEAD_BYTES_MAX: usize = 64 * 1024;
    /// How long a connection without a call may take to close when the server stops: what is left to write fits into its buffer.
    pub(super) const CLOSE: Duration = Duration::from_secs(2);

    /// Of the Engine API: its callers have the secret, bodies are blocks. A block has at most 8 MiB (EIP-7934), before Osaka 10, which is
    /// twice that in hex; its access list comes on top.
    pub const fn engine() -> Self {
        Self {
            connections: 256,
            websockets: 8,
            calls: 8,
            patience: Duration::from_secs(1),
            body_bytes_max: 32 << 20,
            // Bodies of 32 blocks, see `engine_getPayloadBodies`.
            answer_bytes_max: 128 << 20,
            batch_max: 1000,
            idle: Duration::from_secs(30),
            // Consensus clients wait for 8 s, and call anew.
            call: Duration::from_secs(30),
        }
    }

    /// Of methods that anybody may call: questions are short.
    pub const fn public() -> Self {
        Self {
            connections: 128,
            websockets: 16,
            calls: 16,
            patience: Duration::from_secs(1),
            body_bytes_max: 1 << 20,
            answer_bytes_max: 16 << 20,
            batch_max: 100,
            idle: Duration::from_secs(60),
            call: Duration::from_secs(30),
        }
    }
}
