//! What a sync resumes from: the facts that the disk holds, as the storage crate reads them back.
//!
//! The journal is not written from here. What is held and what is pending are rows that change in the transaction of the data that
//! they describe; only [`crate::Progress`] is handed out to be recorded.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use snapsync_trie::{Coverage, PendingStorage};

use crate::{BlockRange, Phase, Pin};

/// Down to where headers are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderFloor {
    /// Number of the lowest header.
    pub number: u64,
    /// Its parent hash.
    pub parent: B256,
}

/// What the disk says about an unfinished sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The target, if one was recorded: the newest that was.
    pub pin: Option<Pin>,
    /// All targets that rows or pendings may name, the newest among them.
    pub targets: Vec<Pin>,
    /// The phase that was recorded last.
    pub phase: Phase,
    /// The derived root that equalled the target's, if that was recorded.
    pub rebuilt: Option<B256>,
    /// What is held of the accounts.
    pub accounts: Coverage,
    /// Storages that are not settled.
    pub storages: Vec<PendingStorage>,
    /// Codes that are not held.
    pub codes: Vec<B256>,
    /// Down to where headers are held, in one piece from the target (or from a checkpoint above it).
    pub headers: Option<HeaderFloor>,
    /// The hash that our headers have at the checkpoint's number, if one is configured and they reach it.
    pub checkpoint: Option<B256>,
    /// Blocks without a body.
    pub bodies: Vec<BlockRange>,
    /// Blocks without receipts.
    pub receipts: Vec<BlockRange>,
}

impl Journal {
    /// The journal of an empty disk.
    pub fn fresh() -> Self {
        Self {
            pin: None,
            targets: Vec::new(),
            phase: Phase::Idle,
            rebuilt: None,
            accounts: Coverage::missing(),
            storages: Vec::new(),
            codes: Vec::new(),
            headers: None,
            checkpoint: None,
            bodies: Vec::new(),
            receipts: Vec::new(),
        }
    }
}
