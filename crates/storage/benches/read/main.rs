//! What reading a synced directory costs: rows in order, proofs, and roots under a few changes.
//!
//! `cargo bench -p snapsync-storage --bench read -- DATADIR` reads the directory that `snapsync bench --datadir` has left. Figures are
//! processor time of this thread; the pages are in the page cache, as the first pass reads them all.

use std::{error::Error, hint::black_box, path::Path, time::Duration};

use alloy_primitives::{B256, U256};
use snapsync_storage::{StateSnapshot, StateStore};
use snapsync_trie::{Account, EMPTY_CODE, EMPTY_ROOT, Overlay, RowChanges, prove, rebuild_whole};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Times each thing is measured; the median counts.
const ROUNDS: usize = 9;
/// Accounts of an answer of ~500 KiB.
const ANSWER_ACCOUNTS: usize = 4500;

fn main() -> Outcome<()> {
    let Some(dir) = std::env::args().skip(1).find(|word| !word.starts_with("--")) else {
        println!("no directory is named: nothing is read");
        return Ok(());
    };
    let store = StateStore::open_read_only(Path::new(&dir))?;
    let snapshot = store.snapshot()?;
    let mut keys = Vec::new();
    for row in snapshot.accounts_from(B256::ZERO)? {
        keys.push(row?.key);
    }
    measure("rows in order, a row", keys.len(), |_| {
        for row in snapshot.accounts_from(B256::ZERO)? {
            black_box(row?);
        }
        Ok(())
    })?;
    let pick = |round: usize, at: usize| keys[(round * 7919 + at * 104_729) % keys.len()];
    measure("one-key proof, a proof", 2000, |round| {
        for at in 0..2000 {
            black_box(prove(&mut snapshot.account_trie()?, &[pick(round, at)])?);
        }
        Ok(())
    })?;
    measure("range of 500 KiB with its proof, a range", 20, |round| {
        for at in 0..20 {
            range(&snapshot, pick(round, at))?;
        }
        Ok(())
    })?;
    for count in [1, 100, 10_000] {
        let times = 10_000 / count;
        measure(&format!("root under {count} changes, a change"), count * times, |round| {
            for at in 0..times {
                let changes = (0..count).map(|change| {
                    let account = Account {
                        nonce: at as u64,
                        balance: U256::from(change),
                        storage_root: EMPTY_ROOT,
                        code_hash: EMPTY_CODE,
                    };
                    (pick(round, at * count + change), Some(account.to_rlp()))
                });
                let changes: RowChanges = changes.collect();
                black_box(rebuild_whole(&mut Overlay::new(snapshot.account_trie()?, &changes))?);
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// What a peer is answered.
fn range(snapshot: &StateSnapshot, origin: B256) -> Outcome<()> {
    let (mut bytes, mut last) = (Vec::new(), origin);
    for row in snapshot.accounts_from(origin)?.take(ANSWER_ACCOUNTS) {
        let row = row?;
        row.account.write_slim(&mut bytes);
        last = row.key;
    }
    black_box(bytes);
    black_box(prove(&mut snapshot.account_trie()?, &[origin, last])?);
    Ok(())
}

/// Time that this thread has spent on a processor.
fn cpu_time() -> Outcome<Duration> {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(schedstat.split(' ').next().unwrap_or_default().parse()?))
}

/// Prints the median and the shortest time of `work` for each of so many things.
fn measure(name: &str, count: usize, mut work: impl FnMut(usize) -> Outcome<()>) -> Outcome<()> {
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let start = cpu_time()?;
        work(round)?;
        times.push((cpu_time()? - start).as_nanos() as f64 / count as f64);
    }
    times.sort_by(f64::total_cmp);
    println!("{name:<44} {:>10.0} ns, {:>10.0} at best", times[ROUNDS / 2], times[0]);
    Ok(())
}
