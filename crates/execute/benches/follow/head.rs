//! `large [BLOCKS] [TRANSFERS] [SLOTS] [LEAVES]...`: large blocks at the head, each a transaction of its own, on states of growing size.
//!
//! Each block is executed and committed in one directory, and brought by its list and committed in a copy of it. In the end all are taken
//! back, 128 at most. Times are medians over the blocks, processor times means. Of the root alone, which is part of either way, the digests
//! are counted: they are those of changed nodes and of the leaves beside them, and a quarter more at most, or it fails.

use std::time::Duration;

use snapsync_execute::{Follower, TakenBy, genesis::Genesis};
use snapsync_keccak::{hashes_done, permutations_done};
use snapsync_storage::{Open, StateWriterSteps, Ticket, Write};

use crate::{
    Outcome,
    chain::{self, Work},
    meter::{Clock, Costs},
    node::{self, Made, Node, Way},
    paths::Paths,
    state::Size,
};

/// Blocks that are taken back in the end: as many as are kept.
const TAKEN_BACK: usize = 128;

pub(crate) fn run(numbers: &[u64]) -> Outcome<()> {
    let nth = |at: usize, otherwise: u64| numbers.get(at).copied().unwrap_or(otherwise);
    let blocks = nth(0, 8);
    let work = Work::Large { transfers: nth(1, 100), slots: nth(2, 500) };
    let sizes = numbers.get(3..).filter(|sizes| !sizes.is_empty()).unwrap_or(&[20_000]);
    println!("{blocks} blocks: {work:?}; ms of wall time (median), and of processor time (mean)");
    println!(
        "| leaves | executed | its commit | by its list | its commit | root alone | digests of it | changed nodes, leaves beside | kB of undo rows | \
         taken back | Mgas, Mgas/s |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut first: Option<Figures> = None;
    for leaves in sizes {
        let figures = one_size(blocks, work, Size { leaves: *leaves })?;
        figures.show(*leaves);
        if let Some(first) = &first {
            figures.compare(first);
        }
        first.get_or_insert(figures);
    }
    Ok(())
}

/// What was measured of a size.
#[derive(Default)]
struct Figures {
    execute: Costs,
    commit: Costs,
    list: Costs,
    list_commit: Costs,
    /// Part of both ways.
    root: Costs,
    back: Costs,
    digests: u64,
    permutations: u64,
    paths: Paths,
    undo_bytes: u64,
    gas: u64,
    blocks: u64,
}

/// One way, in its directory.
struct Side {
    node: Node,
    writer: StateWriterSteps,
    follower: Follower,
    way: Way,
}

impl Side {
    fn open(datadir: &std::path::Path, genesis: &Genesis, way: Way) -> Outcome<Self> {
        let node = Node::open(datadir, genesis)?;
        let writer = node.store.state.writer_steps(Box::new(Open))?;
        let follower = way.follower(&node.forks);
        Ok(Self { node, writer, follower, way })
    }

    /// Takes a block, and writes it; gives the bytes of its undo rows.
    fn take(&mut self, made: &Made, take: &mut Costs, commit: &mut Costs) -> Outcome<u64> {
        let clock = Clock::start()?;
        let snapshot = self.node.store.state.snapshot()?;
        let (parent, list) = (self.node.parent()?, self.way.list(made));
        let hashes = &self.node.hashes;
        let taken = self.follower.take(Duration::ZERO, &made.block, parent, list, &snapshot, hashes)?;
        drop(snapshot);
        take.push(clock.stop()?);
        if matches!(taken.by, TakenBy::Execution { .. }) != (self.way == Way::Execution) {
            return Err("it was taken by the other way".into());
        }
        let undo_bytes = taken.derived.undo_bytes() as u64;
        let clock = Clock::start()?;
        let write = Write::Block { ticket: Ticket(2), block: Box::new(taken.derived) };
        node::write(&mut self.writer, write)?;
        commit.push(clock.stop()?);
        self.node.push(&made.block);
        Ok(undo_bytes)
    }
}

fn one_size(blocks: u64, work: Work, size: Size) -> Outcome<Figures> {
    let folder = tempfile::tempdir()?;
    let genesis = chain::genesis()?;
    let dirs = Way::ALL.map(|way| folder.path().join(way.name()));
    let clock = Clock::start()?;
    node::lay(&dirs[0], &genesis, size)?;
    node::copy(&dirs[0], &dirs[1])?;
    eprintln!("{} leaves laid, twice: {:.0} s", size.leaves, clock.stop()?.wall.as_secs_f64());
    let mut executed = Side::open(&dirs[0], &genesis, Way::Execution)?;
    let mut listed = Side::open(&dirs[1], &genesis, Way::Lists)?;
    let mut maker = node::executor();
    let mut figures = Figures { blocks, ..Figures::default() };
    for number in 0..blocks {
        let snapshot = executed.node.store.state.snapshot()?;
        let draft = executed.node.draft(&mut *maker, &snapshot, chain::body(number, size, work)?)?;
        draft.check(work)?;
        let changes = draft.executed.changes.clone();
        let (clock, digests, permutations) = (Clock::start()?, hashes_done(), permutations_done());
        let root = changes.root_above(&snapshot)?;
        figures.digests += hashes_done() - digests;
        figures.permutations += permutations_done() - permutations;
        figures.root.push(clock.stop()?);
        drop(snapshot);
        let made = draft.finish(root)?;
        figures.gas += made.block.header().gas_used;
        figures.undo_bytes += executed.take(&made, &mut figures.execute, &mut figures.commit)?;
        listed.take(&made, &mut figures.list, &mut figures.list_commit)?;
        figures.paths.add(Paths::of(&executed.node.store.state.snapshot()?, &changes)?);
    }
    let Side { node, mut writer, .. } = executed;
    for header in node.headers[1..].iter().rev().take(TAKEN_BACK) {
        let clock = Clock::start()?;
        node::take_back(&mut writer, header)?;
        figures.back.push(clock.stop()?);
    }
    figures.check()?;
    Ok(figures)
}

impl Figures {
    /// A block's share.
    fn each(&self, all: u64) -> u64 {
        all / self.blocks.max(1)
    }

    /// Little is hashed but what must be: where less than two sub-tries of a branch are as they were, they are made again, since it may go.
    fn check(&self) -> Outcome<()> {
        let Paths { changed, beside } = self.paths;
        (self.digests * 4 <= (changed + beside) * 5).then_some(()).ok_or_else(|| {
            format!("{} digests, for {changed} changed nodes and {beside} beside them", self.digests).into()
        })
    }

    fn show(&self, leaves: u64) {
        let cost = |costs: &Costs| format!("{:.1}, {:.1}", costs.median_ms(), costs.cpu_ms());
        let Paths { changed, beside } = self.paths;
        let mgas = self.gas as f64 / 1e6;
        println!(
            "| {leaves} | {} | {} | {} | {} | {} | {} ({} permutations) | {} + {} | {} | {} | {:.1}, {:.0} |",
            cost(&self.execute),
            cost(&self.commit),
            cost(&self.list),
            cost(&self.list_commit),
            cost(&self.root),
            self.each(self.digests),
            self.each(self.permutations),
            self.each(changed),
            self.each(beside),
            self.each(self.undo_bytes) / 1_000,
            cost(&self.back),
            mgas / self.blocks.max(1) as f64,
            mgas / self.execute.seconds().max(1e-9),
        );
    }

    /// How much more than on the first size.
    fn compare(&self, first: &Self) {
        let ratio = |of: fn(&Self) -> f64| of(self) / of(first).max(1e-9);
        println!(
            "  to the first: digests {:.2}, permutations {:.2}; processor time of execution {:.2}, its commit {:.2}, root {:.2}",
            ratio(|figures| figures.digests as f64),
            ratio(|figures| figures.permutations as f64),
            ratio(|figures| figures.execute.cpu_ms()),
            ratio(|figures| figures.commit.cpu_ms()),
            ratio(|figures| figures.root.cpu_ms()),
        );
    }
}
