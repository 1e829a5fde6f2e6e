//! A chain that is executed into a data directory, block by block: the history first, then the state.
//!
//! Both are committed before the next block is looked at, so a run that is killed goes on where the state ended. It trusts no block: each is
//! executed, and compared with its header.

use alloy_primitives::{B256, Bytes};
use snapsync_execute::{
    Advanced, BadBlock, Block, RecentHashes,
    evm::{Config as Execution, EvmExecutor},
    execute,
    genesis::Genesis,
};
use snapsync_storage::{
    BlockFault, BlockSpan, Chain, Config, DerivedBlock, Descent, HistoryWrite, HistoryWriterSteps, Open,
    ProvenBodies, ProvenHeaders, ProvenReceipts, StateWriterSteps, Store, Ticket, Write,
};
use snapsync_wire::{BlockReceipts, Body, Header, Receipt, ReceiptForm};

use crate::{
    exit::{Exit, Failure},
    session::storage_failure,
};

/// One commit at a time: nothing has to be told apart.
const TICKET: Ticket = Ticket(0);
/// How many hashes of older blocks the EVM may ask for.
const HASHES: u64 = 256;

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The state holds it already.
    Known,
    /// It was executed, and used so much gas.
    Executed {
        /// Its number.
        number: u64,
        /// Its gas.
        gas: u64,
    },
}

/// Executes a chain into a data directory.
pub(crate) struct Importer {
    store: Store,
    state: StateWriterSteps,
    history: HistoryWriterSteps,
    executor: EvmExecutor,
    forks: snapsync_execute::Forks,
    head: Header,
    hashes: RecentHashes,
}

impl Importer {
    /// Opens a data directory, and begins it with block 0 if it holds nothing. BLOCKING: until that is durable.
    pub(crate) fn open(config: &Config, genesis: &Genesis, chain_id: u64) -> Result<Self, Failure> {
        let disk = |error: snapsync_storage::Error| storage_failure(&error);
        let chain = Chain { id: chain_id, genesis: genesis.hash() };
        let store = Store::open(config, chain).map_err(disk)?;
        let mut state = store.state.writer_steps(Box::new(Open)).map_err(disk)?;
        let mut history = store.history.writer_steps(Box::new(Open)).map_err(disk)?;
        let progress = |store: &Store| store.state.snapshot()?.progress();
        if progress(&store).map_err(disk)?.is_none() {
            begin(&mut state, &mut history, genesis)?;
        }
        let whole = progress(&store).map_err(disk)?.and_then(|progress| progress.whole());
        let whole = whole.ok_or_else(|| {
            Failure::new(Exit::DataDirectory, "the directory holds a sync that has not come to its end")
        })?;
        let (head, hashes) = resume(&store, whole.number, whole.hash)?;
        let forks = genesis.forks(chain_id);
        let executor = EvmExecutor::new(forks.clone(), Execution::node());
        Ok(Self { store, state, history, executor, forks, head, hashes })
    }

    /// The newest block that the state holds.
    pub(crate) fn head(&self) -> u64 {
        self.head.number
    }

    /// Executes the next block, unless it is held. BLOCKING: until it is durable.
    pub(crate) fn take(&mut self, raw: &Bytes) -> Result<Step, Failure> {
        let block = Block::decode(raw).map_err(|bad| bad_block(self.head.number + 1, None, &bad))?;
        let number = block.header().number;
        if number <= self.head.number && self.holds(number, block.hash())? {
            return Ok(Step::Known);
        }
        let snapshot = self.store.state.snapshot().map_err(|error| storage_failure(&error))?;
        let executed = execute(&mut self.executor, &self.forks, &block, &self.head, &snapshot, &self.hashes);
        let Advanced { derived, receipts } =
            executed.map_err(|error| refused(number, block.hash(), error))?;
        drop(snapshot);
        self.write(&block, receipts, derived)?;
        self.hashes.push(block.hash());
        self.head = block.header().clone();
        Ok(Step::Executed { number, gas: self.head.gas_used })
    }

    /// Whether a block that is not above the head is one of ours.
    fn holds(&self, number: u64, hash: B256) -> Result<bool, Failure> {
        let held = self.store.history.snapshot().and_then(|history| history.canonical(number));
        match held.map_err(|error| storage_failure(&error))? {
            Some(held) if held != hash => Err(Failure::new(
                Exit::DataDirectory,
                format!("block {number} is {held} in the directory and {hash} in the file"),
            )),
            held => Ok(held.is_some()),
        }
    }

