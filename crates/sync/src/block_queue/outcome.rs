//! What goes into the block queue and what comes out of it, as types. They decide nothing.

use alloy_primitives::B256;

use crate::{BlockRange, Head};

/// A block's place in its chain, as its own header says. Whoever makes one has computed the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLink {
    /// Its number.
    pub number: u64,
    /// The hash of its header.
    pub hash: B256,
    /// The hash of its parent's.
    pub parent: B256,
}

impl BlockLink {
    /// Whether it may stand on `parent`, which is its parent by hash.
    pub(super) fn follows(&self, parent: u64) -> bool {
        parent.checked_add(1) == Some(self.number)
    }
}

impl From<BlockLink> for Head {
    fn from(BlockLink { number, hash, .. }: BlockLink) -> Self {
        Self { number, hash }
    }
}

/// Who is the cause of a block's place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Announcer {
    /// The consensus client: it gives way to nobody.
    Host,
    /// A peer, by the name that the host has for it.
    Peer(u64),
}

/// What became of an announced block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// It is in the queue.
    Queued,
    /// It was there already.
    Repeated,
    /// It is held, and valid.
    Held,
    /// It was executed and is bad, or has such an ancestor.
    Bad {
        /// The last valid one of its ancestors.
        latest_valid: Head,
    },
    /// There is no place for it.
    Refused(Refusal),
}

/// Why there is no place for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not above what is final, or too far below the head.
    Behind {
        /// The highest number that is refused.
        floor: u64,
    },
    /// It is too far above the head.
    Ahead {
        /// The highest number that is taken.
        last: u64,
    },
    /// It stands on another block than the one that is final.
    OtherBranch {
        /// That one.
        finalized: Head,
    },
    /// Its bytes alone are more than its announcer may hold.
    TooLarge {
        /// How many it may hold.
        bytes_max: u64,
    },
    /// The peer has its part of the queue filled with lower blocks.
    PeerFull,
    /// The queue is full, and none of it gives way.
    Full,
}

/// What came of an announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// What became of the block.
    pub reception: Reception,
    /// What left the queue for it.
    pub dropped: Vec<Dropped>,
}

impl From<Reception> for Intake {
    fn from(reception: Reception) -> Self {
        Self { reception, dropped: Vec::new() }
    }
}

/// What came of a block that is bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The last valid ancestor, its parent; none if that is not known to be valid, and then nothing was remembered.
    pub latest_valid: Option<Head>,
    /// Its descendants, which left the queue.
    pub dropped: Vec<Dropped>,
}

/// A block that left the queue, with its payload, and was not given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The block.
    pub block: BlockLink,
    /// Why.
    pub cause: DropCause,
}

/// Why a block left the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropCause {
    /// It, or an ancestor of it, is bad.
    Bad {
        /// The last valid ancestor.
        latest_valid: Head,
    },
    /// It is not above what is final, or too far below the head.
    Behind,
    /// It is too far above the head, which went down.
    Ahead,
    /// It is of a branch that what is final has left.
    OtherBranch,
    /// Another block needed its room.
    Room,
    /// Nobody has an ancestor of it.
    Lost,
    /// Its announcer left.
    Left,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueStep<P> {
    /// A block whose parent is held. It is given out once.
    Execute {
        /// The block.
        block: BlockLink,
        /// What was announced with it.
        payload: P,
    },
    /// A block that others wait for. It is named once.
    Find {
        /// The hash of its header.
        hash: B256,
        /// Its number, if the block that waits for it is honest about its own.
        number: u64,
        /// What peers may be asked for: it, and what is likely missing below. None: it is of use only if our own chain has it.
        blocks: Option<BlockRange>,
    },
}
