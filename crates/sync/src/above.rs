//! Access lists of the blocks above a verified state, by which whoever takes blocks takes them: which are asked for, as far as lists are wanted.
//!
//! ```text
//!   state    asked for, or here        not yet                head
//!   ──┤├──────────────────────────┤├─────────────┤· · · · · · ─┤
//!     └───────────── lists_ahead ────────────────┘
//! ```
//!
//! It trusts whoever takes blocks to say whether lists are wanted: only he knows whether he executes. It keeps no list, and does not know which
//! blocks have one. How many bytes may wait is said where requests are sent.

use crate::{BlockGaps, BlockRange, Config, Ended, JobId};

/// Whether lists are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wish {
    #[default]
    Unwanted,
    Wanted,
}

/// The planner of these lists.
#[derive(Debug, Default)]
pub(crate) struct Above {
    wish: Wish,
    /// Canonical blocks above the state whose lists were asked for; they are here, or owed by the job.
    asked: BlockGaps,
    /// The open job, with its blocks. There is one at a time: lists are of use in the order of their blocks only.
    job: Option<(JobId, BlockRange)>,
}

impl Above {
    pub(crate) fn job(&self) -> Option<JobId> {
        self.job.map(|(job, _)| job)
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wish == Wish::Wanted
    }

    /// Blocks are taken by their lists from now on.
    pub(crate) fn want(&mut self) {
        self.wish = Wish::Wanted;
    }

    /// They are not any more. Gives the job to stop.
    pub(crate) fn unwant(&mut self) -> Option<JobId> {
        self.wish = Wish::Unwanted;
        self.forget_above(0)
    }

    /// The blocks above this one are others from now on. Gives the job to stop.
    pub(crate) fn forget_above(&mut self, number: u64) -> Option<JobId> {
        let above = BlockRange { first: number.saturating_add(1), last: u64::MAX };
        self.asked.remove(above);
        let (job, blocks) = self.job.take_if(|(_, blocks)| blocks.last > number)?;
        self.asked.remove(blocks);
        Some(job)
    }

    /// Nobody has the list of this block. It is asked for anew; those below it are here. Gives the job to stop.
    pub(crate) fn nobody_has(&mut self, number: u64) -> Option<JobId> {
        let (job, _) = self.job.take_if(|(_, blocks)| blocks.contains(number))?;
        self.asked.remove(BlockRange { first: number, last: u64::MAX });
        Some(job)
    }

    /// The state is of this block now, however it came there. Gives a job that is of no use any more.
    pub(crate) fn followed(&mut self, number: u64) -> Option<JobId> {
        self.asked.remove(BlockRange { first: 0, last: number });
        self.job.take_if(|(_, blocks)| blocks.last <= number).map(|(job, _)| job)
    }

    pub(crate) fn ended(&mut self, job: JobId, why: Ended) -> bool {
        let Some((_, blocks)) = self.job.take_if(|(open, _)| *open == job) else { return false };
        if why != Ended::Done {
            self.asked.remove(blocks);
        }
        true
    }

    /// The next job, if one is due: the state is of block `state`, the chain ends at `top`.
    pub(crate) fn start(
        &mut self,
        config: &Config,
        (state, top): (u64, u64),
        ids: &mut impl FnMut() -> JobId,
    ) -> Option<(JobId, BlockRange)> {
        if !self.is_wanted() || self.job.is_some() {
            return None;
        }
        let ahead = config.lists_ahead.max(1);
        let window = BlockRange::new(state.saturating_add(1), top.min(state.saturating_add(ahead)))?;
        let mut free = BlockGaps::new([window]);
        for asked in self.asked.iter() {
            free.remove(asked);
        }
        // While more follow than are asked for at once, few blocks wait for others: each job ends with a short request.
        let is_due = |blocks: &BlockRange| blocks.last == top || blocks.count() >= ahead.div_ceil(2);
        let blocks = free.iter().next().filter(|blocks| is_due(blocks) || blocks.last < window.last)?;
        self.asked.insert(blocks);
        self.job = Some((ids(), blocks));
        self.job
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;

    fn config() -> Config {
        Config { lists_ahead: 8, ..Config::standing(B256::ZERO) }
    }

    /// The blocks of the next job over a state of this block, below this top.
    fn start(above: &mut Above, state: u64, top: u64) -> Option<(u64, u64)> {
        let job = above.start(&config(), (state, top), &mut || JobId(state));
        job.map(|(_, blocks)| (blocks.first, blocks.last))
    }

    #[test]
    fn nothing_is_asked_for_that_is_not_wanted() {
        let mut above = Above::default();
        assert_eq!(start(&mut above, 10, 30), None);
        above.want();
        assert_eq!(start(&mut above, 10, 30), Some((11, 18)));
        assert_eq!(above.unwant(), Some(JobId(10)));
        assert_eq!(start(&mut above, 10, 30), None);
        above.want();
        assert_eq!(start(&mut above, 10, 10), None, "there is no block above");
        assert_eq!(start(&mut above, 10, 12), Some((11, 12)));
    }

    #[test]
    fn a_window_goes_before_the_state_and_no_list_is_asked_for_twice() {
        let mut above = Above::default();
        above.want();
        assert_eq!(start(&mut above, 10, 30), Some((11, 18)));
        assert_eq!(start(&mut above, 10, 30), None, "one job at a time");
        assert!(above.ended(JobId(10), Ended::Done));
        assert_eq!(above.followed(12), None);
        assert_eq!(start(&mut above, 12, 30), None, "two blocks wait for more");
        assert_eq!(above.followed(14), None);
        assert_eq!(start(&mut above, 14, 30), Some((19, 22)));
        assert_eq!(above.followed(22), Some(JobId(14)), "whoever took the last block has no use for it");
        assert_eq!(start(&mut above, 22, 23), Some((23, 23)), "the chain ends there");
    }

    #[test]
    fn what_was_given_up_or_is_of_another_chain_is_asked_for_again() {
        let mut above = Above::default();
        above.want();
        assert_eq!(start(&mut above, 10, 18), Some((11, 18)));
        assert!(above.ended(JobId(10), Ended::GivenUp) && !above.ended(JobId(10), Ended::Done));
        assert_eq!(start(&mut above, 11, 18), Some((12, 18)));
        assert!(above.ended(JobId(11), Ended::Done));
        assert_eq!(above.forget_above(15), None);
        assert_eq!(start(&mut above, 11, 17), Some((16, 17)));
        assert_eq!(above.nobody_has(15), None, "it is here");
        assert_eq!(above.nobody_has(17), Some(JobId(11)));
        assert_eq!(start(&mut above, 11, 17), Some((17, 17)));
        // Blocks below the fork that the state has come to are taken back.
        assert_eq!(above.forget_above(9), Some(JobId(11)));
        assert_eq!(above.followed(9), None);
        assert_eq!(start(&mut above, 9, 17), Some((10, 17)));
    }
}
