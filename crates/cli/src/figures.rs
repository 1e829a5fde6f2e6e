//! What a bench measured: the figures of one sync, for a program (JSON) and for a person.
//!
//! It computes ratios and measures nothing itself.

use std::fmt;

use alloy_primitives::B256;
use serde::Serialize;
use snapsync_driver::{Hashed, Leaves};
use snapsync_storage::{Counters, StateStore};

use crate::{
    measure::{Costs, Machine, Stage},
    render::count,
    session::Session,
};

/// A stage that used less is left out: a hundredth of a second.
const STAGE_SECONDS_MIN: f64 = 0.01;

/// What `bench` prints; with `--json` under these names.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    block: u64,
    state_root: B256,
    seconds: f64,
    fetched: Leaves,
    accounts_per_second: f64,
    slots_per_second: f64,
    answer_bytes: u64,
    bytes_per_second: f64,
    /// Account rows and slots together.
    leaves: u64,
    cpu_microseconds_per_leaf: f64,
    leaves_per_cpu_second: f64,
    cpu_seconds: f64,
    /// Of the state's file, over all leaves in it; zero before it is asked for.
    disk_bytes_per_leaf: f64,
    memory_budget_bytes: u64,
    peak_rss_bytes: u64,
    peak_anonymous_bytes: u64,
    keccak_messages: u64,
    /// How this process hashed.
    kernel: String,
    /// What of it went into tries.
    hashed: Hashed,
    machine: Machine,
    /// Where the CPU time went, by the names of the threads.
    stages: Vec<Stage>,
    /// What serving cost, if it was a process of ours that served.
    server_cpu_seconds: Option<f64>,
    server_cpu_microseconds_per_leaf: Option<f64>,
    /// By the names of its threads.
    server_stages: Vec<Stage>,
}

impl Figures {
    /// The figures of a run; `before` are the costs of this process before it.
    pub(crate) fn new(session: &Session, before: &Costs, memory_budget_bytes: u64) -> Self {
        let progress = &session.progress;
        let seconds = progress.elapsed.as_secs_f64().max(0.001);
        let leaves = progress.durable.accounts + progress.durable.slots;
        let cpu_seconds = session.costs.cpu_seconds - before.cpu_seconds;
        Self {
            block: session.target.number,
            state_root: session.target.root,
            seconds,
            fetched: progress.durable,
            accounts_per_second: progress.durable.accounts as f64 / seconds,
            slots_per_second: progress.durable.slots as f64 / seconds,
            answer_bytes: progress.answer_bytes,
            bytes_per_second: progress.answer_bytes as f64 / seconds,
            leaves,
            cpu_microseconds_per_leaf: cpu_seconds * 1e6 / leaves.max(1) as f64,
            leaves_per_cpu_second: leaves as f64 / cpu_seconds.max(0.001),
            cpu_seconds,
            disk_bytes_per_leaf: 0.0,
            memory_budget_bytes,
            peak_rss_bytes: session.costs.peak_rss_bytes,
            peak_anonymous_bytes: session.anonymous_peak_bytes,
            keccak_messages: session.costs.keccak - before.keccak,
            kernel: format!("{:?}", snapsync_keccak::kernel()).to_lowercase(),
            hashed: progress.hashed,
            machine: Machine::now(),
            stages: lasting(session.stages.clone()),
            server_cpu_seconds: None,
            server_cpu_microseconds_per_leaf: None,
            server_stages: Vec::new(),
        }
    }

    /// The same with what the state takes on the disk.
    pub(crate) fn with_disk(self, state: &StateStore) -> snapsync_storage::Result<Self> {
        let Counters { accounts, slots, .. } = state.journal()?.counters;
        let leaves = accounts.saturating_add(slots).max(1);
        Ok(Self { disk_bytes_per_leaf: state.file_bytes()? as f64 / leaves as f64, ..self })
    }

