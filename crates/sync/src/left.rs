//! Blocks that rows are of and that the canonical chain has left: which are taken off next.
//!
//! Their access lists name what they changed, from the highest block down; all else becomes rows of the block where the chain forks off. It
//! trusts whoever looks at headers, and knows no row.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{Head, JobId, TargetId};

/// A block that the canonical chain has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBlock {
    /// The block.
    pub block: Head,
    /// The one before it.
    pub parent: Head,
    /// Whether it has an access list.
    pub has_list: bool,
}

/// Whether rows of a block became its parent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetreatOutcome {
    /// They did.
    Applied,
    /// They may not, and nothing has changed.
    Left,
    /// It changed more accounts than can be told apart, and nothing has changed.
    Crowded,
}

/// What became of rows of a block that the canonical chain has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetreatedBlock {
    /// The block.
    pub block: Head,
    /// The one before it.
    pub parent: Head,
    /// Whether rows of it are its parent's now.
    pub outcome: RetreatOutcome,
    /// The target whose name rows have from now on that had one of `older`, as all of them are of the parent.
    pub newest: Option<TargetId>,
    /// Targets that nothing is of any more.
    pub older: Vec<TargetId>,
    /// Accounts of which nothing is known any more.
    pub doubtful: Vec<B256>,
    /// Storages that owe their root until their accounts were asked again.
    pub cut: Vec<B256>,
    /// Storages that owed it before: those that are cut are counted anew.
    pub freed: Vec<B256>,
}

/// The planner of left blocks.
#[derive(Debug, Default)]
pub(crate) struct Left {
    blocks: Vec<LeftBlock>,
    /// The open job, with its block.
    job: Option<(JobId, B256)>,
}

impl Left {
    /// These are to be taken off.
    pub(crate) fn set(&mut self, blocks: Vec<LeftBlock>) {
        self.blocks = blocks;
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(crate) fn job(&self) -> Option<JobId> {
        self.job.map(|(job, _)| job)
    }

    pub(crate) fn has(&self, block: B256) -> bool {
        self.blocks.iter().any(|left| left.block.hash == block)
    }

    pub(crate) fn started(&mut self, job: JobId, block: B256) {
        self.job = Some((job, block));
    }

    /// No row is of this one any more, of which `job` had the list. Gives a job to stop that asks for it still: what an earlier job, which was
    /// stopped, had with the writer counts as well.
    pub(crate) fn off(&mut self, job: JobId, block: B256) -> Option<JobId> {
        self.blocks.retain(|left| left.block.hash != block);
        let (open, _) = self.job.take_if(|(_, asked)| *asked == block)?;
        (open != job).then_some(open)
    }

    pub(crate) fn ended(&mut self, job: JobId) -> bool {
        self.job.take_if(|(open, _)| *open == job).is_some()
    }

    /// None is taken off any more. Gives the job to stop.
    pub(crate) fn stop(&mut self) -> Option<JobId> {
        self.blocks.clear();
        self.job.take().map(|(job, _)| job)
    }
}
