//! Lies told with the sets of a storage answer: each is named by its exact fault, and its honest twin verifies.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod support;

use alloy_primitives::{B256, U256};
use snapsync_trie::{
    Fault, HashRange, More, StorageClaim, StorageQuery, VerifiedStorages, rows_of, verify_storages,
};
use support::{Leaves, Rows, Stored, hex, key, missing, other_leaves, slots, with};

/// A request for several accounts and its answer.
#[derive(Clone)]
struct Request {
    claims: Vec<StorageClaim>,
    range: HashRange,
    sets: Vec<Rows>,
    proof: Vec<Vec<u8>>,
}

impl Request {
    fn verify(&self) -> Result<VerifiedStorages, Fault> {
        let query = StorageQuery { claims: &self.claims, range: self.range };
        verify_storages(query, self.sets.iter().map(|set| rows_of(set)), &self.proof)
    }

    fn but(&self, tamper: impl FnOnce(&mut Self)) -> Self {
        let mut tampered = self.clone();
        tamper(&mut tampered);
        tampered
    }

    fn fault(&self, honest: &Self) -> Fault {
        honest.verify().expect("the honest twin verifies");
        self.verify().expect_err("a lie was believed")
    }
}

/// So many tries of different sizes, most of them tiny.
fn tries() -> Vec<Stored> {
    let sizes = [1u64, 2, 1, 300, 3, 17, 1, 2];
    let make = |(at, size): (usize, &u64)| {
        let leaves: Leaves =
            slots(*size).into_keys().map(|slot| (slot, alloy_rlp::encode(U256::from(at + 1)))).collect();
        Stored::of(leaves)
    };
    sizes.iter().enumerate().map(make).collect()
}

fn rows(stored: &Stored) -> Rows {
    stored.rows.iter().map(|(key, value)| (*key, value.clone())).collect()
}

fn request(tries: &[Stored]) -> Request {
    let claim = |(at, stored): (usize, &Stored)| StorageClaim { account: key(at as u64), root: stored.root };
    Request {
        claims: tries.iter().enumerate().map(claim).collect(),
        range: HashRange::FULL,
        sets: tries.iter().map(rows).collect(),
        proof: Vec::new(),
    }
}

/// The answer cut in set `at` after `count` slots, with the proof of the cut.
fn cut(tries: &[Stored], at: usize, count: usize) -> Request {
    let mut cut = request(tries);
    cut.sets.truncate(at + 1);
    cut.sets[at].truncate(count);
    cut.proof = tries[at].proof(&[B256::ZERO, cut.sets[at][count - 1].0]);
    cut
}

#[test]
fn whole_sets_and_a_cut_one_verify() {
    let tries = tries();
    let verified = request(&tries).verify().unwrap();
    assert_eq!(verified.len(), tries.len());
    for (set, stored) in verified.sets().zip(&tries) {
        assert!(set.is_whole());
        assert_eq!((set.claim().root, set.more()), (stored.root, More::Nothing));
        assert_eq!(set.rows().len(), stored.rows.len());
        let nodes: Vec<_> = set.nodes().map(|(path, _)| path).collect();
        assert_eq!(nodes, stored.branches.keys().copied().collect::<Vec<_>>());
    }
    for count in 1..300 {
        let answer = cut(&tries, 3, count);
        let verified = answer.verify().unwrap();
        let set = verified.sets().nth(3).unwrap();
        assert_eq!((verified.len(), set.rows().len(), set.more()), (4, count, More::Right));
        assert_eq!(set.covered().last(), answer.sets[3][count - 1].0);
        assert!(!set.is_whole());
    }
    let all = cut(&tries, 3, 300).verify().unwrap();
    assert!(all.sets().all(|set| set.is_whole() && set.more() == More::Nothing));
}

#[test]
fn accounts_behind_the_last_set_are_not_answered() {
    let mut answer = request(&tries());
    answer.sets.truncate(2);
    assert_eq!(answer.verify().unwrap().len(), 2);
    answer.sets.clear();
    assert!(answer.verify().unwrap().is_empty());
}

#[test]
fn omitted_storage_set() {
    let tries = tries();
    let honest = request(&tries);
    for at in 0..tries.len() - 1 {
        let lie = honest.but(|lie| drop(lie.sets.remove(at)));
        assert_eq!(lie.fault(&honest), Fault::OmittedStorageSet { account: honest.claims[at].account });
    }
}

#[test]
fn omitted_storage_set_before_a_cut_one() {
    let tries = tries();
    let honest = cut(&tries, 3, 100);
    for at in 0..3 {
        let lie = honest.but(|lie| drop(lie.sets.remove(at)));
        assert_eq!(lie.fault(&honest), Fault::OmittedStorageSet { account: honest.claims[at].account });
    }
}

#[test]
fn sets_in_another_order() {
    let tries = tries();
    let honest = request(&tries);
    let lie = honest.but(|lie| lie.sets.swap(3, 4));
    assert_eq!(lie.fault(&honest), Fault::OmittedStorageSet { account: honest.claims[3].account });
    let lie = honest.but(|lie| lie.sets.swap(6, 7));
    assert_eq!(lie.fault(&honest), Fault::OmittedStorageSet { account: honest.claims[6].account });
}

