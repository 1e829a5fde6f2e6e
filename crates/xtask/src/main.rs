//! What a developer runs: `cargo xtask COMMAND`.
//!
//! Each command is a file of its name. It drives cargo, Go's client and our own programs, and decides nothing about
//! syncing. It does not install a tool that a command does not need, and asks nothing of the network but the package
//! registries' own clients.

mod chain;
mod check;
mod circles;
mod devnet;
mod diagrams;
mod error;
mod faults;
mod fuzz;
mod geth;
mod glossary;
mod house;
mod licences;
mod narrators;
mod paths;
mod perf;
mod process;
mod prysm;
mod purity;
mod rows;
mod seeds;
mod source;
mod stories;
mod test;
mod versus;

use std::{env, process::ExitCode};

use error::Error;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  check [--strict] [NAMES..]
                        format, house, glossary, diagrams, performance, rows, licences, clippy, docs, fuzz, seeds, or those named;
                        strict: a row without a test fails
  test [WORDS..]        installs geth, makes the test chains, runs all tests; WORDS go to cargo test
  geth                  installs geth, devp2p and evm, and an older geth, with Go's own client, and prints where they are
  chain small|large|forks-to-prague|forks-to-amsterdam
                        makes a test chain by driving geth, and prints what is in it
  peer small|large|forks-to-prague|forks-to-amsterdam
                        serves a test chain from a real geth until Enter is pressed
  devnet                a network on loopback: Prysm, built once, drives a geth; until Enter is pressed
  seeds [--count N] [--seed N]
                        the simulation: so many seeds (500), or one seed and its story
  fuzz NAME [WORDS..]   runs a fuzz target of tests/fuzz; WORDS go to libFuzzer
  versus-geth [--runs N] [--chain small|large] [--json FILE]
                        one geth serves; another geth, snapsync, and a client that checks nothing sync from it
  versus-import [--runs N] [--only LOAD] [--blocks N] [--json FILE]
                        geth import and snapsync import execute chains under loads: transfers, tokens, storage, small
  versus-node [--runs N] [--only payloads|bad-calls|heads] [--blocks N] [--seconds N] [--chain small|large] [--json FILE]
                        geth and snapsync node are driven over the Engine API: answers, bad calls beside, empty directories, restarts
  perf [render]         writes the tables of docs/PERFORMANCE.md and the charts of docs/perf from what is recorded there
  perf measure [--runs N]
                        runs snapsync bench over sizes, kernels, peers and latencies, records, then renders
  perf record [--criterion] [--versus-geth FILE] [--bench NAME=FILE]..
                        records what cargo bench, versus-geth and snapsync bench wrote, then renders
  rows [--strict]       the rows of the feature table and the tests that show them
  diagrams              writes diagrams/house.md from the manifests
  stories [NAME]        what takes too long for a test run, or one of it:
                        aarch64: hashing on an emulated AArch64
                        racing-geth [--runs N]: syncs from a geth that makes a block every tenth of a second
                        moving [--only NAME] [--seed N]: syncs from a geth whose chain moves; kills, reorgs, two-geths, wild,
                        restart-geth, crash-geth, lost-geth and follow
                        transitions [--count N] [--seed N]: random transactions, executed by us and by geth's evm t8n
                        import [--blocks N]: a million blocks imported while they are made; memory and cost a block stay flat
                        devnet: a consensus client drives snapsync node: from nothing, from a checkpoint, through outages and kills
                        hostile [--seconds N]: syncs among strangers that try to exhaust the node
";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<(), Error> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["check", "--strict", names @ ..] => check::run(names, rows::Strictness::Fail),
        ["check", names @ ..] => check::run(names, rows::Strictness::Report),
        ["test", rest @ ..] => test::run(rest),
        ["geth"] => geth::run(),
        ["chain", name] => chain::run(name),
        ["peer", name] => chain::serve(name),
        ["devnet"] => devnet::run(),
        ["seeds", rest @ ..] => seeds::run(rest),
        ["fuzz", name, rest @ ..] => fuzz::run(name, rest),
        ["perf", rest @ ..] => perf::run(rest),
        ["versus-geth", rest @ ..] => versus::run(rest),
        ["versus-import", rest @ ..] => versus::import::run(rest),
        ["versus-node", rest @ ..] => versus::node::run(rest),
        ["rows"] => rows::run(rows::Strictness::Report),
        ["rows", "--strict"] => rows::run(rows::Strictness::Fail),
        ["diagrams"] => diagrams::write(),
        ["stories", rest @ ..] => stories::run(rest),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(Error::Usage(USAGE)),
    }
}
