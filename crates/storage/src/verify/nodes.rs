//! Stored branches against derived ones, of one trie.
//!
//! Derived branches come bottom up, so each is looked up by its path. That leaves stored branches that nothing derives: they
//! are counted, and searched for only when the count is off.

use alloy_primitives::B256;
use snapsync_trie::{HashRange, Nodes, Path};

use crate::{
    env::{ReadTxn, Table},
    error::Result,
    state::nodes::NodeKey,
    verify::report::Findings,
};

/// Whether every derived branch must be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The trie is finished: stored and derived branches are the same.
    All,
    /// The trie is not derived to its root yet: what is stored must be right.
    Some,
}

/// Compares derived branches with the stored ones at their paths; returns how many are stored.
pub(crate) fn compare(
    txn: &ReadTxn,
    table: &'static Table,
    account: Option<&B256>,
    nodes: &Nodes,
    expect: Expect,
    findings: &Findings,
) -> Result<u64> {
    let mut key = account.map_or_else(NodeKey::accounts, NodeKey::storage);
    let mut stored_count = 0;
    for (path, derived) in nodes.iter() {
        let key = key.of(&path);
        match txn.get(table, key)? {
            Some(stored) => {
                stored_count += 1;
                if stored != derived {
                    findings.add(table.name, key, "the stored branch is not the one that the rows give");
                }
            }
            None if expect == Expect::All => findings.add(table.name, key, "the branch is missing"),
            None => {}
        }
    }
    Ok(stored_count)
}

/// Looks for stored branches of one trie at paths where its rows make none.
///
/// `rows` gives the keys of the rows in a range; at most one more than the first that differs is asked for.
pub(crate) fn find_strays<I: Iterator<Item = Result<B256>>>(
    txn: &ReadTxn,
    table: &'static Table,
    account: Option<&B256>,
    findings: &Findings,
    rows: impl Fn(HashRange) -> Result<I>,
) -> Result<()> {
    let prefix = account.map_or_else(NodeKey::accounts, NodeKey::storage);
    let mut cursor = txn.cursor(table)?;
    let from: &[u8] = account.map_or(&[], |account| account.as_slice());
    let mut row = cursor.seek(from)?;
    while let Some((key, _)) = row {
        match findings.note(prefix.path(table.name, key))? {
            Some(Some(path)) if !is_branch(&path, rows(path.range())?)? => {
                findings.add(table.name, key, "the rows make no branch here");
            }
            Some(None) => return Ok(()),
            _ => {}
        }
        if findings.is_full() {
            return Ok(());
        }
        row = cursor.next()?;
    }
    Ok(())
}

/// Whether rows go on below `path` in more than one way.
fn is_branch(path: &Path, rows: impl Iterator<Item = Result<B256>>) -> Result<bool> {
    let mut first: Option<Path> = None;
    for key in rows {
        let key = Path::of_key(&key?);
        match first {
            None => first = Some(key),
            Some(first) if first.common_prefix(&key) == path.len() => return Ok(true),
            Some(_) => {}
        }
    }
    Ok(false)
}
