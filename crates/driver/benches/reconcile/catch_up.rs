//! How long it takes to bring rows over many blocks by access lists, and what memory that needs, by the length of the gap.
//!
//! `catch-up [leaves] [changes] [blocks]...`: a state of so many accounts (1,000,000) is brought over so many blocks (100, then 1,000), each of which
//! changes so many balances (500) anywhere in it. Each gap is caught up by a process of its own from a copy of the same directory: lists are
//! made, checked and sent by one thread, in answers of as many as a sync asks for at once, and brought to the disk by the state's real writer, which
//! says how many go into a transaction. Of the writer's thread the processor time is told, of the process the largest anonymous memory: it
//! fails where that is above the memory of a sync and what is held beside it.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use snapsync_bench::Peak;
use snapsync_storage::{
    Chain, CheckedList, CommitGate, Config, Notice, Store, Summary, Ticket, Verdict, Write,
};

use crate::{
    Disk, Outcome, Trie,
    blocks::{account, block, key},
};

/// Lists in an answer.
const LISTS_PER_ANSWER: u64 = 64;
/// The memory that a sync is given, by default.
const MEMORY_BYTES: u64 = 192 << 20;
/// What the process may hold beside that: the lists that are made and wait, and the two threads. The most that was seen of all is less than
/// the budget.
const BESIDE_BYTES: u64 = 64 << 20;
/// The first argument of the process that catches up.
const CHILD: &str = "in";

pub(crate) fn run(words: &[String]) -> Outcome<()> {
    if let Some((CHILD, rest)) = words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        let (folder, rest) = rest.split_first().ok_or("a directory")?;
        return child(Path::new(folder), &numbers(rest)?);
    }
    let numbers = numbers(words)?;
    let (leaves, changes) = (nth(&numbers, 0, 1_000_000), nth(&numbers, 1, 500));
    let gaps = numbers.get(2..).filter(|gaps| !gaps.is_empty()).unwrap_or(&[100, 1_000]);
    let balances: BTreeMap<u64, u64> = (0..leaves).map(|number| (number, number)).collect();
    let disk = Disk::of(&Trie::new(&balances), B256::repeat_byte(3), B256::repeat_byte(1))?;
    let held = disk.folder().to_owned();
    println!("{leaves} accounts, blocks of {changes} changes");
    println!(
        "| blocks | transactions | seconds | blocks a second | us a change | MiB of the process, anonymous |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for blocks in gaps {
        let copy = tempfile::tempdir()?;
        fs::create_dir(copy.path().join("state"))?;
        fs::copy(held.join("state/mdbx.dat"), copy.path().join("state/mdbx.dat"))?;
        let words = [leaves, changes, *blocks].map(|number| number.to_string());
        let mut command = Command::new(std::env::current_exe()?);
        let ended = command.arg("catch-up").arg(CHILD).arg(copy.path()).args(words).status()?;
        if !ended.success() {
            return Err(format!("the process that catches up: {ended}").into());
        }
    }
    Ok(())
}

fn numbers(words: &[String]) -> Outcome<Vec<u64>> {
    Ok(words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?)
}

fn nth(numbers: &[u64], index: usize, default: u64) -> u64 {
    numbers.get(index).copied().unwrap_or(default)
}

/// The balances that a block leaves: anywhere, and other ones than before.
fn changed(leaves: u64, changes: u64, block: u64) -> BTreeMap<u64, u64> {
    (0..changes)
        .map(|nth| {
            let mixed = (block * changes + nth).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((mixed ^ mixed >> 29) % leaves, leaves + block)
        })
        .collect()
}

fn child(folder: &Path, numbers: &[u64]) -> Outcome<()> {
    let &[leaves, changes, blocks] = numbers else { return Err("leaves, changes, blocks".into()) };
    let config = Config::mainnet(folder, MEMORY_BYTES);
    let store = Store::open(&config, Chain { id: 1, genesis: B256::ZERO })?;
    let (told, notices) = crossbeam_channel::unbounded();
    let commits = Commits::default();
    let notify = Box::new(move |notice| drop(told.send(notice)));
    let writer = store.state.writer_behind(&config, Box::new(commits.clone()), notify)?;
    let (peak, start) = (Peak::watch(), Instant::now());
    let (mut parent, mut lists) = (B256::repeat_byte(1), Vec::new());
    for number in 2..blocks + 2 {
        let (header, raw) = block(number, parent, B256::repeat_byte(3), &changed(leaves, changes, number));
        parent = header.hash();
        lists.push(CheckedList::check(&header, &raw).map_err(|fault| format!("{fault:?}"))?);
        if lists.len() as u64 == LISTS_PER_ANSWER || number == blocks + 1 {
            let lists = std::mem::take(&mut lists);
            writer.send(Write::Lists { ticket: Ticket(number), lists, response_bytes: 0 })?;
        }
    }
    let mut durable = 0;
    while durable < blocks {
        match notices.recv()? {
            Notice::Committed { summary: Summary::Lists { blocks, .. }, .. } => {
                durable += blocks.len() as u64
            }
            other => return Err(format!("{other:?}").into()),
        }
    }
    let (wall, cpu, peak) = (start.elapsed(), writer_cpu()?, peak.end());
    writer.join()?;
    println!(
        "| {blocks} | {} | {:.1} | {:.0} | {:.1} | {} |",
        commits.0.load(Ordering::Relaxed),
        wall.as_secs_f64(),
        blocks as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / (blocks * changes) as f64,
        peak >> 20,
    );
    if peak > MEMORY_BYTES + BESIDE_BYTES {
        return Err(format!("{} MiB of memory, and the budget is {}", peak >> 20, MEMORY_BYTES >> 20).into());
    }
    check(&store, leaves, changes, blocks)
}

/// Whether each row that a block has changed is what the last one left.
fn check(store: &Store, leaves: u64, changes: u64, blocks: u64) -> Outcome<()> {
    let mut last = BTreeMap::new();
    (2..blocks + 2).for_each(|number| last.extend(changed(leaves, changes, number)));
    let snapshot = store.state.snapshot()?;
    for (number, balance) in last {
        if snapshot.account(&key(number))? != Some(account(balance)) {
            return Err(format!("account {number} is not what the last block left").into());
        }
    }
    Ok(())
}

/// Processor time of the writer's thread.
fn writer_cpu() -> Outcome<Duration> {
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim() == "state-writer" {
            let schedstat = fs::read_to_string(task.join("schedstat"))?;
            return Ok(Duration::from_nanos(schedstat.split(' ').next().unwrap_or_default().parse()?));
        }
    }
    Err("the writer has no thread".into())
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
