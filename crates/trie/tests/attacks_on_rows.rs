//! Lies told with rows: each is named by its exact fault, and its honest twin verifies.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod support;

use alloy_primitives::{B256, U256, keccak256};
use snapsync_trie::{
    Account, AccountFault, EMPTY_ROOT, Fault, HashRange, More, Path, StorageClaim, StorageQuery, Verifier,
    rows_of, verify_accounts,
};
use support::{
    Answer, Leaves, Stored, account, accounts, hex, missing, naive_root, other_leaves, slots, with,
};

const FIRST: B256 = B256::ZERO;
const LAST: B256 = B256::repeat_byte(0xff);

/// A state, and an answer of 40 rows from the middle of it.
fn state() -> (Stored, Answer) {
    let stored = Stored::of(accounts(1000));
    let honest = Answer::honest(&stored, HashRange::from_start(hex("35")), 40);
    assert_eq!(honest.rows.len(), 40);
    (stored, honest)
}

/// An answer with everything from the first key on.
fn whole(stored: &Stored) -> Answer {
    Answer::honest(stored, HashRange::FULL, usize::MAX)
}

#[test]
fn omitted_leaf_at_the_left_edge() {
    let (stored, honest) = state();
    let lie = honest.but(|lie| drop(lie.rows.remove(0)));
    let rest = with(&stored.rows, [(honest.rows[0].0, None)]);
    assert_eq!(lie.account_fault(&honest), other_leaves(stored.root, &rest));
}

#[test]
fn omitted_leaf_at_the_left_edge_leaves_a_fence_alone() {
    // The branch at 1 has two children; without the one from the origin on, the other has no place there.
    let leaves: Leaves = ["10", "11", "25", "26"].map(|at| (hex(at), account(1).to_rlp())).into();
    let honest = Answer::honest(&Stored::of(leaves), HashRange::from_start(hex("11")), 9);
    let lie = honest.but(|lie| drop(lie.rows.remove(0)));
    let path = Path::from_nibbles(&[1, 0]).unwrap();
    assert_eq!(lie.account_fault(&honest), Fault::EdgeMismatch { path });
}

#[test]
fn omitted_leaf_in_the_middle() {
    let (stored, honest) = state();
    for at in 1..39 {
        let lie = honest.but(|lie| drop(lie.rows.remove(at)));
        let rest = with(&stored.rows, [(honest.rows[at].0, None)]);
        assert_eq!(lie.account_fault(&honest), other_leaves(stored.root, &rest));
    }
}

#[test]
fn omitted_leaf_at_the_right_edge() {
    let (stored, honest) = state();
    let lie = honest.but(|lie| drop(lie.rows.pop()));
    let (proved, claimed) = (honest.rows[39].0, honest.rows[38].0);
    assert_eq!(lie.account_fault(&honest), missing(&stored, claimed, proved));
}

#[test]
fn forged_value() {
    let (stored, honest) = state();
    for at in [0, 1, 20, 38, 39] {
        let forged = Account { balance: U256::from(1u64) << 200, ..Account::EMPTY }.to_rlp();
        let lie = honest.but(|lie| lie.rows[at].1 = forged.clone());
        let leaves = with(&stored.rows, [(honest.rows[at].0, Some(forged))]);
        assert_eq!(lie.account_fault(&honest), other_leaves(stored.root, &leaves));
    }
}

#[test]
fn forged_key() {
    let (stored, honest) = state();
    let (key, value) = honest.rows[20].clone();
    let mut forged = key;
    forged.0[31] ^= 1;
    let lie = honest.but(|lie| lie.rows[20].0 = forged);
    let leaves = with(&stored.rows, [(key, None), (forged, Some(value))]);
    assert_eq!(lie.account_fault(&honest), other_leaves(stored.root, &leaves));
}

