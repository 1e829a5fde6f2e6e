//! `catch-up [BLOCKS] [LEAVES]`: usual blocks one behind the other, as after a sync: the next is taken over those that are on their way to the
//! disk, several are written in one transaction.
//!
//! The chain is made first, into a file. Then each way catches up in a process of its own, from a copy of the same directory, so that its largest
//! anonymous memory is that of this way: it fails where that is more than a sync may take, its budget and 64 MiB. What is not in it: peers, and the
//! history that a node keeps. In the end the newest 128 blocks are taken back, a transaction each.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read, Write as _},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver},
    },
    time::Duration,
};

use alloy_primitives::Bytes;
use snapsync_bench::Peak;
use snapsync_execute::{Block, Follower, genesis::Genesis};
use snapsync_storage::{
    BlocksAhead, CommitGate, DerivedBlock, Notice, Open, StateSnapshot, StateStore, StateWriter, Summary,
    Ticket, UNDO_BLOCKS_MAX, Verdict, Write,
};
use snapsync_wire::{Body, Header};

use crate::{
    Outcome,
    chain::{self, Work},
    meter::{Clock, Costs},
    node::{self, MEMORY_BYTES, Made, Node, Way},
    state::Size,
};

/// The first argument of the process that catches up.
const CHILD: &str = "in";
/// Blocks that are taken and not on the disk, and the bytes that they hold, as in the driver.
const AHEAD_MAX: usize = 128;
const AHEAD_BYTES_MAX: usize = (MEMORY_BYTES / 16) as usize;
/// What blocks may hold that are brought by their lists together, as in the driver.
const STRETCH_BYTES_MAX: usize = (MEMORY_BYTES / 4) as usize;
/// What a process may hold beside its budget.
const BESIDE_BYTES: u64 = 64 << 20;
/// Blocks that are taken back in the end: as many as are kept.
const TAKEN_BACK: usize = 128;

pub(crate) fn run(words: &[String]) -> Outcome<()> {
    if let [first, way, folder, file, blocks] = words
        && first == CHILD
    {
        let way = Way::ALL.into_iter().find(|known| known.name() == way).ok_or("no such way")?;
        return child(way, Path::new(folder), Path::new(file), blocks.parse()?);
    }
    let number = |at: usize, otherwise| words.get(at).map_or(Ok(otherwise), |word| word.parse());
    let (blocks, size) = (number(0, 20)?, Size { leaves: number(1, 20_000)? });
    let folder = tempfile::tempdir()?;
    let (laid, file) = (folder.path().join("laid"), folder.path().join("blocks"));
    let genesis = chain::genesis()?;
    node::lay(&laid, &genesis, size)?;
    let maker = folder.path().join("maker");
    node::copy(&laid, &maker)?;
    let gas = make(&maker, &genesis, size, blocks, &file)?;
    std::fs::remove_dir_all(&maker)?;
    let transactions = blocks * Work::Usual.transactions();
    println!(
        "{blocks} blocks of {} transactions and {:.1} Mgas, {:.0} gas a transaction, on {} leaves; each way's \
         processor time and memory",
        Work::Usual.transactions(),
        gas as f64 / 1e6 / blocks.max(1) as f64,
        gas as f64 / transactions.max(1) as f64,
        size.leaves
    );
    println!(
        "| way | blocks/s | Mgas/s | roots derived | transactions | taking, ms a block | in all, CPU ms a block | kB of undo rows a block | MiB anonymous | \
         taken back, blocks/s | CPU ms a block |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for way in Way::ALL {
        let copy = folder.path().join(way.name());
        node::copy(&laid, &copy)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["catch-up", CHILD, way.name()]).arg(&copy).arg(&file).arg(blocks.to_string());
        let ended = command.status()?;
        if !ended.success() {
            return Err(format!("the process that catches up: {ended}").into());
        }
        std::fs::remove_dir_all(&copy)?;
    }
    Ok(())
}

