//! Whatever is done to an answer: it is refused, or it still says nothing but the truth. And nothing panics.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod support;

use alloy_primitives::{B256, keccak256};
use proptest::prelude::*;
use proptest::sample::Index;
use snapsync_trie::{Branch, HashRange, VerifiedStorages};
use support::{Answer, Leaves, Stored};

/// A change to an answer.
#[derive(Clone, Debug)]
enum Change {
    ProofByte(Index, Index, u8),
    ValueByte(Index, Index, u8),
    KeyByte(Index, Index, u8),
    DropRow(Index),
    RepeatRow(Index),
    SwapRows(Index, Index),
    CutRows(Index),
    AddRow(Index, B256),
    DropNode(Index),
    CutNode(Index, Index),
    SwapNodes(Index, Index),
    AddNode(Vec<u8>),
    Origin(B256),
}

fn change() -> impl Strategy<Value = Change> {
    use Change::{
        AddNode, AddRow, CutNode, CutRows, DropNode, DropRow, KeyByte, Origin, ProofByte, RepeatRow,
        SwapNodes, SwapRows, ValueByte,
    };
    let byte = (any::<Index>(), any::<Index>(), any::<u8>());
    let two = (any::<Index>(), any::<Index>());
    prop_oneof![
        3 => byte.clone().prop_map(|(node, at, byte)| ProofByte(node, at, byte)),
        2 => byte.clone().prop_map(|(row, at, byte)| ValueByte(row, at, byte)),
        2 => byte.prop_map(|(row, at, byte)| KeyByte(row, at, byte)),
        1 => any::<Index>().prop_map(DropRow),
        1 => any::<Index>().prop_map(RepeatRow),
        1 => two.clone().prop_map(|(a, b)| SwapRows(a, b)),
        1 => any::<Index>().prop_map(CutRows),
        1 => (any::<Index>(), support::any_key()).prop_map(|(row, key)| AddRow(row, key)),
        1 => any::<Index>().prop_map(DropNode),
        1 => two.clone().prop_map(|(node, at)| CutNode(node, at)),
        1 => two.prop_map(|(a, b)| SwapNodes(a, b)),
        1 => prop::collection::vec(any::<u8>(), 0..50).prop_map(AddNode),
        1 => support::any_key().prop_map(Origin),
    ]
}

fn apply(answer: &mut Answer, change: Change) {
    let set = |bytes: &mut [u8], at: Index, byte: u8| {
        if !bytes.is_empty() {
            bytes[at.index(bytes.len())] = byte;
        }
    };
    let (rows, nodes) = (&mut answer.rows, &mut answer.proof);
    let needs_rows = !matches!(
        change,
        Change::ProofByte(..)
            | Change::DropNode(_)
            | Change::CutNode(..)
            | Change::SwapNodes(..)
            | Change::AddNode(_)
            | Change::Origin(_)
    );
    if needs_rows && rows.is_empty() || !needs_rows && nodes.is_empty() {
        return;
    }
    let (row, node) = (rows.len(), nodes.len());
    match change {
        Change::ProofByte(pick, at, byte) => set(&mut nodes[pick.index(node)], at, byte),
        Change::ValueByte(pick, at, byte) => set(&mut rows[pick.index(row)].1, at, byte),
        Change::KeyByte(pick, at, byte) => set(rows[pick.index(row)].0.as_mut_slice(), at, byte),
        Change::DropRow(pick) => drop(rows.remove(pick.index(row))),
        Change::RepeatRow(pick) => rows.insert(pick.index(row), rows[pick.index(row)].clone()),
        Change::SwapRows(a, b) => rows.swap(a.index(row), b.index(row)),
        Change::CutRows(pick) => rows.truncate(pick.index(row)),
        Change::AddRow(pick, key) => rows.insert(pick.index(row), (key, vec![5])),
        Change::DropNode(pick) => drop(nodes.remove(pick.index(node))),
        Change::CutNode(pick, at) => {
            let node = &mut nodes[pick.index(node)];
            let len = at.index(node.len().max(1));
            node.truncate(len);
        }
        Change::SwapNodes(a, b) => nodes.swap(a.index(node), b.index(node)),
        Change::AddNode(bytes) => nodes.push(bytes),
        Change::Origin(origin) => answer.range = HashRange::from_start(origin),
    }
}

