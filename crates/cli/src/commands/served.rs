//! A second process that makes and serves a demo chain, so that a bench's figures are those of the client alone.
//!
//! It is this program again, with `demo --serve-only`. It ends with the value that started it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    args::BenchArgs,
    commands::scenery::Facts,
    exit::{Exit, Failure},
    measure::{self, Stage},
};

/// Few blocks: the figures are those of the state.
const BLOCKS: u64 = 300;

/// The running process.
#[derive(Debug)]
pub(crate) struct Served {
    child: Child,
    /// What its threads had used when the chain was made.
    made: Vec<Stage>,
}

impl Served {
    /// Starts it, waits until it serves, and reads the facts that it prints then. BLOCKING: for as long as the chain takes.
    pub(crate) fn start(args: &BenchArgs, place: &Path) -> Result<(Self, Facts), Failure> {
        let failure = |error| Failure::new(Exit::Failure, format!("cannot start the demo's server: {error}"));
        let size = args.size();
        let mut child = Command::new(std::env::current_exe().map_err(failure)?)
            .args(["demo", "--serve-only", "--bad-peers", "0"])
            .args(["--accounts", &size.accounts.to_string(), "--contracts", &size.contracts.to_string()])
            .args(["--slots", &size.slots.to_string(), "--blocks", &BLOCKS.to_string()])
            .args(["--peers", &args.demo_peers.to_string(), "--latency-ms", &args.latency_ms.to_string()])
            .arg("--datadir")
            .arg(place)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failure)?;
        let stdout = child.stdout.take();
        let mut served = Self { child, made: Vec::new() };
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line).map_err(failure)?;
        }
        let facts = serde_json::from_str(&line)
            .map_err(|_| Failure::new(Exit::Failure, "the demo's server ended before it served"))?;
        served.made = measure::stages_of(served.child.id());
        Ok((served, facts))
    }

    /// What serving has cost until now, by stage; the making of the chain is not in it.
    pub(crate) fn stages(&self) -> Vec<Stage> {
        measure::between(&self.made, measure::stages_of(self.child.id()))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
