//! Access lists that bring rows of several blocks to the newest one: whether they can, and which come next.
//!
//! ```text
//!   Unknown   is any row of a block that the chain has left?
//!   Placing   somebody looks for such blocks
//!   Leaving   they are taken off, one after the other: `retreat.rs`
//!   Placed    has the block after the oldest rows' a list, and is it that one's child?
//!   Sought    somebody looks at its header
//!   Open      its list is asked for, and those above it, some at a time: they are of use in their order only
//!   Closed    it goes no further, and what differs is found by comparing tries
//! ```
//!
//! It trusts whoever looks at headers. It keeps no list, and does not know what is held: where rows are is said in `targets.rs`.

use std::fmt;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{
    BlockRange, Config, JobId,
    left::{Left, LeftBlock},
};

/// Why lists do not bring rows to the newest target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoLists {
    /// A block has none: it is older than they are.
    Older {
        /// The block.
        number: u64,
    },
    /// The canonical block does not follow the one that rows are of.
    OtherBranch {
        /// The block.
        number: u64,
    },
    /// No connected peer has the list of a block.
    Nobody {
        /// The block.
        number: u64,
    },
    /// No connected peer has the list of a block that the chain has left.
    Left {
        /// The block.
        number: u64,
    },
    /// The header of a block that the chain has left is not held, so that nothing leads back from it; or the way back is too long.
    Unheld {
        /// The block.
        number: u64,
    },
    /// A block that the chain has left changed too many accounts.
    Crowded {
        /// The block.
        number: u64,
    },
    /// Storages are still asked for at the blocks that claimed them, which are not where rows would go.
    Claims,
    /// Nobody knows which block some of the rows are of.
    Mixed,
}

impl fmt::Display for NoLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Older { number } => write!(f, "block {number} has no access list"),
            Self::OtherBranch { number } => {
                write!(f, "block {number} does not follow the one that the oldest rows are of")
            }
            Self::Nobody { number } => write!(f, "no connected peer has the access list of block {number}"),
            Self::Left { number } => {
                write!(f, "no connected peer has the access list of block {number}, which the chain has left")
            }
            Self::Unheld { number } => {
                write!(
                    f,
                    "block {number}, which the chain has left, is not held, or too far from where it forks off"
                )
            }
            Self::Crowded { number } => {
                write!(f, "block {number}, which the chain has left, changed too many accounts")
            }
            Self::Claims => f.write_str("storages are still asked for at the blocks that claimed them"),
            Self::Mixed => f.write_str("of some rows it is not known which block they are of"),
        }
    }
}

/// How far it is known whether lists lead from the oldest rows to the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Unknown,
    Placing,
    Leaving,
    Placed,
    Sought(u64),
    Open,
    Closed,
}

/// The planner of lists.
#[derive(Debug, Default)]
pub(crate) struct CatchUp {
    way: Way,
    /// The open job, with its blocks. There is one at a time.
    job: Option<(JobId, BlockRange)>,
    /// The block of the oldest rows when a list above them was of no use, the last time.
    doubted: Option<B256>,
    /// Blocks that the chain has left.
    pub(crate) left: Left,
}

impl CatchUp {
    pub(crate) fn is_closed(&self) -> bool {
        self.way == Way::Closed
    }

    pub(crate) fn is_open(&self) -> bool {
        self.way == Way::Open
    }

    pub(crate) fn job(&self) -> Option<JobId> {
        self.job.map(|(job, _)| job).or(self.left.job())
    }

    /// Whether it is to be looked for blocks that the chain has left.
    pub(crate) fn place(&mut self) -> bool {
        let is_unknown = self.way == Way::Unknown;
        if is_unknown {
            self.way = Way::Placing;
        }
        is_unknown
    }

    pub(crate) fn is_placing(&self) -> bool {
        self.way == Way::Placing
    }

    /// These blocks are to be taken off.
    pub(crate) fn leaves(&mut self, blocks: Vec<LeftBlock>) {
        self.way = Way::Leaving;
        self.left.set(blocks);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.way == Way::Leaving
    }

    /// No block is to be taken off any more.
    pub(crate) fn placed(&mut self) {
        self.way = Way::Placed;
    }

