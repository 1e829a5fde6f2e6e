//! Answers that are on their way to the disk, by job; and jobs of which the writer dropped some.
//!
//! A job whose rows were dropped as outdated owes them still, although its stream has asked for all. It is given back to the engine when its
//! stream is done and nothing of it is on its way any more: planned anew before that, what is on its way would be asked for twice.
//! Nothing of the rows is known here.

use std::{collections::BTreeMap, time::Duration};

use snapsync_sync::{Ended, Event, JobId};

use crate::Desk;

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
    fn ends(&mut self, event: &Event) {
        let Some((job, _)) = event.answer() else { return };
        let answers = self.jobs.entry(job).or_default();
        answers.at_writer = answers.at_writer.saturating_sub(1);
        answers.dropped += usize::from(matches!(event, Event::Outdated { .. }));
        if answers.at_writer == 0 && answers.dropped == 0 {
            self.jobs.remove(&job);
        }
    }

    /// Jobs of which something was dropped and nothing is at the writer.
    fn owing(&self) -> impl Iterator<Item = JobId> + '_ {
        let owes = |answers: &Answers| answers.dropped > 0 && answers.at_writer == 0;
        self.jobs.iter().filter(move |(_, answers)| owes(answers)).map(|(job, _)| *job)
    }
}

impl Desk {
    /// The writer is done with an answer: its bytes are free.
    pub(crate) fn on_written(&mut self, event: &Event) {
        let Some((_, ticket)) = event.answer() else { return };
        self.writing.ends(event);
        #[cfg(feature = "planted-bugs")]
        if self.config.planted == Some(snapsync_sync::Bug::BudgetLeak) {
            return;
        }
        self.budget.free(ticket.into());
    }

    /// Gives jobs back that asked for all and still owe what the writer dropped.
    pub(crate) fn end_owing(&mut self, now: Duration) {
        let owing = self.writing.owing().filter(|job| !self.streams.contains_key(job));
        for job in owing.collect::<Vec<_>>() {
            self.writing.jobs.remove(&job);
            self.feed(now, Event::JobEnded { job, why: Ended::Dropped });
        }
    }
}
