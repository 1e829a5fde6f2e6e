//! The one thread that writes an environment: it gathers what is queued into one transaction, commits, and tells.
//!
//! Inbox: a bounded channel of writes (capacity [`crate::EnvConfig::queue_writes_max`]; a full one makes senders wait,
//! which is how a slow disk slows the network). Outbox: the notice function, called once for each ticket after its
//! commit is durable. Owns: the environment's only write transaction. Ends: at a stop or when all senders are gone,
//! after committing what is queued; or at the first failed commit, after which nothing is written any more.
//!
//! It does not decide what to write, and it is never ahead of the disk: a notice means durable.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use crate::{
    config::EnvConfig,
    env::{Env, WriteTxn},
    error::{Error, Result},
    gate::{CommitGate, Verdict},
};

/// Names a write in the notice of its commit. Whoever sends the write chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a writer tells. `S` says what became durable.
#[derive(Clone, Debug)]
pub enum Notice<S> {
    /// A write is durable.
    Committed {
        /// Which write.
        ticket: Ticket,
        /// What it changed.
        summary: S,
    },
    /// A commit failed; the writer has ended and everything since its last notice is not on the disk.
    Failed {
        /// Why.
        error: Arc<Error>,
    },
}

/// Where notices go. Called on the writer's thread: it must hand over and return, not work.
pub type Notify<S> = Box<dyn FnMut(Notice<S>) + Send>;

/// What one environment does with its writes. The state and the history each have one.
pub(crate) trait Ledger: Send + 'static {
    type Write: Send + 'static;
    type Summary: Send + 'static;

    /// The bytes that a write holds in memory, about.
    fn weight(write: &Self::Write) -> u64;

    /// Whether the write is the stop sign.
    fn is_stop(write: &Self::Write) -> bool;

    /// Brings a batch into the transaction; says what each ticket will have changed.
    fn apply(&mut self, txn: &WriteTxn<'_>, batch: Vec<Self::Write>) -> Result<Vec<(Ticket, Self::Summary)>>;
}

/// A running writer thread of writes `W`.
#[derive(Debug)]
pub struct Writer<W> {
    env: &'static str,
    writes: Sender<W>,
    thread: JoinHandle<Result<()>>,
}

impl<W: Send + 'static> Writer<W> {
    pub(crate) fn start<L: Ledger<Write = W>>(
        env: Env,
        config: &EnvConfig,
        ledger: L,
        gate: Box<dyn CommitGate>,
        notify: Notify<L::Summary>,
    ) -> Result<Self> {
        let (writes, inbox) = bounded(config.queue_writes_max);
        let name = env.place.env;
        let patience = config.batch_max_wait;
        let run = Run { env, config: config.clone(), inbox, ledger, gate, notify, commits: 0, patience };
        let thread = thread::Builder::new()
            .name(format!("{name}-writer"))
            .spawn(move || run.run())
            .map_err(|source| Error::Io { what: "start the writer thread of", path: name.into(), source })?;
        Ok(Self { env: name, writes, thread })
    }

    /// The writer's inbox.
    pub fn sender(&self) -> Sender<W> {
        self.writes.clone()
    }

    /// Queues a write. BLOCKING: while the inbox is full. [`Error::WriterGone`] after a failed commit or a stop.
    pub fn send(&self, write: W) -> Result<()> {
        self.writes.send(write).map_err(|_| Error::WriterGone { env: self.env })
    }

    /// Queues a write if there is room; gives it back otherwise.
    pub fn try_send(&self, write: W) -> std::result::Result<(), TrySendError<W>> {
        self.writes.try_send(write)
    }

    /// Lets go of the inbox, waits until what is queued is committed, and returns why the writer ended if not at a
    /// stop. BLOCKING: until every other clone of the sender is dropped too, or one has sent the stop.
    ///
    /// # Panics
    /// Re-raises a panic of the writer thread.
    pub fn join(self) -> Result<()> {
        drop(self.writes);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

struct Run<L: Ledger> {
    env: Env,
    config: EnvConfig,
    inbox: Receiver<L::Write>,
    ledger: L,
    gate: Box<dyn CommitGate>,
    notify: Notify<L::Summary>,
    commits: u64,
    /// How long a batch waits for more after its first write.
    patience: Duration,
}

/// A batch waits as long as so many commits like the last one take. Where little is written the next request often waits for this
/// commit, and its time is all that waiting can save.
const PATIENCE_COMMITS: u32 = 2;

enum Gathered<W> {
    Batch(Vec<W>),
    Last(Vec<W>),
}

impl<L: Ledger> Run<L> {
    fn run(mut self) -> Result<()> {
        loop {
            // BLOCKING: until there is something to write.
            let (batch, last) = match self.gather() {
                Gathered::Batch(batch) => (batch, false),
                Gathered::Last(batch) => (batch, true),
            };
            if !batch.is_empty()
                && let Err(error) = self.commit(batch)
            {
                let error = Arc::new(error);
                (self.notify)(Notice::Failed { error: error.clone() });
                drop(self.notify);
                return Err(Arc::into_inner(error).unwrap_or(Error::WriterGone { env: self.env.place.env }));
            }
            if last {
                return Ok(());
            }
        }
    }

    /// One batch: the first write, and what follows until there is enough or it has waited long enough.
    fn gather(&self) -> Gathered<L::Write> {
        let Ok(first) = self.inbox.recv() else { return Gathered::Last(Vec::new()) };
        if L::is_stop(&first) {
            return Gathered::Last(Vec::new());
        }
        let deadline = Instant::now() + self.patience;
        let mut weight = L::weight(&first);
        let mut batch = vec![first];
        while weight < self.config.batch_max_bytes {
            match self.inbox.recv_deadline(deadline) {
                Ok(write) if L::is_stop(&write) => return Gathered::Last(batch),
                Ok(write) => {
                    weight += L::weight(&write);
                    batch.push(write);
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Gathered::Last(batch),
            }
        }
        Gathered::Batch(batch)
    }

    fn commit(&mut self, batch: Vec<L::Write>) -> Result<()> {
        let start = Instant::now();
        let txn = self.env.writer()?;
        let done = self.ledger.apply(&txn, batch)?;
        self.commits += 1;
        match self.gate.before_commit(self.commits) {
            Verdict::Pass => txn.commit()?,
            Verdict::Abort => return Err(Error::Aborted { number: self.commits }),
            Verdict::Fail(error) => return Err(error),
        }
        self.patience = self.config.batch_max_wait.min(start.elapsed() * PATIENCE_COMMITS);
        tracing::trace!(env = self.env.place.env, commit = self.commits, writes = done.len(), "committed");
        for (ticket, summary) in done {
            (self.notify)(Notice::Committed { ticket, summary });
        }
        Ok(())
    }
}
