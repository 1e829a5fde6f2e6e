//! Nanoseconds a leaf, on one core: `cargo bench -p snapsync-trie`.
//!
//! Every kernel that this machine can run is measured in turn. Keccak alone, over the same leaves, stands above the figures,
//! so that what the trie adds to hashing is visible. `-- avx512 storage` runs what has these words in its name. No figure is
//! checked here: machines differ.
#![allow(clippy::unwrap_used, reason = "a bench stops where it fails")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hint::black_box;
use std::ops::Range;
use std::time::{Duration, Instant};

use alloy_primitives::{B256, U256};
use snapsync_keccak::{Kernel, force, keccak256, keccak256_batch};
use snapsync_trie::{
    Account, Branch, Builder, EMPTY_CODE, EMPTY_ROOT, HashRange, Path, StorageClaim, StorageQuery,
    TrieSource, Verifier, join, prove, rebuild,
};

/// Leaves of the state that is built.
const STATE_LEAVES: u64 = 200_000;
/// Accounts of an answer of ~500 KiB.
const ANSWER_ACCOUNTS: usize = 4500;
/// Slots in all tries of a storage answer.
const ANSWER_SLOTS: u64 = 6000;
/// Times each thing is measured; the median counts.
const ROUNDS: usize = 7;
/// Leaves in a measurement, at least: the system counts time in milliseconds.
const LEAVES_MEASURED: usize = 1_000_000;

/// A trie as a disk would hold it, sorted in memory.
#[derive(Clone, Default)]
struct Stored {
    rows: Vec<(B256, Vec<u8>)>,
    branches: BTreeMap<Path, Branch>,
    root: B256,
}

impl TrieSource for Stored {
    type Error = Infallible;

    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>, Infallible> {
        let at = self.rows.partition_point(|(key, _)| *key < at_or_after);
        Ok(self.rows.get(at).map(|(key, bytes)| {
            value.extend_from_slice(bytes);
            *key
        }))
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>, Infallible> {
        Ok(self.branches.range(*at_or_after..).next().map(|(path, branch)| (*path, branch.clone())))
    }
}

fn key(number: u64) -> B256 {
    keccak256(&number.to_be_bytes())
}

fn account(number: u64) -> Account {
    let is_contract = number.is_multiple_of(10);
    Account {
        nonce: number % 300,
        balance: U256::from(number) * U256::from(1_000_000_007u64),
        storage_root: if is_contract { key(number + 1) } else { EMPTY_ROOT },
        code_hash: if is_contract { key(number % 7) } else { EMPTY_CODE },
    }
}

fn stored(mut rows: Vec<(B256, Vec<u8>)>) -> Stored {
    rows.sort();
    // Anew, so that neighbours lie side by side in memory, as they come from a disk or a peer.
    let rows = rows.clone();
    let mut builder = Builder::new();
    for (key, value) in &rows {
        builder.push_leaf(*key, value);
    }
    let built = builder.finish();
    Stored { branches: built.nodes.branches().collect(), root: built.root, rows }
}

/// Whether a bench of this name was asked for: its name has all words of the command line.
fn is_wanted(name: &str) -> bool {
    let name = format!("{:?}, {name}", snapsync_keccak::kernel()).to_lowercase();
    std::env::args().skip(1).filter(|word| !word.starts_with('-')).all(|word| name.contains(&word))
}

/// Time that this thread has spent on a processor, where the system tells: others' work is then no part of it.
fn cpu_time() -> Option<Duration> {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(schedstat.split(' ').next()?.parse().ok()?))
}

/// Prints the median and the shortest time of `work`, per leaf.
fn measure<T>(name: &str, leaves: usize, mut work: impl FnMut() -> T) {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (start, cpu) = (Instant::now(), cpu_time());
            let times = LEAVES_MEASURED.div_ceil(leaves);
            for _ in 0..times {
                black_box(work());
            }
            let spent = cpu_time().zip(cpu).map_or_else(|| start.elapsed(), |(end, start)| end - start);
            spent.as_secs_f64() * 1e9 / (leaves * times) as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let name = format!("{:?}, {name}", snapsync_keccak::kernel()).to_lowercase();
    println!("{name:<48} {:>7.1} ns/leaf, {:>7.1} at best   ({leaves} leaves)", times[ROUNDS / 2], times[0]);
}

/// Keccak over messages of the leaves' lengths, in batches as the trie makes them.
fn keccak_alone(name: &str, lengths: &[usize]) {
    let bytes = vec![0x5a; lengths.iter().copied().max().unwrap_or(0)];
    let messages: Vec<&[u8]> = lengths.iter().map(|length| &bytes[..*length]).collect();
    let mut out = vec![B256::ZERO; 128];
    measure(name, lengths.len(), || {
        for batch in messages.chunks(128) {
            keccak256_batch(batch, &mut out[..batch.len()]);
        }
    });
}

fn main() {
    let state = stored((0..STATE_LEAVES).map(|number| (key(number), account(number).to_rlp())).collect());
    for kernel in Kernel::available().rev() {
        force(kernel);
        with_kernel(&state);
    }
}

