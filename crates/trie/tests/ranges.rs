//! Honest answers verify, say exactly what they cover, and leave nothing but boundaries to the rebuild.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod support;

use std::collections::BTreeSet;

use alloy_primitives::{B256, U256};
use proptest::prelude::*;
use snapsync_trie::{
    Branch, Gaps, HashRange, More, Nodes, Path, StorageClaim, StorageQuery, VerifiedStorages, join, rebuild,
    rows_of, subtries, verify_accounts, verify_storages,
};
use support::{Leaves, Stored, list, slim_rows};

/// Verifies a range of one storage trie.
fn verify_slots(
    root: B256,
    range: HashRange,
    rows: &[(B256, Vec<u8>)],
    proof: &[Vec<u8>],
) -> Result<VerifiedStorages, snapsync_trie::Fault> {
    let claims = [StorageClaim { account: B256::ZERO, root }];
    verify_storages(StorageQuery { claims: &claims, range }, [rows_of(rows)], proof)
}

fn inside(stored: &Stored, covered: HashRange) -> Vec<(Path, Branch)> {
    let inside = stored.branches.iter().filter(|(path, _)| covered.covers(&path.range()));
    inside.map(|(path, branch)| (*path, branch.clone())).collect()
}

fn branches<'a>(nodes: impl Iterator<Item = (Path, &'a [u8])>) -> Vec<(Path, Branch)> {
    nodes.map(|(path, bytes)| (path, Branch::decode(bytes).unwrap())).collect()
}

/// What an answer of so many rows to `range` covers, and whether anything follows, from the rows alone.
fn expected(leaves: &Leaves, range: HashRange, rows: &[(B256, Vec<u8>)]) -> (HashRange, More) {
    let last = rows.last().map(|(key, _)| *key);
    let behind_last = last.map_or(range.start(), |last| HashRange::after(last).unwrap_or(last));
    let follows = leaves.range(behind_last..).any(|(key, _)| Some(*key) != last);
    let end = match last {
        Some(last) if follows => last.min(range.last()),
        _ => range.last(),
    };
    let beyond = leaves.keys().next_back().is_some_and(|key| *key > range.last());
    let more = if follows || beyond && !rows.is_empty() { More::Right } else { More::Nothing };
    (HashRange::new(range.start(), end).unwrap(), more)
}

fn a_range() -> impl Strategy<Value = HashRange> {
    let ends = (support::any_key(), support::any_key());
    prop_oneof![
        3 => ends.prop_map(|(a, b)| HashRange::new(a.min(b), a.max(b)).unwrap()),
        1 => support::any_key().prop_map(HashRange::from_start),
        1 => support::any_key().prop_map(HashRange::single),
        1 => Just(HashRange::FULL),
    ]
}

/// Syncs a storage trie in answers of at most `count` rows to requests for the gaps of `ranges`, as a disk would keep it.
fn synced(stored: &Stored, ranges: &[HashRange], count: usize) -> Stored {
    let mut disk = Stored { root: stored.root, ..Stored::default() };
    let mut gaps = Gaps::full();
    let mut turn = 0;
    while let Some(gap) = gaps.first() {
        // Ranges of the list as long as there are some, then whatever is left.
        let wanted = ranges.get(turn).and_then(|range| gaps.within(*range).next()).unwrap_or(gap);
        turn += 1;
        let (rows, proof) = stored.answer(wanted, count);
        let verified = verify_slots(stored.root, wanted, &rows, &proof).unwrap();
        for set in verified.sets() {
            for row in set.rows() {
                disk.rows.insert(row.key, alloy_rlp::encode(row.value));
            }
            disk.branches.extend(branches(set.nodes()));
            gaps.remove(set.covered());
        }
    }
    disk
}

/// Rebuilds in sub-tries of one depth and leaves the disk as the trie stands now; the count of leaves hashed.
fn rebuilt(disk: &mut Stored, depth: usize) -> (B256, u64) {
    let mut parts = Vec::new();
    for prefix in subtries(depth) {
        let mut changes = Vec::new();
        let part = rebuild(&mut disk.clone(), prefix, &mut |change| {
            changes.push(change);
            Ok(())
        });
        parts.push(part.unwrap());
        for change in changes {
            disk.apply(change);
        }
    }
    let built = join(parts);
    let (put, removed): (Nodes, _) = (built.nodes, built.removed);
    disk.apply(snapsync_trie::Changes { put, removed });
    (built.root, built.hashed.leaves)
}

