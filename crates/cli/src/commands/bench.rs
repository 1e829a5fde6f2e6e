//! `bench`: one sync at a standing target, and what it cost, for people or as JSON.
//!
//! Without peers a second process makes and serves a demo chain, so that CPU time and memory are those of the client alone.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde::Serialize;
use snapsync_driver::{Config, Leaves, Naming};

use crate::{
    args::BenchArgs,
    commands::{demo::Facts, place::Place, sync},
    exit::{Exit, Failure},
    genesis,
    measure::{Costs, Stage},
    render::{Screen, count},
    session::{self, Session},
    watch::Expected,
};

/// What `bench` prints; with `--json` under these names.
#[derive(Debug, Serialize)]
struct Figures {
    block: u64,
    state_root: alloy_primitives::B256,
    seconds: f64,
    fetched: Leaves,
    accounts_per_second: f64,
    slots_per_second: f64,
    answer_bytes: u64,
    bytes_per_second: f64,
    /// Account rows and slots together.
    leaves: u64,
    cpu_microseconds_per_leaf: f64,
    cpu_seconds: f64,
    peak_rss_bytes: u64,
    peak_anonymous_bytes: u64,
    keccak_messages: u64,
    /// Where the CPU time went, by the names of the threads.
    stages: Vec<Stage>,
}

/// Runs the command.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let place = Place::open(args.datadir.as_deref())?;
    let (config, naming, server) = prepare(args, place.path())?;
    let before = Costs::now();
    let screen = if args.json { Screen::Quiet } else { Screen::open() };
    let session = sync::block_on(session::run(config, naming, Expected::default(), screen));
    drop(server);
    let figures = figures(&session?, &before);
    if args.json {
        let text =
            serde_json::to_string_pretty(&figures).map_err(|error| Failure::new(Exit::Failure, error))?;
        println!("{text}");
    } else {
        print(&figures);
    }
    Ok(())
}

fn prepare(args: &BenchArgs, place: &Path) -> Result<(Config, Naming, Option<Server>), Failure> {
    let datadir = place.join("sync");
    let (mut config, naming, server) = match (&args.genesis, args.target) {
        (Some(file), Some(target)) => {
            let chain =
                genesis::read(file, args.networkid).map_err(|error| Failure::new(Exit::Usage, error))?;
            let peers = sync::peers(&args.peers)?;
            (Config::standing(chain, datadir, peers), sync::naming(target), None)
        }
        _ => {
            let (server, facts) = Server::start(args, place)?;
            let peers = sync::peers(&facts.peers)?;
            (Config::standing(facts.chain(), datadir, peers), Naming::Hash(facts.target), Some(server))
        }
    };
    config.memory_bytes = sync::memory(args.memory)?;
    config.history = sync::history(args.history);
    Ok((config, naming, server))
}

/// A process that serves the demo chain; ends with this.
struct Server(Child);

impl Server {
    /// Starts it and reads the facts that it prints first.
    fn start(args: &BenchArgs, place: &Path) -> Result<(Self, Facts), Failure> {
        let failure = |error| Failure::new(Exit::Failure, format!("cannot start the demo's server: {error}"));
        let mut child = Command::new(std::env::current_exe().map_err(failure)?)
            .args(["demo", "--serve-only", "--bad-peers", "0"])
            .args(["--accounts", &args.accounts.to_string(), "--contracts", &args.contracts.to_string()])
            // Few blocks: the figures are those of the state.
            .args(["--blocks", "300"])
            .args(["--slots", &args.slots.to_string(), "--peers", &args.demo_peers.to_string()])
            .arg("--datadir")
            .arg(place)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failure)?;
        let stdout = child.stdout.take();
        let server = Self(child);
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line).map_err(failure)?;
        }
        let facts = serde_json::from_str(&line)
            .map_err(|_| Failure::new(Exit::Failure, "the demo's server ended before it served"))?;
        Ok((server, facts))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn figures(session: &Session, before: &Costs) -> Figures {
    let progress = &session.progress;
    let seconds = progress.elapsed.as_secs_f64().max(0.001);
    let leaves = progress.durable.accounts + progress.durable.slots;
    let cpu_seconds = session.costs.cpu_seconds - before.cpu_seconds;
    Figures {
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
        cpu_seconds,
        peak_rss_bytes: session.costs.peak_rss_bytes,
        peak_anonymous_bytes: session.anonymous_peak_bytes,
        keccak_messages: session.costs.keccak - before.keccak,
        stages: session.stages.iter().filter(|stage| stage.cpu_seconds >= 0.01).cloned().collect(),
    }
}

fn print(figures: &Figures) {
    println!("block                {}", figures.block);
    println!("state root           {}", figures.state_root);
    println!("time                 {:.2} s", figures.seconds);
    println!(
        "accounts             {} ({:.0}/s)",
        count(figures.fetched.accounts),
        figures.accounts_per_second
    );
    println!("slots                {} ({:.0}/s)", count(figures.fetched.slots), figures.slots_per_second);
    println!("codes                {}", count(figures.fetched.codes));
    println!(
        "headers, bodies      {}, {} ({} with receipts)",
        count(figures.fetched.headers),
        count(figures.fetched.bodies),
        count(figures.fetched.receipts)
    );
    println!(
        "received             {} bytes ({:.0}/s)",
        count(figures.answer_bytes),
        figures.bytes_per_second
    );
    println!(
        "CPU                  {:.2} s, {:.2} us a leaf",
        figures.cpu_seconds, figures.cpu_microseconds_per_leaf
    );
    println!(
        "memory               peak {} MiB, anonymous {} MiB",
        figures.peak_rss_bytes >> 20,
        figures.peak_anonymous_bytes >> 20
    );
    println!("keccak               {} messages", count(figures.keccak_messages));
    for stage in &figures.stages {
        println!("stage                {:<16} {:.2} CPU s", stage.threads, stage.cpu_seconds);
    }
}
