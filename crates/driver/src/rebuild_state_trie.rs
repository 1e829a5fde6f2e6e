//! Derives tries from rows: the state's, and those of storages that came in pieces.
//!
//! Inbox: tries to derive. Outbox: nodes to the state's writer; what came of them returns with the commit's notice.
//! Owns: nothing; each job opens a snapshot of its own. Ends when: the planner drops the stop, whatever else was asked for, or
//! the writer is gone. What was not derived is derived after the next start.
//!
//! What verification finished is kept: only the edges of ranges are hashed here. It compares no root; the engine does.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
};

use alloy_primitives::B256;
use crossbeam_channel::{Receiver, TryRecvError};
use snapsync_storage::{Derived, NodeChanges, StateStore, Write};
use snapsync_trie::{Changes, Part, Path, join, rebuild, subtries};

use crate::{
    stores::{Readers, Tickets},
    work::{Gone, Outbox},
};

/// A trie to derive.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rebuild {
    /// The state's.
    Accounts,
    /// One account's.
    Storage {
        /// The account.
        account: B256,
    },
}

impl Rebuild {
    /// The write that carries nodes of this trie.
    fn write(self, tickets: &Tickets, nodes: NodeChanges, derived: Derived) -> Write {
        let ticket = tickets.next();
        match self {
            Self::Accounts => Write::AccountNodes { ticket, nodes, derived },
            Self::Storage { account } => Write::StorageNodes { ticket, account, nodes, derived },
        }
    }

    /// Derives what lies below `prefix`, from a snapshot of now.
    fn below(
        self,
        prefix: Path,
        state: &StateStore,
        put: &mut dyn FnMut(Changes) -> snapsync_storage::Result<()>,
    ) -> snapsync_storage::Result<Part> {
        let snapshot = state.snapshot()?;
        match self {
            Self::Accounts => rebuild(&mut snapshot.account_trie()?, prefix, put),
            Self::Storage { account } => rebuild(&mut snapshot.storage_trie(account)?, prefix, put),
        }
    }
}

/// Runs until there is nothing more to derive.
pub(crate) fn run(
    inbox: &Receiver<Rebuild>,
    stop: &Receiver<Infallible>,
    outbox: &Outbox,
    readers: &Readers,
    threads: usize,
) {
    for trie in inbox {
        let done = match derive(trie, stop, outbox, readers, threads) {
            Ok(Some(write)) => outbox.write(write),
            Ok(None) => return,
            // What it was stopped by, see below.
            Err(_) if is_stopped(stop) => return,
            Err(error) => outbox.failed(error),
        };
        if done.is_err() {
            return;
        }
    }
}

/// Nothing is ever sent: the end of the sender is the stop.
fn is_stopped(stop: &Receiver<Infallible>) -> bool {
    matches!(stop.try_recv(), Err(TryRecvError::Disconnected))
}

