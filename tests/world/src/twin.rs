//! The real writer of the state, on a disk in memory, beside the model of one.
//!
//! In stories whose rows are real, what the machine has written goes both ways: into plain maps (`disk`) and through the product's own
//! packs, journal and derivation. Each commit must say the same and claim the same, what the machine is told is what the real writer says,
//! and in the end all rows and roots are on the real disk. A crash takes from both what was not durable.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use snapsync_driver::notices;
use snapsync_storage::{
    Chain, Derived, MemoryDisk, NodeChanges, Open, StateWriterSteps, StorageCopy, Store, Summary, Ticket,
    Write,
};
use snapsync_sync::{Event, JobId};
use snapsync_trie::{EMPTY_ROOT, TargetId, TrieSource, rebuild_whole};

use crate::{
    chain::State,
    disk::{Chunk, Held, Write as Wanted},
};

const CHAIN: Chain = Chain { id: 1, genesis: B256::ZERO };

/// The real writer and its disk.
#[derive(Debug)]
pub struct Twin {
    disk: MemoryDisk,
    store: Store,
    steps: StateWriterSteps,
    /// What storages must derive to.
    expected: BTreeMap<B256, B256>,
    /// Of writes that answer no request: from the top half, where no request is.
    tickets: u64,
}

/// One transaction that is being gathered, with the places of its writes.
#[derive(Default)]
struct Batch {
    writes: Vec<Write>,
    places: BTreeMap<Ticket, (usize, Option<JobId>)>,
}

impl Batch {
    fn push(&mut self, at: usize, job: Option<JobId>, ticket: Ticket, write: Write) {
        self.places.insert(ticket, (at, job));
        self.writes.push(write);
    }
}

impl Twin {
    /// On an empty disk.
    pub fn new() -> Result<Self, String> {
        Self::open(MemoryDisk::default())
    }

    fn open(disk: MemoryDisk) -> Result<Self, String> {
        let store = Store::open_memory(&disk, CHAIN).map_err(told)?;
        let steps = store.state.writer_steps(Box::new(Open)).map_err(told)?;
        Ok(Self { disk, store, steps, expected: BTreeMap::new(), tickets: 1 << 63 })
    }