    /// The same with what the server used, by stage.
    pub(crate) fn with_server(self, stages: Option<Vec<Stage>>) -> Self {
        let Some(stages) = stages else { return self };
        let cpu_seconds: f64 = stages.iter().map(|stage| stage.cpu_seconds).sum();
        Self {
            server_cpu_seconds: Some(cpu_seconds),
            server_cpu_microseconds_per_leaf: Some(cpu_seconds * 1e6 / self.leaves.max(1) as f64),
            server_stages: lasting(stages),
            ..self
        }
    }

    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fetched = &self.fetched;
        writeln!(f, "target      block {}, state root {}", self.block, self.state_root)?;
        writeln!(
            f,
            "state       {} accounts ({}/s), {} slots ({}/s), {} codes",
            count(fetched.accounts),
            count(self.accounts_per_second as u64),
            count(fetched.slots),
            count(self.slots_per_second as u64),
            count(fetched.codes)
        )?;
        writeln!(
            f,
            "history     {} headers, {} bodies, {} receipts",
            count(fetched.headers),
            count(fetched.bodies),
            count(fetched.receipts)
        )?;
        writeln!(
            f,
            "received    {} bytes, {:.0} a leaf, {:.1} MB/s",
            count(self.answer_bytes),
            self.answer_bytes as f64 / self.leaves.max(1) as f64,
            self.bytes_per_second / 1e6
        )
    }

    fn costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "wall time   {:.2} s", self.seconds)?;
        writeln!(
            f,
            "CPU time    {:.2} s: {:.2} us a leaf, {:.2} million leaves a second",
            self.cpu_seconds,
            self.cpu_microseconds_per_leaf,
            self.leaves_per_cpu_second / 1e6
        )?;
        if let (Some(seconds), Some(a_leaf)) =
            (self.server_cpu_seconds, self.server_cpu_microseconds_per_leaf)
        {
            writeln!(f, "server      {seconds:.2} s of CPU: {a_leaf:.2} us a leaf")?;
        }
        writeln!(f, "disk        {:.1} bytes a leaf of state", self.disk_bytes_per_leaf)?;
        writeln!(
            f,
            "memory      peak {} MiB anonymous (budget {} MiB), {} MiB with mapped pages",
            self.peak_anonymous_bytes >> 20,
            self.memory_budget_bytes >> 20,
            self.peak_rss_bytes >> 20
        )?;
        let Hashed { leaves, branches, extensions, proof_nodes, permutations, .. } = self.hashed;
        writeln!(
            f,
            "hashing     {} messages by {}; of tries {} leaves, {} branches, {} extensions, {} proof nodes: {} permutations",
            count(self.keccak_messages),
            self.kernel,
            count(leaves),
            count(branches),
            count(extensions),
            count(proof_nodes),
            count(permutations)
        )?;
        let Machine { model, cores, features } = &self.machine;
        writeln!(f, "machine     {cores} cores, {model}: {}", features.join(" "))
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<20}{:>7}{:>12}{:>8}", "stage", "CPU s", "ns a leaf", "share")?;
        for stage in &self.stages {
            self.row(f, stage, &format!("{:.0} %", stage.cpu_seconds / self.cpu_seconds * 100.0))?;
        }
        let named: f64 = self.stages.iter().map(|stage| stage.cpu_seconds).sum();
        let rest = (self.cpu_seconds - named).max(0.0);
        self.row(f, &Stage { threads: "the rest".into(), cpu_seconds: rest }, "")?;
        self.row(f, &Stage { threads: "in all".into(), cpu_seconds: self.cpu_seconds }, "100 %")?;
        for stage in &self.server_stages {
            self.row(f, &Stage { threads: format!("(server) {}", stage.threads), ..stage.clone() }, "")?;
        }
        Ok(())
    }

    fn row(&self, f: &mut fmt::Formatter<'_>, stage: &Stage, share: &str) -> fmt::Result {
        let a_leaf = stage.nanoseconds_a_leaf(self.leaves);
        let line = format!("{:<20}{:>7.2}{a_leaf:>12.0}{share:>8}", stage.threads, stage.cpu_seconds);
        writeln!(f, "{}", line.trim_end())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.costs(f)?;
        self.table(f)
    }
}

fn lasting(stages: Vec<Stage>) -> Vec<Stage> {
    stages.into_iter().filter(|stage| stage.cpu_seconds >= STAGE_SECONDS_MIN).collect()
}
