//! A disk that says anything of what takes blocks back: `[blocks, table, row, value..]`. It is found out, or taken at its word; nothing panics.
#![no_main]

use std::cell::OnceCell;

use alloy_primitives::B256;
use libfuzzer_sys::fuzz_target;
use snapsync_execute::Fork;
use snapsync_fuzz::chain::Small;
use snapsync_storage::{StateSnapshot, UndoTable};
use snapsync_trie::{Path, TrieSource};

fuzz_target!(|data: &[u8]| {
    let [blocks, table, row, value @ ..] = data else { return };
    let mut chain = Small::at(Fork::Shanghai);
    let grown = chain.grow(1 + blocks % 4);
    let table = if table % 2 == 0 { UndoTable::Rows } else { UndoTable::Blocks };
    chain.store.state.spoil_undo(table, usize::from(*row), value).expect("it is memory");
    let snapshot = chain.store.state.snapshot().expect("it is memory");
    for (_, root) in &grown {
        look(&snapshot, *root);
    }
    drop(snapshot);
    let newest = grown.last().expect("there is at least one");
    if let Ok(state) = chain.take_back(newest.0) {
        let left = state.snapshot().expect("it is memory");
        grown.iter().for_each(|(_, root)| look(&left, *root));
    }
});

/// Reads all of a state that is kept, as far as the disk lets it.
fn look(snapshot: &StateSnapshot, root: B256) {
    let Ok(Some(kept)) = snapshot.kept(root) else { return };
    let first = OnceCell::new();
    if let Ok(rows) = kept.accounts_from(B256::ZERO) {
        for row in rows.map_while(Result::ok).take(1000) {
            let _ = first.set(row.key);
        }
    }
    let from = Path::prefix_of(&B256::ZERO, 0);
    if let Ok(mut trie) = kept.account_trie() {
        let _ = trie.next_branch(&from);
    }
    let Some(account) = first.get() else { return };
    if let Ok(slots) = kept.slots_from(*account, B256::ZERO) {
        slots.map_while(Result::ok).take(1000).for_each(drop);
    }
    if let Ok(mut trie) = kept.storage_trie(*account) {
        let _ = trie.next_branch(&from);
    }
}
