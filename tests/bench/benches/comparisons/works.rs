//! The works of the comparison: their inputs, who does them, and that all find the same before anything is timed.

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, Bencher, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use snapsync_bench::{Answer, ETHREX, Goal, HASH_BUILDER, Leaves, Sets, State};
use snapsync_trie::Verifier;

use crate::{clock::CpuTime, kernels, ours, rivals};

/// Accounts of the larger state; the smaller one has a quarter of them.
const ACCOUNTS: usize = 4_000_000;
/// Accounts of the answer: 500 KiB, counted as the leaves' values and keys.
const ANSWER_ACCOUNTS: usize = 4_500;
/// Slots of a storage answer: 500 KiB are about as many.
const ANSWER_SLOTS: usize = 6_000;
/// Slots in each trie of an answer.
const SLOTS_EACH: [usize; 4] = [1, 10, 100, 1_000];

/// A work that was measured: where criterion keeps it, and what is asked of whom.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) group: &'static str,
    pub(crate) size: String,
    pub(crate) leaves: usize,
    /// Names of the contenders, in the table's order, and what is asked of each.
    pub(crate) contenders: Vec<(String, Option<Goal>)>,
}

/// A work with its two goals, while its contenders take turns.
struct Turns<'a, 'c> {
    group: &'a mut BenchmarkGroup<'c, CpuTime>,
    goals: [Goal; 2],
    done: Done,
}

impl<'a, 'c> Turns<'a, 'c> {
    fn new(
        group: &'a mut BenchmarkGroup<'c, CpuTime>,
        name: &'static str,
        size: impl Into<String>,
        leaves: usize,
        goals: [Goal; 2],
    ) -> Self {
        group.throughput(Throughput::Elements(leaves as u64));
        Self { group, goals, done: Done { group: name, size: size.into(), leaves, contenders: Vec::new() } }
    }

    /// Ours, with each kernel in turn.
    fn ours<T>(&mut self, mut work: impl FnMut() -> T) {
        for kernel in kernels::available() {
            snapsync_keccak::force(kernel);
            let (name, goal) = (kernels::contender(kernel), kernels::goal(kernel, self.goals));
            self.turn(&name, goal, |bencher| bencher.iter(|| black_box(work())));
        }
    }