#[test]
fn forged_key_at_the_right_edge() {
    let (stored, honest) = state();
    let (key, value) = honest.rows[39].clone();
    // Behind the real one: the proof's leaf lies before the edge and must be among the rows.
    let behind = HashRange::after(key).unwrap();
    let lie = honest.but(|lie| lie.rows[39].0 = behind);
    let other = with(&stored.rows, [(key, None), (behind, Some(value))]);
    assert_eq!(lie.account_fault(&honest), other_leaves(stored.root, &other));
    // Before it: the proof's leaf stays to the right, in the very place that the forged one takes.
    let before = HashRange::before(key).unwrap();
    let lie = honest.but(|lie| lie.rows[39].0 = before);
    let leaf = Path::of_key(&key);
    let shape = support::shape(&stored.rows);
    let above = (0..64).rev().find(|len| shape.contains_key(&leaf.truncated(*len))).unwrap();
    assert_eq!(lie.account_fault(&honest), Fault::EdgeMismatch { path: leaf.truncated(above + 1) });
}

#[test]
fn added_leaf() {
    let (stored, honest) = state();
    let value = account(1).to_rlp();
    let mut key = honest.rows[20].0;
    key.0[31] = key.0[31].wrapping_add(1);
    let lie = honest.but(|lie| lie.rows.insert(21, (key, value.clone())));
    assert_eq!(
        lie.account_fault(&honest),
        other_leaves(stored.root, &with(&stored.rows, [(key, Some(value))]))
    );
}

#[test]
fn added_leaf_inside_a_fence() {
    // From 3250 on the extension above 3200 and 3201 lies to the left; no leaf can stand beside it below 32.
    let leaves: Leaves = ["31", "3200", "3201", "70"].map(|at| (hex(at), account(1).to_rlp())).into();
    let honest = Answer::honest(&Stored::of(leaves), HashRange::from_start(hex("3250")), 9);
    let forged = hex("3260");
    let lie = honest.but(|lie| lie.rows.insert(0, (forged, account(1).to_rlp())));
    assert_eq!(lie.account_fault(&honest), Fault::EdgeMismatch { path: Path::of_key(&forged) });
}

#[test]
fn swapped_order() {
    let (_, honest) = state();
    let lie = honest.but(|lie| lie.rows.swap(10, 11));
    let (before, key) = (honest.rows[11].0, honest.rows[10].0);
    assert_eq!(lie.account_fault(&honest), Fault::SwappedOrder { before, key });
}

#[test]
fn duplicate_key() {
    let (_, honest) = state();
    let lie = honest.but(|lie| lie.rows.insert(11, lie.rows[10].clone()));
    assert_eq!(lie.account_fault(&honest), Fault::DuplicateKey { key: honest.rows[10].0 });
}

#[test]
fn key_before_the_origin() {
    let (stored, honest) = state();
    let (key, value) = stored.rows.range(..honest.range.start()).next_back().unwrap();
    let lie = honest.but(|lie| lie.rows.insert(0, (*key, value.clone())));
    assert_eq!(lie.account_fault(&honest), Fault::BeforeOrigin { key: *key, origin: honest.range.start() });
}

#[test]
fn empty_value() {
    let (_, honest) = state();
    honest.verify_accounts().unwrap();
    let mut rows = support::slim_rows(&honest.rows);
    rows[7].1.clear();
    let fault = verify_accounts(honest.root, honest.range, rows_of(&rows), &honest.proof).unwrap_err();
    assert_eq!(fault, Fault::EmptyValue { key: rows[7].0 });

    let stored = Stored::of(slots(300));
    let honest = whole(&stored);
    let lie = honest.but(|lie| lie.rows[7].1.clear());
    assert_eq!(lie.slot_fault(&honest), Fault::EmptyValue { key: honest.rows[7].0 });
}

