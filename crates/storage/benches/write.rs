//! Rows per second into MDBX: proved account ranges and storage sets, as the writer takes them, durable commits among them.
//!
//! `cargo bench -p snapsync-storage` prints one line a kind. Sixteen ranges take turns, as in a sync.

use std::{collections::BTreeMap, convert::Infallible, sync::mpsc, time::Instant};

use alloy_primitives::{B256, U256};
use snapsync_keccak::keccak256;
use snapsync_storage::{Chain, Config, Notice, StateProgress, Store, TargetRecord, Ticket, Write};
use snapsync_trie::{
    Account, Branch, Builder, HashRange, Path, StorageClaim, StorageQuery, TrieSource, VerifiedAccounts,
    VerifiedStorages, prove, rows_of, verify_accounts, verify_storages,
};

const ACCOUNTS: u64 = 200_000;
const CONTRACTS: u64 = 20_000;
/// Accounts in an answer: ~128 KiB.
const ANSWER_ROWS: usize = 2048;
const RANGES: usize = 16;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

struct Trie {
    rows: BTreeMap<B256, Vec<u8>>,
    nodes: BTreeMap<Path, Branch>,
}

impl TrieSource for &Trie {
    type Error = Infallible;

    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>, Infallible> {
        Ok(self.rows.range(at_or_after..).next().map(|(key, row)| {
            value.extend_from_slice(row);
            *key
        }))
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>, Infallible> {
        Ok(self.nodes.range(*at_or_after..).next().map(|(path, branch)| (*path, branch.clone())))
    }
}

/// The storage of one contract: its only slots, and their root.
fn storage(at: u64) -> (Vec<(B256, Vec<u8>)>, B256) {
    let row = |slot: u64| (keccak256(&slot.to_be_bytes()), alloy_rlp::encode(U256::from(at + slot + 1)));
    let mut rows: Vec<_> = (0..1 + at % 4).map(row).collect();
    rows.sort_unstable();
    let mut builder = Builder::new();
    rows.iter().for_each(|(key, value)| builder.push_leaf(*key, value));
    (rows, builder.finish().root)
}

/// All answers of a state: accounts of sixteen ranges in turn, then the storages of 256 contracts each.
fn answers() -> Outcome<(B256, Vec<VerifiedAccounts>, Vec<VerifiedStorages>)> {
    let (mut accounts, mut sets) = (BTreeMap::new(), BTreeMap::new());
    for at in 0..ACCOUNTS {
        let key = keccak256(&at.to_be_bytes());
        let mut account = Account { nonce: at % 50, balance: U256::from(at) << 50, ..Account::EMPTY };
        if at < CONTRACTS {
            let (rows, root) = storage(at);
            account.storage_root = root;
            sets.insert(key, (StorageClaim { account: key, root }, rows));
        }
        accounts.insert(key, account);
    }
    let mut builder = Builder::new();
    let rows: BTreeMap<_, _> = accounts.iter().map(|(key, account)| (*key, account.to_rlp())).collect();
    rows.iter().for_each(|(key, value)| builder.push_leaf(*key, value));
    let built = builder.finish();
    let trie = Trie { rows, nodes: built.nodes.branches().collect() };
    let mut ranges: Vec<Vec<VerifiedAccounts>> = Vec::new();
    for range in HashRange::FULL.split(RANGES) {
        let mut rest = Some(range);
        let mut answers = Vec::new();
        while let Some(range) = rest {
            let rows: Vec<_> = accounts.range(range.start()..=range.last()).take(ANSWER_ROWS).collect();
            let slim: Vec<_> = rows.iter().map(|(key, account)| (**key, account.to_slim())).collect();
            let last = rows.last().map_or(range.start(), |(key, _)| **key);
            let Ok(proof) = prove(&mut &trie, &[range.start(), last]);
            let answer = verify_accounts(built.root, range, rows_of(&slim), &proof)?;
            rest =
                HashRange::after(answer.covered().last()).and_then(|next| HashRange::new(next, range.last()));
            answers.push(answer);
            if slim.len() < ANSWER_ROWS {
                rest = None;
            }
        }
        ranges.push(answers);
    }
    let turns = ranges.iter().map(Vec::len).max().unwrap_or(0);
    let mut in_turn: Vec<_> = ranges.into_iter().map(Vec::into_iter).collect();
    let accounts =
        (0..turns).flat_map(|_| in_turn.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()).collect();
    let mut storages = Vec::new();
    for chunk in sets.into_values().collect::<Vec<_>>().chunks(256) {
        let claims: Vec<_> = chunk.iter().map(|(claim, _)| *claim).collect();
        let sets: Vec<_> = chunk.iter().map(|(_, rows)| rows.clone()).collect();
        let query = StorageQuery { claims: &claims, range: HashRange::FULL };
        storages.push(verify_storages(query, sets.iter().map(|set| rows_of(set)), &[] as &[Vec<u8>])?);
    }
    Ok((built.root, accounts, storages))
}

fn main() -> Outcome<()> {
    let (root, accounts, storages) = answers()?;
    let dir = tempfile::tempdir()?;
    let config = Config::mainnet(dir.path(), 192 << 20);
    let store = Store::open(&config, Chain { id: 1, genesis: B256::ZERO })?;
    let (tell, notices) = mpsc::channel();
    let notify = Box::new(move |notice| {
        let _the_bench_is_over = tell.send(notice);
    });
    let writer = store.state.writer(&config, notify)?;
    let wait = |writes: usize| -> Outcome<()> {
        for _ in 0..writes {
            if let Notice::Failed { error } = notices.recv()? {
                return Err(error.to_string().into());
            }
        }
        Ok(())
    };
    let pin = TargetRecord { id: 1, number: 1, hash: B256::ZERO, root };
    let progress = StateProgress { pin: Some(pin), phase: 2, rebuilt: None };
    writer.send(Write::Progress { ticket: Ticket(0), progress })?;
    wait(1)?;

    let (rows, writes) = (ACCOUNTS, accounts.len());
    let start = Instant::now();
    // The queue holds fewer writes than there are, and notices wait without bound: nothing can lock up.
    for accounts in accounts {
        writer.send(Write::Accounts { ticket: Ticket(1), accounts, response_bytes: 0 })?;
    }
    wait(writes)?;
    print("accounts", rows, start);

    let (rows, writes) = (storages.iter().map(|set| set.rows_len() as u64).sum(), storages.len());
    let start = Instant::now();
    for storages in storages {
        writer.send(Write::Storages { ticket: Ticket(2), storages, response_bytes: 0 })?;
    }
    wait(writes)?;
    print("slots", rows, start);
    Ok(writer.join()?)
}

fn print(what: &str, rows: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {rows} rows in {seconds:.3} s, {:.0} rows/s", rows as f64 / seconds);
}
