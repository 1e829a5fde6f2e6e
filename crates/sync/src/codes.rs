//! Which codes are missing: a queue without doubles, handed out in batches.
//!
//! One that nobody has may be a code that no row names any more, since the rows that named it were of a branch that was left. Rows tell, and
//! reading all of them is dear: it is done the more rarely the longer nobody has what is missing.

use std::collections::{BTreeMap, BTreeSet};

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

/// How often it must be said anew that nobody has a code before all rows are read again; twice as often each time, up to this.
const UNHAD_MAX: u32 = 64;

/// Whether it is being looked which rows name what is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Search {
    #[default]
    None,
    Underway,
}

/// The code planner.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    pending: BTreeMap<B256, Option<JobId>>,
    /// Invariant: as many as `pending` has without a job.
    queued: usize,
    /// Open jobs, each with the number of codes that it still owes.
    jobs: BTreeMap<JobId, usize>,
    search: Search,
    /// How often it was said that nobody has a code since rows were read for it last, and how often it must be.
    unhad: u32,
    unhad_min: u32,
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

    /// Nobody has one of these. Gives all that are missing, if it is time to look whether rows name them.
    pub(crate) fn nobody_has(&mut self) -> Option<Vec<B256>> {
        self.unhad += 1;
        if self.search == Search::Underway || self.unhad < self.unhad_min {
            return None;
        }
        self.unhad = 0;
        self.unhad_min = (self.unhad_min * 2).clamp(1, UNHAD_MAX);
        self.search = Search::Underway;
        Some(self.pending.keys().copied().collect())
    }

    /// Whether rows were read so often that another search finds nothing new, unless the chain goes on.
    pub(crate) fn is_settled(&self) -> bool {
        self.search == Search::None && self.unhad_min > 2
    }

    /// It was looked, and these are named by no row. Gives jobs to be stopped; what else they owe is queued again.
    pub(crate) fn unnamed(&mut self, hashes: &[B256]) -> BTreeSet<JobId> {
        self.search = Search::None;
        let mut stops = BTreeSet::new();
        for hash in hashes {
            stops.extend(self.pending.get(hash).copied().flatten());
            self.found(hash);
        }
        for job in &stops {
            self.ended(*job);
        }
        stops
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