/// Makes a chain, by executing it; gives its gas.
fn make(datadir: &Path, genesis: &Genesis, size: Size, blocks: u64, file: &Path) -> Outcome<u64> {
    let mut node = Node::open(datadir, genesis)?;
    let mut ahead = Ahead::start(&node, datadir)?;
    let (mut file, mut executor) = (BufWriter::new(File::create(file)?), node::executor());
    let mut gas = 0;
    for number in 0..blocks {
        let snapshot = ahead.state()?;
        let draft = node.draft(&mut *executor, &snapshot, chain::body(number, size, Work::Usual)?)?;
        draft.check(Work::Usual)?;
        let changes = draft.executed.changes.clone();
        let made = draft.finish(changes.root_above(&snapshot)?)?;
        let derived = DerivedBlock::derive(&snapshot, node::claim_of(&made.block), &changes)?;
        drop(snapshot);
        ahead.push(derived)?;
        gas += made.block.header().gas_used;
        for part in [made.block.header().raw(), made.block.body().raw(), &made.list] {
            file.write_all(&u32::try_from(part.len())?.to_be_bytes())?;
            file.write_all(part)?;
        }
        node.push(&made.block);
    }
    file.flush()?;
    ahead.close()?;
    Ok(gas)
}

/// The next block of the file; nothing at its end.
fn read(file: &mut impl Read) -> Outcome<Option<Made>> {
    let mut part = || -> std::io::Result<Bytes> {
        let mut length = [0; 4];
        file.read_exact(&mut length)?;
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    };
    let header = match part() {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        header => header?,
    };
    let block = Block::new(Header::decode(&header)?, Body::decode(&part()?)?)?;
    Ok(Some(Made { block, list: part()? }))
}

fn child(way: Way, datadir: &Path, file: &Path, blocks: u64) -> Outcome<()> {
    let mut node = Node::open(datadir, &chain::genesis()?)?;
    let mut follower = way.follower(&node.forks);
    let mut file = BufReader::new(File::open(file)?);
    let (mut taking, mut steps) = (Costs::default(), 0u32);
    let (mut gas, mut undo_bytes, mut taken) = (0, 0, 0);
    let (peak, clock) = (Peak::watch(), Clock::start()?);
    let mut ahead = Ahead::start(&node, datadir)?;
    while taken < blocks {
        let one = Clock::start()?;
        let snapshot = ahead.state()?;
        let deep = blocks.saturating_sub(taken + UNDO_BLOCKS_MAX);
        let (derived, made) = if way == Way::Lists && deep > 1 {
            stretch(&follower, &node, &snapshot, &mut file, deep)?
        } else {
            let made = read(&mut file)?.ok_or("the file has too few blocks")?;
            let (parent, list) = (node.parent()?, way.list(&made));
            let taken = follower.take(Duration::ZERO, &made.block, parent, list, &snapshot, &node.hashes)?;
            (taken.derived, vec![made])
        };
        drop(snapshot);
        taking.push(one.stop()?);
        undo_bytes += derived.undo_bytes();
        (taken, steps) = (taken + made.len() as u64, steps + 1);
        gas += made.iter().map(|made| made.block.header().gas_used).sum::<u64>();
        ahead.push(derived)?;
        made.iter().for_each(|made| node.push(&made.block));
    }
    let blocks = u32::try_from(blocks)?;
    let transactions = ahead.close()?;
    let (cost, peak) = (clock.stop()?, peak.end());
    let back = take_back(&node)?;
    let seconds = cost.wall.as_secs_f64().max(1e-9);
    println!(
        "| {} | {:.1} | {:.0} | {steps} | {transactions} | {:.1} | {:.1} | {} | {} | {:.0} | {:.1} |",
        way.name(),
        f64::from(blocks) / seconds,
        gas as f64 / 1e6 / seconds,
        taking.seconds() * 1e3 / f64::from(blocks.max(1)),
        cost.cpu.as_secs_f64() * 1e3 / f64::from(blocks.max(1)),
        undo_bytes / 1_000 / blocks.max(1) as usize,
        peak >> 20,
        1e3 / back.median_ms().max(1e-9),
        back.cpu_ms(),
    );
    if peak > MEMORY_BYTES + BESIDE_BYTES {
        return Err(format!("{} MiB of memory, and the budget is {}", peak >> 20, MEMORY_BYTES >> 20).into());
    }
    Ok(())
}