/// The leaves to be hashed again: those right below the topmost finished branch above them, whose reference needs theirs, and those
/// with no finished branch above.
fn leaves_at_boundaries(whole: &Stored, finished: &BTreeSet<Path>) -> u64 {
    let shape = support::shape(&whole.rows);
    let is_hashed = |key: &&B256| {
        let above = |len| Path::prefix_of(key, len);
        let topmost = (0..64).map(above).find(|path| finished.contains(path));
        let parent = (0..64).rev().map(above).find(|path| shape.contains_key(path));
        topmost.is_none_or(|topmost| Some(topmost) == parent)
    };
    whole.rows.keys().filter(is_hashed).count() as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn an_honest_answer_verifies_and_says_what_it_covers(
        leaves in support::some_slots(60), range in a_range(), count in 1..40usize,
    ) {
        let stored = Stored::of(leaves.clone());
        let (rows, proof) = stored.answer(range, count);
        let verified = verify_slots(stored.root, range, &rows, &proof);
        prop_assert!(verified.is_ok(), "{:?}", verified);
        let verified = verified.unwrap();
        let set = verified.sets().next().unwrap();
        let (covered, more) = expected(&leaves, range, &rows);
        prop_assert_eq!(set.covered(), covered);
        prop_assert_eq!(set.more(), more);
        let kept: Vec<_> = set.rows().iter().map(|row| (row.key, alloy_rlp::encode(row.value))).collect();
        let there: Vec<_> = leaves.range(covered.start()..=covered.last()).map(|(k, v)| (*k, v.clone())).collect();
        prop_assert_eq!(kept, there);
        let nodes = branches(set.nodes());
        // An answer without rows has nothing inside, and a trie has no branch where it has no rows.
        prop_assert_eq!(nodes, inside(&stored, covered));
    }

    #[test]
    fn an_answer_of_many_small_tries_says_what_each_of_them_holds(
        tries in prop::collection::vec(support::some_slots(4), 1..40), last in support::some_slots(60), count in 1..40usize,
    ) {
        let tries: Vec<Stored> = tries.into_iter().chain([last]).map(Stored::of).collect();
        let claims: Vec<_> = tries
            .iter()
            .map(|stored| StorageClaim { account: B256::ZERO, root: support::naive_root(&stored.rows) })
            .collect();
        let mut sets: Vec<_> = tries.iter().map(|stored| stored.answer(HashRange::FULL, usize::MAX).0).collect();
        let (cut, proof) = tries[tries.len() - 1].answer(HashRange::FULL, count);
        let at = sets.len() - 1;
        sets[at] = cut;
        let query = StorageQuery { claims: &claims, range: HashRange::FULL };
        let verified = verify_storages(query, sets.iter().map(|set| rows_of(set)), &proof).unwrap();
        prop_assert_eq!(verified.len(), tries.len());
        for ((set, stored), rows) in verified.sets().zip(&tries).zip(&sets) {
            let (covered, more) = expected(&stored.rows, HashRange::FULL, rows);
            prop_assert_eq!((set.covered(), set.more()), (covered, more));
            let kept: Vec<_> = set.rows().iter().map(|row| (row.key, alloy_rlp::encode(row.value))).collect();
            prop_assert_eq!(&kept, rows);
            prop_assert_eq!(branches(set.nodes()), inside(stored, covered));
        }
    }

    #[test]
    fn verified_ranges_in_any_order_leave_the_whole_trie_after_a_rebuild(
        leaves in support::some_slots(60),
        ranges in prop::collection::vec(a_range(), 0..8),
        count in 1..20usize,
        depth in 0..=2usize,
    ) {
        let whole = Stored::of(leaves);
        let mut disk = synced(&whole, &ranges, count);
        prop_assert_eq!(&disk.rows, &whole.rows);
        // Branches above the sub-tries belong to no job: they are made anew.
        let finished: BTreeSet<Path> = disk.branches.keys().filter(|path| path.len() >= depth).copied().collect();
        let (root, hashed) = rebuilt(&mut disk, depth);
        prop_assert_eq!(root, whole.root);
        prop_assert_eq!(&disk.branches, &whole.branches);
        prop_assert_eq!(hashed, leaves_at_boundaries(&whole, &finished));
        // And a second time there is nothing left to hash but what the topmost branch is made of.
        let finished: BTreeSet<Path> = disk.branches.keys().copied().collect();
        let (root, hashed) = rebuilt(&mut disk, 0);
        prop_assert_eq!(root, whole.root);
        prop_assert_eq!(hashed, leaves_at_boundaries(&whole, &finished));
        prop_assert!(hashed <= 16);
    }

    #[test]
    fn changed_rows_and_dirty_marks_leave_the_trie_of_the_new_rows(
        leaves in support::some_slots(60),
        changes in prop::collection::vec((any::<prop::sample::Index>(), support::any_key(), any::<Option<u64>>()), 0..12),
        depth in 0..=2usize,
    ) {
        let mut disk = Stored::of(leaves);
        for (pick, fresh, value) in changes {
            let keys: Vec<B256> = disk.rows.keys().copied().collect();
            // Half of the changes concern keys that are there.
            let key = if fresh[31] % 2 == 0 || keys.is_empty() { fresh } else { *pick.get(&keys) };
            disk.write(key, value.map(|value| alloy_rlp::encode(U256::from(value) + U256::ONE)));
        }
        let fresh = Stored::of(disk.rows.clone());
        let (root, _) = rebuilt(&mut disk, depth);
        prop_assert_eq!(root, fresh.root);
        prop_assert_eq!(&disk.branches, &fresh.branches);
    }
}

