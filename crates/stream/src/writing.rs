//! Answers that are on their way to the disk, by job; and jobs of which the writer dropped some.
//!
//! A job whose rows were dropped as outdated owes them still, although its stream has asked for all. It is given back to the engine when its
//! stream is done and nothing of it is on its way any more: planned anew before that, what is on its way would be asked for twice.
//! Books and no rule: what follows is said in `inputs.rs`.

use std::collections::BTreeMap;

use snapsync_sync::{Event, JobId};

/// Answers of a job.
#[derive(Debug, Default)]
struct Answers {
    at_writer: usize,
    dropped: usize,
}

/// Answers that are at the writer.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    jobs: BTreeMap<JobId, Answers>,
}

impl Writing {
    /// An answer of a job goes to the writer.
    pub(crate) fn begins(&mut self, job: JobId) {
        self.jobs.entry(job).or_default().at_writer += 1;
    }

    /// The writer said what became of an answer.
    pub(crate) fn ends(&mut self, event: &Event) {
        let Some((job, _)) = event.answer() else { return };
        let answers = self.jobs.entry(job).or_default();
        answers.at_writer = answers.at_writer.saturating_sub(1);
        answers.dropped += usize::from(matches!(event, Event::Outdated { .. }));
        if answers.at_writer == 0 && answers.dropped == 0 {
            self.jobs.remove(&job);
        }
    }

    /// Jobs of which something was dropped and nothing is at the writer.
    pub(crate) fn owing(&self) -> impl Iterator<Item = JobId> + '_ {
        let owes = |answers: &Answers| answers.dropped > 0 && answers.at_writer == 0;
        self.jobs.iter().filter(move |(_, answers)| owes(answers)).map(|(job, _)| *job)
    }

    /// Whether nothing is at the writer.
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.values().all(|answers| answers.at_writer == 0)
    }

    /// Whether something of a job is at the writer.
    pub(crate) fn is_at_writer(&self, job: JobId) -> bool {
        self.jobs.contains_key(&job)
    }

    /// A job was given back.
    pub(crate) fn forget(&mut self, job: JobId) {
        self.jobs.remove(&job);
    }
}