/// The next blocks, brought by their lists together, `deep` at most: as many as the driver would take.
fn stretch(
    follower: &Follower,
    node: &Node,
    snapshot: &StateSnapshot,
    file: &mut impl Read,
    deep: u64,
) -> Outcome<(DerivedBlock, Vec<Made>)> {
    let (mut stretch, mut blocks) = (follower.stretch(node.parent()?, snapshot), Vec::new());
    while (blocks.len() as u64) < deep && !stretch.is_full(STRETCH_BYTES_MAX) {
        let made = read(file)?.ok_or("the file has too few blocks")?;
        stretch.push(&made.block, &made.list)?;
        blocks.push(made);
    }
    Ok((stretch.derive()?, blocks))
}

/// Takes the newest blocks back.
fn take_back(node: &Node) -> Outcome<Costs> {
    let mut writer = node.store.state.writer_steps(Box::new(Open))?;
    let mut back = Costs::default();
    for header in node.headers[1..].iter().rev().take(TAKEN_BACK) {
        let clock = Clock::start()?;
        node::take_back(&mut writer, header)?;
        back.push(clock.stop()?);
    }
    Ok(back)
}

/// Blocks on their way to the disk.
struct Ahead {
    store: StateStore,
    writer: StateWriter,
    commits: Commits,
    told: Receiver<Notice<Summary>>,
    ahead: Arc<BlocksAhead>,
}

impl Ahead {
    fn start(node: &Node, datadir: &Path) -> Outcome<Self> {
        let (tell, told) = mpsc::channel();
        let (store, commits) = (node.store.state.clone(), Commits::default());
        // A notice that nobody hears any more is of a run that is over.
        let notify = Box::new(move |notice| drop(tell.send(notice)));
        let writer = store.writer_behind(&node::config(datadir), Box::new(commits.clone()), notify)?;
        Ok(Self { store, writer, commits, told, ahead: Arc::default() })
    }

    /// The state after the newest block.
    fn state(&mut self) -> Outcome<StateSnapshot> {
        let state = self.store.snapshot()?;
        let whole = state.whole()?.ok_or("the state is not whole")?;
        Arc::make_mut(&mut self.ahead).forget(whole.number);
        if self.ahead.is_empty() {
            return Ok(state);
        }
        Ok(state.under(&self.ahead)?.ok_or("the blocks are not above the state")?)
    }

    /// Takes the block that follows. BLOCKING: while too much waits for the disk.
    fn push(&mut self, derived: DerivedBlock) -> Outcome<()> {
        if !Arc::make_mut(&mut self.ahead).push(&derived) {
            return Err("a block does not follow the one before".into());
        }
        self.writer.send(Write::Block { ticket: Ticket(2), block: Box::new(derived) })?;
        while self.is_far_ahead() {
            self.hear()?;
        }
        Ok(())
    }

    fn is_far_ahead(&self) -> bool {
        self.ahead.len() >= AHEAD_MAX || self.ahead.bytes_held() > AHEAD_BYTES_MAX && !self.ahead.is_empty()
    }

    fn hear(&mut self) -> Outcome<()> {
        match self.told.recv()? {
            Notice::Committed { .. } => self.state().map(drop),
            Notice::Failed { message, .. } => Err(message.into()),
        }
    }

    /// Waits until all is durable; gives the number of transactions. BLOCKING.
    fn close(mut self) -> Outcome<u64> {
        while !self.ahead.is_empty() {
            self.hear()?;
        }
        self.writer.join()?;
        Ok(self.commits.0.load(Ordering::Relaxed))
    }
}

/// Counts transactions.
#[derive(Clone, Default)]
struct Commits(Arc<AtomicU64>);

impl CommitGate for Commits {
    fn before_commit(&mut self, number: u64) -> Verdict {
        self.0.store(number, Ordering::Relaxed);
        Verdict::Pass
    }
}
