//! Walks down another's trie: where they begin, and how wide they may become. Which nodes come next is said in `depth.rs`, and how they are
//! asked for in `way.rs`.

use alloy_primitives::B256;
use snapsync_peers::Noun;
use snapsync_sync::{Job, StorageClaim};
use snapsync_trie::NodeClaim;

use crate::{Config, WantedNode, config::NODE_BYTES_MAX};

/// The node that a walk down a state begins at.
pub(crate) fn of_state(root: B256) -> WantedNode {
    WantedNode { account: None, claim: NodeClaim::of_root(root) }
}

/// The node that a walk down a storage begins at.
pub(crate) fn of_storage(claim: &StorageClaim) -> WantedNode {
    WantedNode { account: Some(claim.account), claim: NodeClaim::of_root(claim.root) }
}

/// Whether a job ends by itself: only its stream knows what is left.
pub(crate) fn is_walk(job: &Job) -> bool {
    matches!(job, Job::HealAccounts { .. } | Job::HealStorages { .. })
}

/// Children of a node, at most.
const CHILDREN_MAX: u64 = 16;

/// Nodes that a range may lead to: those beside its edge, at each level.
const BESIDE_MAX: u64 = 16 * CHILDREN_MAX;

const _: () = assert!(size_of::<WantedNode>() <= NODE_BYTES_MAX);

/// How wide a walk may become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Width {
    /// Nodes that it may know of and not have asked for.
    known_max: usize,
    /// Nodes that are asked for together.
    pub(crate) together: usize,
}

impl Width {
    pub(crate) fn of(config: &Config) -> Self {
        Self { known_max: config.walk_nodes, together: config.nodes_per_request }
    }

    /// Whether another request may go out beside `open` ones, where so many nodes are known: as many as answers may bring must find room. One
    /// always goes out: it goes down one path, and comes back.
    pub(crate) fn has_room(self, noun: Noun, open: usize, known: u64) -> bool {
        let each = match noun {
            Noun::Nodes => (self.together as u64).saturating_mul(CHILDREN_MAX),
            _ => BESIDE_MAX,
        };
        let coming = (open as u64).saturating_mul(each);
        open == 0 || known.saturating_add(coming) <= self.known_max as u64
    }
}
