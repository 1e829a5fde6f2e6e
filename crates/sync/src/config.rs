//! What a sync is told once, before it starts.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

#[cfg(feature = "planted-bugs")]
use crate::Bug;

/// A block that the operator vouches for. It must lie on the header chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Block number; may lie below the target or above it.
    pub number: u64,
    /// Hash of that block's header.
    pub hash: B256,
}

/// Which bodies and receipts are wanted. Headers are always fetched down to the local chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum History {
    /// Those of all blocks after genesis.
    All,
    /// None.
    None,
    /// Those of this block and the ones after it.
    From(u64),
}

/// Where the receipts of a block come from that a verified state is brought on by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReceiptsFrom {
    /// They are asked of peers.
    Peers,
    /// Whoever executes the block gives them.
    Execution,
}

/// The engine's settings. Start from [`Config::standing`] and change fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Hash of the genesis header: what the lowest header must name as its parent.
    pub genesis: B256,
    /// A block that must lie on the header chain before state is asked for.
    pub checkpoint: Option<Checkpoint>,
    /// Which bodies and receipts are wanted.
    pub history: History,
    /// Blocks between the head and a pivot that takes the place of another.
    pub pivot_distance: u64,
    /// How many blocks the head may be past the pivot, before another takes its place: peers keep the states of about the newest 128.
    pub pivot_age_max: u64,
    /// The least of these blocks, when the head wins: each time that it does they are half as many, so that peers keep the pivot's state
    /// longer. Some, since not all peers are at the head.
    pub pivot_distance_min: u64,
    /// Blocks above a verified state that are taken one after the other, at most: when the head is farther, the pivot moves, and what differs is
    /// brought to it. `None`: no block is taken, a verified state stands.
    pub follow_blocks_max: Option<u64>,
    /// Where the receipts of blocks above a verified state come from.
    pub receipts_above: ReceiptsFrom,
    /// How far is looked back to tell whether the head wins, milliseconds.
    pub gain_window_ms: u64,
    /// Account ranges open at once. Each is cut into as many requests as the peers' lines hold.
    pub account_ranges: usize,
    /// Renewal jobs open at once. Each is asked for in requests of one account, of which a few are in flight.
    pub renewal_jobs: usize,
    /// Accounts in a renewal job: some windows' worth.
    pub accounts_per_renewal: usize,
    /// Storage jobs open at once: with the claims of each, as many as may be pending, so that all peers find work.
    pub storage_jobs: usize,
    /// Accounts in a storage job: several requests' worth, so that a job's window can fill.
    pub storage_claims: usize,
    /// Sub-ranges of storages open at once, over all contracts. Nearly each answer cuts one storage and leaves a short one,
    /// so that there are to be as many as requests in flight. About 300 bytes each.
    pub storage_ranges: usize,
    /// Sub-ranges that one storage is cut into, at most; each is then asked for in as many requests as it needs.
    pub ranges_per_storage: usize,
    /// Slots that one sub-range of a huge storage should hold, by its estimated density.
    pub slots_per_range: u64,
    /// Walks down storages open at once.
    pub walk_jobs: usize,
    /// Storages that one walk goes down: a request asks for nodes of many.
    pub storages_per_walk: usize,
    /// Blocks whose access lists are asked for at once: a window of some requests, all of which may wait for the first.
    pub lists_per_job: u64,
    /// Blocks above a verified state whose access lists are asked for ahead of their taking, where blocks are taken by lists.
    pub lists_ahead: u64,
    /// Code jobs open at once.
    pub code_jobs: usize,
    /// Codes in a job.
    pub codes_per_job: usize,
    /// Body jobs, and as many receipt jobs, open at once.
    pub block_jobs: usize,
    /// Blocks in a body or receipt job.
    pub blocks_per_job: u64,
    /// Pending storages and codes above which account requests wait. About 200 bytes each: 32,768 ~ 6 MiB.
    pub pendings_max: usize,
    /// Settled storages that are remembered as donors for accounts with the same root; 64 bytes each.
    pub donors_max: usize,
    /// A mistake to make, for the tests that must catch it.
    #[cfg(feature = "planted-bugs")]
    #[serde(skip)]
    pub planted: Option<Bug>,
}

impl Config {
    /// One run to a standing target, with all history.
    pub fn standing(genesis: B256) -> Self {
        Self {
            genesis,
            checkpoint: None,
            history: History::All,
            pivot_distance: 64,
            pivot_age_max: 120,
            pivot_distance_min: 8,
            follow_blocks_max: None,
            receipts_above: ReceiptsFrom::Peers,
            gain_window_ms: 300_000,
            account_ranges: 16,
            renewal_jobs: 4,
            accounts_per_renewal: 64,
            storage_jobs: 32,
            storage_claims: 1024,
            storage_ranges: 256,
            ranges_per_storage: 16,
            slots_per_range: 32_768,
            walk_jobs: 4,
            storages_per_walk: 256,
            lists_per_job: 512,
            lists_ahead: 256,
            code_jobs: 16,
            codes_per_job: 64,
            block_jobs: 4,
            blocks_per_job: 1024,
            pendings_max: 32_768,
            donors_max: 4096,
            #[cfg(feature = "planted-bugs")]
            planted: None,
        }
    }
}
