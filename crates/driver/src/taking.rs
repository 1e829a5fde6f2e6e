//! What becomes of the blocks above a verified state, as the worker that takes them tells it.

use std::{collections::VecDeque, time::Duration};

use alloy_primitives::B256;
use crossbeam_channel::Sender;
use snapsync_storage::{DerivedBlock, ProvenReceipts};
use snapsync_sync::{Head, Target};

use crate::{events::TakenBy, lists_above::ListsAbove};

/// A block that was taken.
#[derive(Debug)]
pub(crate) struct TakenBlock {
    /// What is to be written.
    pub(crate) derived: Box<DerivedBlock>,
    /// Its receipts, if it was executed.
    pub(crate) receipts: Option<ProvenReceipts>,
    /// What is told of it once it is durable.
    pub(crate) told: Told,
}

/// What is told of a block that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) block: Head,
    pub(crate) transactions: usize,
    pub(crate) gas: u64,
    pub(crate) by: TakenBy,
    pub(crate) took: Duration,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    /// A block was taken.
    Taken(TakenBlock),
    /// The chain has left the block that the state is of, and it is to be taken back.
    TakeBack {
        /// The block's hash.
        block: B256,
        /// Whose state is left.
        parent: Target,
    },
    /// The chain has left that block, and it cannot be taken back.
    Stranded {
        /// The block's hash.
        block: B256,
    },
    /// A block is bad. No other is taken before the chain leaves it.
    Refused {
        /// The block.
        block: Head,
        /// Why.
        reason: String,
    },
    /// A block was not taken, for a reason that says nothing of it. It is tried again.
    Failed {
        /// The block.
        block: Head,
        /// Why.
        reason: String,
    },
}

/// What makes the state that of another block.
#[derive(Debug)]
pub(crate) enum Change {
    /// This block is written.
    Take(TakenBlock),
    /// The block of this hash is taken back.
    TakeBack(B256),
}

/// Whether blocks are taken by their access lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The next ones are.
    Lists,
    /// They are not.
    NoLists,
}

/// What the worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Something came that it may go on with.
    Changed,
    /// What it told last is not carried out, nor is what it told behind that. All that is, is on the disk.
    Anew,
}

/// Looks that wait. One is enough for whatever came before it is taken; one more place is kept for [`Look::Anew`].
pub(crate) const LOOKS: usize = 2;

/// The worker that takes blocks, seen from the planner.
#[derive(Debug)]
pub(crate) struct BlockFollowing {
    pub(crate) looks: Sender<Look>,
    /// The lists by which it takes blocks.
    pub(crate) lists: ListsAbove,
    /// What the engine is asked about: the write that goes out when it agrees.
    pub(crate) asked: Option<Change>,
    /// Blocks on their way to the disk, in the order in which they get there.
    pub(crate) written: VecDeque<Told>,
    /// Whether the last one is being taken back.
    pub(crate) is_going_back: bool,
    /// Whether the worker is to look anew when nothing is on its way any more: what it goes by is the disk.
    pub(crate) is_anew_due: bool,
}

impl BlockFollowing {
    pub(crate) const fn new(looks: Sender<Look>, lists: ListsAbove) -> Self {
        Self { looks, lists, asked: None, written: VecDeque::new(), is_going_back: false, is_anew_due: false }
    }
}
