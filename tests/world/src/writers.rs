//! The writers' queues: one writer for each environment, as the product's has them, without its thread.
//!
//! ```text
//!   orders of the planner ──┐ first
//!                           ├──> batch ──> commit ──> durable
//!   inbox, bounded  ────────┘
//!     ^ workers that found it full, each with one write
//! ```
//!
//! A batch is gathered for a moment or until it is large; what comes while it commits waits for the next one. Nothing here is durable,
//! so a crash takes all of it. No clock in here: the world sets it to what `EnvWriter::advance` says.

use std::{collections::VecDeque, time::Duration};

use crate::{disk::Write, provers::Crew, speed::Speed};

/// One of the two environments. Each commits by itself, so that a crash takes other tails of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Env {
    /// Rows, nodes and the record.
    State,
    /// Headers, bodies and receipts.
    History,
}

impl Env {
    /// The other one.
    pub(crate) fn other(self) -> Self {
        if self == Self::State { Self::History } else { Self::State }
    }
}

/// A write and the bytes that it holds.
#[derive(Debug)]
struct Queued {
    write: Write,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Idle,
    Gathering,
    Committing,
}

/// What the clock is to be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// This batch has been gathered long enough.
    Gathered { after: Duration, batch: u64 },
    /// The batch is durable.
    Durable { after: Duration },
}

/// What follows from a look at the queues.
#[derive(Debug, Default)]
pub(crate) struct Advanced {
    /// Workers whose writes have found room.
    pub(crate) freed: Vec<Crew>,
    pub(crate) due: Option<Due>,
}

/// How long a batch waits for more after its first write, at most; and how many commits like the last one.
const PATIENCE: Duration = Duration::from_millis(20);
const PATIENCE_COMMITS: u32 = 2;

/// The queues of one environment.
#[derive(Debug, Default)]
pub(crate) struct EnvWriter {
    orders: VecDeque<Queued>,
    inbox: VecDeque<Queued>,
    /// Workers that wait, in the order in which they came.
    senders: VecDeque<(Crew, Queued)>,
    batch: Vec<Write>,
    bytes: u64,
    step: Step,
    batches: u64,
    last_took: Option<Duration>,
}

impl EnvWriter {
    /// Takes an order, which never waits for rows.
    pub(crate) fn order(&mut self, write: Write, bytes: u64) {
        self.orders.push_back(Queued { write, bytes });
    }

    /// Takes a worker's write; says whether there was room.
    pub(crate) fn send(&mut self, crew: Crew, write: Write, bytes: u64, speed: &Speed) -> bool {
        let queued = Queued { write, bytes };
        // While a batch is gathered the writer takes writes as they come.
        let has_room = self.senders.is_empty()
            && (self.inbox.len() < speed.queue_writes_max
                || (self.step != Step::Committing && self.bytes < speed.batch_max_bytes));
        match has_room {
            true => self.inbox.push_back(queued),
            false => self.senders.push_back((crew, queued)),
        }
        has_room
    }

    /// Moves what is queued into the batch, as far as it goes now.
    pub(crate) fn advance(&mut self, commit: Duration, speed: &Speed) -> Advanced {
        let mut advanced = Advanced::default();
        if self.step == Step::Committing || (self.orders.is_empty() && self.inbox.is_empty()) {
            return advanced;
        }
        if self.step == Step::Idle {
            self.step = Step::Gathering;
            self.batches += 1;
            let patience = self.last_took.map_or(PATIENCE, |took| PATIENCE.min(took * PATIENCE_COMMITS));
            advanced.due = Some(Due::Gathered { after: patience, batch: self.batches });
        }
        while self.bytes < speed.batch_max_bytes {
            let Some(next) = self.orders.pop_front().or_else(|| self.inbox.pop_front()) else { break };
            self.bytes += next.bytes;
            self.batch.push(next.write);
            if self.inbox.len() < speed.queue_writes_max
                && let Some((crew, queued)) = self.senders.pop_front()
            {
                self.inbox.push_back(queued);
                advanced.freed.push(crew);
            }
        }
        if self.bytes >= speed.batch_max_bytes {
            advanced.due = Some(self.close(commit, speed));
        }
        advanced
    }

    /// A batch has been gathered long enough, unless it was full before.
    pub(crate) fn gathered(&mut self, batch: u64, commit: Duration, speed: &Speed) -> Option<Due> {
        (self.step == Step::Gathering && self.batches == batch).then(|| self.close(commit, speed))
    }

    fn close(&mut self, commit: Duration, speed: &Speed) -> Due {
        self.step = Step::Committing;
        let after = commit + speed.writing(self.bytes);
        self.last_took = Some(after);
        Due::Durable { after }
    }

    /// The batch that is being committed; none while one is gathered.
    pub(crate) fn committed(&mut self) -> Option<Vec<Write>> {
        if self.step != Step::Committing {
            return None;
        }
        (self.step, self.bytes) = (Step::Idle, 0);
        Some(std::mem::take(&mut self.batch))
    }

    fn is_idle(&self) -> bool {
        self.step == Step::Idle && self.orders.is_empty() && self.inbox.is_empty() && self.senders.is_empty()
    }
}

/// Both writers.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    state: EnvWriter,
    history: EnvWriter,
}

impl Writers {
    pub(crate) fn of(&mut self, env: Env) -> &mut EnvWriter {
        match env {
            Env::State => &mut self.state,
            Env::History => &mut self.history,
        }
    }

    /// Whether nothing is on its way to the disk.
    pub(crate) fn is_idle(&self) -> bool {
        self.state.is_idle() && self.history.is_idle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_while_a_batch_commits_waits_for_the_next_and_a_full_inbox_makes_workers_wait() {
        let speed = Speed { queue_writes_max: 1, batch_max_bytes: 100, ..Speed::ample() };
        let commit = Duration::from_millis(5);
        let mut writer = EnvWriter::default();
        assert!(writer.send(Crew::Codes, Write::Rebuild, 100, &speed));
        let advanced = writer.advance(commit, &speed);
        assert_eq!(advanced.due, Some(Due::Durable { after: commit }), "the batch is full at once");
        assert!(writer.send(Crew::Codes, Write::Rebuild, 60, &speed), "one finds room in the inbox");
        assert!(!writer.send(Crew::Accounts, Write::Rebuild, 60, &speed));
        assert!(!writer.send(Crew::Blocks, Write::Rebuild, 60, &speed));
        assert!(writer.advance(commit, &speed).freed.is_empty());
        assert_eq!(writer.committed().map(|batch| batch.len()), Some(1));
        assert_eq!(writer.advance(commit, &speed).freed, [Crew::Accounts, Crew::Blocks]);
        assert_eq!(writer.committed().map(|batch| batch.len()), Some(2), "and one write is left");
        assert!(!writer.is_idle());
    }

    #[test]
    fn orders_do_not_wait_for_rows_that_queue() {
        let speed = Speed { batch_max_bytes: 100, ..Speed::ample() };
        let mut writer = EnvWriter::default();
        for _ in 0..2 {
            assert!(writer.send(Crew::Codes, Write::Rebuild, 100, &speed));
        }
        writer.order(Write::Want(snapsync_sync::BlockRange { first: 1, last: 2 }), 10);
        writer.advance(Duration::ZERO, &speed);
        assert!(matches!(writer.committed().as_deref(), Some([Write::Want(_), Write::Rebuild])));
    }
}
