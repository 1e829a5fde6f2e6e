//! Nanoseconds a permutation, kernel by kernel, on one core: `cargo bench -p snapsync-keccak`.
//!
//! Throughput is counted in permutations, so that criterion's `thrpt` line says how many of them a second; the table at the end
//! says it in nanoseconds. No figure is checked here: machines differ.

use std::hint::black_box;
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use criterion::{BenchmarkId, Criterion, Throughput};
use snapsync_keccak::{Kernel, Stream, blocks, force, keccak256, keccak256_batch};

/// Messages of a batch: what the trie hands over at a time.
const BATCH: usize = 64;
/// Lengths of account leaves, of full branches, and of both among small branches.
const LEAF: [usize; 4] = [70, 104, 110, 119];
const BRANCH: [usize; 1] = [532];
const MIXED: [usize; 8] = [104, 532, 83, 110, 211, 148, 104, 340];
/// Bytes that a stream takes in before its digest is read.
const STREAM: usize = 100_000;
/// Times each thing is done for the table; the least time counts.
const ROUNDS: usize = 300;

/// Something to hash, and the permutations that it costs.
struct Case {
    name: &'static str,
    permutations: u64,
    hash: Box<dyn FnMut()>,
}

fn cases() -> Vec<Case> {
    vec![
        batch("64 leaves of 1 block", &LEAF),
        batch("64 branches of 4 blocks", &BRANCH),
        batch("64 of 1 to 4 blocks", &MIXED),
        batch_of("8 leaves of 1 block", &LEAF, 8),
        batch_of("3 leaves of 1 block", &LEAF, 3),
        single("a single leaf", LEAF[1]),
        single("a single branch", BRANCH[0]),
        stream(),
    ]
}

fn batch(name: &'static str, lens: &[usize]) -> Case {
    batch_of(name, lens, BATCH)
}

fn batch_of(name: &'static str, lens: &[usize], count: usize) -> Case {
    let lens: Vec<usize> = lens.iter().copied().cycle().take(count).collect();
    // Lives as long as the bench, so that nothing but hashing is in what is timed.
    let bytes: Vec<u8> = (0..lens.iter().sum()).map(|at: usize| (at * 31) as u8).collect();
    let mut rest: &'static [u8] = bytes.leak();
    let mut messages: Vec<&[u8]> = Vec::new();
    for len in &lens {
        let (message, later) = rest.split_at(*len);
        messages.push(message);
        rest = later;
    }
    let permutations = lens.iter().map(|len| blocks(*len)).sum();
    let mut out = vec![B256::ZERO; count];
    let hash = move || {
        keccak256_batch(black_box(&messages), &mut out);
        black_box(&out);
    };
    Case { name, permutations, hash: Box::new(hash) }
}

fn single(name: &'static str, len: usize) -> Case {
    let bytes = vec![7; len];
    let hash = move || {
        black_box(keccak256(black_box(&bytes)));
    };
    Case { name, permutations: blocks(len), hash: Box::new(hash) }
}

fn stream() -> Case {
    let bytes = vec![7; STREAM];
    let hash = move || {
        let mut stream = Stream::new();
        // A frame's data begins wherever the block in hand stands.
        stream.update(&bytes[..48]);
        stream.update(black_box(&bytes[48..]));
        black_box(stream.digest());
    };
    Case { name: "a stream of 100 KB", permutations: blocks(STREAM), hash: Box::new(hash) }
}

/// The least nanoseconds a permutation.
fn least(case: &mut Case) -> f64 {
    let repeat = (2000 / case.permutations).max(1);
    let mut least = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..repeat {
            (case.hash)();
        }
        least = least.min(start.elapsed().as_nanos() as f64 / (repeat * case.permutations) as f64);
    }
    least
}

fn table() {
    print!("{:<26}", "ns a permutation");
    for kernel in Kernel::available() {
        print!("{:>10}", format!("{kernel:?}"));
    }
    println!();
    for mut case in cases() {
        print!("{:<26}", case.name);
        for kernel in Kernel::available() {
            force(kernel);
            print!("{:>10.1}", least(&mut case));
        }
        println!();
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    for mut case in cases() {
        let mut group = criterion.benchmark_group(case.name);
        group.throughput(Throughput::Elements(case.permutations));
        for kernel in Kernel::available() {
            force(kernel);
            group.bench_function(BenchmarkId::from_parameter(format!("{kernel:?}")), |bencher| {
                bencher.iter(|| (case.hash)());
            });
        }
        group.finish();
    }
    criterion.final_summary();
    table();
}
