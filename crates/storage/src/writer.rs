//! The one thread that writes an environment: it gathers what is queued into one transaction, commits, and tells.
//!
//! Inbox: a bounded channel of writes (capacity [`crate::EnvConfig::queue_writes_max`]; a full one makes senders wait, which is how a slow disk slows
//! the network), and another of orders, which whoever plans sends and which are taken first. Outbox: the notice function, called once for each ticket
//! after its commit is durable. Owns: the environment's only write transaction. Ends: at a stop or when all senders are gone, after committing what
//! is queued; or at the first failed commit, after which nothing is written any more.
//!
//! It does not decide what to write, and it is never ahead of the disk: a notice means durable.

use std::{
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, TrySendError, at, bounded, never, select_biased};

use crate::{
    config::EnvConfig,
    env::{Env, WriteTxn},
    error::{Error, Result},
    gate::{CommitGate, Verdict},
    haste::Haste,
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
    /// A commit failed; the writer has ended and everything since its last notice is not on the disk. The error itself is what
    /// [`Writer::join`] returns.
    Failed {
        /// Its kind, see [`Error::kind`].
        kind: &'static str,
        /// What it says.
        message: String,
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
    orders: Sender<W>,
    haste: Haste,
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
        let (orders, order_inbox) = bounded(ORDERS);
        let name = env.name();
        let (patience, haste) = (config.batch_max_wait, Haste::default());
        let config = config.clone();
        let committer = Committer { env, ledger, gate, commits: 0 };
        let run =
            Run { committer, config, inbox, orders: order_inbox, notify, patience, haste: haste.clone() };
        let thread = thread::Builder::new()
            .name(format!("{name}-writer"))
            .spawn(move || run.run())
            .map_err(|source| Error::Io { what: "start the writer thread of", path: name.into(), source })?;
        Ok(Self { env: name, writes, orders, haste, thread })
    }

    /// The writer's inbox.
    pub fn sender(&self) -> Sender<W> {
        self.writes.clone()
    }

    /// Says that somebody waits for what is queued.
    pub fn haste(&self) -> Haste {
        self.haste.clone()
    }

    /// Queues a write. BLOCKING: while the inbox is full. [`Error::WriterGone`] after a failed commit or a stop.
    pub fn send(&self, write: W) -> Result<()> {
        self.writes.send(write).map_err(|_| Error::WriterGone { env: self.env })
    }

    /// Queues a write that is taken before all that [`Writer::send`] has queued, if there is room; gives it back otherwise. For
    /// what is small and must not wait for rows: never a stop.
    pub fn try_order(&self, write: W) -> std::result::Result<(), TrySendError<W>> {
        self.orders.try_send(write)
    }

    /// Lets go of the inbox, waits until what is queued is committed, and returns why the writer ended if not at a
    /// stop. BLOCKING: until every other clone of the sender is dropped too, or one has sent the stop.
    ///
    /// # Panics
    /// Re-raises a panic of the writer thread.
    pub fn join(self) -> Result<()> {
        drop((self.writes, self.orders));
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// What a writer does with a batch, on whatever thread.
pub(crate) struct Committer<L: Ledger> {
    env: Env,
    ledger: L,
    gate: Box<dyn CommitGate>,
    commits: u64,
}

impl<L: Ledger> Committer<L> {
    pub(crate) fn new(env: Env, ledger: L, gate: Box<dyn CommitGate>) -> Self {
        Self { env, ledger, gate, commits: 0 }
    }

    /// Brings a batch to the disk in one transaction. After an error the ledger may be ahead of the disk: this is over then.
    pub(crate) fn commit(&mut self, batch: Vec<L::Write>) -> Result<Vec<(Ticket, L::Summary)>> {
        let txn = self.env.writer()?;
        let done = self.ledger.apply(&txn, batch)?;
        self.commits += 1;
        match self.gate.before_commit(self.commits) {
            Verdict::Pass => txn.commit()?,
            Verdict::Abort => return Err(Error::Aborted { number: self.commits }),
            Verdict::Fail(error) => return Err(error),
        }
        tracing::trace!(env = self.env.name(), commit = self.commits, writes = done.len(), "committed");
        Ok(done)
    }
}

struct Run<L: Ledger> {
    committer: Committer<L>,
    config: EnvConfig,
    inbox: Receiver<L::Write>,
    orders: Receiver<L::Write>,
    notify: Notify<L::Summary>,
    /// How long a batch waits for more after its first write, if nobody waits for it.
    patience: Duration,
    haste: Haste,
}

/// A batch waits as long as so many commits like the last one take. Where little is written the next request often waits for this
/// commit, and its time is all that waiting can save.
const PATIENCE_COMMITS: u32 = 2;

/// Orders that wait: a few small ones a commit; whoever plans keeps what finds no room.
const ORDERS: usize = 16;

enum Next<W> {
    Write(W),
    TooLate,
    /// A stop, or nobody is left to send.
    End,
}

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
                (self.notify)(Notice::Failed { kind: error.kind(), message: error.to_string() });
                return Err(error);
            }
            if last {
                return Ok(());
            }
        }
    }

    /// One batch: the first write, and what follows until there is enough or it has waited long enough.
    fn gather(&mut self) -> Gathered<L::Write> {
        let mut batch = Vec::new();
        let mut weight = 0;
        let mut deadline = None;
        while weight < self.config.batch_max_bytes {
            match self.next(deadline) {
                Next::Write(write) => {
                    let patience = if self.haste.is_on() { Duration::ZERO } else { self.patience };
                    deadline.get_or_insert_with(|| Instant::now() + patience);
                    weight += L::weight(&write);
                    batch.push(write);
                }
                Next::TooLate => break,
                Next::End => {
                    // An order may have come between the look at the orders and the stop.
                    batch.extend(self.orders.try_iter());
                    return Gathered::Last(batch);
                }
            }
        }
        Gathered::Batch(batch)
    }

    /// The next write. BLOCKING: until there is one, or until the deadline.
    fn next(&mut self, deadline: Option<Instant>) -> Next<L::Write> {
        loop {
            let wait = deadline.map_or_else(never, at);
            // The order of the arms: orders do not wait for the rows that queue; time matters only when nothing is here.
            select_biased! {
                recv(self.orders) -> order => match order {
                    Ok(order) => return Next::Write(order),
                    // Whoever plans is gone; what the workers have queued is still written.
                    Err(_) => self.orders = never(),
                },
                recv(self.inbox) -> write => match write {
                    Ok(write) if !L::is_stop(&write) => return Next::Write(write),
                    Ok(_) | Err(_) => return Next::End,
                },
                recv(wait) -> _ => return Next::TooLate,
            }
        }
    }

    fn commit(&mut self, batch: Vec<L::Write>) -> Result<()> {
        let start = Instant::now();
        let done = self.committer.commit(batch)?;
        self.patience = self.config.batch_max_wait.min(start.elapsed() * PATIENCE_COMMITS);
        for (ticket, summary) in done {
            (self.notify)(Notice::Committed { ticket, summary });
        }
        Ok(())
    }
}
