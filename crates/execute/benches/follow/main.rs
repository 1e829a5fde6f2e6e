//! What blocks cost on a large state: executed, brought by their lists, and taken back.
//!
//! `cargo bench -p snapsync-execute --features evm --bench follow -- [ACCOUNTS SLOTS BLOCKS TRANSFERS SLOTS_A_BLOCK]`. Each block is taken
//! twice, by execution in one directory and by its list in another of the same state, both of them durable before the next. Figures are wall
//! times, medians over the blocks; a run beside other work says nothing. A chain that was made by executing it once is not timed while it is made.

mod chain;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use alloy_primitives::{B256, Bytes};
use chain::{CHAIN_ID, Outcome, Size, Work};
use snapsync_execute::{
    Block, BlockExecutor, Follower, Forks, RecentHashes, StateReader, TakenBy,
    evm::{Config as Execution, EvmExecutor},
    genesis::Genesis,
};
use snapsync_storage::{
    BlockClaim, BlockOutcome, Chain, Config, DerivedBlock, Open, StateWriterSteps, Store, Summary, Ticket,
    Write,
};
use snapsync_wire::Header;

/// Blocks that are taken back in the end: as many as are kept.
const TAKEN_BACK: usize = 128;

fn main() -> Outcome<()> {
    let words: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let word = |at: usize, otherwise: u64| words.get(at).copied().unwrap_or(otherwise);
    let size = Size { accounts: word(0, 20_000), slots: word(1, 20_000) };
    let (blocks, work) = (word(2, 8), Work { transfers: word(3, 100), slots: word(4, 500) });
    let directory = tempfile::tempdir()?;
    let genesis = chain::genesis()?;
    let mut executed = Node::begin(&directory.path().join("executed"), &genesis, size)?;
    let mut listed = Node::begin(&directory.path().join("listed"), &genesis, size)?;
    let mut by_execution = Follower::executing(executed.forks.clone(), executor());
    let mut by_list = Follower::applying_lists(executed.forks.clone());
    let mut maker = executor();
    let mut times = Times::default();
    let mut nonce = 0;
    for number in 0..blocks {
        let made = executed.make(&mut *maker, number, nonce, size, work)?;
        nonce += made.block.body().transaction_count() as u64;
        times.derive.push(made.derive);
        times.gas.push(made.block.header().gas_used);
        let (take, commit) = executed.take(&mut by_execution, &made.block, None)?;
        times.execute.push(take);
        times.commit.push(commit);
        let (take, commit) = listed.take(&mut by_list, &made.block, Some(&made.list))?;
        times.list.push(take);
        times.list_commit.push(commit);
    }
    let mut back = Vec::new();
    for _ in 0..TAKEN_BACK.min(usize::try_from(blocks)?) {
        back.push(executed.take_back()?);
    }
    times.show(size, work, &mut back);
    Ok(())
}

fn executor() -> Box<EvmExecutor> {
    Box::new(EvmExecutor::new(Execution::node()))
}

/// A block, and how long its root took alone.
struct Made {
    block: Block,
    list: Bytes,
    derive: Duration,
}

/// A directory and its newest block.
struct Node {
    forks: Forks,
    store: Store,
    writer: StateWriterSteps,
    /// From the first block that may be taken back on.
    headers: Vec<Header>,
    hashes: RecentHashes,
}

impl Node {
    fn begin(datadir: &Path, genesis: &Genesis, size: Size) -> Outcome<Self> {
        let chain = Chain { id: CHAIN_ID, genesis: genesis.hash() };
        let store = Store::open(&Config::mainnet(datadir, 1 << 30), chain)?;
        let mut writer = store.state.writer_steps(Box::new(Open))?;
        for write in genesis.state_writes(Ticket(0))? {
            writer.commit(vec![write])?;
        }
        let parent = Header::decode(&genesis.header().into())?;
        let mut hashes = RecentHashes::from(0, parent.hash());
        // One block makes the state large; nobody executes it.
        let (snapshot, changes) = (store.state.snapshot()?, chain::large(size));
        let root = changes.root_above(&snapshot)?;
        let body = chain::body(0, 0, size, Work { transfers: 0, slots: 0 })?;
        let fields = chain::above(&chain::fields_of(&genesis.header())?, &body);
        let header = chain::header_of(&alloy_consensus::Header { state_root: root, ..fields })?;
        let claim = BlockClaim { number: 1, hash: header.hash(), parent: parent.hash(), root };
        let derived = DerivedBlock::derive(&snapshot, claim, &changes)?;
        drop(snapshot);
        hashes.push(header.hash());
        write(&mut writer, Write::Block { ticket: Ticket(1), block: Box::new(derived) })?;
        Ok(Self { forks: genesis.forks(CHAIN_ID), store, writer, headers: vec![header], hashes })
    }

