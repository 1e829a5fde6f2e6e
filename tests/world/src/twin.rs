//! The real writers of state and history, on a disk in memory, beside the models of them.
//!
//! In stories whose rows are real, what the machine has written goes both ways: into plain maps (`disk`) and through the product's own
//! packs, journal and derivation. Each commit must say the same and claim the same, what the machine is told is what the real writer says,
//! and in the end all rows and roots are on the real disk. A crash takes from both what was not durable.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use snapsync_driver::notices;
use snapsync_storage::{
    BlockFault, BlockSpan, Chain, Derived, HistoryWrite, HistoryWriterSteps, MemoryDisk, NodeChanges, Open,
    ProvenBodies, ProvenHeaders, StateSnapshot, StateWriterSteps, StorageCopy, Store, Summary, Ticket, Write,
};
use snapsync_sync::{BlockGaps, BlockRange, Event, JobId};
use snapsync_trie::{EMPTY_ROOT, TargetId, TrieSource, rebuild_whole};

use crate::{
    blocks,
    chain::{Header, State},
    disk::{Chunk, Held, Write as Wanted},
    healing::ProvenHealed,
    ledger::Ledger,
    writers::Env,
};

const CHAIN: Chain = Chain { id: 1, genesis: B256::ZERO };

/// The real writer and its disk.
#[derive(Debug)]
pub struct Twin {
    disk: MemoryDisk,
    store: Store,
    steps: StateWriterSteps,
    history: HistoryWriterSteps,
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
        let history = store.history.writer_steps(Box::new(Open)).map_err(told)?;
        Ok(Self { disk, store, steps, history, expected: BTreeMap::new(), tickets: 1 << 63 })
    }

    /// The power goes and comes back.
    pub fn crash(&mut self) -> Result<(), String> {
        self.disk.crash();
        *self = Self::open(self.disk.clone())?;
        Ok(())
    }

    /// What is durable, as a worker sees it.
    pub(crate) fn snapshot(&self) -> Result<StateSnapshot, String> {
        self.store.state.snapshot().map_err(told)
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Writes a batch of an environment; what each write means to the engine, in their order.
    pub fn commit(&mut self, wanted: &[Wanted], env: Env) -> Result<Vec<Option<Event>>, String> {
        let mut events = vec![None; wanted.len()];
        match env {
            Env::State => self.commit_state(wanted, &mut events)?,
            Env::History => self.commit_history(wanted, &mut events)?,
        }
        Ok(events)
    }

    fn commit_history(&mut self, wanted: &[Wanted], events: &mut [Option<Event>]) -> Result<(), String> {
        let (mut batch, mut places) = (Vec::new(), BTreeMap::new());
        for (at, write) in wanted.iter().enumerate() {
            let (ticket, job) = match write {
                Wanted::Chunk { job, request, .. } => {
                    (Ticket(snapsync_sync::Ticket::from(*request).0), Some(*job))
                }
                _ => (self.ticket(), None),
            };
            if let Some(write) = of_history(ticket, write)? {
                places.insert(ticket, (at, job));
                batch.push(write);
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        for (ticket, summary) in self.history.commit(batch).map_err(told)? {
            let Some((at, job)) = places.get(&ticket).copied() else {
                return Err(format!("a notice of {ticket:?}, which nobody wrote"));
            };
            events[at] = notices::history_event(job, snapsync_sync::Ticket(ticket.0), summary);
        }
        Ok(())
    }

    fn commit_state(&mut self, wanted: &[Wanted], events: &mut [Option<Event>]) -> Result<(), String> {
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
                Wanted::Want(_) | Wanted::Finalize { .. } => {}
                Wanted::Copy { donor, accounts } => {
                    let ticket = self.ticket();
                    let copies = vec![StorageCopy { donor: *donor, accounts: accounts.clone() }];
                    batch.push(at, None, ticket, Write::CopyStorages { ticket, copies });
                }
                // A worker that derives sees what is durable.
                Wanted::RebuildStorage { account, expected } => {
                    self.write(std::mem::take(&mut batch), events)?;
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
                // Likewise, and only what owes its root.
                Wanted::TakeRoot { account } => {
                    self.write(std::mem::take(&mut batch), events)?;
                    let snapshot = self.store.state.snapshot().map_err(told)?;
                    if snapshot.owed_from(*account, 1).map_err(told)? != [*account] {
                        continue;
                    }
                    let seen = snapshot.number().map_err(told)?;
                    let parts = derive(&mut snapshot.storage_trie(*account).map_err(told)?)?;
                    for (nodes, derived) in parts {
                        let (ticket, account) = (self.ticket(), *account);
                        let write = Write::StorageNodes { ticket, account, nodes, derived, seen };
                        batch.push(at, None, ticket, write);
                    }
                }
                Wanted::Rebuild => {
                    self.write(std::mem::take(&mut batch), events)?;
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
        self.write(batch, events)
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
        let brought = journal.brought.iter().map(|block| (block.id, notices::pin(*block).target));
        if !brought.eq(held.brought.iter().map(|(id, block)| (*id, *block))) {
            return Err(format!(
                "the writer has brought {:?}, the model {:?}",
                journal.brought, held.brought
            ));
        }
        let progress = held.progress.as_ref().map(notices::state_progress);
        if journal.progress != progress {
            return Err(format!("the writer's record is {:?}, the model's {progress:?}", journal.progress));
        }
        self.agrees_on_history(&held.ledger)
    }

    fn agrees_on_history(&self, ledger: &Ledger) -> Result<(), String> {
        let journal = self.store.history.journal().map_err(told)?;
        let gaps = |spans: &[BlockSpan]| BlockGaps::new(notices::block_ranges(spans));
        let real = (
            journal.headers.map(notices::header_piece),
            journal.descent.map(notices::header_piece),
            gaps(&journal.bodies),
            gaps(&journal.receipts),
        );
        let model = (ledger.held, ledger.descent, ledger.bodies.clone(), ledger.receipts.clone());
        if real != model {
            return Err(format!("the writer's history is {real:?}, the model's {model:?}"));
        }
        let wanted = journal.wanted.map(|span| (span.first, span.last));
        let model = ledger.wanted.map(|range| (range.first, range.last));
        if wanted != model {
            return Err(format!("the writer wants {wanted:?}, the model {model:?}"));
        }
        Ok(())
    }

    /// All of the chain is there, block by block, and all that is wanted of it.
    pub fn holds_chain(&self, chain: &[Header], wanted_from: u64) -> Result<(), String> {
        let snapshot = self.store.history.snapshot().map_err(told)?;
        let highest = snapshot.highest().map_err(told)?.map(|(number, _)| number);
        if chain.len() > 1 && highest != Some(chain.len() as u64 - 1) {
            return Err(format!("the writer's chain ends at {highest:?}"));
        }
        for header in chain.iter().skip(1) {
            let number = header.number;
            if snapshot.header(number).map_err(told)? != Some(header.raw.as_ref()) {
                return Err(format!("the writer has another header {number}"));
            }
            if number < wanted_from {
                continue;
            }
            let body = blocks::body(header.body);
            if snapshot.body(&header.hash).map_err(told)? != Some(body.raw().as_ref()) {
                return Err(format!("the writer has another body {number}"));
            }
            let receipts = blocks::receipts(header.receipts, 0);
            if snapshot.receipts(&header.hash).map_err(told)? != Some(receipts.raw().as_ref()) {
                return Err(format!("the writer has other receipts of block {number}"));
            }
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
        Chunk::Renewal { proven, .. } => {
            Write::Renewal { ticket, target, accounts: proven.clone()?, response_bytes: 0 }
        }
        Chunk::Storages { proven, .. } => {
            Write::Storages { ticket, target, storages: proven.clone()?, response_bytes: 0 }
        }
        Chunk::Codes { proven, .. } => Write::Codes { ticket, codes: proven.clone()?, response_bytes: 0 },
        Chunk::Nodes { proven: ProvenHealed::Accounts(healed), .. } => {
            Write::HealedAccounts { ticket, target, healed: healed.clone(), response_bytes: 0 }
        }
        Chunk::Nodes { proven: ProvenHealed::Slots(healed), .. } => {
            Write::HealedSlots { ticket, healed: healed.clone(), response_bytes: 0 }
        }
        Chunk::Lists { proven, .. } => Write::Lists { ticket, lists: proven.clone(), response_bytes: 0 },
        Chunk::Retreat { proven, .. } => {
            Write::Retreat { ticket, retreat: proven.clone(), response_bytes: 0 }
        }
        // The history's.
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

/// What the history's real writer calls the same.
fn of_history(ticket: Ticket, write: &Wanted) -> Result<Option<HistoryWrite>, String> {
    let lie = |fault: BlockFault| format!("the real prover of blocks: {fault}");
    let response_bytes = 0;
    let chunk = match write {
        Wanted::Want(blocks) => return Ok(Some(want(ticket, *blocks))),
        Wanted::Finalize { hash, highest } => {
            return Ok(Some(HistoryWrite::Finalize { ticket, hash: *hash, highest: *highest }));
        }
        Wanted::Chunk { chunk, .. } => chunk,
        _ => return Ok(None),
    };
    let headers = |blocks: &[Header]| -> Vec<snapsync_wire::Header> {
        blocks.iter().map(|block| blocks::decode(&block.raw)).collect()
    };
    Ok(Some(match chunk {
        Chunk::Headers { segment, headers: falling, descent } => {
            let headers =
                ProvenHeaders::prove(segment.hash, Some(segment.top), headers(falling)).map_err(lie)?;
            HistoryWrite::Headers { ticket, headers, descent: *descent, response_bytes }
        }
        Chunk::Bodies { blocks } => {
            let bodies = blocks.iter().map(|block| blocks::body(block.body)).collect();
            let bodies = ProvenBodies::prove(&headers(blocks), bodies).map_err(lie)?;
            HistoryWrite::Bodies { ticket, bodies, response_bytes }
        }
        Chunk::Receipts { proven, .. } => {
            let receipts = proven.clone().ok_or("receipts that nobody proved")?;
            HistoryWrite::Receipts { ticket, receipts, response_bytes }
        }
        _ => return Ok(None),
    }))
}

fn want(ticket: Ticket, blocks: BlockRange) -> HistoryWrite {
    HistoryWrite::Want { ticket, blocks: BlockSpan { first: blocks.first, last: blocks.last } }
}

/// What the machine is told: what the real writer says, if that is what the model says.
pub fn agreed(model: Option<Event>, real: Option<Event>) -> Result<Option<Event>, String> {
    if without_codes(&model) == without_codes(&real) {
        Ok(real)
    } else {
        Err(format!("the writer says {real:?}, the model {model:?}"))
    }
}

/// Which answer of a commit is the first to name a code depends on the order in which they are written; journals are compared as well.
fn without_codes(event: &Option<Event>) -> Option<Event> {
    let mut event = event.clone();
    if let Some(Event::AccountsDurable { codes, .. } | Event::AccountsHealed { codes, .. }) = &mut event {
        codes.clear();
    }
    event
}

/// What went wrong on the real disk.
pub(crate) fn told(error: snapsync_storage::Error) -> String {
    format!("the real writer: {error}")
}