#[test]
fn non_canonical_account() {
    let (_, honest) = state();
    honest.verify_accounts().unwrap();
    let slim = Account { nonce: 5, balance: U256::from(1000u64), ..Account::EMPTY }.to_slim();
    assert_eq!(slim, [0xc6, 0x05, 0x82, 0x03, 0xe8, 0x80, 0x80]);
    let root = EMPTY_ROOT.as_slice();
    let lies: Vec<(Vec<u8>, AccountFault)> = vec![
        (vec![0xc6, 0x05, 0x82, 0x03, 0xe8, 0x80, 0x80, 0x00], AccountFault::NotAList),
        (vec![0xf8, 0x06, 0x05, 0x82, 0x03, 0xe8, 0x80, 0x80], AccountFault::NotAList),
        (vec![0x86, 0x05, 0x82, 0x03, 0xe8, 0x80, 0x80], AccountFault::NotAList),
        (vec![0xc6, 0x05], AccountFault::NotAList),
        (vec![0xc7, 0x05, 0x82, 0x03, 0xe8, 0x80, 0x80, 0x80], AccountFault::Fields),
        (vec![0xc5, 0x05, 0x82, 0x03, 0xe8, 0x80], AccountFault::Fields),
        (vec![0xc6, 0x05, 0x82, 0x03, 0xe8, 0x80, 0xc0], AccountFault::Fields),
        // A single byte below 0x80 with a header, and a header that is longer than need be.
        (vec![0xc7, 0x81, 0x05, 0x82, 0x03, 0xe8, 0x80, 0x80], AccountFault::Fields),
        (vec![0xc7, 0x05, 0xb8, 0x02, 0x03, 0xe8, 0x80, 0x80], AccountFault::Fields),
        (vec![0xc6, 0x00, 0x82, 0x03, 0xe8, 0x80, 0x80], AccountFault::Nonce),
        (vec![0xc8, 0x82, 0x00, 0x85, 0x82, 0x03, 0xe8, 0x80, 0x80], AccountFault::Nonce),
        (support::naive_list(&[vec![0x89; 10], vec![0x80], vec![0x80], vec![0x80]]), AccountFault::Nonce),
        (vec![0xc7, 0x05, 0x83, 0x00, 0x03, 0xe8, 0x80, 0x80], AccountFault::Balance),
        (
            support::naive_list(&[vec![0x05], support::string(&[1; 33]), vec![0x80], vec![0x80]]),
            AccountFault::Balance,
        ),
        (vec![0xc6, 0x05, 0x82, 0x03, 0xe8, 0x01, 0x80], AccountFault::StorageRoot),
        (
            support::naive_list(&[vec![0x05], vec![0x05], support::string(root), vec![0x80]]),
            AccountFault::StorageRoot,
        ),
        (vec![0xc6, 0x05, 0x82, 0x03, 0xe8, 0x80, 0x01], AccountFault::CodeHash),
        (
            support::naive_list(&[
                vec![0x05],
                vec![0x05],
                vec![0x80],
                support::string(keccak256([]).as_slice()),
            ]),
            AccountFault::CodeHash,
        ),
    ];
    for (bytes, why) in lies {
        let mut rows = support::slim_rows(&honest.rows);
        rows[7].1 = bytes;
        let fault = verify_accounts(honest.root, honest.range, rows_of(&rows), &honest.proof).unwrap_err();
        assert_eq!(fault, Fault::BadAccount { key: rows[7].0, why });
    }
}

#[test]
fn non_canonical_slot() {
    let stored = Stored::of(slots(300));
    let honest = whole(&stored);
    let too_long = support::string(&[1; 33]);
    let lies: [&[u8]; 9] = [
        &[0x80],
        &[0x00],
        &[0x81, 0x05],
        &[0x82, 0x00, 0x85],
        &[0x05, 0x05],
        &[0xc1, 0x05],
        &[0xb8, 0x02, 0x03, 0xe8],
        &[0x82, 0x03],
        &too_long,
    ];
    for value in lies {
        let lie = honest.but(|lie| lie.rows[7].1 = value.to_vec());
        assert_eq!(lie.slot_fault(&honest), Fault::BadSlot { key: honest.rows[7].0 });
    }
}