#[test]
fn an_account_state_synced_in_sixteen_ranges_hashes_no_inner_leaf_twice() {
    let leaves = support::accounts(20_000);
    let whole = Stored::of(leaves.clone());
    let mut disk = Stored { root: whole.root, ..Stored::default() };
    for range in HashRange::FULL.split(16) {
        let mut at = Some(range.start());
        while let Some(start) = at {
            let wanted = HashRange::new(start, range.last()).unwrap();
            let (rows, proof) = whole.answer(wanted, 400);
            let verified = verify_accounts(whole.root, wanted, rows_of(&slim_rows(&rows)), &proof).unwrap();
            assert_eq!(list(verified.nodes()), inside(&whole, verified.covered()));
            for row in verified.rows() {
                disk.rows.insert(row.key, row.account.to_rlp());
            }
            disk.branches.extend(verified.nodes().branches());
            at = HashRange::after(verified.covered().last()).filter(|key| *key <= range.last());
        }
    }
    assert_eq!(disk.rows, leaves);
    let finished: BTreeSet<Path> = disk.branches.keys().copied().collect();
    let boundary = leaves_at_boundaries(&whole, &finished);
    let (root, hashed) = rebuilt(&mut disk, 1);
    assert_eq!(root, whole.root);
    assert_eq!(disk.branches, whole.branches);
    // Each leaf that is hashed again hangs off a branch that a range's edge runs through, or one of its children.
    assert_eq!(hashed, boundary);
    // 64 edges, each through a lowest branch with ~16 children, some of them leaves and others with some leaves.
    assert!(hashed < 64 * 60, "{hashed} leaves hashed again");
}

/// Keys on both sides of every edge between sixteen ranges, and the first and the last key of all.
fn keys_at_edges() -> Vec<B256> {
    let ranges = HashRange::FULL.split(16);
    let near = |range: &HashRange| {
        let behind = HashRange::after(range.start()).unwrap();
        [range.start(), behind, HashRange::before(range.last()).unwrap(), range.last()]
    };
    ranges.iter().flat_map(near).collect()
}

#[test]
fn rows_at_the_edges_of_ranges_belong_to_one_range_each() {
    let leaves: Leaves =
        keys_at_edges().into_iter().map(|key| (key, support::account(key[0].into()).to_rlp())).collect();
    let whole = Stored::of(leaves.clone());
    let mut seen = Leaves::new();
    for range in HashRange::FULL.split(16) {
        // A server gives the first account at or behind the limit, too.
        let (rows, proof) = whole.answer(range, usize::MAX);
        let verified = verify_accounts(whole.root, range, rows_of(&slim_rows(&rows)), &proof).unwrap();
        assert_eq!((verified.covered(), verified.rows().len()), (range, 4));
        for row in verified.rows() {
            assert!(seen.insert(row.key, row.account.to_rlp()).is_none(), "a row is one range's");
        }
    }
    assert_eq!(seen, leaves);
}

#[test]
fn slots_at_the_edges_of_ranges_make_the_whole_trie() {
    let whole = Stored::of(keys_at_edges().into_iter().map(|key| (key, alloy_rlp::encode(7u8))).collect());
    for count in [1, 3, 4, 5, 64] {
        let mut disk = synced(&whole, &HashRange::FULL.split(16), count);
        assert_eq!(disk.rows, whole.rows);
        assert_eq!(rebuilt(&mut disk, 1).0, whole.root, "{count} rows an answer");
        assert_eq!(disk.branches, whole.branches);
    }
}
