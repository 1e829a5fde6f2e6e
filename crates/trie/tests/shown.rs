//! A trie that becomes another by ranges alone: what differs is seen in the proofs.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use alloy_primitives::{B256, Bytes};
use proptest::prelude::*;
use snapsync_trie::{
    EMPTY_ROOT, Fault, HashRange, NodeClaim, Path, Shown, compare_accounts, compare_storage, rebuild_whole,
};

use crate::support::{Answer, Leaves, Stored, accounts, changed, crowded, key, slots};

/// How leaves are proved.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Accounts,
    Slots,
}

/// What is asked for to learn of a node: all below it. Part of a storage begins at 1, as on the wire.
fn asked(kind: Kind, claim: &NodeClaim) -> HashRange {
    let range = claim.path().range();
    let is_part = range.last() != HashRange::FULL.last();
    let first = if kind == Kind::Slots && is_part { B256::with_last_byte(1) } else { B256::ZERO };
    HashRange::new(range.start().max(first), range.last()).unwrap()
}

fn compare(kind: Kind, ours: &mut Stored, wanted: NodeClaim, answer: &Answer) -> Result<Shown, Fault> {
    let proof: Vec<Bytes> = answer.proof.iter().map(|node| node.clone().into()).collect();
    match kind {
        Kind::Accounts => {
            let theirs = answer.verify_accounts()?;
            compare_accounts(ours, wanted, &theirs, &proof).unwrap()
        }
        Kind::Slots => {
            let theirs = answer.verify_slots()?;
            compare_storage(ours, wanted, theirs.sets().next().unwrap(), &proof).unwrap()
        }
    }
}

/// Asks until nothing differs; returns the nodes that were asked for.
fn walk(kind: Kind, ours: &mut Stored, theirs: &Stored, rows: usize) -> Vec<NodeClaim> {
    let mut open = vec![NodeClaim::of_root(theirs.root)];
    open.retain(|_| ours.root != theirs.root);
    let mut all = Vec::new();
    while let Some(wanted) = open.pop() {
        let answer = Answer::honest(theirs, asked(kind, &wanted), rows);
        let shown = compare(kind, ours, wanted, &answer).unwrap();
        let deeper = |left: &NodeClaim| left.path().len() > wanted.path().len();
        assert!(shown.left().iter().all(deeper), "{wanted:?} leads to {:?}", shown.left());
        open.extend(shown.left());
        for found in shown.differences() {
            for range in found.gone() {
                let gone: Vec<B256> =
                    ours.rows.range(range.start()..=range.last()).map(|(key, _)| *key).collect();
                gone.into_iter().for_each(|key| ours.write(key, None));
            }
            found.rows().iter().for_each(|(key, value)| ours.write(*key, Some(value.to_vec())));
        }
        all.push(wanted);
    }
    all
}

fn leaves(kind: u8, count: u64) -> (Kind, Leaves) {
    match kind {
        0 => (Kind::Accounts, accounts(count)),
        1 => (Kind::Slots, slots(count)),
        _ => (Kind::Slots, crowded(count)),
    }
}

/// Rows in an answer where few differ.
const ROWS: usize = 24;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn ranges_make_ours_theirs(
        kind in 0..3u8, count in 1..400u64, rows in 1..40usize,
        ours in prop::collection::vec(0..20u8, 1..60), theirs in prop::collection::vec(0..20u8, 1..60),
    ) {
        let (kind, all) = leaves(kind, count);
        let (mut ours, theirs) = (Stored::of(changed(&all, &ours)), Stored::of(changed(&all, &theirs)));
        prop_assume!(theirs.root != EMPTY_ROOT);
        let asked = walk(kind, &mut ours, &theirs, rows);
        prop_assert_eq!(&ours.rows, &theirs.rows);
        let (root, _) = rebuild_whole(&mut ours).unwrap();
        prop_assert_eq!(root, theirs.root);
        prop_assert_eq!(asked.iter().map(NodeClaim::path).collect::<BTreeSet<Path>>().len(), asked.len());
    }

    #[test]
    fn what_was_never_derived_or_has_changed_since_hides_no_difference(
        kind in 0..3u8, count in 1..200u64, rows in 1..20usize, cut in any::<prop::sample::Index>(),
        ours in prop::collection::vec(0..20u8, 1..60), later in prop::collection::vec(0..8u8, 1..60),
        theirs in prop::collection::vec(0..20u8, 1..60),
    ) {
        let (kind, all) = leaves(kind, count);
        let (mut ours, theirs) = (Stored::of(changed(&all, &ours)), Stored::of(changed(&all, &theirs)));
        prop_assume!(theirs.root != EMPTY_ROOT);
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
        walk(kind, &mut ours, &theirs, rows);
        prop_assert_eq!(&ours.rows, &theirs.rows);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn few_changes_cost_a_request_a_branch_at_most(
        count in 200..2_000u64, at in prop::collection::btree_set(0..2_000u64, 1..12),
    ) {
        let ours = accounts(count);
        let mut theirs = ours.clone();
        for number in at {
            theirs.insert(key(number), accounts(number + 2).pop_last().unwrap().1);
        }
        let (theirs, mut ours) = (Stored::of(theirs), Stored::of(ours));
        let below = |path: &Path| theirs.rows.range(path.first_key()..=path.last_key());
        let shape = support::shape(&theirs.rows);
        let differs = |path: &Path| !ours.rows.range(path.first_key()..=path.last_key()).eq(below(path));
        let branches = shape.keys().filter(|path| differs(path)).count();
        // A row that hangs from a branch of many comes alone.
        let parent = |key: &B256| shape.keys().rfind(|path| path.is_prefix_of(&Path::of_key(key)));
        let hangs_high = |key: &B256| parent(key).is_some_and(|parent| below(parent).count() > ROWS);
        let high = theirs.rows.iter().filter(|(key, value)| ours.rows.get(*key) != Some(value));
        let high = high.filter(|(key, _)| hangs_high(key)).count();
        let asked = walk(Kind::Accounts, &mut ours, &theirs, ROWS).len();
        prop_assert_eq!(&ours.rows, &theirs.rows);
        prop_assert!(asked <= branches + high, "{asked} requests for {branches} branches and {high} rows");
    }
}

#[test]
fn what_is_of_another_root_shows_nothing() {
    let theirs = Stored::of(accounts(50));
    let answer = Answer::honest(&theirs, HashRange::FULL, 5);
    let other = Stored::of(accounts(51));
    let shown =
        compare(Kind::Accounts, &mut Stored::of(accounts(50)), NodeClaim::of_root(other.root), &answer);
    assert_eq!(shown, Err(Fault::ProofForAnotherRoot { root: theirs.root }));
}

#[test]
fn an_answer_without_a_row_says_that_ours_are_gone() {
    // Below the first nibble of theirs there is nothing.
    let all = accounts(80);
    let kept = |key: &B256| key.0[0] >= 0x10;
    let theirs = Stored::of(all.iter().filter(|(key, _)| kept(key)).map(|(k, v)| (*k, v.clone())).collect());
    let mut ours = Stored::of(all);
    let asked = walk(Kind::Accounts, &mut ours, &theirs, 3);
    assert_eq!(ours.rows, theirs.rows);
    assert_eq!(asked.len(), 1, "the root shows that its first child is none");
}
