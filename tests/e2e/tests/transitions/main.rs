//! State transitions against geth's own tester: blocks of random transactions, of each fork, whose header says what `evm t8n` says of them.
//! Root, receipts, gas, requests and access list are compared by our executing them.
//!
//! `SNAPSYNC_TRANSITIONS` is how many transactions there are in all (200), and behind a colon the seed (0). `cargo xtask stories transitions`
//! runs many.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

mod case;
mod chance;
mod code;
mod inputs;
mod t8n;
mod transactions;

use std::{collections::BTreeSet, env, path::Path, thread};

use alloy_consensus::Header as Fields;
use alloy_primitives::{B256, Bytes, U256};
use case::{Case, FORKS};
use snapsync_e2e::{cache::Tools, presence::geth_or_report};
use snapsync_execute::{
    Advanced, BadBlock, Block, Error, Fork, RecentHashes,
    evm::{Config, EvmExecutor},
    execute,
    genesis::Genesis,
};
use snapsync_keccak::keccak256;
use snapsync_storage::{Chain, MemoryDisk, Open, Store, Ticket};
use snapsync_trie::ordered_root;
use snapsync_wire::{Body, Header};
use t8n::Told;

const CHAIN_ID: u64 = 7;
/// Transactions of a block at most: a block that differs is looked through one by one.
const BLOCK_MAX: usize = 100;

/// So many transactions meet all that there is.
const STORY_MIN: usize = 5_000;
/// Opcodes that Amsterdam has.
const OPCODES: usize = 154;
/// Precompiles that it has.
const PRECOMPILES: usize = 18;

/// A chain's first state, and who executes on it.
struct Lab {
    genesis: Genesis,
    store: Store,
    executor: EvmExecutor,
}

impl Lab {
    fn of(case: &Case) -> Self {
        let genesis = Genesis::in_text(&case.genesis.to_string()).unwrap();
        let id = Chain { id: CHAIN_ID, genesis: genesis.hash() };
        let store = Store::open_memory(&MemoryDisk::default(), id).unwrap();
        let mut steps = store.state.writer_steps(Box::new(Open)).unwrap();
        for write in genesis.state_writes(Ticket(0)).unwrap() {
            steps.commit(vec![write]).unwrap();
        }
        drop(steps);
        Self { genesis, store, executor: EvmExecutor::new(Config::node()) }
    }

    fn execute(&mut self, block: &Block) -> Result<Advanced, Error> {
        let parent = Header::decode(&self.genesis.header().into()).unwrap();
        let hashes = RecentHashes::from(0, self.genesis.hash());
        let snapshot = self.store.state.snapshot().unwrap();
        execute(&mut self.executor, &self.genesis.forks(CHAIN_ID), block, &parent, &snapshot, &hashes)
    }
}

/// The block of these transactions, whose header says what the tester says but for the gas of its blobs.
fn block(case: &Case, parent: B256, transactions: &[&Bytes], told: &Told, blob_gas: Option<u64>) -> Block {
    let transactions: Vec<Vec<u8>> = transactions.iter().map(|raw| transactions::listed(raw)).collect();
    let has = |since: Fork| case.fork >= since;
    let withdrawals: Vec<Vec<u8>> = case.withdrawals.iter().map(alloy_rlp::encode).collect();
    let withdrawals: Vec<&[u8]> = withdrawals.iter().map(Vec::as_slice).collect();
    let withdrawals = has(Fork::Shanghai).then_some(&withdrawals[..]);
    let body = Body::from_parts(transactions.iter().map(Vec::as_slice), &[0xc0], withdrawals).unwrap();
    let is_mined = !has(Fork::Paris);
    let fields = Fields {
        parent_hash: parent,
        ommers_hash: keccak256(body.ommers()),
        beneficiary: case.beneficiary,
        state_root: told.state_root,
        transactions_root: ordered_root(&body.transaction_payloads()),
        receipts_root: told.receipts_root,
        logs_bloom: told.bloom,
        difficulty: if is_mined { U256::from(Case::DIFFICULTY) } else { U256::ZERO },
        number: 1,
        gas_limit: Case::GAS_LIMIT,
        gas_used: told.gas_used,
        timestamp: Case::TIME,
        mix_hash: if is_mined { B256::ZERO } else { case.mix },
        base_fee_per_gas: has(Fork::London).then_some(Case::BASE_FEE),
        withdrawals_root: body.withdrawal_payloads().map(|items| ordered_root(&items)),
        blob_gas_used: blob_gas,
        excess_blob_gas: has(Fork::Cancun).then_some(case.excess_blob_gas),
        parent_beacon_block_root: has(Fork::Cancun).then_some(Case::BEACON_ROOT),
        requests_hash: told.requests_hash,
        block_access_list_hash: told.list_hash,
        slot_number: has(Fork::Amsterdam).then_some(Case::SLOT),
        ..Fields::default()
    };
    let header = Header::decode(&alloy_rlp::encode(&fields).into()).unwrap();
    Block::new(header, body).unwrap()
}