#[test]
fn truncated_tail_claimed_complete() {
    let stored = Stored::of(accounts(1000));
    let honest = whole(&stored);
    let bare = honest.but(|bare| bare.proof.clear());
    let cut = |answer: &Answer| answer.but(|lie| lie.rows.truncate(900));
    // Without a proof the rows must be the whole state.
    let truncated: Leaves = honest.rows[..900].iter().cloned().collect();
    assert_eq!(cut(&bare).account_fault(&bare), other_leaves(stored.root, &truncated));
    // With the proof of the real end the last row's path is not shown.
    let (claimed, proved) = (honest.rows[899].0, honest.rows[999].0);
    assert_eq!(cut(&honest).account_fault(&honest), missing(&stored, claimed, proved));
    // With the proof of the last row it is no lie, and does not pass for complete.
    let shorter = Answer::honest(&stored, HashRange::FULL, 900);
    let verified = shorter.verify_accounts().unwrap();
    assert_eq!((verified.covered().last(), verified.more()), (claimed, More::Right));
    // With the siblings on the right struck out of that proof, it belongs to another root.
    let rows: Vec<(B256, Vec<u8>)> = honest.rows[..900].to_vec();
    let other = Stored::of(rows.iter().cloned().collect());
    let lie = Answer { root: stored.root, range: HashRange::FULL, rows, proof: other.proof(&[claimed]) };
    assert_eq!(lie.account_fault(&honest), Fault::ProofForAnotherRoot { root: stored.root });
}

#[test]
fn truncated_storage_claimed_complete() {
    let stored = Stored::of(slots(1000));
    let honest = whole(&stored).but(|bare| bare.proof.clear());
    let lie = honest.but(|lie| lie.rows.truncate(900));
    let truncated: Leaves = honest.rows[..900].iter().cloned().collect();
    assert_eq!(lie.slot_fault(&honest), other_leaves(stored.root, &truncated));
}

#[test]
fn empty_range_that_is_not() {
    let stored = Stored::of(accounts(1000));
    let last = *stored.rows.keys().next_back().unwrap();
    let behind = HashRange::from_start(HashRange::after(last).unwrap());
    let honest = Answer::honest(&stored, behind, 9);
    assert!(honest.rows.is_empty());
    let verified = honest.verify_accounts().unwrap();
    assert_eq!((verified.covered(), verified.more()), (behind, More::Nothing));
    assert!(verified.rows().is_empty() && verified.nodes().is_empty());
    // From any origin that has something behind it, or at it.
    for origin in [FIRST, hex("35"), last] {
        let lie = Answer {
            root: stored.root,
            range: HashRange::from_start(origin),
            rows: Vec::new(),
            proof: stored.proof(&[origin]),
        };
        assert_eq!(lie.account_fault(&honest), Fault::NotEmpty { origin });
    }
}

#[test]
fn empty_answer_without_a_proof() {
    // An empty state is the only one that shows nothing.
    let bare = |root, origin| Answer {
        root,
        range: HashRange::from_start(origin),
        rows: Vec::new(),
        proof: Vec::new(),
    };
    let stored = Stored::of(accounts(10));
    for origin in [FIRST, hex("35")] {
        let (lie, honest) = (bare(stored.root, origin), bare(EMPTY_ROOT, origin));
        assert_eq!(lie.account_fault(&honest), Fault::Unproven { origin });
        assert_eq!(lie.slot_fault(&honest), Fault::Unproven { origin });
    }
}

#[test]
fn rows_of_an_empty_state() {
    let honest = Answer { root: EMPTY_ROOT, range: HashRange::FULL, rows: Vec::new(), proof: Vec::new() };
    let row = (hex("35"), account(1).to_rlp());
    let lie = honest.but(|lie| lie.rows.push(row.clone()));
    assert_eq!(lie.account_fault(&honest), other_leaves(EMPTY_ROOT, &[row].into()));
}

#[test]
fn no_proof_from_another_origin_than_zero() {
    let stored = Stored::of(accounts(10));
    let first = *stored.rows.keys().next().unwrap();
    let honest = Answer::honest(&stored, HashRange::from_start(first), usize::MAX);
    // Although the rows are the whole state: an answer stands without a proof from zero only.
    let lie = honest.but(|lie| lie.proof.clear());
    assert_eq!(lie.account_fault(&honest), Fault::Unproven { origin: first });
    assert_eq!(lie.but(|bare| bare.range = HashRange::FULL).verify_accounts().unwrap().rows().len(), 10);
}

