//! Block after block by the ways that are there: executed, or by access lists, or by lists for as long as the executor fails.
//!
//! A failure of the executor is not the block's: it says nothing of it. Then the block's list leads to the same state, and the blocks after it
//! go that way too, for a time, so that an executor that is broken does not cost each block its attempt. What is found bad is bad by
//! whichever way it was found: a list makes no block good that an executor has refused.
//!
//! It holds no state but that pause, reads no clock and writes nothing.

use std::time::Duration;

use alloy_primitives::Bytes;
use snapsync_storage::{DerivedBlock, StateSnapshot};
use snapsync_wire::{Header, Receipt};

use crate::{
    advance::{Advanced, apply_list, execute},
    block::Block,
    error::{Error, Result},
    executor::BlockExecutor,
    forks::Forks,
    reader::BlockHashes,
    stretch::Stretch,
};

/// By which ways blocks may be taken.
enum Ways {
    /// Executed.
    Execute(Box<dyn BlockExecutor + Send>),
    /// By their lists.
    ApplyLists,
    /// Executed, and by their lists while the executor rests.
    ExecuteOrApply { executor: Box<dyn BlockExecutor + Send>, pause: Duration, rests_until: Option<Duration> },
}

/// Takes the blocks of a chain one after the other.
pub struct Follower {
    forks: Forks,
    ways: Ways,
}

/// A block that was taken, and is to be written.
#[derive(Debug)]
pub struct Taken {
    /// Its rows and branches, for [`Write::Block`](snapsync_storage::Write::Block).
    pub derived: DerivedBlock,
    /// How it was taken.
    pub by: TakenBy,
}

/// How a block was taken.
#[derive(Debug)]
pub enum TakenBy {
    /// It was executed.
    Execution {
        /// What came of each transaction.
        receipts: Vec<Receipt>,
    },
    /// Its list was applied.
    List {
        /// Why the executor did not execute it, if it was asked.
        failure: Option<Error>,
    },
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ways = match &self.ways {
            Ways::Execute(_) => "execute",
            Ways::ApplyLists => "apply lists",
            Ways::ExecuteOrApply { .. } => "execute or apply",
        };
        f.debug_struct("Follower").field("ways", &ways).finish_non_exhaustive()
    }
}

impl Follower {
    /// Executes each block.
    pub fn executing(forks: Forks, executor: Box<dyn BlockExecutor + Send>) -> Self {
        Self { forks, ways: Ways::Execute(executor) }
    }

    /// Applies each block's access list. Blocks before Amsterdam have none, and are refused.
    pub const fn applying_lists(forks: Forks) -> Self {
        Self { forks, ways: Ways::ApplyLists }
    }

    /// Executes each block; where that fails, its list is applied, and so are those of all blocks in the time of `pause` after it.
    pub fn executing_or_applying(
        forks: Forks,
        executor: Box<dyn BlockExecutor + Send>,
        pause: Duration,
    ) -> Self {
        Self { forks, ways: Ways::ExecuteOrApply { executor, pause, rests_until: None } }
    }

    /// Whether blocks are executed, as long as that does not fail.
    pub const fn executes(&self) -> bool {
        !matches!(self.ways, Ways::ApplyLists)
    }

    /// Whether a block that comes at `now` is better brought with its list.
    pub fn wants_list(&self, now: Duration) -> bool {
        match &self.ways {
            Ways::Execute(_) => false,
            Ways::ApplyLists => true,
            Ways::ExecuteOrApply { rests_until, .. } => rests_until.is_some_and(|until| now < until),
        }
    }

    /// Whether a list is ever of use.
    pub const fn may_apply(&self) -> bool {
        !matches!(self.ways, Ways::Execute(_))
    }

    /// Begins a stretch of blocks above `base`, whose state the snapshot is of: for blocks that are brought by their lists, and never taken back.
    pub fn stretch<'s>(&'s self, base: &Header, snapshot: &'s StateSnapshot) -> Stretch<'s> {
        Stretch::above(&self.forks, base, snapshot)
    }

    /// Takes the block that follows `parent`, whose state the snapshot is of; `now` is on the caller's clock, from any zero. Without its list
    /// a block is executed even while the executor rests.
    ///
    /// # Errors
    /// [`Error::Bad`] when the block is bad. [`Error::List`] when the list was needed and is not the block's, or the block has none where
    /// lists are the only way; [`Error::ListAwaited`] when it has one that was not given. Else why the executor failed, if there is no list to apply instead; and what neither way is to blame for:
    /// [`Error::NotTheParent`], [`Error::Disk`].
    pub fn take(
        &mut self,
        now: Duration,
        block: &Block,
        parent: &Header,
        list: Option<&Bytes>,
        snapshot: &StateSnapshot,
        hashes: &dyn BlockHashes,
    ) -> Result<Taken> {
        let forks = &self.forks;
        let by_execution = |executor: &mut dyn BlockExecutor| {
            let Advanced { derived, receipts } = execute(executor, forks, block, parent, snapshot, hashes)?;
            Ok(Taken { derived, by: TakenBy::Execution { receipts } })
        };
        let by_list = |list: &Bytes, failure| {
            let derived = apply_list(forks, block, parent, list, snapshot)?;
            Ok(Taken { derived, by: TakenBy::List { failure } })
        };
        match (&mut self.ways, list) {
            (Ways::Execute(executor), _) => by_execution(executor.as_mut()),
            (Ways::ApplyLists, Some(list)) => by_list(list, None),
            (Ways::ApplyLists, None) if block.header().block_access_list_hash.is_some() => {
                Err(Error::ListAwaited { number: block.header().number })
            }
            (Ways::ApplyLists, None) => by_list(&Bytes::new(), None),
            (Ways::ExecuteOrApply { rests_until: Some(until), .. }, Some(list)) if now < *until => {
                by_list(list, None)
            }
            (Ways::ExecuteOrApply { executor, pause, rests_until }, list) => {
                let failure = match by_execution(executor.as_mut()) {
                    Err(failure) if failure.is_of_executor() => failure,
                    done => {
                        *rests_until = None;
                        return done;
                    }
                };
                *rests_until = Some(now.saturating_add(*pause));
                match list {
                    Some(list) => by_list(list, Some(failure)),
                    None => Err(failure),
                }
            }
        }
    }
}