    fn parent(&self) -> Outcome<&Header> {
        Ok(self.headers.last().ok_or("there is no block")?)
    }

    /// The next block, by executing it.
    fn make(
        &mut self,
        executor: &mut dyn BlockExecutor,
        number: u64,
        nonce: u64,
        size: Size,
        work: Work,
    ) -> Outcome<Made> {
        let body = chain::body(number, nonce, size, work)?;
        let parent = self.parent()?.clone();
        let mut fields = chain::above(&chain::fields_of(parent.raw())?, &body);
        let snapshot = self.store.state.snapshot()?;
        let draft = Block::new(chain::header_of(&fields)?, body)?;
        let rules = self.forks.rules(fields.number, fields.timestamp, fields.difficulty);
        let mut state = StateReader::new(&snapshot, &self.hashes)?;
        let executed = executor.execute(&rules, &draft, &parent, &mut state)?;
        let slots: usize = executed.changes.storages.values().map(|storage| storage.slots.len()).sum();
        if (slots as u64) < work.slots || (executed.changes.accounts.len() as u64) < work.transfers {
            return Err("the transactions have not done what they should".into());
        }
        let start = Instant::now();
        let root = executed.changes.root_above(&snapshot)?;
        let derive = start.elapsed();
        chain::claim(&mut fields, &executed, root);
        let block = Block::new(chain::header_of(&fields)?, draft.body().clone())?;
        Ok(Made { block, list: executed.access_list.ok_or("a block of Amsterdam has a list")?, derive })
    }

    /// Takes a block, and writes it; how long each took.
    fn take(
        &mut self,
        follower: &mut Follower,
        block: &Block,
        list: Option<&Bytes>,
    ) -> Outcome<(Duration, Duration)> {
        let start = Instant::now();
        let snapshot = self.store.state.snapshot()?;
        let parent = self.parent()?;
        let taken = follower.take(Duration::ZERO, block, parent, list, &snapshot, &self.hashes)?;
        drop(snapshot);
        if matches!(taken.by, TakenBy::Execution { .. }) == list.is_some() {
            return Err("it was taken by the other way".into());
        }
        let took = start.elapsed();
        let start = Instant::now();
        write(&mut self.writer, Write::Block { ticket: Ticket(2), block: Box::new(taken.derived) })?;
        let committed = start.elapsed();
        self.headers.push(block.header().clone());
        self.hashes.push(block.hash());
        Ok((took, committed))
    }

    /// Takes the newest block back; how long that took.
    fn take_back(&mut self) -> Outcome<Duration> {
        let hash: B256 = self.headers.pop().ok_or("there is no block")?.hash();
        let start = Instant::now();
        write(&mut self.writer, Write::TakeBack { ticket: Ticket(3), hash })?;
        Ok(start.elapsed())
    }
}

/// Writes, and looks that it was done.
fn write(writer: &mut StateWriterSteps, write: Write) -> Outcome<()> {
    let told = writer.commit(vec![write])?;
    let is_applied = told.iter().all(|(_, summary)| {
        matches!(
            summary,
            Summary::Block { outcome: BlockOutcome::Applied, .. }
                | Summary::TakenBack { outcome: BlockOutcome::Applied, .. }
        )
    });
    is_applied.then_some(()).ok_or_else(|| format!("{told:?}").into())
}

/// What was measured of each block.
#[derive(Default)]
struct Times {
    execute: Vec<Duration>,
    commit: Vec<Duration>,
    list: Vec<Duration>,
    list_commit: Vec<Duration>,
    /// Part of both ways.
    derive: Vec<Duration>,
    gas: Vec<u64>,
}

impl Times {
    fn show(&mut self, size: Size, work: Work, back: &mut [Duration]) {
        let blocks = self.gas.len();
        println!(
            "{blocks} blocks of {} transfers and {} slots on {} accounts and {} slots",
            work.transfers, work.slots, size.accounts, size.slots
        );
        let gas = self.gas.iter().sum::<u64>() as f64;
        let executing: Duration = self.execute.iter().sum();
        println!(
            "  gas a block {:>10.1} M, {:.0} Mgas/s of execution",
            gas / blocks as f64 / 1e6,
            gas / executing.as_secs_f64() / 1e6
        );
        let rows = [
            ("executed", &mut self.execute),
            ("  its commit", &mut self.commit),
            ("by its list", &mut self.list),
            ("  its commit", &mut self.list_commit),
            ("the root alone, part of either", &mut self.derive),
        ];
        for (name, times) in rows {
            row(name, times);
        }
        row("taken back", back);
    }
}

fn row(name: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let median = times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64);
    println!("  {name:<32} {:>9.2} ms a block, {:>9.0} blocks/s", median * 1e3, 1.0 / median.max(1e-9));
}