#[test]
fn inline_node_sibling() {
    // Six slots under one branch at 63 nibbles, each a leaf of three bytes inside it.
    let crowd = |n: u8| {
        let mut key = hex("5a");
        key.0[31] = n;
        key
    };
    let leaves: Leaves = (0..6).map(|n| (crowd(n), vec![n + 1])).chain([(hex("70"), vec![9])]).collect();
    let stored = Stored::of(leaves.clone());
    for origin in 0..6u8 {
        for count in 1..=usize::from(6 - origin) {
            let honest = Answer::honest(&stored, HashRange::from_start(crowd(origin)), count);
            for at in 0..count {
                let forged = honest.but(|lie| lie.rows[at].1 = vec![99]);
                let other = with(&leaves, [(honest.rows[at].0, Some(vec![99]))]);
                assert_eq!(forged.slot_fault(&honest), other_leaves(stored.root, &other));
            }
            for at in 0..count - 1 {
                let omitted = honest.but(|lie| drop(lie.rows.remove(at)));
                let other = with(&leaves, [(honest.rows[at].0, None)]);
                assert_eq!(omitted.slot_fault(&honest), other_leaves(stored.root, &other));
            }
            // One less at the right edge is no lie: the branch above shows that one follows.
            let shorter = honest.but(|answer| drop(answer.rows.pop()));
            if count > 1 {
                let verified = shorter.verify_slots().unwrap();
                let set = verified.sets().next().unwrap();
                assert_eq!((set.covered().last(), set.more()), (shorter.rows[count - 2].0, More::Right));
            } else {
                assert_eq!(shorter.slot_fault(&honest), Fault::NotEmpty { origin: crowd(origin) });
            }
        }
    }
}

#[test]
fn one_leaf_trie() {
    let (key, value) = (hex("35"), account(3).to_rlp());
    let stored = Stored::of([(key, value.clone())].into());
    let honest = whole(&stored);
    assert_eq!((honest.rows.len(), honest.proof.len()), (1, 1));
    for honest in [honest.clone(), honest.but(|bare| bare.proof.clear())] {
        let verified = honest.verify_accounts().unwrap();
        assert_eq!((verified.covered(), verified.more()), (HashRange::FULL, More::Nothing));
        let lie = honest.but(|lie| lie.rows[0].1 = account(4).to_rlp());
        assert_eq!(
            lie.account_fault(&honest),
            other_leaves(stored.root, &[(key, account(4).to_rlp())].into())
        );
        let added = (hex("36"), value.clone());
        let lie = honest.but(|lie| lie.rows.push(added.clone()));
        assert_eq!(
            lie.account_fault(&honest),
            other_leaves(stored.root, &with(&stored.rows, [(added.0, Some(added.1))]))
        );
    }
    // Behind the leaf there is nothing; before it and at it there is.
    let empty = |origin| {
        honest.but(|answer| (answer.rows, answer.range) = (Vec::new(), HashRange::from_start(origin)))
    };
    let behind = empty(hex("36"));
    for origin in [FIRST, key] {
        assert_eq!(empty(origin).account_fault(&behind), Fault::NotEmpty { origin });
    }
    // A leaf claimed behind the real one, which then lies left of it and fills the whole trie.
    let lie = behind.but(|lie| lie.rows.push((hex("37"), value.clone())));
    assert_eq!(lie.account_fault(&behind), Fault::EdgeMismatch { path: Path::of_key(&hex("37")) });
}