    /// The power goes and comes back.
    pub fn crash(&mut self) -> Result<(), String> {
        self.disk.crash();
        *self = Self::open(self.disk.clone())?;
        Ok(())
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Writes what concerns the state; what each write means to the engine, in their order.
    pub fn commit(&mut self, wanted: &[Wanted]) -> Result<Vec<Option<Event>>, String> {
        let mut events = vec![None; wanted.len()];
        let mut batch = Batch::default();
        for (at, write) in wanted.iter().enumerate() {
            match write {
                Wanted::Chunk { job, request, target, chunk } => {
                    let ticket = Ticket(snapsync_sync::Ticket::from(*request).0);
                    if let Some(write) = answer(ticket, *target, chunk) {
                        batch.push(at, Some(*job), ticket, write);
                    }
                }
                Wanted::Record(progress) => {
                    let (ticket, progress) = (self.ticket(), notices::state_progress(progress));
                    batch.push(at, None, ticket, Write::Progress { ticket, progress });
                }
                // The history's.
                Wanted::Want(_) => {}
                Wanted::Copy { donor, accounts } => {
                    let ticket = self.ticket();
                    let copies = vec![StorageCopy { donor: *donor, accounts: accounts.clone() }];
                    batch.push(at, None, ticket, Write::CopyStorages { ticket, copies });
                }
                // A worker that derives sees what is durable.
                Wanted::RebuildStorage { account, expected } => {
                    self.write(std::mem::take(&mut batch), &mut events)?;
                    self.expected.insert(*account, *expected);
                    let snapshot = self.store.state.snapshot().map_err(told)?;
                    let seen = snapshot.number().map_err(told)?;
                    let parts = derive(&mut snapshot.storage_trie(*account).map_err(told)?)?;
                    for (nodes, derived) in parts {
                        let (ticket, account) = (self.ticket(), *account);
                        let write = Write::StorageNodes { ticket, account, nodes, derived, seen };
                        batch.push(at, None, ticket, write);
                    }
                }
                Wanted::Rebuild => {
                    self.write(std::mem::take(&mut batch), &mut events)?;
                    let snapshot = self.store.state.snapshot().map_err(told)?;
                    let seen = snapshot.number().map_err(told)?;
                    let parts = derive(&mut snapshot.account_trie().map_err(told)?)?;
                    for (nodes, derived) in parts {
                        let ticket = self.ticket();
                        batch.push(at, None, ticket, Write::AccountNodes { ticket, nodes, derived, seen });
                    }
                }
            }
        }
        self.write(batch, &mut events)?;
        Ok(events)
    }

    fn write(&mut self, batch: Batch, events: &mut [Option<Event>]) -> Result<(), String> {
        if batch.writes.is_empty() {
            return Ok(());
        }
        let done: Vec<(Ticket, Summary)> = self.steps.commit(batch.writes).map_err(told)?;
        for (ticket, summary) in done {
            let Some((at, job)) = batch.places.get(&ticket).copied() else {
                return Err(format!("a notice of {ticket:?}, which nobody wrote"));
            };
            let expected = &mut self.expected;
            let sync_ticket = snapsync_sync::Ticket(ticket.0);
            let event = notices::state_event(job, sync_ticket, summary, |account| expected.remove(account));
            events[at] = events[at].take().or(event);
        }
        Ok(())
    }

    /// The journal claims what the model claims.
    pub fn agrees(&self, held: &Held) -> Result<(), String> {
        let journal = self.store.state.journal().map_err(told)?;
        if journal.accounts != held.coverage {
            return Err(format!("the writer holds {:?}, the model {:?}", journal.accounts, held.coverage));
        }
        if !journal.storages.iter().eq(held.pending.values()) {
            let differs =
                journal.storages.iter().zip(held.pending.values()).find(|(real, model)| real != model);
            return Err(format!(
                "the writer has {} storages pending, the model {}; the first that differ: {differs:?}",
                journal.storages.len(),
                held.pending.len()
            ));
        }
        if !journal.codes.iter().eq(&held.pending_codes) {
            return Err(format!("the writer lacks {:?}, the model {:?}", journal.codes, held.pending_codes));
        }
        if !journal.targets.iter().map(|target| notices::pin(*target)).eq(held.targets.values().copied()) {
            return Err(format!("the writer knows {:?}, the model {:?}", journal.targets, held.targets));
        }
        let progress = held.progress.as_ref().map(notices::state_progress);
        if journal.progress != progress {
            return Err(format!("the writer's record is {:?}, the model's {progress:?}", journal.progress));
        }
        Ok(())
    }

    /// All of the truth is there, row by row, and gives its root.
    pub fn holds(&self, truth: &State) -> Result<(), String> {
        let snapshot = self.store.state.snapshot().map_err(told)?;
        let mut accounts = snapshot.accounts_from(B256::ZERO).map_err(told)?;
        for (key, row) in &truth.trie.rows {
            let held = accounts.next().transpose().map_err(told)?;
            let held = held.map(|held| (held.key, held.account.to_slim()));
            if held.as_ref().is_none_or(|(held, slim)| held != key || *slim != row.value) {
                return Err(format!("the writer's account {held:?} is not {key}'s"));
            }
        }
        if accounts.next().is_some() {
            return Err("the writer has more accounts than there are".to_owned());
        }
        for (key, account) in truth.accounts.iter().filter(|(_, account)| account.storage_root != EMPTY_ROOT)
        {
            let mut slots = snapshot.slots_from(*key, B256::ZERO).map_err(told)?;
            let rows = truth.slots(&account.storage_root).map(|trie| &trie.rows);
            for (slot, row) in rows.into_iter().flatten() {
                let held = slots.next().transpose().map_err(told)?;
                let is_same =
                    held.is_some_and(|held| held.key == *slot && alloy_rlp::encode(held.value) == row.value);
                if !is_same {
                    return Err(format!("the writer's slot {held:?} of {key} is not {slot}"));
                }
            }
            if slots.next().is_some() {
                return Err(format!("the writer has more slots of {key} than there are"));
            }
        }
        let (root, _) = rebuild_whole(&mut snapshot.account_trie().map_err(told)?).map_err(told)?;
        if root == truth.root {
            Ok(())
        } else {
            Err(format!("the writer's accounts give {root}, not {}", truth.root))
        }
    }
}

/// What the real writer calls the same.
fn answer(ticket: Ticket, target: TargetId, chunk: &Chunk) -> Option<Write> {
    Some(match chunk {
        Chunk::Accounts { proven, .. } => {
            Write::Accounts { ticket, target, accounts: proven.clone()?, response_bytes: 0 }
        }
        Chunk::Storages { proven, .. } => {
            Write::Storages { ticket, target, storages: proven.clone()?, response_bytes: 0 }
        }
        Chunk::Codes { proven, .. } => Write::Codes { ticket, codes: proven.clone()?, response_bytes: 0 },
        // The history's writer has no twin yet.
        Chunk::Headers { .. } | Chunk::Bodies { .. } | Chunk::Receipts { .. } => return None,
    })
}

/// A trie's branches as a worker sends them.
fn derive<S: TrieSource<Error = snapsync_storage::Error>>(
    source: &mut S,
) -> Result<impl Iterator<Item = (NodeChanges, Derived)> + use<S>, String> {
    let (root, all) = rebuild_whole(source).map_err(told)?;
    let last = all.len() - 1;
    let derived = move |nth| if nth == last { Derived::Whole(root) } else { Derived::Part };
    Ok(all.into_iter().enumerate().map(move |(nth, nodes)| (nodes, derived(nth))))
}

/// What the machine is told: what the real writer says, if that is what the model says. The history has no real one yet.
pub fn agreed(model: Option<Event>, real: Option<Event>) -> Result<Option<Event>, String> {
    match (&model, &real) {
        (
            Some(Event::HeadersDurable { .. } | Event::BodiesDurable { .. } | Event::ReceiptsDurable { .. }),
            None,
        ) => Ok(model),
        _ if without_codes(&model) == without_codes(&real) => Ok(real),
        _ => Err(format!("the writer says {real:?}, the model {model:?}")),
    }
}

/// Which answer of a commit is the first to name a code depends on the order in which they are written; journals are compared as well.
fn without_codes(event: &Option<Event>) -> Option<Event> {
    let mut event = event.clone();
    if let Some(Event::AccountsDurable { codes, .. }) = &mut event {
        codes.clear();
    }
    event
}

fn told(error: snapsync_storage::Error) -> String {
    format!("the real writer: {error}")
}
