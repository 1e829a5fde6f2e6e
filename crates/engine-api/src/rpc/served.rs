//! What all methods answer from: the two stores, the chain's rules, the node.
//!
//! A question opens one moment of both stores and drops it with its answer.

use std::sync::{Arc, atomic::AtomicBool};

use alloy_primitives::B256;
use snapsync_execute::Forks;
use snapsync_storage::{HistoryStore, StateStore};
use snapsync_wire::Header;

use super::{host::Host, limits::Limits, recent::RecentTransactions};

/// What the methods are given.
pub struct Parts {
    /// The state.
    pub state: StateStore,
    /// The blocks.
    pub history: HistoryStore,
    /// The chain's rules.
    pub forks: Forks,
    /// Block 0, which need not be on the disk.
    pub genesis: Header,
    /// The node.
    pub host: Arc<dyn Host>,
    /// What a question may cost.
    pub limits: Limits,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("forks", &self.forks)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The same, with what is remembered between questions.
pub(super) struct Served {
    pub(super) parts: Parts,
    /// The hash of block 0.
    pub(super) genesis_hash: B256,
    /// Where recent transactions are.
    pub(super) recent: RecentTransactions,
    /// Whether the head was followed once: from then on nothing is called a sync.
    pub(super) has_followed: AtomicBool,
}

impl Served {
    pub(super) fn new(parts: Parts) -> Self {
        let genesis_hash = parts.genesis.hash();
        Self {
            parts,
            genesis_hash,
            recent: RecentTransactions::default(),
            has_followed: AtomicBool::new(false),
        }
    }
}
