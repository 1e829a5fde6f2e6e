//! The account trie from its rows, a sub-trie at a time, and whether it is the target's.

use alloy_primitives::B256;
use snapsync_trie::{AccountRow, Builder, Changes, HashRange, Path, join, rebuild, subtries};

use crate::{
    error::Result,
    mend::{
        compare::{BranchChanges, Compared},
        mending::Mending,
    },
    state::snapshot::StateSnapshot,
};

/// Two leading nibbles: 256 sub-tries, so that each snapshot is short.
pub(crate) const SUBTRIE_DEPTH: usize = 2;
/// Derived branches that are in memory at once, and changes that wait for a transaction: ~1 MiB each.
pub(crate) const BRANCHES_MAX: usize = 4096;

/// Puts the branches right that lie below one prefix.
pub(crate) fn mend(mending: &mut Mending<'_>, prefix: Path) -> Result<()> {
    let snapshot = mending.snapshot()?;
    let held = mending.held.get().clone();
    let trie = Compared { account: None, prefix, held: &held };
    let mut changes = BranchChanges::new();
    let mut builder = Builder::below(prefix);
    let (mut accounts, mut found, mut leaf) = (0, 0, Vec::with_capacity(112));
    let range = prefix.range();
    for row in snapshot.accounts_from(range.start())? {
        let AccountRow { key, account } = row?;
        if !range.contains(&key) {
            break;
        }
        accounts += 1;
        leaf.clear();
        account.write_rlp(&mut leaf);
        builder.push_leaf(key, &leaf);
        if builder.nodes_waiting() > BRANCHES_MAX {
            found += trie.branches(&snapshot.txn, &builder.take_nodes(), &mut changes)?;
            put(mending, &trie, &mut changes, BRANCHES_MAX)?;
        }
    }
    found += trie.branches(&snapshot.txn, builder.finish_part().nodes(), &mut changes)?;
    if trie.stored(&snapshot.txn)? != found {
        trie.strays(&snapshot.txn, |range| keys(&snapshot, range), &mut changes)?;
    }
    put(mending, &trie, &mut changes, 0)?;
    if let Some(at) = &mut mending.at {
        at.counted.accounts += accounts;
    }
    Ok(())
}

/// Writes changes, if there are more than so many.
fn put(
    mending: &mut Mending<'_>,
    trie: &Compared<'_>,
    changes: &mut BranchChanges,
    max: usize,
) -> Result<()> {
    if changes.len() <= max {
        return Ok(());
    }
    mending.change(|txn, mending| {
        mending.mended.branches += changes.len() as u64;
        trie.put(txn, changes)
    })?;
    changes.clear();
    Ok(())
}

fn keys(snapshot: &StateSnapshot, range: HashRange) -> Result<impl Iterator<Item = Result<B256>> + '_> {
    let rows = snapshot.accounts_from(range.start())?;
    Ok(rows.map(|row| row.map(|row| row.key)).take_while(move |key| match key {
        Ok(key) => range.contains(key),
        Err(_) => true,
    }))
}

/// Puts the few branches right that lie above all sub-tries; says whether the account rows give the target's root.
pub(crate) fn mend_top(mending: &mut Mending<'_>) -> Result<bool> {
    let snapshot = mending.snapshot()?;
    let held = mending.held.get().clone();
    let mut rows = snapshot.account_trie()?;
    let mut parts = Vec::with_capacity(256);
    for prefix in subtries(SUBTRIE_DEPTH) {
        // What lies below is right by now, and is not written again.
        let mut part = rebuild(&mut rows, prefix, &mut |_: Changes| Ok(()))?;
        part.take_nodes();
        parts.push(part);
    }
    let top = join(parts);
    let (trie, mut changes) =
        (Compared { account: None, prefix: Path::ROOT, held: &held }, BranchChanges::new());
    trie.branches(&snapshot.txn, &top.nodes, &mut changes)?;
    for path in top.removed {
        if snapshot.account_branch(&path)?.is_some() {
            changes.insert(path.to_key(), None);
        }
    }
    put(mending, &trie, &mut changes, 0)?;
    Ok(held.is_whole() && top.root == mending.pin.root)
}
