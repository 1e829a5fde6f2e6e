//! How a chain moves beside a sync, what work takes meanwhile, and what a run came to.
//!
//! It judges nothing; tests do, and whoever reads the table.

use std::{collections::BTreeMap, time::Duration};

use snapsync_sync::Phase;

use super::drift::Pace;

/// What work takes that the world does not do.
#[derive(Clone, Debug)]
pub struct Costs {
    /// To compare a node with ours, of one core.
    pub node: Duration,
    /// To bring one change of a list to its row, of one core.
    pub listed: Duration,
    /// To derive the path above one leaf, of one core.
    pub derived: Duration,
    /// How many derive at a time.
    pub derivers: u32,
    /// To read a page of our disk that is not in memory: one for each change that is brought on, each node that has but a few leaves, and
    /// each leaf whose path is derived.
    pub page: Duration,
    /// What a server takes for a node.
    pub served: Duration,
    /// Bytes of a change in a block's access list, those of what it only reads among them.
    pub change_bytes: u64,
}

impl Costs {
    /// As measured on one machine (docs/PERFORMANCE.md, "Bringing rows on"), on a disk that takes a tenth of a millisecond for a page, none of which
    /// is in memory.
    #[must_use]
    pub fn measured() -> Self {
        let us = Duration::from_micros;
        Self {
            node: us(11),
            listed: us(23),
            derived: us(30),
            derivers: 4,
            page: us(100),
            served: us(20),
            change_bytes: 56,
        }
    }
}

/// How blocks bring on rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Each has an access list.
    Lists,
    /// None has, and peers give trie nodes.
    Nodes,
}

/// What is decided before the first message, beside the scene.
#[derive(Clone, Debug)]
pub struct Course {
    /// How fast the chain moves.
    pub pace: Pace,
    /// How rows are brought on.
    pub way: Way,
    /// States that peers keep.
    pub roots_kept: u32,
    /// What work takes.
    pub costs: Costs,
}

impl Course {
    /// 400 accounts and 900 slots in each block, so many times, and peers that keep 128 states.
    #[must_use]
    pub fn like_mainnet(block: Duration, times: u64, way: Way) -> Self {
        let pace = Pace { block, accounts: 400 * times, slots: 900 * times };
        Self { pace, way, roots_kept: 128, costs: Costs::measured() }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Passage {
    /// Accounts and slots.
    pub leaves: u64,
    /// Bytes of all rows.
    pub state_bytes: u64,
    /// From the first message until the root was verified.
    pub took: Duration,
    /// Of that, in each phase.
    pub phases: BTreeMap<Phase, Duration>,
    /// Blocks that the chain grew by.
    pub blocks: u32,
    /// Times that the pivot moved.
    pub moves: u32,
    /// Accounts that were asked again because nobody had the state any more that claimed their storages.
    pub renewals: u64,
    /// Lists that were brought to rows.
    pub lists: u64,
    /// Nodes that were compared.
    pub nodes: u64,
    /// Requests for nodes or lists.
    pub requests: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Passage {
    /// What reconciling takes of the time that the rows took to come.
    #[must_use]
    pub fn share(&self) -> f64 {
        let of = |phase| self.phases.get(&phase).copied().unwrap_or_default().as_secs_f64();
        (of(Phase::CatchUp) + of(Phase::Heal) + of(Phase::Rebuild)) / of(Phase::Download).max(1e-9)
    }
}
