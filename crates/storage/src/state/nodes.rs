//! Branches on the disk: rows of packs, by path in the account trie, by account and path in the storage tries.
//!
//! The body is `snapsync_trie::Branch`'s disk form. A path is a byte a nibble, so that the order of the keys is that of
//! a walk from the root. Leaves and extensions are never stored.

use alloy_primitives::B256;
use snapsync_trie::{Branch, Path};

use crate::{
    env::{Table, WriteTxn},
    error::{Error, Result},
    state::{
        fences::Fences,
        pack_writer::{self, Change},
        tables::{ACCOUNT_NODES, STORAGE_NODES},
    },
};

/// Branches to be written and to be removed: what a rebuild hands out.
pub type NodeChanges = snapsync_trie::Changes;

/// Reads the key of a branch.
pub(crate) fn path(table: &'static Table, key: &[u8]) -> Result<Path> {
    Path::from_key(key).ok_or_else(|| Error::corrupt(table.name, key, "the key is not a path"))
}

/// Reads a stored branch.
pub(crate) fn decode(table: &'static Table, key: &[u8], body: &[u8]) -> Result<Branch> {
    Branch::decode(body).map_err(|_| Error::corrupt(table.name, key, "the value is not a branch"))
}

/// Writes and removes what was derived, in the account trie (`account` is `None`) or in one storage trie.
pub(crate) fn put_changes(
    txn: &WriteTxn<'_>,
    account: Option<&B256>,
    fences: &Fences,
    changes: &NodeChanges,
) -> Result<()> {
    let (table, prefix) = match account {
        None => (ACCOUNT_NODES, &[][..]),
        Some(account) => (STORAGE_NODES, account.as_slice()),
    };
    let removed = changes.removed.iter().map(|path| (*path, None));
    let put = changes.put.iter().map(|(path, branch)| (path, Some(branch)));
    let mut changes: Vec<_> = removed.chain(put).collect();
    // Stable: where a path is taken away and put, it is put.
    changes.sort_by_key(|(path, _)| *path);
    let mut keys = Vec::with_capacity(changes.iter().map(|(path, _)| path.len()).sum());
    changes.iter().for_each(|(path, _)| path.write_key(&mut keys));
    let mut rest = keys.as_slice();
    let mut rows: Vec<Change<'_>> = Vec::with_capacity(changes.len());
    for (path, body) in changes {
        let (key, behind) = rest.split_at(path.len());
        rest = behind;
        match rows.last_mut().filter(|last| last.key == key) {
            Some(last) => last.body = body,
            None => rows.push(Change { key, body }),
        }
    }
    pack_writer::merge(txn, table, prefix, fences, &rows)
}
