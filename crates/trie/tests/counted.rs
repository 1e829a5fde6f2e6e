//! What is hashed is counted, each permutation of it. One test in a process of its own: the count to compare with is the process's.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod support;

use alloy_primitives::{B256, U256};
use snapsync_keccak::permutations_done;
use snapsync_trie::{
    Builder, HashRange, Hashed, Path, StorageClaim, StorageQuery, Verifier, join, rebuild, rows_of,
};
use support::{Answer, Stored, accounts, hex, key, slim_rows, slots};

/// What `work` counts is what the hasher has done meanwhile.
fn assert_counted(work: impl FnOnce() -> Hashed) -> Hashed {
    let before = permutations_done();
    let hashed = work();
    assert_eq!(hashed.permutations, permutations_done() - before, "{hashed:?}");
    hashed
}

#[test]
fn every_permutation_is_counted() {
    let stored = Stored::of(accounts(3000));
    let answer = Answer::honest(&stored, HashRange::from_start(hex("35")), 900);
    let rows = slim_rows(&answer.rows);
    let mut verifier = Verifier::new();
    for _ in 0..2 {
        let hashed = assert_counted(|| {
            verifier.accounts(answer.root, answer.range, rows_of(&rows), &answer.proof).unwrap().hashed()
        });
        assert_eq!((hashed.leaves, hashed.proof_nodes), (900, answer.proof.len() as u64));
    }

    // Tries of one short slot each are hashed as roots, however short they are; the last one is cut.
    let deep = Stored::of((1..40).map(|slot| (B256::with_last_byte(slot), vec![slot])).collect());
    let cut = Answer::honest(&Stored::of(slots(500)), HashRange::FULL, 300);
    let claims = [deep.root, cut.root].map(|root| StorageClaim { account: key(1), root });
    let query = StorageQuery { claims: &claims, range: HashRange::FULL };
    let deep_rows: Vec<_> = deep.rows.clone().into_iter().collect();
    let sets = [rows_of(&deep_rows), rows_of(&cut.rows)];
    let hashed = assert_counted(|| verifier.storages(query, sets, &cut.proof).unwrap().hashed());
    assert_eq!((hashed.leaves, hashed.proof_nodes), (339, cut.proof.len() as u64));

    let short = U256::from(7).to_be_bytes_trimmed_vec();
    for rows in [vec![(key(1), short)], stored.rows.clone().into_iter().collect()] {
        let hashed = assert_counted(|| {
            let mut builder = Builder::new();
            rows.iter().for_each(|(key, value)| builder.push_leaf(*key, value));
            builder.finish().hashed
        });
        assert_eq!(hashed.leaves, rows.len() as u64);
    }
    let mut disk = stored.clone();
    disk.branches.remove(&Path::ROOT);
    let hashed =
        assert_counted(|| join(vec![rebuild(&mut disk, Path::ROOT, &mut |_| Ok(())).unwrap()]).hashed);
    assert_eq!((hashed.leaves, hashed.branches), (0, 17));
}
