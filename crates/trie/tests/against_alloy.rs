//! The builder and the prover against alloy-trie and against a naive trie.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod support;

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};
use alloy_trie::proof::ProofRetainer;
use alloy_trie::{HashBuilder, Nibbles};
use proptest::prelude::*;
use snapsync_trie::{Branch, Builder, HashRange, Path, join, ordered_root, subtries};
use support::{Leaves, Stored, build, list, naive_root};

fn alloy_root(leaves: &Leaves) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}

/// The proof nodes that alloy-trie retains for these keys, sorted.
fn alloy_proof(leaves: &Leaves, keys: &[B256]) -> Vec<Vec<u8>> {
    let targets = keys.iter().map(Nibbles::unpack).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets));
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root();
    let mut nodes: Vec<Vec<u8>> =
        builder.take_proof_nodes().into_nodes_sorted().into_iter().map(|(_, node)| node.to_vec()).collect();
    // Short nodes stand in their parents; only the root does not.
    nodes.retain(|node| node.len() >= 32);
    nodes.sort();
    nodes.dedup();
    nodes
}

/// Builds in as many sub-tries as `depth` gives.
fn build_in_parts(leaves: &Leaves, depth: usize) -> snapsync_trie::Built {
    let parts = subtries(depth).into_iter().map(|prefix| {
        let mut builder = Builder::below(prefix);
        for (key, value) in leaves.range(prefix.first_key()..=prefix.last_key()) {
            builder.push_leaf(*key, value);
        }
        builder.finish_part()
    });
    join(parts.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn roots_agree(leaves in support::some_slots(80)) {
        let root = build(&leaves).root;
        prop_assert_eq!(root, alloy_root(&leaves));
        prop_assert_eq!(root, naive_root(&leaves));
    }

    #[test]
    fn one_and_sixteen_jobs_give_the_same_nodes_and_root(leaves in support::some_slots(80)) {
        let one = build(&leaves);
        for depth in [1, 2] {
            let many = build_in_parts(&leaves, depth);
            prop_assert_eq!(many.root, one.root);
            prop_assert_eq!(list(&many.nodes), list(&one.nodes));
            prop_assert_eq!(many.hashed, one.hashed);
            let above: Vec<Path> = (0..depth).flat_map(subtries).collect();
            let standing = |path: &Path| one.nodes.iter().any(|(standing, _)| standing == *path);
            let removed: Vec<Path> = above.into_iter().filter(|path| !standing(path)).collect();
            prop_assert_eq!(many.removed, removed);
        }
    }

    #[test]
    fn proofs_agree(leaves in support::some_slots(60), origin in support::any_key(), pick in any::<prop::sample::Index>()) {
        let stored = Stored::of(leaves.clone());
        let last = *pick.get(&leaves.keys().collect::<Vec<_>>());
        let mut ours = stored.proof(&[origin, *last]);
        ours.sort();
        prop_assert_eq!(ours, alloy_proof(&leaves, &[origin, *last]));
    }

    #[test]
    fn ordered_roots_agree(items in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 0..300)) {
        let theirs = alloy_trie::root::ordered_trie_root_with_encoder(&items, |item, out| out.extend_from_slice(item));
        prop_assert_eq!(ordered_root(&items), theirs);
    }
}

#[test]
fn ordered_roots_agree_around_the_lengths_where_positions_grow() {
    for len in [0usize, 1, 2, 16, 127, 128, 129, 130, 255, 256, 257, 300, 1000, 70_000] {
        let items: Vec<Vec<u8>> = (0..len).map(|n| U256::from(n + 1).to_be_bytes_trimmed_vec()).collect();
        let theirs =
            alloy_trie::root::ordered_trie_root_with_encoder(&items, |item, out| out.extend_from_slice(item));
        assert_eq!(ordered_root(&items), theirs, "{len} items");
    }
}

#[test]
fn a_large_state_agrees_and_is_built_in_bounded_portions() {
    let leaves = support::accounts(60_000);
    let whole = build(&leaves);
    assert_eq!(whole.root, alloy_root(&leaves));
    assert_eq!(whole.hashed.leaves, leaves.len() as u64);
    assert_eq!(whole.hashed.branches, support::shape(&leaves).len() as u64);

    let mut builder = Builder::new();
    let mut taken = Vec::new();
    let mut waiting_most = 0;
    for (key, value) in &leaves {
        builder.push_leaf(*key, value);
        waiting_most = waiting_most.max(builder.nodes_waiting());
        taken.extend(builder.take_nodes().branches());
    }
    let rest = builder.finish();
    taken.extend(rest.nodes.branches());
    taken.sort_by_key(|(path, _)| *path);
    assert_eq!(rest.root, whole.root);
    assert_eq!(taken, list(&whole.nodes));
    assert!(waiting_most < 20_000, "{waiting_most} branches at once");
}

#[test]
fn portions_may_end_within_extensions_and_inline_nodes() {
    // Every fifth key has close neighbours with short values, so that forests are let go in the middle of such.
    let mut leaves = support::accounts(20_000);
    for key in leaves.keys().step_by(5).copied().collect::<Vec<_>>() {
        for last in 0..3 {
            let mut close = key;
            (close.0[30], close.0[31]) = (close.0[30] ^ (last & 1) << 4, close.0[31] ^ (last + 1));
            leaves.insert(close, vec![last + 1]);
        }
    }
    let whole = build(&leaves);
    assert_eq!(whole.root, alloy_root(&leaves));
    let parts = build_in_parts(&leaves, 2);
    assert_eq!((parts.root, list(&parts.nodes)), (whole.root, list(&whole.nodes)));
    assert_eq!(parts.hashed, whole.hashed);
}

#[test]
fn a_branch_is_stored_where_keys_part_twice() {
    let leaves = support::accounts(500);
    let stored: BTreeMap<Path, Branch> = build(&leaves).nodes.branches().collect();
    let shape = support::shape(&leaves);
    let count = |path: &Path| leaves.range(path.first_key()..=path.last_key()).count();
    for (path, present) in &shape {
        let crowded = (0..16u8).filter(|nibble| count(&path.child(*nibble)) > 1);
        let nodes = crowded.fold(0, |mask, nibble| mask | 1 << nibble);
        let found = stored.get(path).map(|branch| (branch.present(), branch.nodes()));
        assert_eq!(found, (nodes != 0).then_some((*present, nodes)), "{path}");
    }
    assert!(stored.keys().all(|path| shape.contains_key(path)));
    assert!(stored.len() * 2 < shape.len(), "{} of {}", stored.len(), shape.len());
    assert_eq!(HashRange::FULL, Path::ROOT.range());
}