    /// The same, although rows are of some. Gives the job to stop.
    pub(crate) fn stays(&mut self) -> Option<JobId> {
        self.placed();
        self.left.stop()
    }

    /// Whether what can be known of left blocks is.
    pub(crate) fn is_placed(&self) -> bool {
        !matches!(self.way, Way::Unknown | Way::Placing | Way::Leaving)
    }

    /// Whether the header of this block is to be looked at.
    pub(crate) fn seek(&mut self, number: u64) -> bool {
        let is_placed = self.way == Way::Placed;
        if is_placed {
            self.way = Way::Sought(number);
        }
        is_placed
    }

    /// The chain goes on: what was looked for may be there now. Who is asked for the list of a left block is asked on.
    pub(crate) fn grown(&mut self) {
        if let Way::Sought(_) = self.way {
            self.way = Way::Unknown;
        }
    }

    /// Another chain is canonical: what was looked for may not have been there, and other blocks may be left. Gives the job to stop.
    pub(crate) fn look_again(&mut self) -> Option<JobId> {
        if matches!(self.way, Way::Open | Way::Closed) {
            return None;
        }
        self.way = Way::Unknown;
        self.left.stop()
    }

    /// The block that was looked for has a list, and follows the oldest rows'. Says whether it was waited for.
    pub(crate) fn found(&mut self, number: u64) -> bool {
        let is_sought = self.way == Way::Sought(number);
        if is_sought {
            self.way = Way::Open;
        }
        is_sought
    }

    /// A list was of no use to rows of this block, the oldest ones: it may be of a chain that was left since. Says whether the header above
    /// them is to be looked at again, which is of use once.
    pub(crate) fn doubts(&mut self, oldest: B256) -> bool {
        self.doubted.replace(oldest) != Some(oldest)
    }

    /// It is to be found out anew whether lists lead on. Gives the job to stop.
    pub(crate) fn reopen(&mut self) -> Option<JobId> {
        self.way = Way::Unknown;
        self.job.take().map(|(job, _)| job).or(self.left.stop())
    }

    /// It goes no further. Gives the job to stop.
    pub(crate) fn close(&mut self) -> Option<JobId> {
        self.way = Way::Closed;
        self.job.take().map(|(job, _)| job).or(self.left.stop())
    }

    /// The pivot is this block now: where lists are applied already, more of them follow. Gives a job that goes beyond it.
    pub(crate) fn moved(&mut self, pivot: u64) -> Option<JobId> {
        if self.way != Way::Open {
            self.way = Way::Unknown;
        }
        let beyond = self.job.take_if(|(_, blocks)| blocks.last > pivot).map(|(job, _)| job);
        beyond.or(self.left.stop())
    }

    /// Lists were brought to rows, the oldest of which are of this block now.
    pub(crate) fn brought(&mut self, oldest: u64) {
        self.job.take_if(|(_, blocks)| blocks.last <= oldest);
    }

    /// All lists up to this block that a job asked for have come. Where rows were left as they were, it is over all the same.
    pub(crate) fn came(&mut self, job: JobId, last: u64) {
        self.job.take_if(|(open, blocks)| *open == job && blocks.last <= last);
    }

    pub(crate) fn ended(&mut self, job: JobId) -> bool {
        self.job.take_if(|(open, _)| *open == job).is_some() || self.left.ended(job)
    }

    /// The next job, if one is due: the oldest rows are of block `oldest`, the target is `pivot`.
    pub(crate) fn start(
        &mut self,
        config: &Config,
        (oldest, pivot): (u64, u64),
        ids: &mut impl FnMut() -> JobId,
    ) -> Option<(JobId, BlockRange)> {
        if self.way != Way::Open || self.job.is_some() {
            return None;
        }
        let last = oldest.saturating_add(config.lists_per_job.max(1)).min(pivot);
        let blocks = BlockRange::new(oldest.saturating_add(1), last)?;
        #[cfg(feature = "planted-bugs")]
        let blocks = match config.planted {
            Some(crate::Bug::ListSkipped) => BlockRange::new(blocks.first + 1, last).unwrap_or(blocks),
            _ => blocks,
        };
        self.job = Some((ids(), blocks));
        self.job
    }
}
