//! Account rows that are asked again: nobody can answer any more what they claim, and a row of the newest target claims what somebody can.
//!
//! A job is a note on accounts that are held, whose claims wait (`outdated.rs`), that claim nothing and lack slots (`owed.rs`), or that name a code
//! which nobody has. It follows the pivot as account ranges do, and is open until all of its rows have taken their place on the disk, since any of
//! them may claim something new.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;

use crate::{Config, Effect, HashRange, Job, JobId, targets::Targets};

/// The planner of renewals.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    /// Open jobs, each with the accounts that it still owes. Invariant: no account is owed twice, and none of them owes nothing.
    jobs: BTreeMap<JobId, BTreeSet<B256>>,
    /// Accounts that name a code which nobody has. Invariant: each is asked again once.
    wanted: BTreeSet<B256>,
}

impl Renewals {
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Accounts that are still owed.
    pub(crate) fn accounts(&self) -> usize {
        self.jobs.values().map(BTreeSet::len).sum()
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        self.jobs.keys().copied()
    }

    /// These are to be asked again; what was wanted before is looked at anew.
    pub(crate) fn want(&mut self, accounts: BTreeSet<B256>) {
        self.wanted = accounts;
    }

    /// What is to be asked again, whatever else is; few, and most of the time none.
    pub(crate) fn wanted(&self) -> BTreeSet<B256> {
        self.wanted.clone()
    }

    /// A job ended by itself: what it still owed is asked for again, should its claim still wait.
    pub(crate) fn ended(&mut self, job: JobId) -> bool {
        self.jobs.remove(&job).is_some()
    }

    /// Rows of these pieces, which `job` asked for, have taken their place.
    pub(crate) fn renewed(&mut self, job: JobId, pieces: &[HashRange]) {
        let is_renewed = |account: &B256| pieces.iter().any(|piece| piece.contains(account));
        self.wanted.retain(|account| !is_renewed(account));
        let Some(owed) = self.jobs.get_mut(&job) else { return };
        owed.retain(|account| !is_renewed(account));
        if owed.is_empty() {
            self.jobs.remove(&job);
        }
    }

    /// Starts jobs for what is to be asked `again`, while somebody may have the newest target.
    pub(crate) fn plan(
        &mut self,
        config: &Config,
        again: impl Iterator<Item = B256>,
        targets: &Targets,
        ids: &mut impl FnMut() -> JobId,
        out: &mut Vec<Effect>,
    ) {
        let newest = targets.asked().filter(|asked| targets.root(asked.id).is_some());
        let (mut again, Some(asked)) = (again.peekable(), newest) else { return };
        while self.jobs.len() < config.renewal_jobs && again.peek().is_some() {
            let is_asked = |account: &B256| self.jobs.values().any(|owed| owed.contains(account));
            let open = again.by_ref().filter(|account| !is_asked(account));
            let chosen: BTreeSet<B256> = open.take(config.accounts_per_renewal.max(1)).collect();
            if chosen.is_empty() {
                return;
            }
            let (id, accounts) = (ids(), chosen.iter().copied().collect());
            self.jobs.insert(id, chosen);
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
