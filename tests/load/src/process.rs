//! What a process has cost until now, and holds now.

use snapsync_e2e::cost;

/// What one has cost, and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and system time of all threads.
    pub(crate) cpu_seconds: f64,
    pub(crate) anonymous_bytes: u64,
}

/// A process that has not been reaped.
pub(crate) fn usage(id: u32) -> Usage {
    Usage { cpu_seconds: cost::cpu_seconds(id), anonymous_bytes: cost::memory(id).anonymous_bytes }
}
