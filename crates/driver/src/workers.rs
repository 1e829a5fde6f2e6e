//! The workers: threads that prove answers and derive tries, each behind a channel of its own.
//!
//! Owns: the threads and the senders of their inboxes. It does not decide who works on what next: the planner does.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use alloy_primitives::B256;
use crossbeam_channel::{Receiver, Sender, bounded};
use snapsync_peers::{Fault, Noun};
use snapsync_storage::{HistoryWrite, Write};
use snapsync_stream::{Judgement, RequestId, Verdict};
use snapsync_sync::Event;
use snapsync_trie::{Hashed, Verifier};

use crate::{
    Error, account_fetcher,
    ask::Payload,
    block_fetcher, bytecode_fetcher, header_fetcher,
    rebuild_state_trie::{self, Rebuild},
    storage_fetcher,
    stores::Readers,
};

/// An answer to be proved.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) judgement: Judgement,
    pub(crate) payload: Payload,
}

/// What a worker tells the planner.
#[derive(Debug)]
pub(crate) enum Report {
    /// An answer was proved, or which lie it is. Sent before its rows go to the writer.
    Judged { request: RequestId, verdict: Verdict },
    /// A trie was derived.
    Sync(Event),
    /// Our own disk failed.
    Failed(snapsync_storage::Error),
}

/// Why a worker ends before its inbox does: the other side of one of its outboxes is gone, so there is nobody to work for.
#[derive(Debug)]
pub(crate) struct Gone;

/// Where workers put what they made.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    pub(crate) reports: Sender<Report>,
    pub(crate) state: Sender<Write>,
    pub(crate) history: Sender<HistoryWrite>,
    /// What all workers have hashed: figures, and nobody waits for them.
    pub(crate) hashed: Arc<Mutex<Hashed>>,
}

impl Outbox {
    /// Counts what was hashed.
    pub(crate) fn hashed(&self, hashed: Hashed) {
        self.hashed.lock().unwrap_or_else(PoisonError::into_inner).add(hashed);
    }

    /// Tells the verdict. BLOCKING: while the planner is behind.
    pub(crate) fn judged(&self, request: RequestId, verdict: Verdict) -> Result<(), Gone> {
        self.reports.send(Report::Judged { request, verdict }).map_err(|_| Gone)
    }

    /// Tells of a lie.
    pub(crate) fn refuse(&self, request: RequestId, fault: impl Into<Fault>) -> Result<(), Gone> {
        self.judged(request, Verdict::invalid(fault.into()))
    }

    /// Hands rows to the state's writer. BLOCKING: while the disk is behind; that is how a slow disk stops requests.
    pub(crate) fn write(&self, write: Write) -> Result<(), Gone> {
        self.state.send(write).map_err(|_| Gone)
    }

    /// Hands blocks to the history's writer. BLOCKING: likewise.
    pub(crate) fn write_history(&self, write: HistoryWrite) -> Result<(), Gone> {
        self.history.send(write).map_err(|_| Gone)
    }

    /// Tells that our own disk failed; the planner ends the sync.
    pub(crate) fn failed(&self, error: snapsync_storage::Error) -> Result<(), Gone> {
        self.reports.send(Report::Failed(error)).map_err(|_| Gone)
    }
}

/// Answers that wait for a worker: as many as the desk has out at most (`requests_max`), so the planner never waits.
const INBOX: usize = 512;

/// The threads and the way to each.
#[derive(Debug)]
pub(crate) struct Workers {
    accounts: Sender<Task>,
    storages: Sender<Task>,
    codes: Sender<Task>,
    headers: Sender<Task>,
    blocks: Sender<Task>,
    rebuilds: Sender<Rebuild>,
    threads: Vec<JoinHandle<()>>,
    hashed: Arc<Mutex<Hashed>>,
}

