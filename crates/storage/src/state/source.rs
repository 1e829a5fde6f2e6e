//! Our tries as `snapsync_trie` reads them, for proofs and for rebuilds.
//!
//! Each looks at one snapshot. Sixteen jobs of a rebuild open sixteen snapshots, each for its own leading nibbles, and
//! keep them to their ends. What is read is trusted here; the root that is derived from it tells.

use alloy_primitives::B256;
use snapsync_trie::{Branch, Path, TrieSource};

use crate::{
    env::{ReadTxn, Table},
    error::{Error, Result},
    state::{
        accounts::{self, hash_key},
        dirty::DirtyCursor,
        nodes,
        pack_cursor::PackCursor,
        storages,
        tables::{ACCOUNT_NODES, ACCOUNTS, STORAGE_NODES, STORAGES},
    },
};

/// The account trie of a snapshot.
#[derive(Debug)]
pub struct AccountTrie<'s> {
    rows: PackCursor<'s>,
    nodes: NodeCursor<'s>,
}

impl<'s> AccountTrie<'s> {
    pub(crate) fn new(txn: &'s ReadTxn) -> Result<Self> {
        let nodes = NodeCursor::new(txn, ACCOUNT_NODES, None)?;
        Ok(Self { rows: PackCursor::new(txn, ACCOUNTS, &[])?, nodes })
    }
}

impl TrieSource for AccountTrie<'_> {
    type Error = Error;

    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>> {
        let Some((key, row)) = self.rows.seek(at_or_after.as_slice())? else { return Ok(None) };
        accounts::decode(key, row)?.write_rlp(value);
        hash_key(ACCOUNTS.name, key).map(Some)
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>> {
        self.nodes.next_branch(at_or_after)
    }

    fn dirty(&mut self, path: &Path) -> Result<u16> {
        self.nodes.dirty.below(path)
    }
}

/// The storage trie of one account in a snapshot.
#[derive(Debug)]
pub struct StorageTrie<'s> {
    account: B256,
    rows: PackCursor<'s>,
    nodes: NodeCursor<'s>,
}

impl<'s> StorageTrie<'s> {
    pub(crate) fn new(txn: &'s ReadTxn, account: B256) -> Result<Self> {
        let nodes = NodeCursor::new(txn, STORAGE_NODES, Some(&account))?;
        Ok(Self { account, rows: PackCursor::new(txn, STORAGES, account.as_slice())?, nodes })
    }
}

impl TrieSource for StorageTrie<'_> {
    type Error = Error;

    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>> {
        let Some((key, digits)) = self.rows.seek(at_or_after.as_slice())? else { return Ok(None) };
        let slot = storages::decode(self.account.as_slice(), key, digits)?;
        storages::write_leaf(&slot.value, value);
        Ok(Some(slot.key))
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>> {
        self.nodes.next_branch(at_or_after)
    }

    fn dirty(&mut self, path: &Path) -> Result<u16> {
        self.nodes.dirty.below(path)
    }
}

/// The stored branches of one trie, in the order of their paths.
#[derive(Debug)]
struct NodeCursor<'s> {
    cursor: PackCursor<'s>,
    dirty: DirtyCursor<'s>,
    table: &'static Table,
    key: Vec<u8>,
    /// The last question and its answer: every question between the two has the same answer.
    found: Option<(Path, Option<(Path, Branch)>)>,
}

impl<'s> NodeCursor<'s> {
    fn new(txn: &'s ReadTxn, table: &'static Table, account: Option<&B256>) -> Result<Self> {
        let cursor = PackCursor::new(txn, table, account.map_or(&[], B256::as_slice))?;
        Ok(Self { cursor, dirty: DirtyCursor::new(txn, account)?, table, key: Vec::new(), found: None })
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>> {
        if let Some((asked, answer)) = &self.found
            && asked <= at_or_after
            && answer.as_ref().is_none_or(|(path, _)| at_or_after <= path)
        {
            return Ok(answer.clone());
        }
        self.key.clear();
        at_or_after.write_key(&mut self.key);
        let answer = match self.cursor.seek(&self.key)? {
            Some((key, branch)) => {
                Some((nodes::path(self.table, key)?, nodes::decode(self.table, key, branch)?))
            }
            None => None,
        };
        self.found = Some((*at_or_after, answer.clone()));
        Ok(answer)
    }
}
