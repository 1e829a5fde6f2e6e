//! State roots, account answers and storage answers: ours with every kernel that this machine has, ethrex-trie's, and
//! alloy-trie's HashBuilder, on one core, in one run.
//!
//! What is counted is CPU time of the whole process, so that a contender which starts threads pays for them, and so that other
//! programs on the machine count for nothing. Every contender first shows that it finds the same roots. Where a rival's
//! interface wants owned copies, these are made before the clock starts.
#![allow(clippy::unwrap_used, reason = "a bench stops where it fails")]

mod clock;
mod kernels;
mod ours;
mod report;
mod rivals;
mod works;

use std::path::{Path, PathBuf};

use criterion::Criterion;
use snapsync_bench::{Contest, Machine};

use crate::clock::CpuTime;

fn main() {
    let folder = criterion_folder();
    let machine = Machine::here();
    println!("machine: {machine}");
    let mut criterion =
        Criterion::default().with_measurement(CpuTime).output_directory(&folder).configure_from_args();
    let works = [
        works::state_roots(&mut criterion),
        works::account_answer(&mut criterion),
        works::storage_answers(&mut criterion),
    ];
    criterion.final_summary();
    let contests = report::contests(&works.concat(), &folder);
    report::write(&contests, &folder, &machine);
    print!("\n{}", Contest::table(&contests, &machine));
}

/// Where criterion's own default would be: cargo gives benches a folder inside the target folder.
fn criterion_folder() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().unwrap_or(temporary).join("criterion")
}
