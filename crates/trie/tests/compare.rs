//! A trie that becomes another by walking down the nodes in which they differ, and what that walk costs.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{B256, Bytes, keccak256};
use proptest::prelude::*;
use snapsync_trie::{
    Differences, EMPTY_ROOT, Fault, HashRange, NodeClaim, Path, compare, prove, prove_node, rebuild_whole,
    verify_nodes,
};

use crate::support::{Leaves, Stored, accounts, changed, crowded, key, slots};

/// All nodes of a trie that have a digest, by where they stand: made from proofs of all keys, apart from [`prove_node`].
fn nodes_of(trie: &Stored) -> BTreeMap<B256, Bytes> {
    let keys: Vec<B256> = trie.rows.keys().copied().collect();
    prove(&mut trie.clone(), &keys).unwrap().into_iter().map(|node| (keccak256(&node), node)).collect()
}

/// Walks until nothing differs, and asks for nothing that does not; returns all nodes that were asked for.
fn walk(ours: &mut Stored, theirs: &Stored) -> Vec<NodeClaim> {
    let asked = walk_dirty(ours, theirs);
    assert!(asked.iter().all(|(_, found)| !found.is_empty()), "asked for in vain: {asked:?}");
    asked.into_iter().map(|(claim, _)| claim).collect()
}

/// Walks until nothing differs; returns what was asked for, with what came of it.
fn walk_dirty(ours: &mut Stored, theirs: &Stored) -> Vec<(NodeClaim, Differences)> {
    let (mut open, mut asked) = (Vec::new(), Vec::new());
    if theirs.root == EMPTY_ROOT {
        let all: Vec<B256> = ours.rows.keys().copied().collect();
        all.into_iter().for_each(|key| ours.write(key, None));
    } else if ours.root != theirs.root {
        open.push(NodeClaim::of_root(theirs.root));
    }
    while let Some(claim) = open.pop() {
        let node = prove_node(&mut theirs.clone(), &claim.path()).unwrap().expect("what is claimed is there");
        let node = verify_nodes(&[claim], vec![node]).unwrap().remove(0);
        let differences = compare(ours, &node).unwrap().unwrap();
        open.extend(differences.nodes());
        for range in differences.gone() {
            let gone: Vec<B256> =
                ours.rows.range(range.start()..=range.last()).map(|(key, _)| *key).collect();
            assert!(!gone.is_empty(), "nothing is in {range:?}");
            gone.into_iter().for_each(|key| ours.write(key, None));
        }
        for (key, value) in differences.rows() {
            ours.write(*key, Some(value.to_vec()));
        }
        asked.push((claim, differences));
    }
    asked
}

/// Keys that part now and then on the first twelve nibbles, so that extensions have every length and rows appear beside them.
fn forked(count: u64) -> Leaves {
    let place = |number: u64| {
        let mut key = key(number);
        for byte in 0..6 {
            key.0[byte] = u8::from(key.0[byte + 6] < 40) << 4 | u8::from(key.0[byte + 12] < 40);
        }
        key
    };
    (0..count).map(|number| (place(number), key(number % 100).to_vec())).collect()
}

