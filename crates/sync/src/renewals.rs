//! Account rows that are asked again: nobody can answer any more what they claim, and a row of the newest target claims what somebody can.
//!
//! A job is a note on accounts that are held, whose claims wait (`outdated.rs`). It follows the pivot as account ranges do, and is open
//! until all of its rows have taken their place on the disk, since any of them may claim something new.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;

use crate::{Config, Effect, HashRange, Job, JobId, storages::Storages, targets::Targets};

/// The planner of renewals.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    /// Open jobs, each with the accounts that it still owes. Invariant: no account is owed twice, and none of them owes nothing.
    jobs: BTreeMap<JobId, BTreeSet<B256>>,
}

impl Renewals {
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        self.jobs.keys().copied()
    }

    /// A job ended by itself: what it still owed is asked for again, should its claim still wait.
    pub(crate) fn ended(&mut self, job: JobId) -> bool {
        self.jobs.remove(&job).is_some()
    }

    /// Rows of these pieces, which `job` asked for, have taken their place.
    pub(crate) fn renewed(&mut self, job: JobId, pieces: &[HashRange]) {
        let Some(owed) = self.jobs.get_mut(&job) else { return };
        owed.retain(|account| !pieces.iter().any(|piece| piece.contains(account)));
        if owed.is_empty() {
            self.jobs.remove(&job);
        }
    }

    /// Starts jobs for claims that nobody can answer, while there is a newer target that somebody may have.
    pub(crate) fn plan(
        &mut self,
        config: &Config,
        storages: &Storages,
        targets: &Targets,
        ids: &mut impl FnMut() -> JobId,
        out: &mut Vec<Effect>,
    ) {
        let newest = targets.asked().filter(|asked| targets.root(asked.id).is_some());
        let Some(asked) = newest.filter(|_| storages.has_outdated()) else { return };
        while self.jobs.len() < config.renewal_jobs {
            let is_asked = |account: &B256| self.jobs.values().any(|owed| owed.contains(account));
            let open = storages.unanswerable().filter(|account| !is_asked(account));
            let owed: BTreeSet<B256> = open.take(config.accounts_per_renewal.max(1)).collect();
            if owed.is_empty() {
                return;
            }
            let (id, accounts) = (ids(), owed.iter().copied().collect());
            self.jobs.insert(id, owed);
            let (target, root) = (asked.id, asked.target.root);
            out.push(Effect::Start { id, job: Job::Renewal { target, root, accounts } });
        }
    }

    /// What is always true here.
    pub(crate) fn check(&self, config: &Config) {
        assert!(self.jobs.len() <= config.renewal_jobs, "more renewals than may be open");
        assert!(self.jobs.values().all(|owed| !owed.is_empty()), "a renewal waits for nothing");
    }
}
