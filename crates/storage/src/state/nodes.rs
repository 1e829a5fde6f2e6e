//! Branches on the disk: rows of packs, by path in the account trie, by account and path in the storage tries.
//!
//! The body is `snapsync_trie::Branch`'s disk form. A path is a byte a nibble, so that the order of the keys is that of
//! a walk from the root. Leaves and extensions are never stored.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use snapsync_trie::{Branch, Path};

use crate::{
    env::{Table, WriteTxn},
    error::{Error, Result},
    state::{
        pack_writer,
        tables::{ACCOUNT_NODES, STORAGE_NODES},
        write::NodeChanges,
    },
};

/// Reads the key of a branch.
pub(crate) fn path(table: &'static Table, key: &[u8]) -> Result<Path> {
    Path::from_key(key).ok_or_else(|| Error::corrupt(table.name, key, "the key is not a path"))
}

/// Reads a stored branch.
pub(crate) fn decode(table: &'static Table, key: &[u8], body: &[u8]) -> Result<Branch> {
    Branch::decode(body).map_err(|_| Error::corrupt(table.name, key, "the value is not a branch"))
}

/// Writes and removes what was derived, in the account trie (`account` is `None`) or in one storage trie.
pub(crate) fn put_changes(txn: &WriteTxn<'_>, account: Option<&B256>, changes: &NodeChanges) -> Result<()> {
    let (table, prefix) = match account {
        None => (ACCOUNT_NODES, &[][..]),
        Some(account) => (STORAGE_NODES, account.as_slice()),
    };
    let removed = changes.removed.iter().map(|path| (path.to_key(), None));
    let put = changes.put.iter().map(|(path, branch)| (path.to_key(), Some(branch)));
    let changes: BTreeMap<_, _> = removed.chain(put).collect();
    pack_writer::merge(txn, table, prefix, changes)
}
