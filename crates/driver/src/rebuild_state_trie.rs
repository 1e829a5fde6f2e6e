//! Derives tries from rows: the state's, and those of storages that came in pieces.
//!
//! Inbox: tries to derive. Outbox: nodes to the state's writer; what came of them returns with the commit's notice.
//! Owns: nothing; each job opens a snapshot of its own. Ends when: the planner drops the inbox, or the writer is gone.
//!
//! What verification finished is kept: only the edges of ranges are hashed here. It compares no root; the engine does.

use std::sync::atomic::{AtomicUsize, Ordering};

use alloy_primitives::B256;
use crossbeam_channel::Receiver;
use snapsync_storage::{Derived, NodeChanges, StateStore, Write};
use snapsync_trie::{Changes, Part, Path, join, rebuild, subtries};

use crate::{
    stores::{Readers, Tickets},
    workers::{Gone, Outbox},
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
pub(crate) fn run(inbox: &Receiver<Rebuild>, outbox: &Outbox, readers: &Readers, threads: usize) {
    for trie in inbox {
        let done = match derive(trie, outbox, readers, threads) {
            Ok(write) => outbox.write(write),
            Err(error) => outbox.failed(error),
        };
        if done.is_err() {
            return;
        }
    }
}

/// Derives one trie: its sixteen sub-tries are independent jobs, taken in turn by the threads.
fn derive(
    trie: Rebuild,
    outbox: &Outbox,
    readers: &Readers,
    threads: usize,
) -> snapsync_storage::Result<Write> {
    let prefixes = subtries(1);
    let next = AtomicUsize::new(0);
    let job = || {
        let mut parts = Vec::new();
        while let Some(prefix) = prefixes.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut put = |changes: Changes| {
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
    parts.sort_by_key(Part::prefix);
    let built = join(parts);
    let nodes = NodeChanges { put: built.nodes, removed: built.removed };
    Ok(trie.write(&readers.tickets, nodes, Derived::Whole(built.root)))
}
