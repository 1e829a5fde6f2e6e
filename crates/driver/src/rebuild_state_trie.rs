//! Derives tries from rows: the state's, and those of storages that came in pieces.
//!
//! Inbox: tries to derive. Outbox: nodes to the state's writer; what came of them returns with the commit's notice.
//! Owns: nothing; each job opens snapshots of its own. Ends when: the planner drops the stop, whatever else was asked for, or
//! the writer is gone. What was not derived is derived after the next start.
//!
//! What verification finished is kept: only the edges of ranges, and what has changed since, are hashed here. So a storage is one thread's
//! work, and many of them share a snapshot; the account trie is cut for all threads, each with a snapshot of the same moment. The writer
//! is told which moment: rows that change meanwhile stay marked. It compares no root; the engine does.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
};

use alloy_primitives::B256;
use crossbeam_channel::{Receiver, TryRecvError};
use snapsync_storage::{CommitNumber, Derived, NodeChanges, StateSnapshot, StateStore, Write};
use snapsync_trie::{Changes, HashRange, Part, Path, join, rebuild, subtries};

use crate::{
    readers::{Readers, Tickets},
    work::{Gone, Outbox},
};

/// Storages that are derived from one snapshot, which keeps the space that the writer would use again: some milliseconds of it.
const STORAGES_PER_SNAPSHOT: usize = 64;

/// A trie to derive.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rebuild {
    /// The state's.
    Accounts,
    /// Those of all storages that owe their root.
    Owed,
    /// One account's.
    Storage {
        /// The account.
        account: B256,
    },
}

impl Rebuild {
    /// The write that carries nodes of this trie.
    fn write(self, tickets: &Tickets, seen: CommitNumber, nodes: NodeChanges, derived: Derived) -> Write {
        let ticket = tickets.next();
        match self {
            Self::Accounts => Write::AccountNodes { ticket, nodes, derived, seen },
            Self::Owed => unreachable!("each of them is derived as the storage that it is"),
            Self::Storage { account } => Write::StorageNodes { ticket, account, nodes, derived, seen },
        }
    }
}

/// What a derivation may do.
#[derive(Clone, Copy)]
struct Job<'a> {
    stop: &'a Receiver<Infallible>,
    outbox: &'a Outbox,
    readers: &'a Readers,
}

/// Runs until there is nothing more to derive.
pub(crate) fn run(
    inbox: &Receiver<Rebuild>,
    stop: &Receiver<Infallible>,
    outbox: &Outbox,
    readers: &Readers,
    threads: usize,
) {
    let job = Job { stop, outbox, readers };
    for first in inbox {
        let more = inbox.try_iter().take(STORAGES_PER_SNAPSHOT - 1);
        let tries: Vec<Rebuild> = std::iter::once(first).chain(more).collect();
        let done = match job.derive(&tries, threads) {
            Ok(done) => done,
            // What it was stopped by, see below.
            Err(_) if job.is_stopped() => return,
            Err(error) => outbox.failed(error),
        };
        if done.is_err() {
            return;
        }
    }
}

