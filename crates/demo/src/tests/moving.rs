//! The chain of a demo that goes on: each header's root is that of its state, whose ranges, slots and nodes prove themselves for as long as
//! it is kept, and no longer.

use alloy_primitives::{B256, Bytes};
use snapsync_serve::{
    Limits, answer_account_range, answer_byte_codes, answer_storage_ranges, answer_trie_nodes,
};
use snapsync_storage::{Store, TargetRecord, VerifyConfig, verify};
use snapsync_trie::{
    AccountRow, HashRange, NodeClaim, StorageClaim, StorageQuery, rebuild_whole, verify_accounts,
    verify_codes, verify_nodes, verify_storages,
};
use snapsync_wire::snap;

use crate::{DEPTH_MAX, DemoParams, MovingChain, chain::open_or_make, state_root};

const PARAMS: DemoParams =
    DemoParams { accounts: 600, contracts: 60, slots: 500, blocks: 5, history_from: 0, seed: 4 };

/// All accounts of a state as peers give them.
fn accounts(store: &Store, root: B256) -> Option<Vec<AccountRow>> {
    let request = snap::GetAccountRange {
        id: 1,
        root,
        origin: B256::ZERO,
        limit: HashRange::FULL.last(),
        response_bytes: u64::MAX,
    };
    let snapshot = store.state.snapshot().expect("a snapshot");
    let answer = answer_account_range(&snapshot, &request, &Limits::mainnet()).expect("our own disk");
    if answer.accounts.is_empty() && answer.proof.is_empty() {
        return None;
    }
    let verified = verify_accounts(root, HashRange::FULL, &answer.accounts, &answer.proof);
    Some(verified.expect("it is true").rows().to_vec())
}

/// All slots, codes and nodes right below the root are served, and what its header claims.
fn assert_served(store: &Store, block: TargetRecord) {
    let root = block.root;
    assert_eq!(state_root(&store.history, block.hash).expect("our own disk"), Some(root));
    let rows = accounts(store, root).expect("it is kept");
    let claims: Vec<StorageClaim> = rows
        .iter()
        .filter(|row| row.account.has_storage())
        .map(|row| StorageClaim { account: row.key, root: row.account.storage_root })
        .collect();
    let snapshot = store.state.snapshot().expect("a snapshot");
    let limits = Limits::mainnet();
    let request = snap::GetStorageRanges {
        id: 1,
        root,
        accounts: claims.iter().map(|claim| claim.account).collect(),
        origin: B256::ZERO,
        limit: HashRange::FULL.last(),
        response_bytes: u64::MAX,
    };
    let answer = answer_storage_ranges(&snapshot, &request, &limits).expect("our own disk");
    let query = StorageQuery { claims: &claims, range: HashRange::FULL };
    let verified = verify_storages(query, &answer.sets, &answer.proof).expect("it is true");
    assert_eq!(verified.len(), claims.len());
    let hashes: Vec<B256> =
        rows.iter().filter(|row| row.account.has_code()).map(|row| row.account.code_hash).collect();
    let request = snap::GetByteCodes { id: 1, hashes: hashes.clone(), response_bytes: u64::MAX };
    let answer = answer_byte_codes(&snapshot, &request, &limits).expect("our own disk");
    assert_eq!(answer.codes.len(), hashes.len());
    verify_codes(&hashes, answer.codes).expect("it is true");
    // The roots of the account trie and of a storage trie.
    let storage = claims[claims.len() / 2];
    let paths = vec![
        snap::TriePaths::Account(Bytes::from_static(&[0])),
        snap::TriePaths::Storage {
            account: Bytes::copy_from_slice(storage.account.as_slice()),
            paths: vec![Bytes::from_static(&[0])],
        },
    ];
    let request = snap::GetTrieNodes { id: 1, root, paths, response_bytes: u64::MAX };
    let mut nodes = answer_trie_nodes(&snapshot, &request, &limits).expect("our own disk").nodes;
    let slots = nodes.pop().expect("a node");
    verify_nodes(&[NodeClaim::of_root(root)], nodes).expect("it is true");
    verify_nodes(&[NodeClaim::of_root(storage.root)], vec![slots]).expect("it is true");
    let kept = snapshot.kept(root).expect("our own disk").expect("it is kept");
    let derived = rebuild_whole(&mut kept.account_trie().expect("our own disk")).expect("our own disk");
    assert_eq!(derived.0, root);
}

