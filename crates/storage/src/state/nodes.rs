//! Branches on the disk: by path in the account trie, by account and path in the storage tries.
//!
//! The value is `snapsync_trie::Branch`'s disk form. A path is a byte a nibble, so that the order of the keys is that of
//! a walk from the root. Leaves and extensions are never stored.

use alloy_primitives::B256;
use snapsync_trie::{Branch, HashRange, Path};

use crate::{
    env::{SortedCursor, WriteTxn},
    error::{Error, Result},
    state::{
        tables::{ACCOUNT_NODES, STORAGE_NODES},
        write::NodeChanges,
    },
};

/// The key of a branch: a path, behind an account in a storage trie.
#[derive(Debug, Default)]
pub(crate) struct NodeKey {
    bytes: Vec<u8>,
    prefix_len: usize,
}

impl NodeKey {
    /// Keys of the account trie.
    pub(crate) fn accounts() -> Self {
        Self::default()
    }

    /// Keys of the storage trie of `account`.
    pub(crate) fn storage(account: &B256) -> Self {
        Self { bytes: account.to_vec(), prefix_len: 32 }
    }

    /// The key of the branch at `path`; the buffer is used again.
    pub(crate) fn of(&mut self, path: &Path) -> &[u8] {
        self.bytes.truncate(self.prefix_len);
        path.write_key(&mut self.bytes);
        &self.bytes
    }

    /// The path of a key that was read, or `None` when it belongs to the next trie.
    pub(crate) fn path(&self, table: &'static str, key: &[u8]) -> Result<Option<Path>> {
        let Some(path) = key.strip_prefix(&self.bytes[..self.prefix_len]) else { return Ok(None) };
        match Path::from_key(path) {
            Some(path) => Ok(Some(path)),
            None => Err(Error::corrupt(table, key, "the key is not a path")),
        }
    }
}

/// Reads a stored branch.
pub(crate) fn decode(table: &'static str, key: &[u8], value: &[u8]) -> Result<Branch> {
    Branch::decode(value).map_err(|_| Error::corrupt(table, key, "the value is not a branch"))
}

/// Writes those of `nodes` that stand wholly inside one of `pieces`, which rise and are disjoint.
pub(crate) fn put_inside<'a>(
    cursor: &mut SortedCursor<'_>,
    key: &mut NodeKey,
    nodes: impl Iterator<Item = (Path, &'a [u8])>,
    pieces: &[HashRange],
) -> Result<()> {
    let mut run = Run::Before;
    for (path, bytes) in nodes {
        let at = pieces.partition_point(|piece| piece.last() < path.first_key());
        let inside = pieces.get(at).is_some_and(|piece| piece.covers(&path.range()));
        if !inside {
            continue;
        }
        if let Run::Before = run {
            cursor.start_run(key.of(&path))?;
            run = Run::Inside;
        }
        cursor.put(key.of(&path), bytes)?;
    }
    Ok(())
}

enum Run {
    Before,
    Inside,
}

/// Writes and removes what was derived, in the account trie (`account` is `None`) or in one storage trie.
pub(crate) fn put_changes(txn: &WriteTxn<'_>, account: Option<&B256>, changes: &NodeChanges) -> Result<()> {
    let (table, mut key) = match account {
        None => (ACCOUNT_NODES, NodeKey::accounts()),
        Some(account) => (STORAGE_NODES, NodeKey::storage(account)),
    };
    for path in &changes.removed {
        txn.delete(table, key.of(path))?;
    }
    put_inside(&mut txn.sorted(table)?, &mut key, changes.put.iter(), &[HashRange::FULL])
}
