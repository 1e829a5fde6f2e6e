//! Stored branches against derived ones, of one trie.
//!
//! Derived branches come bottom up, so each is looked up by its path. That leaves stored branches that nothing derives: they
//! are counted, and searched for only when the count is off.

use alloy_primitives::B256;
use snapsync_trie::{HashRange, Nodes, Path};

use crate::{
    env::{ReadTxn, Table},
    error::Result,
    state::{dirty::DirtyCursor, nodes, pack_cursor::PackCursor},
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
    derived: &Nodes,
    expect: Expect,
    findings: &Findings,
) -> Result<u64> {
    let mut stored = PackCursor::new(txn, table, prefix(account))?;
    let mut marks = DirtyCursor::new(txn, account)?;
    let (mut key, mut stored_count) = (Vec::new(), 0);
    for (path, derived) in derived.iter() {
        key.clear();
        path.write_key(&mut key);
        match findings.note(stored.find(&key))? {
            Some(Some(stored)) => {
                stored_count += 1;
                // What stands on a marked path is known to be out of date.
                if stored != derived && !findings.note(marks.is_marked(path.range()))?.unwrap_or_default() {
                    let what = "the stored branch is not the one that the rows give";
                    findings.add(table.name, &[prefix(account), &key].concat(), what);
                }
            }
            Some(None) if expect == Expect::All => {
                findings.add(table.name, &[prefix(account), &key].concat(), "the branch is missing");
            }
            _ => {}
        }
    }
    Ok(stored_count)
}

fn prefix(account: Option<&B256>) -> &[u8] {
    account.map_or(&[], |account| account.as_slice())
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
    let mut stored = PackCursor::new(txn, table, prefix(account))?;
    let mut marks = DirtyCursor::new(txn, account)?;
    let mut row = findings.note(stored.seek(&[]))?.flatten();
    while let Some((key, _)) = row {
        if let Some(path) = findings.note(nodes::path(table, key))?
            && !is_stored(&path, rows(path.range())?)?
            && !findings.note(marks.is_marked(path.range()))?.unwrap_or_default()
        {
            findings.add(
                table.name,
                &[prefix(account), key].concat(),
                "the rows make no branch here that is stored",
            );
        }
        if findings.is_full() {
            return Ok(());
        }
        row = findings.note(stored.next())?.flatten();
    }
    Ok(())
}

/// Whether rows go on below `path` in more than one way, and more than one of them in one of these.
pub(crate) fn is_stored(path: &Path, rows: impl Iterator<Item = Result<B256>>) -> Result<bool> {
    let (mut before, mut parts, mut crowds) = (None, false, false);
    for key in rows {
        let key = Path::of_key(&key?);
        match before.replace(key).map(|before: Path| before.common_prefix(&key)) {
            Some(common) if common == path.len() => parts = true,
            Some(common) if common > path.len() => crowds = true,
            _ => {}
        }
        if parts && crowds {
            return Ok(true);
        }
    }
    Ok(false)
}
