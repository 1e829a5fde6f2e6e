//! Claims of storages that nobody can answer any more: no connected peer has the state that made them.
//!
//! That ends nothing, and nobody is to blame. They go on counting as pending, and wait until their rows are asked for anew; an equal root
//! that is claimed at a newer target is copied to them. An answer that was on its way is as true as it was.

use crate::{
    Ended, JobId, TargetId,
    storages::{Pending, Step, Storages},
};

impl Storages {
    /// No connected peer has the state of `target`. Gives the jobs that ask for what it claimed; they are to be stopped.
    pub(crate) fn set_aside(&mut self, target: TargetId) -> Vec<JobId> {
        self.outdated.insert(target);
        let is_of_target =
            |account| self.pending.get(account).is_some_and(|pending: &Pending| pending.target == target);
        let whole = self.jobs.iter().filter(|(_, owed)| owed.first().is_some_and(is_of_target));
        let ranges = self.range_jobs.iter().filter(|(_, account)| is_of_target(account));
        let walks = self.walks.firsts().filter(|(_, account)| is_of_target(account)).map(|(job, _)| job);
        let jobs: Vec<JobId> =
            whole.map(|(job, _)| *job).chain(ranges.map(|(job, _)| *job)).chain(walks).collect();
        for job in &jobs {
            let _known = self.ended(*job) || self.walked(*job, Ended::GivenUp);
        }
        let roots: Vec<_> = self.groups.keys().copied().collect();
        roots.into_iter().for_each(|root| self.lead_anew(root));
        jobs
    }

    /// How many claims wait because nobody can answer them.
    pub(crate) fn claims_outdated(&self) -> usize {
        if self.outdated.is_empty() {
            return 0;
        }
        self.pending.values().filter(|pending| self.waits_for_nobody(pending)).count()
    }

    fn waits_for_nobody(&self, pending: &Pending) -> bool {
        match pending.step {
            Step::Queued | Step::Split(_) | Step::Differing => self.outdated.contains(&pending.target),
            // As long as somebody may answer for one account of a root, that one leads.
            Step::Following => {
                self.groups.get(&pending.root).and_then(|group| self.pending.get(&group.leader)).is_some_and(
                    |leader| !matches!(leader.step, Step::Following) && self.waits_for_nobody(leader),
                )
            }
            Step::Fetching(_) | Step::Copying | Step::Walking(_) | Step::Deriving => false,
        }
    }
}