fn with_kernel(state: &Stored) {
    if is_wanted("keccak alone, account leaves") {
        let leaf_lengths: Vec<usize> = state.rows.iter().map(|(_, value)| value.len() + 34).collect();
        keccak_alone("keccak alone, account leaves", &leaf_lengths);
    }
    if is_wanted("build, accounts") {
        measure("build, accounts", state.rows.len(), || build(&state.rows));
    }
    if is_wanted("alloy's HashBuilder, accounts") {
        measure("alloy's HashBuilder, accounts", state.rows.len(), || {
            let mut builder = alloy_trie::HashBuilder::default();
            for (key, value) in &state.rows {
                builder.add_leaf(alloy_trie::Nibbles::unpack(key), value);
            }
            builder.root()
        });
    }
    if is_wanted("verify, an account answer") {
        verify_an_account_answer(state);
    }
    for slots in [1, 2, 10, 100, 1000] {
        if is_wanted(&format!("verify, tries of {slots} slots")) {
            verify_a_storage_answer(slots);
        }
    }
    if is_wanted("rebuild") {
        rebuild_after_a_sync(state);
    }
}

/// Rows as they come in a message: their values side by side in one buffer.
struct Received {
    bytes: Vec<u8>,
    rows: Vec<(B256, Range<usize>)>,
}

impl Received {
    fn of<'a>(rows: impl IntoIterator<Item = &'a (B256, Vec<u8>)>) -> Self {
        let mut received = Self { bytes: Vec::new(), rows: Vec::new() };
        for (key, value) in rows {
            let start = received.bytes.len();
            received.bytes.extend_from_slice(value);
            received.rows.push((*key, start..received.bytes.len()));
        }
        received
    }

    fn rows<'a>(&'a self, rows: &'a [(B256, Range<usize>)]) -> impl Iterator<Item = (&'a B256, &'a [u8])> {
        rows.iter().map(|(key, at)| (key, &self.bytes[at.clone()]))
    }
}

/// The root; branches are taken out as they would be written.
fn build(rows: &[(B256, Vec<u8>)]) -> B256 {
    let mut builder = Builder::new();
    for (key, value) in rows {
        builder.push_leaf(*key, value);
        if builder.nodes_waiting() >= 4096 {
            black_box(builder.take_nodes());
        }
    }
    builder.finish().root
}

fn verify_an_account_answer(state: &Stored) {
    let origin = B256::repeat_byte(0x35);
    let from = state.rows.partition_point(|(key, _)| *key < origin);
    let answered = &state.rows[from..from + ANSWER_ACCOUNTS];
    let numbers: BTreeMap<B256, u64> = (0..STATE_LEAVES).map(|number| (key(number), number)).collect();
    let accounts: Vec<(B256, Vec<u8>)> =
        answered.iter().map(|(key, _)| (*key, account(numbers[key]).to_slim())).collect();
    let last = accounts[accounts.len() - 1].0;
    let answer = Received::of(&accounts);
    let proof = prove(&mut state.clone(), &[origin, last]).unwrap();
    let mut verifier = Verifier::new();
    measure("verify, an account answer", accounts.len(), || {
        verifier
            .accounts(state.root, HashRange::from_start(origin), answer.rows(&answer.rows), &proof)
            .unwrap()
    });
}

fn verify_a_storage_answer(slots: u64) {
    let tries: Vec<Stored> = (0..ANSWER_SLOTS / slots)
        .map(|trie| {
            let leaf = |slot: u64| (key(trie << 32 | slot), alloy_rlp::encode(U256::from(slot * trie + 1)));
            stored((0..slots).map(leaf).collect())
        })
        .collect();
    let claims: Vec<StorageClaim> = tries
        .iter()
        .enumerate()
        .map(|(at, trie)| StorageClaim { account: key(at as u64), root: trie.root })
        .collect();
    let answer = Received::of(tries.iter().flat_map(|trie| &trie.rows));
    let query = StorageQuery { claims: &claims, range: HashRange::FULL };
    let proof: [Vec<u8>; 0] = [];
    let mut verifier = Verifier::new();
    measure(&format!("verify, tries of {slots} slots"), claims.len() * slots as usize, || {
        verifier
            .storages(query, answer.rows.chunks(slots as usize).map(|set| answer.rows(set)), &proof)
            .unwrap()
    });
}

/// What is left of a state that came in ranges of 4000 leaves: their boundaries.
fn rebuild_after_a_sync(state: &Stored) {
    let mut disk = state.clone();
    for edge in state.rows.chunks(4000).map(|chunk| chunk[0].0) {
        let edge = Path::of_key(&edge);
        for len in 0..64 {
            disk.branches.remove(&edge.truncated(len));
        }
    }
    measure("rebuild, after ranges of 4000 leaves", state.rows.len(), || {
        let part = rebuild(&mut disk, Path::ROOT, &mut |_| Ok(())).unwrap();
        let built = join(vec![part]);
        assert_eq!(built.root, state.root);
        built.hashed.leaves
    });
    disk.branches.clear();
    measure("rebuild, from rows alone", state.rows.len(), || {
        join(vec![rebuild(&mut disk, Path::ROOT, &mut |_| Ok(())).unwrap()]).root
    });
}
