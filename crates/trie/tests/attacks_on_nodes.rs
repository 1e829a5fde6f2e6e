//! Lies told with proofs: each is named by its exact fault, and its honest twin verifies.
//!
//! A node is looked at only when a digest that leads to the root names it. So the liars here also forge the root, as a
//! miner of a chain with another rule could: the reader of nodes must not rely on what honest tries hold.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod support;

use alloy_primitives::{B256, keccak256};
use snapsync_trie::{Fault, HashRange, PROOF_NODES_MAX, Path};
use support::{Answer, Leaves, Stored, accounts, hex, naive_list, string};

/// Two slots, and an answer with both that needs the root node, a branch, for its right edge.
fn two_slots() -> Answer {
    let leaves: Leaves = [(hex("3"), vec![7]), (hex("a"), vec![8])].into();
    Answer::honest(&Stored::of(leaves), HashRange::FULL, 9)
}

/// The honest answer, its proof replaced by nodes of the liar's, the first of them the root.
fn forged(honest: &Answer, nodes: &[Vec<u8>]) -> Answer {
    honest.but(|lie| {
        lie.root = keccak256(&nodes[0]);
        lie.proof = nodes.to_vec();
    })
}

fn hash(node: &[u8]) -> Vec<u8> {
    string(keccak256(node).as_slice())
}

/// A branch with these children and an empty value.
fn branch(children: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut items = vec![string(&[]); 17];
    for (nibble, child) in children {
        items[*nibble] = child.clone();
    }
    naive_list(&items)
}

/// A leaf or an extension with its path in hex-prefix form.
fn short(hex_prefix: &[u8], rest: Vec<u8>) -> Vec<u8> {
    naive_list(&[string(hex_prefix), rest])
}

fn at(nibbles: &[u8]) -> Path {
    Path::from_nibbles(nibbles).unwrap()
}

fn some_hash() -> Vec<u8> {
    string(&[7; 32])
}

#[test]
fn proof_for_another_root() {
    let (ours, other) = (Stored::of(accounts(1000)), Stored::of(accounts(1001)));
    let honest = Answer::honest(&ours, HashRange::from_start(hex("35")), 40);
    let lie = Answer { root: ours.root, ..Answer::honest(&other, honest.range, 40) };
    assert_eq!(lie.account_fault(&honest), Fault::ProofForAnotherRoot { root: ours.root });
}

