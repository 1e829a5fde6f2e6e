//! The workers: threads that prove answers and derive tries, each behind a channel of its own.
//!
//! Owns: the threads and the senders of their inboxes. It does not decide who works on what next: the planner does.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use alloy_primitives::B256;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use snapsync_peers::Noun;
use snapsync_stream::What;
use snapsync_trie::{Hashed, Verifier};

use crate::{
    Error, account_fetcher, block_fetcher,
    blocks_above::{BlockFollower, Parts},
    bytecode_fetcher,
    calls::{CALLS, Call},
    catch_up, find_codes, header_fetcher,
    readers::Readers,
    rebuild_state_trie::{self, Rebuild},
    state_healing, storage_fetcher,
    taking::{LOOKS, Look},
    work::{Gone, Outbox, Task},
};

/// Answers that wait for a worker: as many as the desk has out at most (`requests_max`), so the planner never waits.
const INBOX: usize = 512;

/// Tries that wait for the rebuild worker; the planner keeps those that find no room. More than the worker derives of small ones
/// while a commit, whose notices wake the planner, is under way.
const REBUILDS: usize = 256;

/// Searches that wait: the engine asks for the next when the last is over.
const SEARCHES: usize = 1;

/// The threads and the way to each.
#[derive(Debug)]
pub(crate) struct Workers {
    /// Its end tells the rebuild worker, and who looks for codes, to leave the rest of their inboxes. It comes first, so that it is dropped before these.
    _rebuilds_stop: Sender<Infallible>,
    accounts: Sender<Task>,
    storages: Sender<Task>,
    codes: Sender<Task>,
    headers: Sender<Task>,
    blocks: Sender<Task>,
    nodes: Sender<Task>,
    lists: Sender<Task>,
    /// Codes to look for.
    sought: Sender<Vec<B256>>,
    rebuilds: Sender<Rebuild>,
    /// Tries that found the rebuild worker's inbox full, in their order: as many as storages are pending, 40 bytes each.
    waiting: VecDeque<Rebuild>,
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
        start("blocks", 1, &|| reader(&inbox, outbox, readers, block_fetcher::prove))?;
        let (nodes, inbox) = bounded::<Task>(INBOX);
        start("healing", 1, &|| reader(&inbox, outbox, readers, state_healing::compare))?;
        let (lists, inbox) = bounded::<Task>(INBOX);
        start("catch_up", 1, &|| reader(&inbox, outbox, readers, catch_up::check))?;
        let (rebuilds, inbox) = bounded::<Rebuild>(REBUILDS);
        let (rebuilds_stop, stop) = bounded::<Infallible>(0);
        let stop_too = stop.clone();
        start("rebuild", 1, &|| {
            let (inbox, stop) = (inbox.clone(), stop.clone());
            let (outbox, readers) = (outbox.clone(), readers.clone());
            Box::new(move || rebuild_state_trie::run(&inbox, &stop, &outbox, &readers, 2 * provers))
        })?;
        let (sought, inbox) = bounded::<Vec<B256>>(SEARCHES);
        start("find_codes", 1, &|| {
            let (inbox, stop) = (inbox.clone(), stop_too.clone());
            let (outbox, readers) = (outbox.clone(), readers.clone());
            Box::new(move || find_codes::run(&inbox, &stop, &outbox, &readers))
        })?;
        Ok(Self {
            sought,
            accounts,
            storages,
            codes,
            headers,
            blocks,
            nodes,
            lists,
            rebuilds,
            _rebuilds_stop: rebuilds_stop,
            waiting: VecDeque::new(),
            threads,
            hashed: outbox.hashed.clone(),
        })
    }

    /// Starts the worker that takes blocks; gives the ways to it, the planner's and the host's.
    pub(crate) fn follow(&mut self, parts: Parts) -> Result<(Sender<Look>, Sender<Call>), Error> {
        let (looks, inbox) = bounded::<Look>(LOOKS);
        let (calls, asked) = bounded::<Call>(CALLS);
        let worker = BlockFollower::new(parts);
        let thread = std::thread::Builder::new().name("blocks_above".into());
        self.threads.push(thread.spawn(move || worker.run(&inbox, asked)).map_err(Error::Thread)?);
        Ok((looks, calls))
    }

    /// Gives an answer to a worker of its kind. BLOCKING: never, in practice ([`INBOX`]).
    pub(crate) fn give(&self, task: Task) {
        let inbox = match task.judgement.what.noun() {
            _ if matches!(task.judgement.what, What::Repair { .. }) => &self.nodes,
            Noun::Accounts => &self.accounts,
            Noun::Storages => &self.storages,
            Noun::Codes => &self.codes,
            Noun::Headers => &self.headers,
            Noun::Bodies | Noun::Receipts => &self.blocks,
            Noun::Nodes => &self.nodes,
            Noun::Lists => &self.lists,
        };
        // A worker ends early only when its writer is gone, and then the writer's notice ends the sync.
        let _worker_gone = inbox.send(task);
    }

    /// What all workers have hashed in this run.
    pub(crate) fn hashed(&self) -> Hashed {
        *self.hashed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Derives the account trie.
    pub(crate) fn rebuild(&mut self) {
        self.derive(Rebuild::Accounts);
    }

    /// Derives the tries of all storages that owe their root.
    pub(crate) fn rebuild_owed(&mut self) {
        self.derive(Rebuild::Owed);
    }

    /// Derives the trie of one storage.
    pub(crate) fn rebuild_storage(&mut self, account: B256) {
        self.derive(Rebuild::Storage { account });
    }

    /// Has it looked which rows name these codes.
    pub(crate) fn find_codes(&self, hashes: Vec<B256>) {
        // A worker ends early only when its writer is gone, and then the writer's notice ends the sync.
        let _one_at_a_time = self.sought.try_send(hashes);
    }

    /// The planner never waits for the rebuild worker: that waits for the state's writer, and the writer, when there is no room for
    /// its notices, for the planner. A resumed sync may ask for any number of tries at once.
    fn derive(&mut self, trie: Rebuild) {
        self.waiting.push_back(trie);
        self.give_waiting();
    }

    /// Hands over what found no room before. A full inbox means that a trie is being derived, whose notice comes to the planner.
    pub(crate) fn give_waiting(&mut self) {
        while let Some(trie) = self.waiting.pop_front() {
            match self.rebuilds.try_send(trie) {
                Ok(()) => {}
                Err(TrySendError::Full(trie)) => return self.waiting.push_front(trie),
                // A worker ends early only when its writer is gone, and then the writer's notice ends the sync.
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
    }

    /// Lets the workers finish the answers that they have, and waits for them. Tries that are not derived yet are left: that
    /// costs no peer anything, and may take long.
    ///
    /// # Panics
    /// Re-raises a worker's panic.
    pub(crate) fn join(mut self) {
        let threads = std::mem::take(&mut self.threads);
        // The ends of all inboxes.
        drop(self);
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

/// The same where answers are looked at beside what is on our disk.
fn reader(
    inbox: &Receiver<Task>,
    outbox: &Outbox,
    readers: &Readers,
    prove: fn(Task, &Outbox, &Readers) -> Result<(), Gone>,
) -> Job {
    let readers = readers.clone();
    prover(inbox, outbox, move |task, outbox| prove(task, outbox, &readers))
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::unbounded;
    use snapsync_storage::{Chain, Config, Derived, Store, Write};
    use snapsync_trie::EMPTY_ROOT;

    use super::*;
    use crate::readers::Tickets;

    #[test]
    fn tries_that_outnumber_the_worker_s_room_stop_nobody() {
        const TRIES: u64 = 1_000;
        let dir = tempfile::tempdir().expect("a directory");
        let chain = Chain { id: 1, genesis: B256::ZERO };
        let store = Store::open(&Config::small(dir.path()), chain).expect("a store");
        // A writer that takes nothing until it is looked at.
        let (state, writes) = bounded(1);
        let ((reports, _reports), (history, _history)) = (unbounded(), unbounded());
        let outbox =
            Outbox { reports, state, history, hashed: Default::default(), lists_above: Default::default() };
        let readers =
            Readers { state: store.state.clone(), history: store.history.clone(), tickets: Tickets::new() };
        let mut workers = Workers::start(1, &outbox, &readers).expect("threads");
        drop(outbox);
        let account = |at: u64| B256::left_padding_from(&at.to_be_bytes());
        for at in 0..TRIES {
            workers.rebuild_storage(account(at));
        }
        for at in 0..TRIES {
            let write = writes.recv().expect("a write for each, and no other");
            let Write::StorageNodes { account: derived, derived: Derived::Whole(root), .. } = write else {
                panic!("{write:?}")
            };
            assert_eq!((derived, root), (account(at), EMPTY_ROOT));
            workers.give_waiting();
        }
        workers.join();
        assert!(writes.recv().is_err(), "nothing is derived twice");
    }

    #[test]
    fn stop_leaves_the_tries_that_were_not_derived_yet() {
        let dir = tempfile::tempdir().expect("a directory");
        let chain = Chain { id: 1, genesis: B256::ZERO };
        let store = Store::open(&Config::small(dir.path()), chain).expect("a store");
        // A writer that takes nothing until it is looked at: the worker waits in its first or second trie.
        let (state, writes) = bounded(1);
        let ((reports, _reports), (history, _history)) = (unbounded(), unbounded());
        let outbox =
            Outbox { reports, state, history, hashed: Default::default(), lists_above: Default::default() };
        let readers =
            Readers { state: store.state.clone(), history: store.history.clone(), tickets: Tickets::new() };
        let mut workers = Workers::start(1, &outbox, &readers).expect("threads");
        drop(outbox);
        for at in 0..REBUILDS as u64 {
            workers.rebuild_storage(B256::left_padding_from(&at.to_be_bytes()));
        }
        let first = writes.recv().expect("it has begun");
        assert!(matches!(first, Write::StorageNodes { .. }), "{first:?}");
        drop(workers);
        // What was derived by the stop: one that waits for room, one that is in it, one that had begun before the stop.
        let derived = 1 + writes.into_iter().count();
        assert!(derived <= 4, "{derived} tries were derived after the stop");
    }
}
