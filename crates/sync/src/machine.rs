//! The engine's parts, with the small verbs that all of its rules are made of.
//!
//! It knows no rule: what an event means, and how phases follow each other, is said in the files that use this one.

use std::collections::VecDeque;

use alloy_primitives::B256;

use crate::{
    Config, Effect, Fatal, JobId, Phase, Pin, Progress, Report, above::Above, catch_up::CatchUp,
    chain::Chain, gain::Race, healing::Healing, pivot::Pivot, pruning::Pruning, state::State,
};

/// Whether the engine goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    Running,
    /// A fatal report went out. Nothing changes any more.
    Halted,
}

/// What it runs towards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// A block, or what is on record: should nobody have its state any more, there is nothing to wait for.
    Standing,
    /// Heads that somebody names: the next one may bring a pivot whose state somebody has.
    Following,
}

/// Plans a sync. See the crate's documentation.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) course: Course,
    pub(crate) aim: Aim,
    pub(crate) phase: Phase,
    pub(crate) named: Option<B256>,
    pub(crate) pin: Option<Pin>,
    pub(crate) pivot: Pivot,
    /// Where the chain has left the block of a verified state, until blocks are taken back so far.
    pub(crate) left_above: Option<u64>,
    pub(crate) rebuilt: Option<B256>,
    pub(crate) state: State,
    pub(crate) catch_up: CatchUp,
    pub(crate) above: Above,
    pub(crate) healing: Healing,
    pub(crate) race: Race,
    pub(crate) chain: Chain,
    pub(crate) pruning: Pruning,
    pub(crate) jobs_started: u64,
    pub(crate) recorded: Option<Progress>,
    pub(crate) effects: VecDeque<Effect>,
}

impl Engine {
    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// What would be recorded now.
    pub fn progress(&self) -> Progress {
        let blocks = self.pin.and_then(|_| self.chain.wanted(&self.config));
        Progress { pin: self.pin, phase: self.phase, rebuilt: self.rebuilt, blocks }
    }

    pub(crate) fn stop(&mut self, jobs: impl IntoIterator<Item = JobId>) {
        self.effects.extend(jobs.into_iter().map(|id| Effect::Stop { id }));
    }

    pub(crate) fn enter(&mut self, next: Phase) {
        assert!(self.phase.may_become(next), "{:?} may not become {next:?}", self.phase);
        self.phase = next;
        self.record();
        self.tell(Report::Phase(next));
    }

    /// Has the journal say where we are, if it does not already.
    pub(crate) fn record(&mut self) {
        let progress = self.progress();
        if self.recorded.as_ref() != Some(&progress) {
            self.recorded = Some(progress.clone());
            self.effects.push_back(Effect::Record(progress));
        }
    }

    pub(crate) fn tell(&mut self, report: Report) {
        self.effects.push_back(Effect::Report(report));
    }

    pub(crate) fn halt(&mut self, fatal: Fatal) {
        let jobs = self.open_jobs();
        self.effects.extend(jobs.into_iter().map(|id| Effect::Stop { id }));
        self.tell(Report::Fatal(fatal));
        self.course = Course::Halted;
    }

    fn open_jobs(&self) -> Vec<JobId> {
        let reconcilers = self.healing.job().into_iter().chain(self.catch_up.job()).chain(self.above.job());
        self.state.jobs().chain(reconcilers).chain(self.chain.jobs()).collect()
    }
}

pub(crate) fn next_job(started: &mut u64) -> JobId {
    *started += 1;
    JobId(*started)
}
