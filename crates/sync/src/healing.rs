//! The walk down the account trie: whether one is due, and what it means that it changed nothing.
//!
//! ```text
//!   the derived root differs     due ──> underway ──> done, all that it made pending is in ──> derived once more
//!   the pivot moves              underway ──> due: down the new target's trie; what is healed is equal by then
//!   it changed nothing           and the root differs all the same: our own rows are damaged
//! ```
//!
//! It keeps no path: that is the stream's. Storages whose claims a walk has changed are walked down by themselves: `walks.rs`.

use crate::{Ended, JobId, TargetId};

/// Walks down one target's trie after which something is wrong: each but the first had to find what had become of a storage meanwhile.
const PASSES_MAX: u32 = 8;

/// Where the walk stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pass {
    #[default]
    None,
    Due,
    Underway(JobId),
    Done,
}

/// What comes of a derived root that is not the target's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cure {
    /// A walk.
    Walk,
    /// Nothing differs, and yet it is another root.
    Damaged,
    /// Walks lead nowhere.
    Hopeless,
}

/// The planner of walks down the account trie.
#[derive(Debug, Default)]
pub(crate) struct Healing {
    pass: Pass,
    /// The target that the last walks went down to, and how many they were.
    target: Option<TargetId>,
    passes: u32,
    /// Whether rows have changed since the pass began.
    has_healed: bool,
}

impl Healing {
    /// Another root was derived than the target's; `is_proved`: of rows each of which a range of this target gave.
    pub(crate) fn differs(&mut self, target: TargetId, is_proved: bool) -> Cure {
        if is_proved {
            return Cure::Damaged;
        }
        if self.target != Some(target) {
            (self.target, self.passes) = (Some(target), 0);
        } else if self.pass == Pass::Done && !self.has_healed {
            return Cure::Damaged;
        }
        if self.passes == PASSES_MAX {
            return Cure::Hopeless;
        }
        self.passes += 1;
        self.pass = Pass::Due;
        Cure::Walk
    }

    /// A walk to this target starts now, if one is due.
    pub(crate) fn start(&mut self, target: TargetId, ids: &mut impl FnMut() -> JobId) -> Option<JobId> {
        if self.pass != Pass::Due {
            return None;
        }
        self.target = Some(target);
        self.has_healed = false;
        let job = ids();
        self.pass = Pass::Underway(job);
        Some(job)
    }

    /// The target is another one. Gives the walk to stop.
    pub(crate) fn moved(&mut self) -> Option<JobId> {
        let job = self.job();
        if self.pass != Pass::None {
            (self.pass, self.passes) = (Pass::Due, 1);
        }
        job
    }

    /// Whether one is to start.
    pub(crate) fn is_due(&self) -> bool {
        self.pass == Pass::Due
    }

    /// Rows are brought on by other means: whether another walk is due is known when they are derived.
    pub(crate) fn leave(&mut self) {
        self.pass = Pass::None;
    }

    /// Rows have changed.
    pub(crate) fn healed(&mut self) {
        self.has_healed = true;
    }

    pub(crate) fn job(&self) -> Option<JobId> {
        match self.pass {
            Pass::Underway(job) => Some(job),
            Pass::None | Pass::Due | Pass::Done => None,
        }
    }

    pub(crate) fn ended(&mut self, job: JobId, why: Ended) -> bool {
        let is_ours = self.job() == Some(job);
        if is_ours {
            self.pass = if why == Ended::Done { Pass::Done } else { Pass::Due };
        }
        is_ours
    }

    /// Whether the walk is over.
    pub(crate) fn is_done(&self) -> bool {
        self.pass == Pass::Done
    }
}