/// The newest and the oldest of them are served, and nothing older is.
fn assert_window(store: &Store, blocks: &[TargetRecord]) {
    let oldest = blocks.len().saturating_sub(129);
    for block in [blocks[blocks.len() - 1], blocks[blocks.len() / 2 + oldest / 2], blocks[oldest]] {
        assert_served(store, block);
    }
    for block in &blocks[..oldest] {
        assert_eq!(accounts(store, block.root), None, "block {}", block.number);
    }
}

#[test]
fn states_of_the_newest_128_blocks_are_served_and_older_ones_are_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let (made, store) = open_or_make(PARAMS, dir.path()).expect("made");
    let mut chain = MovingChain::open(&store, dir.path(), 9).expect("it goes on");
    let mut blocks = vec![made.target];
    for _ in 0..140 {
        blocks.push(chain.grow().expect("a block"));
    }
    assert!(
        blocks.windows(2).all(|pair| pair[0].root != pair[1].root && pair[0].number + 1 == pair[1].number)
    );
    assert_window(&store, &blocks);
    // It changes: some accounts are new, some are gone, and others are as they were.
    let (first, last) = (accounts(&store, blocks[12].root), accounts(&store, blocks[140].root));
    let (first, last) = (first.expect("kept"), last.expect("kept"));
    let is_in = |rows: &[AccountRow], row: &AccountRow| rows.iter().any(|other| other.key == row.key);
    assert!(first.iter().any(|row| !is_in(&last, row)) && last.iter().any(|row| !is_in(&first, row)));
    assert!(first.iter().any(|row| last.contains(row)));
    chain.close().expect("durable");
}

#[test]
fn a_chain_that_turns_serves_the_other_branch_and_what_both_have() {
    let dir = tempfile::tempdir().expect("a directory");
    let (made, store) = open_or_make(PARAMS, dir.path()).expect("made");
    let mut chain = MovingChain::open(&store, dir.path(), 9).expect("it goes on");
    let mut blocks = vec![made.target];
    blocks.extend((0..80).map(|_| chain.grow().expect("a block")));
    let turn = chain.turn(70).expect("another branch");
    assert_eq!((turn.fork, turn.left, turn.head), (15, 85, 86));
    let head = chain.head().expect("a head");
    assert_served(&store, head);
    assert_served(&store, blocks[10]);
    assert_eq!(accounts(&store, blocks[11].root), None, "it was left");
    let history = store.history.snapshot().expect("a snapshot");
    assert_eq!(history.highest().expect("rows"), Some((86, head.hash)));
    assert_ne!(history.canonical(85).expect("rows"), Some(blocks[80].hash));
    assert_eq!(history.whole().expect("rows").map(|span| (span.first, span.last)), Some((0, 86)));
    drop(history);
    // Not more than there is.
    let turn = chain.turn(DEPTH_MAX).expect("another branch");
    assert_eq!((turn.fork, turn.head), (5, 87));
    chain.close().expect("durable");
    drop(store);
    let report = verify(dir.path(), VerifyConfig { threads: 1, findings_max: 9 }).expect("a directory");
    assert_eq!((report.findings.len(), report.complete), (0, true), "{:?}", report.findings);
}

#[test]
fn a_chain_is_taken_up_where_it_stands() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_, store) = open_or_make(PARAMS, dir.path()).expect("made");
    let grow = |store: &Store| {
        let mut chain = MovingChain::open(store, dir.path(), 9).expect("it goes on");
        let head = chain.grow().expect("a block");
        chain.close().expect("durable");
        head
    };
    let first = grow(&store);
    drop(store);
    let (found, store) = open_or_make(PARAMS, dir.path()).expect("found");
    assert_eq!((found.target.number, found.target.hash), (6, first.hash));
    assert_eq!(grow(&store).number, 7);
}