fn leaves(kind: u8, count: u64) -> Leaves {
    match kind {
        0 => accounts(count),
        1 => slots(count),
        2 => crowded(count),
        _ => forked(count),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_walk_makes_ours_theirs_and_asks_only_for_what_differs(
        kind in 0..4u8, count in 0..400u64, ours in prop::collection::vec(0..20u8, 1..60),
        theirs in prop::collection::vec(0..20u8, 1..60),
    ) {
        let all = leaves(kind, count);
        let (mut ours, theirs) = (Stored::of(changed(&all, &ours)), Stored::of(changed(&all, &theirs)));
        let (had, have) = (nodes_of(&ours), nodes_of(&theirs));
        let asked = walk(&mut ours, &theirs);
        prop_assert_eq!(&ours.rows, &theirs.rows);
        let (root, _) = rebuild_whole(&mut ours).unwrap();
        prop_assert_eq!(root, theirs.root);
        prop_assert_eq!(asked.iter().map(|claim| claim.path()).collect::<BTreeSet<Path>>().len(), asked.len());
        for claim in &asked {
            prop_assert!(have.contains_key(&claim.hash()));
        }
        // A node may stand twice in a trie of crowded values; otherwise what we had is never asked for.
        if kind == 0 {
            prop_assert!(asked.iter().all(|claim| !had.contains_key(&claim.hash())));
            let differing = have.keys().filter(|hash| !had.contains_key(*hash)).count();
            // Of what moved up or down with nothing else changed, the new parent is enough.
            prop_assert!(asked.len() <= differing, "{} asked for, {differing} differ", asked.len());
        }
    }

    #[test]
    fn what_was_never_derived_or_has_changed_since_hides_no_difference(
        kind in 0..4u8, count in 0..200u64, cut in any::<prop::sample::Index>(),
        ours in prop::collection::vec(0..20u8, 1..60), later in prop::collection::vec(0..8u8, 1..60),
        theirs in prop::collection::vec(0..20u8, 1..60),
    ) {
        let all = leaves(kind, count);
        let (mut ours, theirs) = (Stored::of(changed(&all, &ours)), Stored::of(changed(&all, &theirs)));
        // Some branches are as they were when rows changed, others were never made: all above them and the ones behind a cut.
        let after = changed(&all, &later);
        let keys: BTreeSet<B256> = ours.rows.keys().chain(after.keys()).copied().collect();
        for key in keys {
            if ours.rows.get(&key) != after.get(&key) {
                ours.write(key, after.get(&key).cloned());
            }
        }
        let cut = cut.index(ours.branches.len() + 1);
        let behind: Vec<Path> = ours.branches.keys().skip(cut).copied().collect();
        ours.branches.retain(|path, _| !behind.contains(path));
        ours.root = B256::ZERO;
        walk_dirty(&mut ours, &theirs);
        prop_assert_eq!(&ours.rows, &theirs.rows);
    }

    #[test]
    fn a_node_is_at_its_path_and_nowhere_else(kind in 0..4u8, count in 1..200u64, at in any::<prop::sample::Index>(), len in 0..64usize) {
        let trie = Stored::of(leaves(kind, count));
        let key = *at.get(&trie.rows.keys().collect::<Vec<_>>());
        let path = Path::prefix_of(key, len);
        // The path down to the key, from the root: where each node of its proof stands.
        let on_the_way: BTreeSet<B256> =
            prove(&mut trie.clone(), &[*key]).unwrap().iter().map(keccak256).collect();
        let found: Vec<B256> = (0..=64)
            .filter_map(|len| prove_node(&mut trie.clone(), &Path::prefix_of(key, len)).unwrap())
            .map(|node| keccak256(&node))
            .collect();
        prop_assert_eq!(found.len(), on_the_way.len());
        prop_assert_eq!(found.iter().copied().collect::<BTreeSet<B256>>(), on_the_way);
        if let Some(node) = prove_node(&mut trie.clone(), &path).unwrap() {
            prop_assert!(found.contains(&keccak256(&node)));
        }
    }
}

#[test]
fn what_is_dirty_is_equal_to_nothing() {
    let theirs = Stored::of(accounts(300));
    let mut ours = theirs.clone();
    let (first, value) = ours.rows.iter().next().map(|(key, value)| (*key, value.clone())).unwrap();
    ours.write(first, Some(value));
    let root = prove_node(&mut theirs.clone(), &Path::ROOT).unwrap().unwrap();
    let root = verify_nodes(&[NodeClaim::of_root(theirs.root)], vec![root]).unwrap().remove(0);
    let differences = compare(&mut ours, &root).unwrap().unwrap();
    let paths: Vec<Path> = differences.nodes().iter().map(|claim| claim.path()).collect();
    assert_eq!(paths, [Path::prefix_of(&first, 1)]);
    assert!(differences.rows().is_empty() && differences.gone().is_empty());
}

#[test]
fn a_trie_of_one_row_takes_the_place_of_many() {
    let theirs = Stored::of(accounts(1));
    let mut ours = Stored::of(accounts(50));
    let (only, _) = theirs.rows.iter().next().unwrap();
    ours.write(*only, Some(vec![1]));
    let mut fresh = Stored::of(ours.rows.clone());
    assert_eq!(walk(&mut fresh, &theirs).len(), 1);
    assert_eq!(fresh.rows, theirs.rows);
    // And of none.
    let mut empty = Stored::of(Leaves::new());
    assert_eq!(walk(&mut empty, &theirs), [NodeClaim::of_root(theirs.root)]);
    assert_eq!(empty.rows, theirs.rows);
}

#[test]
fn a_trie_without_a_node_takes_the_place_of_all() {
    let nothing = || vec![Bytes::from_static(&[0x80])];
    let node = verify_nodes(&[NodeClaim::of_root(EMPTY_ROOT)], nothing()).unwrap().remove(0);
    let differences = compare(&mut Stored::of(accounts(9)), &node).unwrap().unwrap();
    assert_eq!(differences.gone(), [HashRange::FULL]);
    assert!(differences.rows().is_empty() && differences.nodes().is_empty());
    assert!(compare(&mut Stored::of(Leaves::new()), &node).unwrap().unwrap().is_empty());
}

#[test]
fn what_is_no_node_is_a_fault() {
    let mut ours = Stored::of(accounts(10));
    for (bytes, kind) in [
        (&b"\xc1\x80"[..], "malformed_node"),
        (&[0xc2, 0x20, 0x80], "malformed_node"),
        (&[0xc2, 0x31, 0x05], "path_too_short"),
        (b"junk", "malformed_node"),
    ] {
        let claim = NodeClaim::of_root(keccak256(bytes));
        let node = verify_nodes(&[claim], vec![Bytes::from_static(bytes)]).unwrap().remove(0);
        let fault: Fault = compare(&mut ours, &node).unwrap().unwrap_err();
        assert_eq!(fault.kind(), kind, "{bytes:?}");
    }
}

#[test]
fn all_beside_an_extension_is_gone() {
    let theirs = Stored::of(crowded(5));
    let mut ours = Stored::of(accounts(60));
    let root = prove_node(&mut theirs.clone(), &Path::ROOT).unwrap().unwrap();
    let root = verify_nodes(&[NodeClaim::of_root(theirs.root)], vec![root]).unwrap().remove(0);
    let differences = compare(&mut ours, &root).unwrap().unwrap();
    let [left, right] = differences.gone() else { panic!("{differences:?}") };
    let between = HashRange::new(left.last(), right.start()).unwrap();
    assert!(theirs.rows.keys().all(|key| between.contains(key)));
    assert!(ours.rows.keys().all(|key| left.contains(key) || right.contains(key)));
}