    fn write(&mut self, block: &Block, receipts: Vec<Receipt>, derived: DerivedBlock) -> Result<(), Failure> {
        let header = block.header();
        let receipts = BlockReceipts::from_receipts(ReceiptForm::Slim, &receipts);
        let writes = history_of(header, block.body().clone(), receipts).map_err(unproved)?;
        self.history.commit(writes).map_err(|error| storage_failure(&error))?;
        let block = Box::new(derived);
        let write = Write::Block { ticket: TICKET, block };
        self.state.commit(vec![write]).map_err(|error| storage_failure(&error))?;
        Ok(())
    }
}

/// Writes block 0 and its state.
fn begin(
    state: &mut StateWriterSteps,
    history: &mut HistoryWriterSteps,
    genesis: &Genesis,
) -> Result<(), Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, error);
    let header = Header::decode(&genesis.header().into()).map_err(|error| usage(&error))?;
    let withdrawals = header.withdrawals_root.map(|_| &[][..]);
    let body =
        Body::from_parts([], &[alloy_rlp::EMPTY_LIST_CODE], withdrawals).map_err(|error| usage(&error))?;
    let receipts = BlockReceipts::from_receipts(ReceiptForm::Slim, &[]);
    let writes = history_of(&header, body, receipts).map_err(unproved)?;
    history.commit(writes).map_err(|error| storage_failure(&error))?;
    for write in genesis.state_writes(TICKET).map_err(|error| usage(&error))? {
        state.commit(vec![write]).map_err(|error| storage_failure(&error))?;
    }
    Ok(())
}

/// The head and the hashes below it.
fn resume(store: &Store, number: u64, hash: B256) -> Result<(Header, RecentHashes), Failure> {
    let disk = |error: snapsync_storage::Error| storage_failure(&error);
    let history = store.history.snapshot().map_err(disk)?;
    let missing = || Failure::new(Exit::DataDirectory, format!("the header of block {number} is not held"));
    let raw = history.header_by_hash(&hash).map_err(disk)?.ok_or_else(missing)?;
    let head = Header::decode(&Bytes::copy_from_slice(raw)).map_err(|_| missing())?;
    let lowest = number.saturating_sub(HASHES - 1);
    let mut hashes: Option<RecentHashes> = None;
    for number in lowest..=number {
        let Some(hash) = history.canonical(number).map_err(disk)? else {
            // What lies below a gap is not known to belong here.
            hashes = None;
            continue;
        };
        match &mut hashes {
            Some(hashes) => hashes.push(hash),
            None => hashes = Some(RecentHashes::from(number, hash)),
        }
    }
    Ok((head, hashes.unwrap_or_else(|| RecentHashes::from(number, hash))))
}

/// A block as the history's writer takes it.
fn history_of(header: &Header, body: Body, receipts: BlockReceipts) -> Result<Vec<HistoryWrite>, BlockFault> {
    let headers = ProvenHeaders::prove(header.hash(), Some(header.number), vec![header.clone()])?;
    let bodies = ProvenBodies::prove(std::slice::from_ref(header), vec![body])?;
    let receipts = ProvenReceipts::prove(std::slice::from_ref(header), vec![receipts])?;
    let blocks = BlockSpan { first: 0, last: header.number };
    Ok(vec![
        HistoryWrite::Headers { ticket: TICKET, headers, descent: Descent::GoesOn, response_bytes: 0 },
        HistoryWrite::Want { ticket: TICKET, blocks },
        HistoryWrite::Bodies { ticket: TICKET, bodies, response_bytes: 0 },
        HistoryWrite::Receipts { ticket: TICKET, receipts, response_bytes: 0 },
    ])
}

fn bad_block(number: u64, hash: Option<B256>, bad: &BadBlock) -> Failure {
    let named = hash.map_or_else(String::new, |hash| format!(" {hash}"));
    Failure::new(Exit::Verification, format!("block {number}{named} is bad: {bad}"))
}

fn refused(number: u64, hash: B256, error: snapsync_execute::Error) -> Failure {
    match error {
        snapsync_execute::Error::Bad(bad) => bad_block(number, Some(hash), &bad),
        snapsync_execute::Error::Disk(error) => storage_failure(&error),
        other => Failure::new(Exit::Failure, format!("block {number} {hash}: {other}")),
    }
}

/// What was executed gives the roots in its header: it was compared before.
fn unproved(fault: BlockFault) -> Failure {
    Failure::new(Exit::Verification, fault)
}