impl Workers {
    /// Starts all threads: `provers` for accounts, as many for storages, one for each other kind.
    pub(crate) fn start(provers: usize, outbox: &Outbox, readers: &Readers) -> Result<Self, Error> {
        let mut threads = Vec::new();
        let mut start = |name: &str, count: usize, work: &dyn Fn() -> Job| -> Result<(), Error> {
            for _ in 0..count.max(1) {
                let job = work();
                threads
                    .push(std::thread::Builder::new().name(name.into()).spawn(job).map_err(Error::Thread)?);
            }
            Ok(())
        };
        let (accounts, inbox) = bounded::<Task>(INBOX);
        start("accounts", provers, &|| {
            let mut verifier = Verifier::new();
            prover(&inbox, outbox, move |task, outbox| account_fetcher::prove(task, outbox, &mut verifier))
        })?;
        let (storages, inbox) = bounded::<Task>(INBOX);
        start("storages", provers, &|| {
            let mut verifier = Verifier::new();
            prover(&inbox, outbox, move |task, outbox| storage_fetcher::prove(task, outbox, &mut verifier))
        })?;
        let (codes, inbox) = bounded::<Task>(INBOX);
        start("codes", 1, &|| prover(&inbox, outbox, bytecode_fetcher::prove))?;
        let (headers, inbox) = bounded::<Task>(INBOX);
        start("headers", 1, &|| prover(&inbox, outbox, header_fetcher::prove))?;
        let (blocks, inbox) = bounded::<Task>(INBOX);
        start("blocks", 1, &|| {
            let (inbox, outbox, readers) = (inbox.clone(), outbox.clone(), readers.clone());
            Box::new(move || block_fetcher::run(&inbox, &outbox, &readers))
        })?;
        let (rebuilds, inbox) = bounded::<Rebuild>(INBOX);
        start("rebuild", 1, &|| {
            let (inbox, outbox, readers) = (inbox.clone(), outbox.clone(), readers.clone());
            Box::new(move || rebuild_state_trie::run(&inbox, &outbox, &readers, 2 * provers))
        })?;
        Ok(Self {
            accounts,
            storages,
            codes,
            headers,
            blocks,
            rebuilds,
            threads,
            hashed: outbox.hashed.clone(),
        })
    }

    /// Gives an answer to a worker of its kind. BLOCKING: never, in practice ([`INBOX`]).
    pub(crate) fn give(&self, task: Task) {
        let inbox = match task.judgement.what.noun() {
            Noun::Accounts => &self.accounts,
            Noun::Storages => &self.storages,
            Noun::Codes => &self.codes,
            Noun::Headers => &self.headers,
            Noun::Bodies | Noun::Receipts => &self.blocks,
        };
        // A worker ends early only when its writer is gone, and then the writer's notice ends the sync.
        let _worker_gone = inbox.send(task);
    }

    /// What all workers have hashed in this run.
    pub(crate) fn hashed(&self) -> Hashed {
        *self.hashed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Derives the account trie.
    pub(crate) fn rebuild(&self) {
        let _worker_gone = self.rebuilds.send(Rebuild::Accounts);
    }

    /// Derives the trie of one storage.
    pub(crate) fn rebuild_storage(&self, account: B256) {
        let _worker_gone = self.rebuilds.send(Rebuild::Storage { account });
    }

    /// Lets the workers finish what they have, and waits for them.
    ///
    /// # Panics
    /// Re-raises a worker's panic.
    pub(crate) fn join(self) {
        let Self { accounts, storages, codes, headers, blocks, rebuilds, threads, hashed: _ } = self;
        drop((accounts, storages, codes, headers, blocks, rebuilds));
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread's work: one answer after the other, until there are none or nobody wants them.
fn prover(
    inbox: &Receiver<Task>,
    outbox: &Outbox,
    mut prove: impl FnMut(Task, &Outbox) -> Result<(), Gone> + Send + 'static,
) -> Job {
    let (inbox, outbox) = (inbox.clone(), outbox.clone());
    Box::new(move || {
        for task in inbox {
            if prove(task, &outbox).is_err() {
                return;
            }
        }
    })
}