    fn rival(&mut self, name: &str, work: impl FnMut(&mut Bencher<'_, CpuTime>)) {
        self.turn(name, None, work);
    }

    fn turn(&mut self, name: &str, goal: Option<Goal>, work: impl FnMut(&mut Bencher<'_, CpuTime>)) {
        self.group.bench_function(BenchmarkId::new(name, &self.done.size), work);
        self.done.contenders.push((name.to_owned(), goal));
    }
}

const fn goal(ethrex: f64, hash_builder: f64) -> Goal {
    Goal { ethrex, hash_builder }
}

/// The root of a state from its sorted leaves.
pub(crate) fn state_roots(criterion: &mut Criterion<CpuTime>) -> Vec<Done> {
    const NAME: &str = "state root";
    let state = State::new(ACCOUNTS);
    let mut group = criterion.benchmark_group(NAME);
    // Seconds an iteration: ten samples of one iteration each.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_millis(1));
    let mut done = Vec::new();
    for (size, step) in [("1 M accounts", 4), ("4 M accounts", 1)] {
        let leaves = state.leaves(step);
        let owned = rivals::ethrex_leaves(&leaves);
        check_root(&leaves, owned.clone());
        let mut turns = Turns::new(&mut group, NAME, size, leaves.len(), [goal(6.0, 4.0), goal(5.0, 2.5)]);
        turns.ours(|| ours::root(&leaves));
        turns.rival(ETHREX, |bencher| {
            bencher.iter_batched(|| owned.clone(), rivals::ethrex_root, BatchSize::PerIteration);
        });
        turns.rival(HASH_BUILDER, |bencher| bencher.iter(|| rivals::hash_builder_root(leaves.iter())));
        done.push(turns.done);
    }
    group.finish();
    done
}

fn check_root(leaves: &Leaves, owned: rivals::Owned) {
    let root = ours::root(leaves);
    assert_eq!(root, rivals::hash_builder_root(leaves.iter()), "HashBuilder's root is another");
    assert_eq!(root, rivals::ethrex_root(owned), "ethrex-trie's root is another");
}

/// An account answer of 500 KiB with the proof of its edges.
pub(crate) fn account_answer(criterion: &mut Criterion<CpuTime>) -> Vec<Done> {
    const NAME: &str = "account answer";
    let answer = State::new(ACCOUNTS / 4).answer(1, ANSWER_ACCOUNTS);
    let (leaves, proof) = (rivals::ethrex_leaves(&answer.leaves), rivals::ethrex_proof(&answer));
    check_answer(&answer, &leaves, &proof);
    let mut group = criterion.benchmark_group(NAME);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2)).sample_size(50);
    let goals = [goal(6.0, 4.0), goal(3.5, 2.5)];
    let mut turns = Turns::new(&mut group, NAME, "500 KiB", answer.leaves.len(), goals);
    let mut verifier = Verifier::new();
    turns.ours(|| ours::accounts(&mut verifier, &answer));
    turns.rival(ETHREX, |bencher| {
        bencher.iter(|| rivals::ethrex_accounts(answer.root, answer.range.start(), &leaves, &proof));
    });
    // It knows no proofs: the leaves alone, which is less work.
    turns.rival(HASH_BUILDER, |bencher| bencher.iter(|| rivals::hash_builder_root(answer.leaves.iter())));
    let done = turns.done;
    group.finish();
    vec![done]
}

fn check_answer(answer: &Answer, leaves: &rivals::Owned, proof: &[Vec<u8>]) {
    assert_eq!(ours::accounts(&mut Verifier::new(), answer).rows().len(), ANSWER_ACCOUNTS);
    assert!(rivals::ethrex_accounts(answer.root, answer.range.start(), leaves, proof), "nothing behind it");
    assert_eq!(answer.leaves.root(), rivals::hash_builder_root(answer.leaves.iter()));
}

/// Storage tries of one size, and of all sizes up to 1000, in one answer.
pub(crate) fn storage_answers(criterion: &mut Criterion<CpuTime>) -> Vec<Done> {
    const NAME: &str = "storage answer";
    let mut group = criterion.benchmark_group(NAME);
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1)).sample_size(30);
    let mixed = ("1..1000 slots".to_owned(), Sets::mixed(2 * ANSWER_SLOTS));
    let of = |each: usize| {
        (format!("{each} {}", if each == 1 { "slot" } else { "slots" }), Sets::of(each, ANSWER_SLOTS))
    };
    let mut done = Vec::new();
    for (size, sets) in SLOTS_EACH.into_iter().map(of).chain([mixed]) {
        let (roots, owned) = rivals::ethrex_sets(&sets);
        let count = sets.claims.len();
        let mut verifier = Verifier::new();
        assert_eq!(ours::storages(&mut verifier, &sets).len(), count);
        assert_eq!(rivals::ethrex_storages(&roots, &owned), count, "ethrex-trie finds more");
        assert_eq!(rivals::hash_builder_storages(&sets), count, "HashBuilder's roots are others");
        let goals = [goal(6.0, 4.0), goal(4.0, 2.5)];
        let mut turns = Turns::new(&mut group, NAME, size, sets.slots(), goals);
        turns.ours(|| ours::storages(&mut verifier, &sets));
        turns.rival(ETHREX, |bencher| bencher.iter(|| rivals::ethrex_storages(&roots, &owned)));
        turns.rival(HASH_BUILDER, |bencher| bencher.iter(|| rivals::hash_builder_storages(&sets)));
        done.push(turns.done);
    }
    group.finish();
    done
}
