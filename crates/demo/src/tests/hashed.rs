//! What a sync hashes, and that what it derives is what others derive.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use alloy_trie::{HashBuilder, Nibbles};
use snapsync_serve::RequestKind;
use snapsync_storage::StateStore;
use snapsync_trie::Builder;

use super::*;

const PARAMS: DemoParams =
    DemoParams { accounts: 40_000, contracts: 2_000, slots: 60_000, blocks: 20, history_from: 0, seed: 3 };

/// Leaves at the edge of a range that may have to be hashed again. An edge is a path from the root down; below its branches
/// hang leaves only where the trie ends, which with random keys is the last branch or the one above it: two branches of up
/// to fifteen other children.
const LEAVES_AN_EDGE: u64 = 2 * 15;

// ROW: F20
#[test]
fn no_leaf_is_hashed_twice_but_at_the_edges_of_ranges() {
    // One peer: of two, the faster is asked for what the other is slow with, and both are proved.
    let demo = Demo::serve(PARAMS, 1);
    let progress = demo.sync(demo.config());
    let fetched = progress.durable.accounts + progress.durable.slots;
    assert!(progress.hashed.leaves >= fetched, "each leaf is hashed once, to be proved");
    let again = progress.hashed.leaves - fetched;
    let ranges = demo.log.drain().iter().filter(|entry| is_range(entry.kind)).count() as u64;
    // Each answer has an edge on either side.
    assert!(again <= ranges * 2 * LEAVES_AN_EDGE, "{again} leaves again, {ranges} answers");
    // Less than one in a hundred, if nothing else runs; a slow machine is asked for smaller answers, which have more edges.
    assert!(again * 10 < fetched, "{again} of {fetched} leaves again");
}

fn is_range(kind: RequestKind) -> bool {
    matches!(kind, RequestKind::Accounts | RequestKind::Storages)
}

/// What a whole sync may hash for tries, to what it must: in hundredths.
const PERMUTATIONS_PERCENT: u64 = 115;

// ROW: F20
#[test]
fn tries_cost_little_more_than_one_hash_of_every_node() {
    let demo = Demo::serve(PARAMS, 1);
    let hashed = demo.sync(demo.config()).hashed;
    let state = StateStore::open_read_only(&demo.datadir()).expect("a database");
    let needed = permutations_of_tries(&state) + hashed.proof_permutations;
    assert!(hashed.proof_nodes > 100 && hashed.proof_permutations >= hashed.proof_nodes);
    assert!(hashed.permutations * 100 <= needed * PERMUTATIONS_PERCENT, "{hashed:?}, needed {needed}");
}

/// One hash of every node of the account trie and of each different storage trie: equal ones can be copied.
fn permutations_of_tries(state: &StateStore) -> u64 {
    let snapshot = state.snapshot().expect("a snapshot");
    let (mut roots, mut permutations) = (BTreeSet::new(), 0);
    let mut accounts = Builder::new();
    for row in snapshot.accounts_from(B256::ZERO).expect("rows") {
        let row = row.expect("a row");
        accounts.push_leaf(row.key, &row.account.to_rlp());
        if !row.account.has_storage() || !roots.insert(row.account.storage_root) {
            continue;
        }
        let mut storage = Builder::new();
        for slot in snapshot.slots_from(row.key, B256::ZERO).expect("rows") {
            let slot = slot.expect("a row");
            storage.push_leaf(slot.key, &alloy_rlp::encode(slot.value));
        }
        permutations += storage.finish().hashed.permutations;
    }
    permutations + accounts.finish().hashed.permutations
}

// ROW: F15
#[test]
fn alloy_derives_the_same_roots_from_the_synced_rows() {
    let demo = Demo::serve(PARAMS, 2);
    demo.sync(demo.config());
    let state = StateStore::open_read_only(&demo.datadir()).expect("a database");
    let snapshot = state.snapshot().expect("a snapshot");
    let (mut accounts, mut slots) = (0, 0);
    let mut builder = HashBuilder::default();
    for row in snapshot.accounts_from(B256::ZERO).expect("rows") {
        let row = row.expect("a row");
        accounts += 1;
        builder.add_leaf(Nibbles::unpack(row.key), &row.account.to_rlp());
        let mut storage = HashBuilder::default();
        for slot in snapshot.slots_from(row.key, B256::ZERO).expect("rows") {
            let slot = slot.expect("a row");
            slots += 1;
            storage.add_leaf(Nibbles::unpack(slot.key), &alloy_rlp::encode(slot.value));
        }
        assert_eq!(storage.root(), row.account.storage_root, "storage of {}", row.key);
    }
    assert_eq!((accounts, slots), (PARAMS.accounts, PARAMS.slots));
    assert_eq!(builder.root(), demo.chain.target.root);
    // What the peers serve from is the same state, and was made from the plan without any sync.
    assert_eq!(demo.store.state.snapshot().expect("a snapshot").rows().expect("rows").slots, slots);
}