/// What became of a case's transactions.
#[derive(Default)]
struct Tally {
    taken: usize,
    failed: usize,
    refused: usize,
    /// Opcodes that were met.
    opcodes: BTreeSet<String>,
    /// Precompiles that took what they were given.
    precompiles: BTreeSet<u64>,
}

impl Tally {
    fn add(mut self, other: Self) -> Self {
        self.taken += other.taken;
        self.failed += other.failed;
        self.refused += other.refused;
        self.opcodes.extend(other.opcodes);
        self.precompiles.extend(other.precompiles);
        self
    }
}

/// Executes what the tester took, and after it each thing that it refused; says what differs.
fn differs(tools: &Tools, folder: &Path, case: &Case) -> Result<Tally, String> {
    let mut lab = Lab::of(case);
    let parent = lab.genesis.hash();
    let told = t8n::run(tools, folder, case, parent);
    let refused: BTreeSet<usize> = told.rejected.iter().map(|(index, _)| *index).collect();
    let taken = case.transactions.iter().enumerate();
    let taken: Vec<&Bytes> =
        taken.filter(|(index, _)| !refused.contains(index)).map(|(_, raw)| raw).collect();
    lab.execute(&block(case, parent, &taken, &told, told.blob_gas_used))
        .map_err(|error| error.to_string())?;
    for (index, why) in &told.rejected {
        let before = index - refused.range(..index).count();
        let mut until = taken[..before].to_vec();
        until.push(&case.transactions[*index]);
        let blob_gas = told.blob_gas_used.map(|_| transactions::blob_gas(&until));
        match lab.execute(&block(case, parent, &until, &told, blob_gas)) {
            Err(Error::Bad(bad)) if matches!(&*bad, BadBlock::Transaction { index, .. } if *index == before) =>
                {}
            other => return Err(format!("transaction {index} is refused ({why}), and by us: {other:?}")),
        }
    }
    // One more than what the call said.
    let went_well = |slot: &B256| told.calls.get(slot) == Some(&U256::from(2));
    let called = taken.iter().filter_map(|raw| transactions::called(raw));
    let is_there = |number: u64| inputs::since(number).is_some_and(|since| since <= case.fork);
    let called = called.filter(|(number, slot)| is_there(*number) && went_well(slot));
    let precompiles = called.map(|(number, _)| number).collect();
    let Told { failed, opcodes, .. } = told;
    Ok(Tally { taken: taken.len(), failed, refused: refused.len(), opcodes, precompiles })
}

/// Runs a case, and of one that differs the shortest start that does.
fn check(tools: &Tools, fork: (Fork, &'static str), seed: u64, count: usize) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    let mut case = Case::of(seed, fork, count);
    let error = match differs(tools, folder.path(), &case) {
        Ok(tally) => return tally,
        Err(error) => error,
    };
    let all = case.transactions.clone();
    for end in 1..=all.len() {
        case.transactions = all[..end].to_vec();
        let told = differs(tools, folder.path(), &case);
        if let Err(error) = told {
            let folder = folder.keep();
            panic!("{}, seed {seed}, transaction {}: {error}: {}", fork.1, end - 1, folder.display());
        }
    }
    panic!("{}, seed {seed}, {count} transactions: {error}", fork.1);
}

/// How many transactions, and the seed.
fn asked() -> (usize, u64) {
    let words = env::var("SNAPSYNC_TRANSITIONS").unwrap_or_default();
    let (count, seed) = words.split_once(':').unwrap_or((&words, "0"));
    (count.parse().unwrap_or(200), seed.parse().unwrap())
}

#[test]
fn random_transactions_of_every_fork_come_to_what_geths_tester_says() {
    let name = "random_transactions_of_every_fork_come_to_what_geths_tester_says";
    let Some(tools) = geth_or_report(name) else { return };
    let (count, seed) = asked();
    let each = count.div_ceil(FORKS.len());
    let cases: Vec<_> = (0..each.div_ceil(BLOCK_MAX) as u64)
        .flat_map(|round| FORKS.map(|fork| (fork, seed.wrapping_mul(1 << 32) + round)))
        .collect();
    let half = |odd: usize| {
        let cases = cases.iter().skip(odd).step_by(2);
        cases.fold(Tally::default(), |tally, (fork, seed)| {
            let seed = seed.wrapping_mul(16) + fork.0 as u64;
            tally.add(check(&tools, *fork, seed, each.min(BLOCK_MAX)))
        })
    };
    let tally = thread::scope(|scope| {
        let one = scope.spawn(|| half(1));
        half(0).add(one.join().unwrap())
    });
    let Tally { taken, failed, refused, opcodes, precompiles } = tally;
    println!("{taken} transactions taken, {failed} of them failed, {refused} refused");
    println!("{} opcodes and {} precompiles were met", opcodes.len(), precompiles.len());
    assert!(taken * 10 > count * 9 && failed * 3 < taken * 2 && refused > 0, "{taken} {failed} {refused}");
    let (opcodes_least, precompiles_least) =
        if count < STORY_MIN { (130, 8) } else { (OPCODES, PRECOMPILES) };
    assert!(opcodes.len() >= opcodes_least, "{opcodes:?}");
    assert!(precompiles.len() >= precompiles_least, "{precompiles:?}");
}
