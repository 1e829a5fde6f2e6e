//! What a finished data directory holds, compared with what geth says: each body, each receipt, each code, and the state's
//! root, which alloy-trie makes from our rows alone.

use std::path::Path;

use alloy_primitives::{B256, U256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, KECCAK_EMPTY, Nibbles};
use snapsync_e2e::{
    chain::{Expected, TestChain},
    geth::Geth,
};
use snapsync_storage::{HistoryStore, StateSnapshot, StateStore};

use crate::blocks::assert_blocks_are_geths;

/// What was found in a data directory.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) accounts: u64,
    pub(crate) contracts: u64,
    pub(crate) slots: u64,
    pub(crate) receipt_bytes_max: usize,
}

/// Everything in `datadir` is what geth has, and all of it is there.
pub(crate) fn assert_holds_what_geth_has(datadir: &Path, chain: &TestChain, geth: &Geth) -> Found {
    let expected = chain.expected();
    let state = StateStore::open_read_only(datadir).unwrap();
    let snapshot = state.snapshot().unwrap();
    let mut found = Found::default();
    assert_eq!(state_root(&snapshot, &mut found), expected.state.root);
    assert_eq!(
        (found.accounts, found.contracts, found.slots),
        (expected.state.accounts, expected.state.contracts, expected.state.slots)
    );
    assert_history_is_geths(datadir, expected, geth, &mut found);
    found
}

/// The state root by alloy-trie, from rows. Each storage's root is compared on the way, and each code must be there.
fn state_root(snapshot: &StateSnapshot, found: &mut Found) -> B256 {
    let mut accounts = HashBuilder::default();
    for row in snapshot.accounts_from(B256::ZERO).unwrap() {
        let row = row.unwrap();
        assert_eq!(
            storage_root(snapshot, row.key, found),
            row.account.storage_root,
            "storage of {}",
            row.key
        );
        if row.account.code_hash != KECCAK_EMPTY {
            found.contracts += 1;
            let code = snapshot.code(&row.account.code_hash).unwrap();
            let code = code.unwrap_or_else(|| panic!("code {} is not there", row.account.code_hash));
            assert_eq!(alloy_primitives::keccak256(code), row.account.code_hash);
        }
        found.accounts += 1;
        accounts.add_leaf(Nibbles::unpack(row.key), &row.account.to_rlp());
    }
    accounts.root()
}

fn storage_root(snapshot: &StateSnapshot, account: B256, found: &mut Found) -> B256 {
    let mut slots = HashBuilder::default();
    let before = found.slots;
    for slot in snapshot.slots_from(account, B256::ZERO).unwrap() {
        let slot = slot.unwrap();
        assert_ne!(slot.value, U256::ZERO);
        found.slots += 1;
        slots.add_leaf(Nibbles::unpack(slot.key), &alloy_rlp::encode(slot.value));
    }
    if found.slots == before { EMPTY_ROOT_HASH } else { slots.root() }
}

fn assert_history_is_geths(datadir: &Path, expected: &Expected, geth: &Geth, found: &mut Found) {
    let history = HistoryStore::open_read_only(datadir).unwrap();
    let snapshot = history.snapshot().unwrap();
    let rows = snapshot.rows().unwrap();
    let blocks = expected.head_number;
    // The genesis header comes from the genesis file; it has neither body nor receipts.
    assert_eq!((rows.bodies, rows.receipts), (blocks, blocks));
    assert!(rows.headers == blocks || rows.headers == blocks + 1, "{rows:?}");
    assert_eq!(snapshot.highest().unwrap(), Some((blocks, expected.head_hash)));
    found.receipt_bytes_max = assert_blocks_are_geths(&snapshot, blocks, geth.rpc());
}
