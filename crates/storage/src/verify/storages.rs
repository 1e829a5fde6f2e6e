//! One account's slots against its claimed root and the stored branches of its trie.

use alloy_primitives::B256;
use snapsync_trie::{Account, Builder, HashRange, PendingStorage};

use crate::{
    error::Result,
    state::{
        pack_cursor::PackCursor,
        snapshot::StateSnapshot,
        storages,
        tables::{PENDING_STORAGES, STORAGE_NODES, STORAGES},
    },
    verify::{
        nodes::{Expect, compare, find_strays},
        report::Findings,
    },
};

/// Derived branches that are in memory at once: ~1 MiB.
pub(crate) const NODES_WAITING_MAX: usize = 4096;

/// Slots and branches that were checked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Checked {
    pub(crate) slots: u64,
    pub(crate) nodes: u64,
}

/// Derives the storage trie of `key` and compares it with all that should agree with it.
pub(crate) fn check(
    snapshot: &StateSnapshot,
    key: &B256,
    account: &Account,
    findings: &Findings,
) -> Result<Checked> {
    let Some(pending) = findings.note(snapshot.pending_storage(key))? else {
        return Ok(Checked::default());
    };
    let claims_another = |expected: B256| expected != account.storage_root;
    if pending.as_ref().and_then(|pending| pending.expected).is_some_and(claims_another) {
        findings.add(PENDING_STORAGES.name, key.as_slice(), "the account claims another root");
        return Ok(Checked::default());
    }
    let expect = if pending.is_none() { Expect::All } else { Expect::Some };
    let mut checked = Checked::default();
    let mut builder = Builder::new();
    let mut leaf = Vec::with_capacity(33);
    for slot in snapshot.slots_from(*key, B256::ZERO)? {
        let Some(slot) = findings.note(slot)? else { return Ok(checked) };
        if pending.as_ref().is_some_and(|pending| !pending.parts.at(slot.key).is_held()) {
            findings.add(STORAGES.name, &[*key, slot.key].concat(), "the slot lies in a gap");
        }
        leaf.clear();
        storages::write_leaf(&slot.value, &mut leaf);
        builder.push_leaf(slot.key, &leaf);
        checked.slots += 1;
        if builder.nodes_waiting() > NODES_WAITING_MAX {
            let nodes = builder.take_nodes();
            checked.nodes += compare(&snapshot.txn, STORAGE_NODES, Some(key), &nodes, expect, findings)?;
        }
    }
    let built = builder.finish();
    checked.nodes += compare(&snapshot.txn, STORAGE_NODES, Some(key), &built.nodes, expect, findings)?;
    let is_known = |pending: &PendingStorage| pending.is_filled() && pending.is_of_one_target();
    if pending.as_ref().is_none_or(is_known) && built.root != account.storage_root {
        let what = format!("the slots give {}, the account claims {}", built.root, account.storage_root);
        findings.add(STORAGES.name, key.as_slice(), what);
    }
    if findings.note(stored(snapshot, key))?.is_some_and(|stored| stored != checked.nodes) {
        find_strays(&snapshot.txn, STORAGE_NODES, Some(key), findings, |range: HashRange| {
            let slots = snapshot.slots_from(*key, range.start())?;
            Ok(slots.map(|slot| slot.map(|slot| slot.key)).take_while(move |key| match key {
                Ok(key) => range.contains(key),
                Err(_) => true,
            }))
        })?;
    }
    Ok(checked)
}

/// How many branches are stored for this account.
fn stored(snapshot: &StateSnapshot, key: &B256) -> Result<u64> {
    let mut cursor = PackCursor::new(&snapshot.txn, STORAGE_NODES, key.as_slice())?;
    let (mut row, mut count) = (cursor.seek(&[])?, 0);
    while row.is_some() {
        count += 1;
        row = cursor.next()?;
    }
    Ok(count)
}