#[test]
fn keys_at_the_first_and_last_possible_hash() {
    let mut leaves = accounts(100);
    leaves.insert(FIRST, account(5).to_rlp());
    leaves.insert(LAST, account(6).to_rlp());
    let stored = Stored::of(leaves.clone());
    let honest = whole(&stored);
    let verified = honest.verify_accounts().unwrap();
    assert_eq!((verified.rows().len(), verified.more()), (102, More::Nothing));
    let lie = honest.but(|lie| drop(lie.rows.remove(0)));
    assert_eq!(lie.account_fault(&honest), other_leaves(stored.root, &with(&leaves, [(FIRST, None)])));
    let lie = honest.but(|lie| drop(lie.rows.pop()));
    assert_eq!(lie.account_fault(&honest), missing(&stored, honest.rows[100].0, LAST));
    // The ranges of one key at both ends.
    for key in [FIRST, LAST] {
        let honest = Answer::honest(&stored, HashRange::single(key), usize::MAX);
        assert_eq!(honest.rows.len(), 1);
        assert_eq!(honest.verify_accounts().unwrap().covered(), HashRange::single(key));
        let lie = honest.but(|lie| lie.rows.clear());
        assert_eq!(lie.account_fault(&honest), Fault::NotEmpty { origin: key });
    }
}

#[test]
fn item_beyond_the_limit_is_legal_but_proved() {
    let stored = Stored::of(accounts(1000));
    let range = HashRange::new(hex("35"), hex("36")).unwrap();
    let honest = Answer::honest(&stored, range, usize::MAX);
    let (beyond, value) = honest.rows.last().cloned().unwrap();
    assert!(beyond > range.last());
    let verified = honest.verify_accounts().unwrap();
    assert_eq!((verified.covered(), verified.more()), (range, More::Right));
    assert_eq!(verified.rows().len(), honest.rows.len() - 1);
    // It is dropped, but not believed unproven.
    let forged = account(77).to_rlp();
    assert_ne!(forged, value);
    let lie = honest.but(|lie| lie.rows.last_mut().unwrap().1 = forged.clone());
    let other = with(&stored.rows, [(beyond, Some(forged))]);
    assert_eq!(lie.account_fault(&honest), other_leaves(stored.root, &other));
    // Nor does it hide what was left out before it.
    let lie = honest.but(|lie| drop(lie.rows.remove(1)));
    let other = with(&stored.rows, [(honest.rows[1].0, None)]);
    assert_eq!(lie.account_fault(&honest), other_leaves(stored.root, &other));
    // When it is all there is, the range is empty, and that is proved too.
    let gap = stored.rows.keys().zip(stored.rows.keys().skip(1)).find(|(key, _)| **key > hex("80")).unwrap();
    let between =
        HashRange::new(HashRange::after(*gap.0).unwrap(), HashRange::before(*gap.1).unwrap()).unwrap();
    let verified = Answer::honest(&stored, between, usize::MAX).verify_accounts().unwrap();
    assert_eq!((verified.covered(), verified.rows().len(), verified.more()), (between, 0, More::Right));
}

#[test]
fn the_naive_trie_knows_the_empty_root() {
    assert_eq!(naive_root(&Leaves::new()), EMPTY_ROOT);
}

#[test]
fn a_verifier_remembers_nothing_of_a_lie() {
    let stored = Stored::of(slots(700));
    let honest = Answer::honest(&stored, HashRange::from_start(hex("35")), 200);
    let verified = honest.verify_slots().unwrap();
    let claims = [StorageClaim { account: B256::ZERO, root: honest.root }];
    let query = StorageQuery { claims: &claims, range: honest.range };
    let mut verifier = Verifier::new();
    let lies = [
        honest.but(|lie| drop(lie.rows.remove(90))),
        honest.but(|lie| lie.rows[90].1 = vec![9]),
        honest.but(|lie| lie.rows.swap(90, 91)),
        honest.but(|lie| drop(lie.rows.remove(0))),
        honest.but(|lie| drop(lie.proof.pop())),
        honest.but(|lie| lie.rows[150].0 = lie.rows[199].0),
    ];
    for lie in lies {
        let fault = verifier.storages(query, [rows_of(&lie.rows)], &lie.proof).unwrap_err();
        assert_eq!(fault, lie.slot_fault(&honest));
        assert_eq!(verifier.storages(query, [rows_of(&honest.rows)], &honest.proof).unwrap(), verified);
    }
}
