//! Whose figures there are, and what each of them is.
//!
//! Here nothing is measured; `usage.rs` and `server.rs` do.

use serde_json::Value;

use crate::versus::usage::Usage;

/// What a client took, and what it cost it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) usage: Usage,
    /// Bytes that the server sent to it, as the server counts them.
    pub(crate) wire_bytes: u64,
    /// Processor time of the server meanwhile.
    pub(crate) server_cpu_seconds: f64,
    /// What the client says of itself, where it says anything.
    pub(crate) told: Value,
}

/// The clients, in the order of their turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    Geth,
    Snapsync,
    Drain,
}

impl Client {
    pub(crate) const ALL: [Self; 3] = [Self::Geth, Self::Snapsync, Self::Drain];

    /// Its name in tables and files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Geth => "geth",
            Self::Snapsync => "snapsync",
            Self::Drain => "drain-only",
        }
    }
}
