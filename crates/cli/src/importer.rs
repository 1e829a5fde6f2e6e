//! A chain that is executed into a data directory, block after block.
//!
//! The next block is executed while those before it go to the disk (`commits.rs`); a run that is killed goes on where the state on the disk ends.
//! It trusts no block: each is executed, and compared with its header.

mod commits;
mod parts;
#[cfg(test)]
mod tests;

use alloy_primitives::{B256, Bytes};
use snapsync_execute::{
    Advanced, BadBlock, Block, BlockHashes, RecentHashes,
    evm::{Config as Execution, EvmExecutor},
    execute,
    genesis::Genesis,
};
use snapsync_storage::{Chain, Config, HistorySnapshot, Open, Store};
use snapsync_wire::{BlockReceipts, Body, Header, ReceiptForm};

use self::{
    commits::Commits,
    parts::{Part, TICKET, history_of, unproved},
};
use crate::exit::{Exit, Failure, storage_failure};

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
    commits: Commits,
    executor: EvmExecutor,
    forks: snapsync_execute::Forks,
    head: Header,
    hashes: RecentHashes,
}

impl Importer {
    /// Opens a data directory, and begins it with block 0 if it holds nothing, or not yet all of that. BLOCKING: until that is durable.
    pub(crate) fn open(config: &Config, genesis: &Genesis, chain_id: u64) -> Result<Self, Failure> {
        let disk = |error: snapsync_storage::Error| storage_failure(&error);
        let chain = Chain { id: chain_id, genesis: genesis.hash() };
        let store = Store::open(config, chain).map_err(disk)?;
        if is_to_begin(&store, genesis).map_err(disk)? {
            begin(&store, genesis)?;
        }
        let progress = store.state.snapshot().and_then(|snapshot| snapshot.progress()).map_err(disk)?;
        let whole = progress.and_then(|progress| progress.whole());
        let whole = whole.ok_or_else(|| {
            Failure::new(Exit::DataDirectory, "the directory holds a sync that has not come to its end")
        })?;
        let (head, hashes) = resume(&store, whole.number, whole.hash)?;
        let forks = genesis.forks(chain_id);
        let executor = EvmExecutor::new(Execution::node());
        let commits = Commits::start(&store, config)?;
        Ok(Self { store, commits, executor, forks, head, hashes })
    }

    /// The newest block that the state holds.
    pub(crate) fn head(&self) -> u64 {
        self.head.number
    }

    /// Executes the next block, unless it is held. It is durable later. BLOCKING: while too much waits for the disk.
    pub(crate) fn take(&mut self, block: Result<Block, BadBlock>) -> Result<Step, Failure> {
        let block = block.map_err(|bad| bad_block(self.head.number + 1, None, &bad))?;
        let number = block.header().number;
        if number <= self.head.number {
            self.check_known(number, block.hash())?;
            return Ok(Step::Known);
        }
        let snapshot = self.commits.snapshot()?;
        let executed = execute(&mut self.executor, &self.forks, &block, &self.head, &snapshot, &self.hashes);
        let Advanced { derived, receipts } =
            executed.map_err(|error| refused(number, block.hash(), error))?;
        drop(snapshot);
        self.commits.push(&block, &receipts, derived)?;
        self.hashes.push(block.hash());
        self.head = block.header().clone();
        Ok(Step::Executed { number, gas: self.head.gas_used })
    }

    /// Waits until all is durable. BLOCKING.
    pub(crate) fn close(self) -> Result<(), Failure> {
        self.commits.close()
    }

    /// Whether a block that is not above the head is one of the blocks that lead there. Far below, the canonical ones are.
    fn check_known(&self, number: u64, hash: B256) -> Result<(), Failure> {
        let recent = self.hashes.hash_of(number).map_err(|error| refused(number, hash, error))?;
        let canonical = || self.store.history.snapshot().and_then(|history| history.canonical(number));
        let held = recent.map_or_else(canonical, |recent| Ok(Some(recent)));
        let why = match held.map_err(|error| storage_failure(&error))? {
            Some(held) if held == hash => return Ok(()),
            Some(held) => format!("block {number} is {held} in the directory and {hash} in the file"),
            None => format!("block {number} lies below what the directory holds"),
        };
        Err(Failure::new(Exit::DataDirectory, why))
    }
}

/// Whether block 0 is still to be written: nothing is held, or a run was killed while it wrote that. What is held then is written once
/// more, and changes nothing; what came from peers is left to the sync that asked for it.
fn is_to_begin(store: &Store, genesis: &Genesis) -> snapsync_storage::Result<bool> {
    let snapshot = store.state.snapshot()?;
    let Some(progress) = snapshot.progress()? else { return Ok(true) };
    let is_of_import = progress.pin == Some(genesis.target()) && snapshot.counters()?.response_bytes == 0;
    Ok(is_of_import && progress.whole().is_none())
}

/// Writes block 0 and its state.
fn begin(store: &Store, genesis: &Genesis) -> Result<(), Failure> {
    let disk = |error: snapsync_storage::Error| storage_failure(&error);
    let mut state = store.state.writer_steps(Box::new(Open)).map_err(disk)?;
    let mut history = store.history.writer_steps(Box::new(Open)).map_err(disk)?;
    let usage = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, error);
    let header = Header::decode(&genesis.header().into()).map_err(|error| usage(&error))?;
    let withdrawals = header.withdrawals_root.map(|_| &[][..]);
    let body =
        Body::from_parts([], &[alloy_rlp::EMPTY_LIST_CODE], withdrawals).map_err(|error| usage(&error))?;
    let receipts = BlockReceipts::from_receipts(ReceiptForm::Slim, &[]);
    let writes = history_of(vec![Part { header, body, receipts }]).map_err(unproved)?;
    history.commit(writes).map_err(disk)?;
    for write in genesis.state_writes(TICKET).map_err(|error| usage(&error))? {
        state.commit(vec![write]).map_err(disk)?;
    }
    Ok(())
}

/// The head and the hashes below it. Those are of its ancestors, whichever branch the history has for canonical.
fn resume(store: &Store, number: u64, hash: B256) -> Result<(Header, RecentHashes), Failure> {
    let history = store.history.snapshot().map_err(|error| storage_failure(&error))?;
    let missing = || Failure::new(Exit::DataDirectory, format!("the header of block {number} is not held"));
    let head = header_of(&history, hash)?.ok_or_else(missing)?;
    let (mut falling, mut parent) = (vec![hash], head.parent_hash);
    for _ in number.saturating_sub(RecentHashes::COUNT_MAX as u64 - 1)..number {
        // What lies below a gap is not known to belong here.
        let Some(header) = header_of(&history, parent)? else { break };
        falling.push(parent);
        parent = header.parent_hash;
    }
    let lowest = number - (falling.len() as u64 - 1);
    let mut rising = falling.into_iter().rev();
    let mut hashes = RecentHashes::from(lowest, rising.next().unwrap_or(hash));
    rising.for_each(|hash| hashes.push(hash));
    Ok((head, hashes))
}

/// A header that is held, canonical or not.
fn header_of(history: &HistorySnapshot, hash: B256) -> Result<Option<Header>, Failure> {
    let raw = history.header_by_hash(&hash).map_err(|error| storage_failure(&error))?;
    let header = raw.map(|raw| Header::decode(&Bytes::copy_from_slice(raw))).transpose();
    header.map_err(|error| Failure::new(Exit::DataDirectory, format!("the header of {hash}: {error}")))
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
