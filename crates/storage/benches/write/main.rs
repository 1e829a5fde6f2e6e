//! What a leaf costs the state's writer thread: proved answers of a made-up state, as a sync sends them, durable commits among
//! them.
//!
//! `cargo bench -p snapsync-storage -- [million leaves] [turns]` writes that many (1), in so many syncs into new directories
//! (3). Sixteen account ranges take turns, the storages and codes that they claim follow. The figure is processor time of the
//! writer's thread alone; each answer is proved on another one. It says nothing about the disk: wall time is not shown.
//!
//! The last table sends one kind of write at a time, so that a commit holds only it.

mod meter;
mod state;

use std::{error::Error, path::Path, time::Duration};

use alloy_primitives::B256;
use snapsync_storage::{
    Chain, Config, StateProgress, StateWriter, Store, TargetRecord, Ticket, VerifyConfig, Write, verify,
};

use crate::{
    meter::{Cost, Meter},
    state::{Kind, Rounds},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The default of `--memory`, from which the writer's batch and its dirty pages follow.
const MEMORY_BYTES: u64 = 192 << 20;

fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let millions: f64 = words.next().map_or(Ok(1.0), |word| word.parse())?;
    let turns: usize = words.next().map_or(Ok(3), |word| word.parse())?;
    let leaves = (millions * 1e6) as u64;
    let all: Vec<Run> = (0..turns).map(|_| mixed(leaves)).collect::<Outcome<_>>()?;
    let best = all.iter().min_by_key(|run| run.cost.total()).ok_or("no turn")?;
    println!("| leaves | commits | ns a leaf | of that: apply | commit | file bytes a leaf | peak RssAnon |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for run in &all {
        println!("{}", run.row());
    }
    println!("best: {:.0} ns a leaf", best.nanos(best.cost.total()));
    if millions <= 2.0 && turns < 9 {
        by_kind(leaves)?;
    }
    Ok(())
}

/// One sync into a fresh directory.
struct Run {
    leaves: u64,
    cost: Cost,
    file_bytes: u64,
}

impl Run {
    fn nanos(&self, cpu: Duration) -> f64 {
        cpu.as_nanos() as f64 / self.leaves as f64
    }

    fn row(&self) -> String {
        let Self { leaves, cost, file_bytes } = self;
        format!(
            "| {leaves} | {} | {:.0} | {:.0} | {:.0} | {} | {} MiB |",
            cost.commits,
            self.nanos(cost.total()),
            self.nanos(cost.apply),
            self.nanos(cost.commit),
            file_bytes / leaves,
            cost.anonymous_peak_kib >> 10,
        )
    }
}

/// All kinds of writes, as fast as the writer takes them: every commit is a full batch.
fn mixed(leaves: u64) -> Outcome<Run> {
    let dir = tempfile::tempdir()?;
    // The bench, not time, ends a batch.
    let (store, config) = open(dir.path(), Duration::from_secs(3600))?;
    let (meter, gate, notify) = Meter::new();
    let writer = store.state.writer_behind(&config, gate, notify)?;
    let mut written = 0;
    for (_, write) in Rounds::new(leaves) {
        written += state::leaves(&write);
        writer.send(write)?;
    }
    writer.join()?;
    check(dir.path(), &store, written)?;
    Ok(Run { leaves: written, cost: meter.cost(), file_bytes: store.state.file_bytes()? })
}

/// Each kind of write in commits of its own.
fn by_kind(leaves: u64) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let (store, config) = open(dir.path(), Duration::from_millis(2))?;
    let (meter, gate, notify) = Meter::new();
    let writer = store.state.writer_behind(&config, gate, notify)?;
    let mut costs = [Cost::default(); Kind::ALL.len()];
    let mut counts = [0; Kind::ALL.len()];
    let mut rounds = Rounds::new(leaves).peekable();
    while let Some((kind, _)) = rounds.peek() {
        let kind = *kind;
        let mut sent = 0;
        while let Some((_, write)) = rounds.next_if(|(next, _)| *next == kind) {
            counts[kind as usize] += state::leaves(&write);
            writer.send(write)?;
            sent += 1;
        }
        meter.wait(sent)?;
        costs[kind as usize].add(meter.take());
    }
    stop(writer)?;
    println!(
        "\n| kind | leaves | ns a leaf of its kind | of that: apply | commit |\n| --- | --- | --- | --- | --- |"
    );
    for kind in Kind::ALL {
        let (cost, leaves) = (costs[kind as usize], counts[kind as usize]);
        let nanos = |cpu: Duration| cpu.as_nanos() as f64 / leaves.max(1) as f64;
        println!(
            "| {kind:?} | {leaves} | {:.0} | {:.0} | {:.0} |",
            nanos(cost.total()),
            nanos(cost.apply),
            nanos(cost.commit)
        );
    }
    Ok(())
}

fn open(dir: &Path, batch_max_wait: Duration) -> Outcome<(Store, Config)> {
    let mut config = Config::mainnet(dir, MEMORY_BYTES);
    config.state.batch_max_wait = batch_max_wait;
    let store = Store::open(&config, Chain { id: 1, genesis: B256::ZERO })?;
    let writer = store.state.writer(&config, Box::new(drop))?;
    let pin = TargetRecord { id: snapsync_trie::TargetId(1), number: 1, hash: B256::ZERO, root: B256::ZERO };
    let progress = StateProgress { pin: Some(pin), phase: 2, rebuilt: None };
    writer.send(Write::Progress { ticket: Ticket(0), progress })?;
    stop(writer)?;
    Ok((store, config))
}

fn stop(writer: StateWriter) -> Outcome<()> {
    Ok(writer.join()?)
}

/// That the rows are there and nothing is pending: a fast writer that writes less is none.
fn check(dir: &Path, store: &Store, leaves: u64) -> Outcome<()> {
    let rows = store.state.snapshot()?.rows()?;
    if rows.accounts + rows.slots != leaves || rows.storages_pending + rows.codes_pending > 0 {
        return Err(format!("{leaves} leaves were sent, and {rows:?} are there").into());
    }
    if leaves <= 200_000 {
        let report = verify(dir, VerifyConfig::all_cores())?;
        // The state root is made up of pieces and fits nothing; all below it must.
        println!("{report:?}");
    }
    Ok(())
}
