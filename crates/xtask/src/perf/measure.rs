//! `perf measure`: runs `snapsync bench` over sizes, kernels, peers and latencies, and records what it says.
//!
//! Each run is a process of its own against a server of its own on the same machine. Of several runs the one of median
//! processor time is kept, whole: its figures belong together.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    error::Error,
    house,
    perf::{record, records::USAGE, recycle::FullCache},
    process,
};

/// Leaves of the run whose stages are shown.
const LEAVES: u64 = 6_000_000;
/// Other sizes: CPU and memory a leaf are to stay what they are.
const SIZES: [u64; 2] = [1_000_000, 20_000_000];
/// Leaves of the runs over lines.
const LINE_LEAVES: u64 = 1_000_000;
/// Peers, each at [`ROUND_TRIP_MS`].
const PEERS: [u64; 5] = [1, 2, 4, 8, 16];
const ROUND_TRIP_MS: u64 = 50;
/// Milliseconds, with [`LINE_PEERS`] peers.
const LATENCIES_MS: [u64; 6] = [5, 20, 50, 100, 200, 300];
const LINE_PEERS: u64 = 8;

/// Measures; `words` may say how often.
pub(crate) fn run(words: &[&str]) -> Result<(), Error> {
    let runs = match words {
        [] => 1,
        ["--runs", runs] => runs.parse().ok().filter(|runs| *runs > 0).ok_or(Error::Usage(USAGE))?,
        _ => return Err(Error::Usage(USAGE)),
    };
    let program = Program::build(runs)?;
    let millions = |leaves: u64| format!("{} M leaves", leaves / 1_000_000);
    let mut sizes = vec![program.named(&millions(LEAVES), &["--leaves", &LEAVES.to_string()])?];
    if has_avx512() {
        let words = ["--leaves", &LEAVES.to_string(), "--kernel", "avx2"];
        sizes.push(program.named(&format!("{}, AVX2 only", millions(LEAVES)), &words)?);
    }
    for leaves in SIZES {
        sizes.push(program.named(&millions(leaves), &["--leaves", &leaves.to_string()])?);
    }
    // Once more where each new page is one that the system has used before: what the pages cost is not ours.
    for leaves in SIZES {
        let _full = FullCache::fill(program.folder())?;
        let mut run = program
            .named(&format!("{}, page cache full", millions(leaves)), &["--leaves", &leaves.to_string()])?;
        run["page_cache"] = "full".into();
        sizes.push(run);
    }
    record::keep("bench", json!({ "runs": sizes }))?;
    let over = |points: &[(u64, u64)]| {
        points.iter().map(|point| program.line(*point)).collect::<Result<Vec<_>, _>>()
    };
    let peers = over(&PEERS.map(|peers| (peers, ROUND_TRIP_MS)))?;
    let latency = over(&LATENCIES_MS.map(|latency| (LINE_PEERS, latency)))?;
    record::keep("lines", json!({ "peers": peers, "latency": latency }))
}

/// Whether the fastest kernel of this machine is AVX-512's, so that one of a lesser machine can be measured too.
fn has_avx512() -> bool {
    snapsync_bench::Machine::here().features.iter().any(|feature| feature == "avx512vl")
}

/// The program as a user builds it.
struct Program {
    path: PathBuf,
    runs: usize,
}

impl Program {
    fn build(runs: usize) -> Result<Self, Error> {
        process::run(house::cargo().args(["build", "--release", "--locked", "--package", "snapsync"]))?;
        let metadata = house::metadata(&["--no-deps"])?;
        let folder = Path::new(house::text(&metadata, "target_directory"));
        Ok(Self { path: folder.join("release/snapsync"), runs })
    }

    /// Where it was built.
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// The figures of the run of median processor time.
    fn figures(&self, words: &[&str]) -> Result<Value, Error> {
        let one = |_| -> Result<Value, Error> {
            eprintln!("xtask: snapsync bench {}", words.join(" "));
            let output = process::capture(Command::new(&self.path).args(["bench", "--json"]).args(words))?;
            serde_json::from_slice(&output).map_err(|_| Error::Output("snapsync bench --json"))
        };
        let mut all = (0..self.runs).map(one).collect::<Result<Vec<_>, _>>()?;
        let cpu = |figures: &Value| figures["cpu_seconds"].as_f64().unwrap_or(f64::NAN);
        all.sort_by(|one, other| cpu(one).total_cmp(&cpu(other)));
        Ok(all.swap_remove(self.runs / 2))
    }

    fn named(&self, name: &str, words: &[&str]) -> Result<Value, Error> {
        Ok(json!({ "name": name, "figures": self.figures(words)? }))
    }

    fn line(&self, (peers, round_trip_ms): (u64, u64)) -> Result<Value, Error> {
        let (leaves, count, wait) = (LINE_LEAVES.to_string(), peers.to_string(), round_trip_ms.to_string());
        let figures = self.figures(&["--leaves", &leaves, "--demo-peers", &count, "--latency-ms", &wait])?;
        Ok(json!({ "peers": peers, "round_trip_ms": round_trip_ms, "figures": figures }))
    }
}
