//! Which codes are missing: a queue without doubles, handed out in batches.

use std::collections::BTreeMap;

use alloy_primitives::B256;

use crate::{Config, Effect, Job, JobId};

/// Whether a batch that is not full goes out, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// More may come: wait for full batches.
    Full,
    /// Nothing more comes soon: what is there goes out.
    All,
}

/// The code planner.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    pending: BTreeMap<B256, Option<JobId>>,
    /// Invariant: as many as `pending` has without a job.
    queued: usize,
    /// Open jobs, each with the number of codes that it still owes.
    jobs: BTreeMap<JobId, usize>,
}

impl Codes {
    pub(crate) fn new(hashes: &[B256]) -> Self {
        let mut codes = Self::default();
        for hash in hashes {
            codes.add(*hash);
        }
        codes
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        self.jobs.keys().copied()
    }

    pub(crate) fn add(&mut self, hash: B256) {
        if let std::collections::btree_map::Entry::Vacant(slot) = self.pending.entry(hash) {
            slot.insert(None);
            self.queued += 1;
        }
    }

    pub(crate) fn found(&mut self, hash: &B256) {
        match self.pending.remove(hash) {
            Some(Some(job)) => {
                let owed = self.jobs.get_mut(&job).expect("a code's job is open until it owes nothing");
                *owed -= 1;
                if *owed == 0 {
                    self.jobs.remove(&job);
                }
            }
            Some(None) => self.queued -= 1,
            None => {}
        }
    }

    pub(crate) fn ended(&mut self, job: JobId) -> bool {
        let known = self.jobs.remove(&job).is_some();
        if known {
            for owner in self.pending.values_mut().filter(|owner| **owner == Some(job)) {
                *owner = None;
                self.queued += 1;
            }
        }
        known
    }

    pub(crate) fn plan(
        &mut self,
        config: &Config,
        flush: Flush,
        ids: &mut impl FnMut() -> JobId,
        out: &mut Vec<Effect>,
    ) {
        while self.jobs.len() < config.code_jobs && self.queued > 0 {
            if self.queued < config.codes_per_job && flush == Flush::Full {
                return;
            }
            let id = ids();
            let mut hashes = Vec::with_capacity(config.codes_per_job.min(self.queued));
            for (hash, owner) in
                self.pending.iter_mut().filter(|(_, owner)| owner.is_none()).take(config.codes_per_job)
            {
                *owner = Some(id);
                hashes.push(*hash);
            }
            self.queued -= hashes.len();
            self.jobs.insert(id, hashes.len());
            out.push(Effect::Start { id, job: Job::Codes { hashes } });
        }
    }

    /// What is always true here.
    pub(crate) fn check(&self, config: &Config) {
        assert!(self.jobs.len() <= config.code_jobs, "more code jobs than may be open");
        let owed: usize = self.jobs.values().sum();
        assert_eq!(owed + self.queued, self.pending.len(), "a pending code is neither queued nor owed");
    }
}
