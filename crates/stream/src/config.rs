//! How much is asked for at once.

#[cfg(feature = "planted-bugs")]
use snapsync_sync::Bug;

/// What a node that a walk knows of is reckoned by.
pub(crate) const NODE_BYTES_MAX: usize = 144;

/// The desk's settings. Start from [`Config::standing`] and change fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How peers are weighed.
    pub peers: snapsync_peers::Config,
    /// Bytes that may be reserved for answers: asked for, arrived, or not durable yet.
    pub budget_bytes: u64,
    /// Requests that may be out, over all peers: asked for, or answered and not yet proved. Thirty fast peers have some 200;
    /// the driver's channels are as long as this.
    pub requests_max: usize,
    /// Requests that a history job, or a renewal, may have in flight at first; grows on success, shrinks on time-out.
    pub window_first: usize,
    /// The most that a window may grow to.
    pub window_max: usize,
    /// Headers in a request; servers give 1024 at most.
    pub headers_per_request: u64,
    /// Bodies in a request, at most.
    pub bodies_per_request: u64,
    /// Blocks whose receipts are asked for at once, at most.
    pub receipts_per_request: u64,
    /// Blocks whose access lists are asked for at once, at most.
    pub lists_per_request: u64,
    /// Claims in a storage request, at most.
    pub claims_per_request: usize,
    /// Codes in a request, at most.
    pub codes_per_request: usize,
    /// Trie nodes in a request, at most. Servers count what they read for a node, each level above it: geth stops at 1024.
    pub nodes_per_request: usize,
    /// Trie nodes that a walk may know of and not have asked for before it takes one path at a time; 144 bytes each. What is known takes room from
    /// answers.
    pub walk_nodes: usize,
    /// Failed tries of one request after which its job is given back to the engine.
    pub tries_max: u32,
    /// How long every connected peer must have refused something before the engine is told.
    pub unavailable_ms: u64,
    /// The same for what an older target than the newest claims: it is asked again by its account then, which costs a row.
    pub outdated_ms: u64,
    /// How long after a deadline somebody must look at it first, that this machine counts as having slept, and not its peers as late.
    pub slept_ms: u64,
    /// When at most this many requests of a noun are in flight and none waits, late ones are asked of a second peer: those
    /// that take twice their forecast, or of an unmeasured peer the share below of their deadline. Costs their bytes again.
    pub tail_requests: usize,
    /// Share of its deadline, in percent, after which a request of the tail counts as late.
    pub tail_late_percent: u32,
    /// A mistake to make, for the tests that must catch it.
    #[cfg(feature = "planted-bugs")]
    pub planted: Option<Bug>,
}

impl Config {
    /// For one run to a standing target.
    pub fn standing(budget_bytes: u64) -> Self {
        Self {
            peers: snapsync_peers::Config::standing(),
            budget_bytes,
            requests_max: 512,
            window_first: 2,
            window_max: 16,
            headers_per_request: 512,
            bodies_per_request: 128,
            receipts_per_request: 128,
            lists_per_request: 64,
            claims_per_request: 1024,
            codes_per_request: 64,
            nodes_per_request: 256,
            walk_nodes: walk_nodes(budget_bytes),
            tries_max: 16,
            unavailable_ms: 10_000,
            outdated_ms: 500,
            slept_ms: 5_000,
            tail_requests: 16,
            tail_late_percent: 50,
            #[cfg(feature = "planted-bugs")]
            planted: None,
        }
    }
}

/// Five walks that are as wide as they may be (one over the accounts, four over storages) leave three quarters of the budget to answers. More
/// than 65,536 nodes are of no use to a walk: they are 256 requests.
fn walk_nodes(budget_bytes: u64) -> usize {
    const WALKS: u64 = 5;
    const LEAST: usize = 4_096;
    const MOST: usize = 65_536;
    let share = budget_bytes / 4 / WALKS;
    usize::try_from(share).unwrap_or(usize::MAX).div_euclid(NODE_BYTES_MAX).clamp(LEAST, MOST)
}