#[test]
fn missing_proof_nodes() {
    let stored = Stored::of(accounts(1000));
    let honest = Answer::honest(&stored, HashRange::from_start(hex("35")), 40);
    for at in 0..honest.proof.len() {
        let lie = honest.but(|lie| drop(lie.proof.remove(at)));
        let gone = keccak256(&honest.proof[at]);
        match lie.account_fault(&honest) {
            Fault::ProofForAnotherRoot { root } => assert_eq!((at, root), (0, gone)),
            Fault::MissingNode { path, hash } => {
                assert_eq!(hash, gone);
                assert_eq!(support::hash_below(&stored.rows, path), gone);
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn flipped_proof_node() {
    let stored = Stored::of(accounts(1000));
    let honest = Answer::honest(&stored, HashRange::from_start(hex("35")), 40);
    let lie = honest.but(|lie| lie.proof[0][40] ^= 1);
    assert_eq!(lie.account_fault(&honest), Fault::ProofForAnotherRoot { root: stored.root });
}

#[test]
fn path_past_64_nibbles() {
    let honest = two_slots();
    // A leaf of 65 nibbles, one of 66, and one of 200.
    for (prefix, nibbles) in [([&[0x31][..], &[0; 32]].concat(), 65), ([&[0x20][..], &[0; 33]].concat(), 66)]
    {
        let lie = forged(&honest, &[short(&prefix, string(&[7]))]);
        assert_eq!(lie.slot_fault(&honest), Fault::PathTooLong { path: Path::ROOT, nibbles });
    }
    let lie = forged(&honest, &[short(&[&[0x20][..], &[0; 100]].concat(), string(&[7]))]);
    assert_eq!(lie.slot_fault(&honest), Fault::PathTooLong { path: Path::ROOT, nibbles: 200 });
    // An extension that leaves no nibble for the branch below it.
    let lie = forged(&honest, &[short(&[&[0x00][..], &[0; 32]].concat(), some_hash())]);
    assert_eq!(lie.slot_fault(&honest), Fault::PathTooLong { path: Path::ROOT, nibbles: 65 });
    // One nibble further down by way of a branch.
    let leaf = short(&[&[0x20][..], &[0; 32]].concat(), string(&[7]));
    let root = branch(&[(3, some_hash()), (10, hash(&leaf))]);
    let lie = forged(&honest, &[root, leaf]);
    assert_eq!(lie.slot_fault(&honest), Fault::PathTooLong { path: at(&[10]), nibbles: 65 });
    // A branch below 64 nibbles: an extension of 63, a branch, and a branch again.
    let deepest = branch(&[(0, some_hash()), (1, some_hash())]);
    let middle = branch(&[(0, hash(&deepest)), (1, some_hash())]);
    let mut prefix = vec![0x1a];
    prefix.extend([0; 31]);
    let root = short(&prefix, hash(&middle));
    let lie = forged(&honest, &[root, middle, deepest]);
    assert_eq!(lie.slot_fault(&honest), Fault::PathTooLong { path: Path::of_key(&hex("a")), nibbles: 65 });
}

#[test]
fn path_short_of_64_nibbles() {
    let honest = two_slots();
    let lie = forged(&honest, &[short(&[&[0x20][..], &[0; 31]].concat(), string(&[7]))]);
    assert_eq!(lie.slot_fault(&honest), Fault::PathTooShort { path: Path::ROOT, nibbles: 62 });
}

#[test]
fn value_in_a_branch() {
    let honest = two_slots();
    let mut items = vec![string(&[]); 17];
    (items[3], items[10], items[16]) = (some_hash(), some_hash(), string(&[5]));
    let lie = forged(&honest, &[naive_list(&items)]);
    assert_eq!(lie.slot_fault(&honest), Fault::ValueInBranch { path: Path::ROOT });
    let below = naive_list(&items);
    let lie = forged(&honest, &[branch(&[(3, some_hash()), (10, hash(&below))]), below]);
    assert_eq!(lie.slot_fault(&honest), Fault::ValueInBranch { path: at(&[10]) });
    // A list where the value stands is no better.
    items[16] = vec![0xc0];
    let lie = forged(&honest, &[naive_list(&items)]);
    assert_eq!(lie.slot_fault(&honest), Fault::ValueInBranch { path: Path::ROOT });
}

#[test]
fn hash_reference_to_a_node_under_32_bytes() {
    // Two leaves of three bytes below an extension of 62 nibbles and one more; honestly they stand in their branch.
    let crowd = |n: u8| B256::from_slice(&[[0x5a; 31].as_slice(), &[n]].concat());
    let leaves: Leaves = [(crowd(0x03), vec![7]), (crowd(0x0a), vec![8])].into();
    let honest = Answer::honest(&Stored::of(leaves), HashRange::FULL, 9);
    let (left, right) = (short(&[0x20], string(&[7])), short(&[0x20], string(&[8])));
    let above = |children: &[(usize, Vec<u8>)]| {
        let node = branch(children);
        let child = if node.len() < 32 { node.clone() } else { hash(&node) };
        let mut prefix = vec![0x15];
        prefix.extend([0xa5; 30]);
        prefix.push(0xa0);
        (short(&prefix, child), node)
    };
    // The same two nodes as the honest ones, so the forgery below differs in the references only.
    let (root, _) = above(&[(3, left.clone()), (10, right.clone())]);
    assert_eq!(keccak256(&root), honest.root);
    let (root, node) = above(&[(3, hash(&left)), (10, hash(&right))]);
    let lie = forged(&honest, &[root, node, left, right]);
    let path = Path::of_key(&crowd(0x0a));
    assert_eq!(lie.slot_fault(&honest), Fault::HashedSmallNode { path, bytes: 3 });
}

#[test]
fn node_of_32_bytes_or_more_in_its_parent() {
    let honest = two_slots();
    let mut prefix = vec![0x30];
    prefix.extend([0; 31]);
    let leaf = short(&prefix, string(&[8]));
    let lie = forged(&honest, &[branch(&[(3, some_hash()), (10, leaf.clone())])]);
    let bytes = leaf.len() as u32;
    assert_eq!(lie.slot_fault(&honest), Fault::InlinedLargeNode { path: at(&[10]), bytes });
}

#[test]
fn extra_proof_nodes_are_legal_and_change_nothing() {
    let stored = Stored::of(accounts(1000));
    let honest = Answer::honest(&stored, HashRange::from_start(hex("35")), 40);
    let verified = honest.verify_accounts().unwrap();
    // More of the same trie, some of another, a node twice, one that is none at all: nothing leads to them.
    let extra = honest.but(|answer| {
        answer.proof.extend(stored.proof(&[hex("01"), hex("99")]));
        answer.proof.extend(Stored::of(accounts(7)).proof(&[hex("35")]));
        answer.proof.push(answer.proof[0].clone());
        answer.proof.push(b"nothing".to_vec());
        answer.proof.push(Vec::new());
        answer.proof.reverse();
    });
    let proved = extra.verify_accounts().unwrap();
    assert_eq!(
        (proved.covered(), proved.rows(), proved.nodes()),
        (verified.covered(), verified.rows(), verified.nodes())
    );
    assert_eq!(proved.hashed().leaves, verified.hashed().leaves);
    assert_eq!(proved.hashed().proof_nodes, extra.proof.len() as u64);
    // They do not help a liar either.
    let mut helpless = extra.clone();
    let gone = helpless.rows.remove(20);
    let other = support::with(&stored.rows, [(gone.0, None)]);
    assert_eq!(helpless.account_fault(&extra), support::other_leaves(stored.root, &other));
    // Their number is bounded, as each costs a hash: two paths of 64 nodes is all that there can be.
    let full = extra.but(|answer| answer.proof.resize(PROOF_NODES_MAX, vec![1]));
    let lie = full.but(|lie| lie.proof.push(vec![1]));
    assert_eq!(lie.account_fault(&full), Fault::ExtraProofNodes { count: 129, max: 128 });
}

#[test]
fn malformed_nodes() {
    let honest = two_slots();
    let ok = branch(&[(3, some_hash()), (10, some_hash())]);
    let mut nodes = vec![
        Vec::new(),
        vec![0x80],
        vec![0xc0],
        string(&[7; 40]),
        // Cut short, with something behind, with an item too few and too many.
        ok[..ok.len() - 1].to_vec(),
        [ok.as_slice(), &[0x80]].concat(),
        naive_list(&vec![string(&[]); 16]),
        naive_list(&vec![some_hash(); 18]),
        naive_list(&[string(&[]), string(&[]), string(&[])]),
        // A branch with one child, and one with none.
        branch(&[(10, some_hash())]),
        branch(&[]),
        // Paths: empty, with an unknown flag, with a half byte that is no part of it.
        short(&[], string(&[7])),
        short(&[&[0x40][..], &[0; 32]].concat(), string(&[7])),
        short(&[&[0xa0][..], &[0; 32]].concat(), string(&[7])),
        short(&[&[0x25][..], &[0; 32]].concat(), string(&[7])),
        naive_list(&[vec![0xc1, 0x20], string(&[7])]),
        // A leaf without a value, and one whose value is a list.
        short(&[&[0x20][..], &[0; 32]].concat(), string(&[])),
        short(&[&[0x20][..], &[0; 32]].concat(), vec![0xc0]),
        // An extension that leads nowhere.
        short(&[0x00], some_hash()),
        short(&[0x1a], string(&[])),
    ];
    // A length of the whole that is written longer than need be.
    nodes.push([&[0xf9, 0x00, ok.len() as u8 - 2][..], &ok[2..]].concat());
    for node in nodes {
        let lie = forged(&honest, &[node]);
        assert_eq!(lie.slot_fault(&honest), Fault::MalformedNode { path: Path::ROOT }, "{lie:?}");
    }
    // References of a wrong length are told where the child would stand.
    for length in [1usize, 31, 33] {
        let lie = forged(&honest, &[branch(&[(3, some_hash()), (10, string(&vec![0x90; length]))])]);
        assert_eq!(lie.slot_fault(&honest), Fault::MalformedNode { path: at(&[10]) });
        let lie = forged(&honest, &[short(&[0x1a], string(&vec![0x90; length]))]);
        assert_eq!(lie.slot_fault(&honest), Fault::MalformedNode { path: at(&[10]) });
    }
}

#[test]
fn a_trie_of_another_shape_is_no_proof() {
    // Two extensions in a row: each node is well formed, the trie is not one that sorted keys give.
    let leaves: Leaves = [(hex("ab3"), vec![7]), (hex("aba"), vec![8])].into();
    let stored = Stored::of(leaves.clone());
    let honest = Answer::honest(&stored, HashRange::FULL, 9);
    let below = stored.proof(&[hex("ab3"), hex("aba")]);
    let split = short(&[0x1b], hash(&below[1]));
    let root = short(&[0x1a], hash(&split));
    let mut nodes = vec![root, split];
    nodes.extend(below[1..].to_vec());
    let lie = forged(&honest, &nodes);
    assert_eq!(lie.slot_fault(&honest), support::other_leaves(lie.root, &leaves));
}

#[test]
fn every_kind_has_its_own_name() {
    let mut kinds = Fault::KINDS.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), Fault::KINDS.len());
    let fault = Fault::ExtraProofNodes { count: 129, max: 128 };
    assert!(Fault::KINDS.contains(&fault.kind()));
    assert_eq!(fault.to_string(), "a proof of 129 nodes, 128 at most");
}
