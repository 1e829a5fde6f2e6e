//! Changes laid over a stored trie give the root and the branches of the changed rows, for the work that the changes are.

mod support;

use alloy_primitives::{B256, U256};
use proptest::prelude::*;
use snapsync_trie::{Changes, Hashed, Overlay, Path, RowChanges, TrieSource, join, prove, rebuild, subtries};
use support::Stored;

/// Derives the changed trie in sub-tries of one depth; its root, what changes among the branches, and what that cost.
fn derived(stored: &Stored, changes: &RowChanges, depth: usize) -> (B256, Vec<Changes>, Hashed) {
    let (mut parts, mut all) = (Vec::new(), Vec::new());
    for prefix in subtries(depth) {
        let part = rebuild(&mut Overlay::new(stored.clone(), changes), prefix, &mut |change| {
            all.push(change);
            Ok(())
        });
        parts.push(part.unwrap());
    }
    let built = join(parts);
    all.push(Changes { put: built.nodes, removed: built.removed });
    (built.root, all, built.hashed)
}

fn changed(stored: &Stored, changes: &RowChanges) -> support::Leaves {
    let mut rows = stored.rows.clone();
    for (key, value) in changes {
        match value {
            Some(value) => rows.insert(*key, value.clone()),
            None => rows.remove(key),
        };
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    // ROW: F19
    #[test]
    fn a_trie_under_changes_is_the_trie_of_the_changed_rows(
        leaves in support::some_slots(60),
        changes in prop::collection::vec((any::<prop::sample::Index>(), support::any_key(), any::<Option<u64>>()), 0..14),
        asked in prop::collection::vec(support::any_key(), 1..20),
        depth in 0..=2usize,
    ) {
        let mut stored = Stored::of(leaves);
        let keys: Vec<B256> = stored.rows.keys().copied().collect();
        let changes: RowChanges = changes
            .into_iter()
            // Half of the changes concern keys that are there.
            .map(|(pick, fresh, value)| (if fresh[31] % 2 == 0 { fresh } else { *pick.get(&keys) }, value))
            .map(|(key, value)| (key, value.map(|value| alloy_rlp::encode(U256::from(value) + U256::ONE))))
            .collect();
        let fresh = Stored::of(changed(&stored, &changes));
        let mut overlay = Overlay::new(stored.clone(), &changes);
        for key in asked {
            let (mut ours, mut expected) = (Vec::new(), Vec::new());
            let found = overlay.next_row(key, &mut ours).unwrap();
            prop_assert_eq!(found, fresh.clone().next_row(key, &mut expected).unwrap());
            prop_assert_eq!(ours, expected);
        }
        let (root, all, _) = derived(&stored, &changes, depth);
        prop_assert_eq!(root, fresh.root);
        for change in all {
            stored.apply(change);
        }
        stored.rows = changed(&stored, &changes);
        prop_assert_eq!(&stored.branches, &fresh.branches);
        prop_assert_eq!(prove(&mut stored, &[B256::ZERO]).unwrap(), prove(&mut fresh.clone(), &[B256::ZERO]).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    // ROW: F32
    #[test]
    fn rows_and_branches_that_are_lost_end_no_proof_and_no_rebuild_with_a_panic(
        leaves in support::some_slots(60),
        lost_rows in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        lost_branches in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        changes in prop::collection::btree_map(support::any_key(), prop::option::of(1..9u64), 0..6),
        asked in prop::collection::vec(support::any_key(), 1..6),
        depth in 0..=2usize,
    ) {
        let mut stored = Stored::of(leaves);
        let (keys, paths): (Vec<_>, Vec<_>) =
            (stored.rows.keys().copied().collect(), stored.branches.keys().copied().collect());
        for row in lost_rows {
            stored.rows.remove(row.get(&keys));
        }
        for branch in lost_branches.iter().filter(|_| !paths.is_empty()) {
            stored.branches.remove(branch.get(&paths));
        }
        let asked: Vec<B256> = asked.into_iter().chain(keys.iter().take(9).copied()).collect();
        prop_assert!(prove(&mut stored.clone(), &asked).is_ok());
        let changes = changes.into_iter().map(|(key, value)| (key, value.map(alloy_rlp::encode))).collect();
        derived(&stored, &changes, depth);
        stored.changed.extend(keys.iter().step_by(3));
        derived(&stored, &changes, depth);
    }
}

#[test]
fn a_few_changes_cost_their_paths_and_no_more() {
    let stored = Stored::of(support::accounts(20_000));
    let touched = [support::key(7), support::key(70_000)];
    let changes: RowChanges =
        [(touched[0], None), (touched[1], Some(support::account(1).to_rlp()))].into_iter().collect();
    let (root, all, hashed) = derived(&stored, &changes, 0);
    assert_eq!(root, Stored::of(changed(&stored, &changes)).root);
    // A path has four or five branches of 16; of leaves, those that hang where the path ends.
    assert!(hashed.branches <= 10 && hashed.leaves <= 40, "{hashed:?}");
    let put: usize = all.iter().map(|change| change.put.iter().count()).sum();
    assert!(put <= 10, "{put} branches");
    assert!(all.iter().flat_map(|change| &change.removed).all(|path| path.len() > Path::ROOT.len()));
}
