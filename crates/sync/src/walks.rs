//! Which storages wait for a walk, and which are walked down by which job. What follows from it is said in `differing.rs`.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;

use crate::{Config, Effect, JobId, TargetId};

/// Who waits for a walk, and who is walked down.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    /// Accounts that wait, by the target of their claim.
    pub(crate) waiting: BTreeSet<(TargetId, B256)>,
    /// Open jobs, each with the accounts whose storages it walks down.
    pub(crate) jobs: BTreeMap<JobId, BTreeSet<B256>>,
}

impl Walks {
    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        self.jobs.keys().copied()
    }

    /// Open jobs, each with one of its accounts: all of them have claims of one target.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = (JobId, &B256)> + '_ {
        self.jobs.iter().filter_map(|(job, accounts)| Some((*job, accounts.first()?)))
    }

    pub(crate) fn wait(&mut self, target: TargetId, account: B256) {
        self.waiting.insert((target, account));
    }

    /// Takes an account out. A job without any is to be stopped.
    pub(crate) fn release(&mut self, account: B256, target: TargetId, job: Option<JobId>) -> Option<Effect> {
        self.waiting.remove(&(target, account));
        let job = job?;
        let accounts = self.jobs.get_mut(&job)?;
        accounts.remove(&account);
        accounts.is_empty().then(|| {
            self.jobs.remove(&job);
            Effect::Stop { id: job }
        })
    }

    pub(crate) fn check(&self, config: &Config) {
        assert!(self.jobs.len() <= config.walk_jobs, "more walks than may be open");
    }
}