fn honest(leaves: Leaves, origin: B256, count: usize) -> (Stored, Answer) {
    let stored = Stored::of(leaves);
    let answer = Answer::honest(&stored, HashRange::from_start(origin), count);
    (stored, answer)
}

/// Whether what was verified is exactly what the trie holds there.
fn is_true(stored: &Stored, verified: &VerifiedStorages) -> bool {
    verified.sets().all(|set| {
        let covered = set.covered();
        let rows = set.rows().iter().map(|row| (row.key, alloy_rlp::encode(row.value)));
        let there =
            stored.rows.range(covered.start()..=covered.last()).map(|(key, value)| (*key, value.clone()));
        let nodes = set.nodes().map(|(path, bytes)| (path, Branch::decode(bytes).unwrap()));
        let inside = stored.branches.iter().filter(|(path, _)| covered.covers(&path.range()));
        rows.eq(there) && nodes.eq(inside.map(|(path, branch)| (*path, branch.clone())))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_believed_is_true(
        leaves in support::some_slots(40),
        origin in support::any_key(),
        count in 1..30usize,
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let (stored, mut answer) = honest(leaves, origin, count);
        for change in changes {
            apply(&mut answer, change);
        }
        if let Ok(verified) = answer.verify_slots() {
            prop_assert!(is_true(&stored, &verified), "{:?}", answer);
        }
    }

    #[test]
    fn changed_bytes_are_refused_or_without_effect(
        leaves in support::some_slots(40),
        origin in support::any_key(),
        count in 1..30usize,
        places in prop::collection::vec((any::<bool>(), any::<Index>(), any::<Index>(), any::<u8>()), 1..4),
    ) {
        let (_, answer) = honest(leaves, origin, count);
        let expected = answer.verify_slots().unwrap();
        let mut changed = answer.clone();
        for (in_proof, item, at, byte) in places {
            let change = if in_proof { Change::ProofByte(item, at, byte) } else { Change::ValueByte(item, at, byte) };
            apply(&mut changed, change);
        }
        if let Ok(verified) = changed.verify_slots() {
            prop_assert_eq!(verified, expected);
        }
    }

    /// A changed node is never read, as its digest does not fit. So here the digests above it, up to the root, follow it.
    #[test]
    fn forged_nodes_with_fitting_digests_do_not_panic(
        leaves in support::some_slots(40),
        origin in support::any_key(),
        count in 1..30usize,
        changes in prop::collection::vec((any::<Index>(), any::<Index>(), any::<u8>(), any::<bool>()), 1..4),
    ) {
        let (_, mut answer) = honest(leaves, origin, count);
        for (node, at, byte, cuts) in changes {
            let node = node.index(answer.proof.len());
            let before = keccak256(&answer.proof[node]);
            let bytes = &mut answer.proof[node];
            if bytes.is_empty() { continue }
            let at = at.index(bytes.len());
            if cuts { bytes.truncate(at) } else { bytes[at] = byte }
            follow(&mut answer, node, before);
        }
        let _ = answer.verify_slots();
    }

    #[test]
    fn a_root_of_any_bytes_does_not_panic(
        node in prop::collection::vec(any::<u8>(), 0..200),
        list in any::<bool>(),
        keys in prop::collection::btree_set(support::any_key(), 0..4),
        origin in support::any_key(),
    ) {
        let node = if list { support::naive_list(&[node]) } else { node };
        let rows = keys.into_iter().filter(|key| *key >= origin).map(|key| (key, vec![5])).collect();
        let range = HashRange::from_start(origin);
        let answer = Answer { root: keccak256(&node), range, rows, proof: vec![node] };
        let _ = answer.verify_slots();
    }
}

/// Puts the new digest of a changed node wherever the one before it stood.
fn follow(answer: &mut Answer, node: usize, before: B256) {
    let mut open = vec![(node, before)];
    // A proof is a path: each round goes one node up. A forged circle ends with the count.
    for _ in 0..answer.proof.len() * 2 {
        let Some((node, before)) = open.pop() else { return };
        let now = keccak256(&answer.proof[node]);
        if answer.root == before {
            answer.root = now;
        }
        for above in 0..answer.proof.len() {
            let bytes = &answer.proof[above];
            let place = bytes.windows(32).position(|window| window == before.as_slice());
            if let Some(place) = place {
                open.push((above, keccak256(bytes)));
                answer.proof[above][place..place + 32].copy_from_slice(now.as_slice());
            }
        }
    }
}
