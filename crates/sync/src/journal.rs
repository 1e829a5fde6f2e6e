//! What a sync resumes from: the facts that the disk holds, as the storage crate reads them back.
//!
//! The journal is not written from here. What is held and what is pending are rows that change in the transaction of the data that
//! they describe; only [`crate::Progress`] is handed out to be recorded.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use snapsync_trie::{Coverage, PendingStorage};

use crate::{BlockRange, Checkpoint, Phase, Pin, Target, TargetId};

/// Down to where headers are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderFloor {
    /// Number of the lowest header.
    pub number: u64,
    /// Its parent hash.
    pub parent: B256,
}

/// A block that somebody named as the newest of its chain, or that is the highest that we hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// The hash of its header.
    pub hash: B256,
}

impl From<Target> for Head {
    fn from(Target { number, hash, .. }: Target) -> Self {
        Self { number, hash }
    }
}

/// Headers in one piece, from a head on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderPiece {
    /// The highest one.
    pub head: Head,
    /// Down to where they are held.
    pub floor: HeaderFloor,
}

/// What the disk says about an unfinished sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The target, if one was recorded: the newest that was.
    pub pin: Option<Pin>,
    /// All targets that rows or pendings may name, the newest among them.
    pub targets: Vec<Pin>,
    /// Of those whose rows lists have brought on: the block that these are of now.
    pub brought: Vec<(TargetId, Head)>,
    /// The phase that was recorded last.
    pub phase: Phase,
    /// The derived root that equalled the target's, if that was recorded.
    pub rebuilt: Option<B256>,
    /// What is held of the accounts.
    pub accounts: Coverage,
    /// Storages that are not settled.
    pub storages: Vec<PendingStorage>,
    /// How many slots some of these have in all, about: those of which some are held.
    #[serde(default)]
    pub slots_about: Vec<(B256, u64)>,
    /// Codes that are not held.
    pub codes: Vec<B256>,
    /// Down to where the canonical headers are held, in one piece.
    pub headers: Option<HeaderFloor>,
    /// The highest of them; the target, if that is not said.
    pub head: Option<Head>,
    /// Whether they have another block at the target's height: the chain has left it.
    pub is_orphaned: bool,
    /// Headers of a checkpoint above the target, or of a later head, that have not met the canonical ones yet.
    pub descent: Option<HeaderPiece>,
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
            brought: Vec::new(),
            phase: Phase::Idle,
            rebuilt: None,
            accounts: Coverage::missing(),
            storages: Vec::new(),
            slots_about: Vec::new(),
            codes: Vec::new(),
            headers: None,
            head: None,
            is_orphaned: false,
            descent: None,
            checkpoint: None,
            bodies: Vec::new(),
            receipts: Vec::new(),
        }
    }

    /// The highest canonical block, if a target is recorded.
    pub fn top(&self) -> Option<Head> {
        let target = self.pin?.target;
        Some(self.head.unwrap_or(Head { number: target.number, hash: target.hash }))
    }

    /// The highest block whose body and receipts are wanted, if a target is recorded: the head that was named last. What lies between
    /// the target and a checkpoint above it only vouches for the target.
    pub fn wanted_up_to(&self, checkpoint: Option<Checkpoint>) -> Option<u64> {
        let (target, top) = (self.pin?.target, self.top()?);
        let is_checkpoint = checkpoint.is_some_and(|checkpoint| checkpoint.hash == top.hash);
        Some(if is_checkpoint { target.number } else { top.number })
    }
}