#[test]
fn more_sets_than_accounts() {
    let honest = request(&tries());
    let lie = honest.but(|lie| lie.sets.push(lie.sets[0].clone()));
    assert_eq!(lie.fault(&honest), Fault::ExtraStorageSets { count: 9, claims: 8 });
}

#[test]
fn empty_set_among_others() {
    let honest = request(&tries());
    let lie = honest.but(|lie| lie.sets[2].clear());
    assert_eq!(lie.fault(&honest), Fault::Unproven { origin: B256::ZERO });
}

#[test]
fn forged_value_in_one_set_of_many() {
    let tries = tries();
    let honest = request(&tries);
    for (at, stored) in tries.iter().enumerate() {
        let lie = honest.but(|lie| lie.sets[at][0].1 = vec![99]);
        let other = with(&stored.rows, [(honest.sets[at][0].0, Some(vec![99]))]);
        assert_eq!(lie.fault(&honest), other_leaves(stored.root, &other));
    }
}

#[test]
fn leaves_omitted_from_a_cut_set() {
    let tries = tries();
    let honest = cut(&tries, 3, 100);
    for at in 0..99 {
        let lie = honest.but(|lie| drop(lie.sets[3].remove(at)));
        let other = with(&tries[3].rows, [(honest.sets[3][at].0, None)]);
        assert_eq!(lie.fault(&honest), other_leaves(tries[3].root, &other));
    }
    let lie = honest.but(|lie| drop(lie.sets[3].pop()));
    let (claimed, proved) = (honest.sets[3][98].0, honest.sets[3][99].0);
    assert_eq!(lie.fault(&honest), missing(&tries[3], claimed, proved));
}

#[test]
fn cut_set_without_a_proof() {
    let tries = tries();
    let honest = cut(&tries, 3, 100);
    let lie = honest.but(|lie| lie.proof.clear());
    let truncated: Leaves = honest.sets[3].iter().cloned().collect();
    assert_eq!(lie.fault(&honest), other_leaves(tries[3].root, &truncated));
}

#[test]
fn cut_set_with_the_proof_of_another_account() {
    let tries = tries();
    let honest = cut(&tries, 3, 100);
    let earlier = honest.but(|lie| lie.proof = tries[1].proof(&[B256::ZERO]));
    assert_eq!(earlier.fault(&honest), Fault::ProofForAnotherRoot { root: tries[3].root });
    let later = honest.but(|lie| lie.proof = tries[5].proof(&[B256::ZERO]));
    assert_eq!(later.fault(&honest), Fault::OmittedStorageSet { account: honest.claims[3].account });
}

#[test]
fn a_range_of_one_account() {
    let tries = vec![Stored::of(slots(1000))];
    let range = HashRange::new(hex("35"), hex("4")).unwrap();
    let (set, proof) = tries[0].answer(range, usize::MAX);
    let honest = Request { range, sets: vec![set], proof, ..request(&tries) };
    let verified = honest.verify().unwrap();
    let answered = verified.sets().next().unwrap();
    assert_eq!((answered.covered(), answered.more()), (range, More::Right));
    assert_eq!(answered.rows().len(), honest.sets[0].len() - 1);
    // Without the proof it stands for nothing, whatever the rows are.
    let lie = honest.but(|lie| lie.proof.clear());
    assert_eq!(lie.fault(&honest), Fault::Unproven { origin: range.start() });
    // The limit does not excuse a gap before it.
    let lie = honest.but(|lie| drop(lie.sets[0].remove(5)));
    assert_eq!(
        lie.fault(&honest),
        other_leaves(tries[0].root, &with(&tries[0].rows, [(honest.sets[0][5].0, None)]))
    );
}

#[test]
fn an_empty_trie_before_a_cut_one() {
    let tries = [Stored::of(Leaves::new()), Stored::of(slots(1000))];
    let range = HashRange::new(B256::ZERO, hex("35")).unwrap();
    let answer = Request { range, ..cut(&tries, 1, 500) };
    let verified = answer.verify().unwrap();
    let sets: Vec<_> = verified.sets().collect();
    assert_eq!((sets[0].covered(), sets[0].more(), sets[0].rows().len()), (range, More::Nothing, 0));
    assert_eq!((sets[1].covered().last(), sets[1].more()), (answer.sets[1][499].0, More::Right));
    // Branches at the cut are not finished: they have children that were not seen.
    let inside = tries[1].branches.keys().filter(|path| sets[1].covered().covers(&path.range()));
    assert!(sets[1].nodes().map(|(path, _)| path).eq(inside.copied()));
}

#[test]
fn a_bare_proof_says_that_nothing_is_left() {
    let tries = vec![Stored::of(slots(1000))];
    let last = *tries[0].rows.keys().next_back().unwrap();
    let behind = HashRange::from_start(HashRange::after(last).unwrap());
    let bare = |range: HashRange| Request {
        range,
        sets: Vec::new(),
        proof: tries[0].proof(&[range.start()]),
        ..request(&tries)
    };
    let honest = bare(behind);
    let verified = honest.verify().unwrap();
    let set = verified.sets().next().unwrap();
    assert_eq!((set.covered(), set.more(), set.rows().len()), (behind, More::Nothing, 0));
    // The same with an empty set in place of none.
    assert_eq!(honest.but(|answer| answer.sets.push(Vec::new())).verify().unwrap(), verified);
    let lie = bare(HashRange::from_start(last));
    assert_eq!(lie.fault(&honest), Fault::NotEmpty { origin: last });
}