impl Job<'_> {
    /// Nothing is ever sent: the end of the sender is the stop.
    fn is_stopped(&self) -> bool {
        matches!(self.stop.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Derives some tries in turn. `Gone` also when it is to stop.
    fn derive(&self, tries: &[Rebuild], threads: usize) -> snapsync_storage::Result<Result<(), Gone>> {
        let snapshot = self.readers.state.snapshot()?;
        let seen = snapshot.number()?;
        for trie in tries {
            if self.is_stopped() {
                return Ok(Err(Gone));
            }
            let write = match trie {
                Rebuild::Owed => match self.owed()? {
                    Ok(()) => continue,
                    Err(gone) => return Ok(Err(gone)),
                },
                Rebuild::Storage { account } => Some(self.storage(&snapshot, seen, *account)?),
                Rebuild::Accounts => self.accounts(threads)?,
            };
            let Some(write) = write else { return Ok(Err(Gone)) };
            if self.outbox.write(write).is_err() {
                return Ok(Err(Gone));
            }
        }
        Ok(Ok(()))
    }

    /// Derives what owes its root, some from a snapshot. `Gone` also when it is to stop.
    fn owed(&self) -> snapsync_storage::Result<Result<(), Gone>> {
        let mut next = Some(B256::ZERO);
        while let Some(start) = next {
            let snapshot = self.readers.state.snapshot()?;
            let seen = snapshot.number()?;
            let owed = snapshot.owed_from(start, STORAGES_PER_SNAPSHOT)?;
            for account in &owed {
                if self.is_stopped() {
                    return Ok(Err(Gone));
                }
                let write = self.storage(&snapshot, seen, *account)?;
                if self.outbox.write(write).is_err() {
                    return Ok(Err(Gone));
                }
            }
            next = owed.last().and_then(|last| HashRange::after(*last));
        }
        Ok(Ok(()))
    }

    /// Derives one storage trie; gives the last write of it, which a small one has only.
    fn storage(
        &self,
        snapshot: &StateSnapshot,
        seen: CommitNumber,
        account: B256,
    ) -> snapsync_storage::Result<Write> {
        let trie = Rebuild::Storage { account };
        let mut last: Option<Changes> = None;
        let part = rebuild(&mut snapshot.storage_trie(account)?, Path::ROOT, &mut |changes| match last
            .replace(changes)
        {
            Some(before) => self.put(trie, seen, before),
            None => Ok(()),
        })?;
        let built = join(vec![part]);
        self.outbox.hashed(built.hashed);
        let above = NodeChanges { put: built.nodes, removed: built.removed };
        let nodes = match last {
            Some(last) if above.put.is_empty() && above.removed.is_empty() => last,
            Some(last) => {
                self.put(trie, seen, last)?;
                above
            }
            None => above,
        };
        Ok(trie.write(&self.readers.tickets, seen, nodes, Derived::Whole(built.root)))
    }

    /// Derives the account trie: its sixteen sub-tries are independent jobs, taken in turn by the threads. Nothing once it is to stop.
    fn accounts(&self, threads: usize) -> snapsync_storage::Result<Option<Write>> {
        let prefixes = subtries(1);
        let next = AtomicUsize::new(0);
        let (seen, snapshots) = of_one_moment(&self.readers.state, threads.clamp(1, prefixes.len()))?;
        let below = |snapshot: StateSnapshot| {
            let mut parts = Vec::new();
            while let Some(prefix) = prefixes.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.is_stopped() {
                    break;
                }
                let mut put = |changes| self.put(Rebuild::Accounts, seen, changes);
                parts.push(rebuild(&mut snapshot.account_trie()?, *prefix, &mut put)?);
            }
            Ok(parts)
        };
        let mut parts: Vec<Part> = std::thread::scope(|scope| {
            let below = &below;
            let jobs: Vec<_> =
                snapshots.into_iter().map(|snapshot| scope.spawn(move || below(snapshot))).collect();
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
        self.outbox.hashed(built.hashed);
        let nodes = NodeChanges { put: built.nodes, removed: built.removed };
        let derived = Derived::Whole(built.root);
        Ok(Some(Rebuild::Accounts.write(&self.readers.tickets, seen, nodes, derived)))
    }

    /// Hands over a portion of a trie.
    fn put(&self, trie: Rebuild, seen: CommitNumber, nodes: Changes) -> snapsync_storage::Result<()> {
        if self.is_stopped() {
            // A sub-trie of a large state takes minutes.
            return Err(snapsync_storage::Error::Refused { why: "the sync has stopped" });
        }
        if nodes.put.is_empty() && nodes.removed.is_empty() {
            // A write for nothing is a notice for nothing.
            return Ok(());
        }
        // A writer that is gone has said why; the last write of this trie will meet the same.
        let _: Result<(), Gone> =
            self.outbox.write(trie.write(&self.readers.tickets, seen, nodes, Derived::Part));
        Ok(())
    }
}

/// Snapshots that have all seen the same commits. One opens in microseconds and a commit takes a millisecond at least, so this takes few
/// tries.
fn of_one_moment(
    state: &StateStore,
    count: usize,
) -> snapsync_storage::Result<(CommitNumber, Vec<StateSnapshot>)> {
    loop {
        let snapshots: Vec<StateSnapshot> =
            (0..count).map(|_| state.snapshot()).collect::<snapsync_storage::Result<_>>()?;
        let (first, last) = (snapshots[0].number()?, snapshots[count - 1].number()?);
        // Commits rise, and so do snapshots that are opened one after the other.
        if first == last {
            return Ok((first, snapshots));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use alloy_primitives::{Address, Bytes, U256};
    use crossbeam_channel::{Receiver, bounded, unbounded};
    use snapsync_keccak::keccak256;
    use snapsync_storage::{
        BlockOutcome, Chain, CheckedList, Config, Notice, Settlement, StateProgress, Store, Summary,
        TargetRecord, Ticket,
    };
    use snapsync_trie::{
        Account, Builder, EMPTY_CODE, EMPTY_ROOT, HashRange, TargetId, VerifiedAccounts, prove, rows_of,
        verify_accounts,
    };
    use snapsync_wire::{Header, HeaderFields};

    use super::*;
    use crate::readers::Tickets;

    const ROWS: u64 = 20_000;

    /// What a derivation writes: the last word on each path, and the root.
    fn written(threads: usize, readers: &Readers) -> (BTreeMap<Path, Option<Vec<u8>>>, B256) {
        let (state, writes): (_, Receiver<Write>) = unbounded();
        let (outbox, _ends) = {
            let (reports, reports_end) = unbounded();
            let (history, history_end) = unbounded();
            (
                Outbox {
                    reports,
                    state,
                    history,
                    hashed: Default::default(),
                    lists_above: Default::default(),
                },
                (reports_end, history_end),
            )
        };
        let (_keep, stop) = bounded(0);
        let job = Job { stop: &stop, outbox: &outbox, readers };
        let whole = job.accounts(threads).expect("our own disk").expect("nobody stops it");
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

    /// An access list, with its block's header: each of these accounts has one slot now.
    fn list(addresses: &[Address], parent: B256) -> CheckedList {
        let list = |items: &[Vec<u8>]| {
            let payload = items.concat();
            let mut out = Vec::new();
            alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
            out.extend_from_slice(&payload);
            out
        };
        let (one, none) = (alloy_rlp::encode(1u64), list(&[]));
        let slots = list(&[list(&[one.clone(), list(&[list(&[one.clone(), one])])])]);
        let none = || none.clone();
        let account = |address: &Address| {
            list(&[alloy_rlp::encode(address), slots.clone(), none(), none(), none(), none()])
        };
        let raw: Bytes = list(&addresses.iter().map(account).collect::<Vec<_>>()).into();
        let header = Header::made(&HeaderFields::amsterdam(2, parent, B256::ZERO, keccak256(&raw)));
        CheckedList::check(&header, &raw).expect("its own header's")
    }

    #[test]
    fn what_owes_its_root_is_derived_by_rising_account_whatever_a_snapshot_takes() {
        const OWING: usize = 2 * STORAGES_PER_SNAPSHOT + 3;
        let addresses: Vec<Address> =
            (1..=OWING as u64).map(|at| Address::from_word(U256::from(at).into())).collect();
        let mut keys: Vec<B256> = addresses.iter().map(|address| keccak256(address.as_slice())).collect();
        keys.sort_unstable();
        let account =
            Account { nonce: 1, balance: U256::ONE, storage_root: EMPTY_ROOT, code_hash: EMPTY_CODE };
        let mut builder = Builder::new();
        keys.iter().for_each(|key| builder.push_leaf(*key, &account.to_rlp()));
        let root = builder.finish().root;
        let slim: Vec<(B256, Vec<u8>)> = keys.iter().map(|key| (*key, account.to_slim())).collect();
        let whole =
            verify_accounts(root, HashRange::FULL, rows_of(&slim), &[] as &[&[u8]]).expect("all of them");
        let dir = tempfile::tempdir().expect("a directory");
        let (store, readers) = store(dir.path(), root, vec![whole]);
        let config = Config::small(dir.path());
        let (taken, told) = unbounded();
        let heard = move |notice| match notice {
            Notice::Committed { summary, .. } => drop(taken.send(summary)),
            Notice::Failed { message, .. } => panic!("{message}"),
        };
        let writer = store.state.writer(&config, Box::new(heard)).expect("a writer");
        let lists = vec![list(&addresses, B256::ZERO)];
        writer.send(Write::Lists { ticket: Ticket(0), lists, response_bytes: 0 }).expect("open");
        let Ok(Summary::Lists { blocks, .. }) = told.recv() else { panic!("one write, one summary") };
        assert_eq!((blocks[0].outcome, blocks[0].unsettled.owed.len()), (BlockOutcome::Applied, keys.len()));
        let (state, writes) = unbounded();
        let ((reports, _reports), (history, _history)) = (unbounded(), unbounded());
        let outbox =
            Outbox { reports, state, history, hashed: Default::default(), lists_above: Default::default() };
        let (_keep, stop) = bounded(0);
        let job = Job { stop: &stop, outbox: &outbox, readers: &readers };
        assert!(job.derive(&[Rebuild::Owed], 1).expect("our own disk").is_ok());
        let mut settled = Vec::new();
        for write in writes.try_iter() {
            writer.send(write).expect("open");
            let Ok(Summary::StorageNodes { account, settlement: Settlement::Taken { .. } }) = told.recv()
            else {
                panic!("each of them is one write")
            };
            settled.push(account);
        }
        assert_eq!(settled, keys);
        let snapshot = store.state.snapshot().expect("a snapshot");
        assert!(snapshot.pending_storages().expect("our own disk").is_empty());
        writer.join().expect("written");
    }
}