/// Derives one trie: its sixteen sub-tries are independent jobs, taken in turn by the threads. Nothing once it is to stop.
fn derive(
    trie: Rebuild,
    stop: &Receiver<Infallible>,
    outbox: &Outbox,
    readers: &Readers,
    threads: usize,
) -> snapsync_storage::Result<Option<Write>> {
    let prefixes = subtries(1);
    let next = AtomicUsize::new(0);
    let job = || {
        let mut parts = Vec::new();
        while let Some(prefix) = prefixes.get(next.fetch_add(1, Ordering::Relaxed)) {
            if is_stopped(stop) {
                break;
            }
            let mut put = |changes: Changes| {
                if is_stopped(stop) {
                    // A sub-trie of a large state takes minutes.
                    return Err(snapsync_storage::Error::Refused { why: "the sync has stopped" });
                }
                if changes.put.is_empty() && changes.removed.is_empty() {
                    // Of most storages nearly all sub-tries are empty: a write for nothing is a notice for nothing.
                    return Ok(());
                }
                let nodes = NodeChanges { put: changes.put, removed: changes.removed };
                // A writer that is gone has said why; the last write of this trie will meet the same.
                let _: Result<(), Gone> = outbox.write(trie.write(&readers.tickets, nodes, Derived::Part));
                Ok(())
            };
            parts.push(trie.below(*prefix, &readers.state, &mut put)?);
        }
        Ok(parts)
    };
    let mut parts: Vec<Part> = std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..threads.clamp(1, prefixes.len())).map(|_| scope.spawn(job)).collect();
        jobs.into_iter()
            .map(|job| job.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<snapsync_storage::Result<Vec<Vec<Part>>>>()
    })?
    .into_iter()
    .flatten()
    .collect();
    if parts.len() < prefixes.len() {
        return Ok(None);
    }
    parts.sort_by_key(Part::prefix);
    let built = join(parts);
    outbox.hashed(built.hashed);
    let nodes = NodeChanges { put: built.nodes, removed: built.removed };
    Ok(Some(trie.write(&readers.tickets, nodes, Derived::Whole(built.root))))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use alloy_primitives::U256;
    use crossbeam_channel::{Receiver, bounded, unbounded};
    use snapsync_storage::{Chain, Config, StateProgress, Store, TargetRecord, Ticket};
    use snapsync_trie::{
        Account, Builder, EMPTY_CODE, EMPTY_ROOT, HashRange, TargetId, VerifiedAccounts, prove, rows_of,
        verify_accounts,
    };

    use super::*;
    use crate::stores::Tickets;

    const ROWS: u64 = 20_000;

    /// What a derivation writes: the last word on each path, and the root.
    fn written(threads: usize, readers: &Readers) -> (BTreeMap<Path, Option<Vec<u8>>>, B256) {
        let (state, writes): (_, Receiver<Write>) = unbounded();
        let (outbox, _ends) = {
            let (reports, reports_end) = unbounded();
            let (history, history_end) = unbounded();
            (Outbox { reports, state, history, hashed: Default::default() }, (reports_end, history_end))
        };
        let (_keep, stop) = bounded(0);
        let whole = derive(Rebuild::Accounts, &stop, &outbox, readers, threads);
        let whole = whole.expect("our own disk").expect("nobody stops it");
        drop(outbox);
        let (mut nodes, mut root) = (BTreeMap::new(), None);
        for write in writes.into_iter().chain([whole]) {
            let Write::AccountNodes { nodes: changes, derived, .. } = write else { panic!("{write:?}") };
            nodes.extend(changes.removed.into_iter().map(|path| (path, None)));
            nodes.extend(changes.put.iter().map(|(path, bytes)| (path, Some(bytes.to_vec()))));
            if let Derived::Whole(derived) = derived {
                root = Some(derived);
            }
        }
        (nodes, root.expect("the last write has it"))
    }

    fn store(dir: &std::path::Path, root: B256, answers: Vec<VerifiedAccounts>) -> (Store, Readers) {
        let config = Config::small(dir);
        let store = Store::open(&config, Chain { id: 1, genesis: B256::ZERO }).expect("a store");
        let writer = store.state.writer(&config, Box::new(drop)).expect("a writer");
        let pin = Some(TargetRecord { id: TargetId(0), number: 1, hash: B256::ZERO, root });
        let progress = StateProgress { pin, phase: 2, rebuilt: None };
        writer.send(Write::Progress { ticket: Ticket(0), progress }).expect("open");
        for accounts in answers {
            writer
                .send(Write::Accounts {
                    ticket: Ticket(0),
                    target: TargetId(0),
                    accounts: accounts.into(),
                    response_bytes: 0,
                })
                .expect("open");
        }
        writer.join().expect("written");
        let readers =
            Readers { state: store.state.clone(), history: store.history.clone(), tickets: Tickets::new() };
        (store, readers)
    }

    // ROW: F20
    #[test]
    fn one_and_sixteen_threads_write_the_same_bytes() {
        let account = |index: u64| Account {
            nonce: index,
            balance: U256::from(index),
            storage_root: EMPTY_ROOT,
            code_hash: EMPTY_CODE,
        };
        let mut rows: Vec<(B256, Account)> = (0..ROWS)
            // Spread over the key space as digests are, by an odd factor.
            .map(|index| {
                (B256::from(U256::MAX / U256::from(ROWS) * U256::from(index * 7_919 % ROWS)), account(index))
            })
            .collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        let mut builder = Builder::new();
        for (key, account) in &rows {
            builder.push_leaf(*key, &account.to_rlp());
        }
        let root = builder.finish().root;
        let slim: Vec<(B256, Vec<u8>)> =
            rows.iter().map(|(key, account)| (*key, account.to_slim())).collect();
        let whole =
            verify_accounts(root, HashRange::FULL, rows_of(&slim), &[] as &[&[u8]]).expect("all of them");
        let dir = tempfile::tempdir().expect("a directory");
        let (_served, source) = store(&dir.path().join("served"), root, vec![whole]);
        // Pieces that end anywhere, as answers do: their edges are what is left to hash.
        let snapshot = source.state.snapshot().expect("a snapshot");
        let mut origin = B256::ZERO;
        let answers = slim
            .chunks(777)
            .map(|piece| {
                let last = piece[piece.len() - 1].0;
                let mut trie = snapshot.account_trie().expect("a trie");
                let proof = prove(&mut trie, &[origin, last]).expect("our own disk");
                let range = HashRange::new(origin, last).expect("rising");
                origin = HashRange::after(last).unwrap_or(last);
                verify_accounts(root, range, rows_of(piece), &proof).expect("a true answer")
            })
            .collect();
        let (_synced, readers) = store(&dir.path().join("synced"), root, answers);
        let (nodes, derived) = written(1, &readers);
        assert_eq!(derived, root);
        assert!(nodes.len() > 26, "each piece leaves an edge: {}", nodes.len());
        assert_eq!(written(16, &readers), (nodes, derived));
    }
}
