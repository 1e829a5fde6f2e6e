//! Our tries as `snapsync_trie` reads them, for proofs and for rebuilds.
//!
//! Each looks at one snapshot. Sixteen jobs of a rebuild open sixteen snapshots, each for its own leading nibbles, and
//! open new ones as they go on. What is read is trusted here; the root that is derived from it tells.

use alloy_primitives::B256;
use snapsync_trie::{Branch, HashRange, Path, TrieSource};

use crate::{
    env::{ReadCursor, ReadTxn},
    error::{Error, Result},
    state::{
        accounts::{self, hash_key},
        nodes::{self, NodeKey},
        storages,
        tables::{ACCOUNT_NODES, ACCOUNTS, STORAGE_NODES, STORAGES},
    },
};

/// The account trie of a snapshot.
#[derive(Debug)]
pub struct AccountTrie<'s> {
    rows: ReadCursor<'s>,
    /// The key that the row cursor stands on: the usual next question is the one after it, which needs no search.
    at: Option<B256>,
    nodes: NodeCursor<'s>,
}

impl<'s> AccountTrie<'s> {
    pub(crate) fn new(txn: &'s ReadTxn) -> Result<Self> {
        let nodes = NodeCursor {
            cursor: txn.cursor(ACCOUNT_NODES)?,
            table: ACCOUNT_NODES.name,
            key: NodeKey::accounts(),
            found: None,
        };
        Ok(Self { rows: txn.cursor(ACCOUNTS)?, at: None, nodes })
    }
}

impl TrieSource for AccountTrie<'_> {
    type Error = Error;

    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>> {
        let row = match self.at {
            Some(at) if HashRange::after(at) == Some(at_or_after) => self.rows.next()?,
            _ => self.rows.seek(at_or_after.as_slice())?,
        };
        let Some((key, row)) = row else {
            self.at = None;
            return Ok(None);
        };
        let account = accounts::decode(key, row)?;
        account.write_rlp(value);
        let key = hash_key(ACCOUNTS.name, key)?;
        self.at = Some(key);
        Ok(Some(key))
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>> {
        self.nodes.next_branch(at_or_after)
    }
}

/// The storage trie of one account in a snapshot.
#[derive(Debug)]
pub struct StorageTrie<'s> {
    account: B256,
    rows: ReadCursor<'s>,
    at: Option<B256>,
    nodes: NodeCursor<'s>,
}

impl<'s> StorageTrie<'s> {
    pub(crate) fn new(txn: &'s ReadTxn, account: B256) -> Result<Self> {
        let nodes = NodeCursor {
            cursor: txn.cursor(STORAGE_NODES)?,
            table: STORAGE_NODES.name,
            key: NodeKey::storage(&account),
            found: None,
        };
        Ok(Self { account, rows: txn.cursor(STORAGES)?, at: None, nodes })
    }
}

impl TrieSource for StorageTrie<'_> {
    type Error = Error;

    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>> {
        let row = match self.at {
            Some(at) if HashRange::after(at) == Some(at_or_after) => self.rows.next_dup()?,
            _ => self.rows.seek_dup(self.account.as_slice(), at_or_after.as_slice())?,
        };
        let Some(row) = row else {
            self.at = None;
            return Ok(None);
        };
        let slot = storages::decode(self.account.as_slice(), row)?;
        storages::write_leaf(&slot.value, value);
        self.at = Some(slot.key);
        Ok(Some(slot.key))
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>> {
        self.nodes.next_branch(at_or_after)
    }
}

/// The stored branches of one trie, in the order of their paths.
#[derive(Debug)]
struct NodeCursor<'s> {
    cursor: ReadCursor<'s>,
    table: &'static str,
    key: NodeKey,
    /// The last question and its answer: every question between the two has the same answer.
    found: Option<(Path, Option<(Path, Branch)>)>,
}

impl NodeCursor<'_> {
    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>> {
        if let Some((asked, answer)) = &self.found
            && asked <= at_or_after
            && answer.as_ref().is_none_or(|(path, _)| at_or_after <= path)
        {
            return Ok(answer.clone());
        }
        let row = self.cursor.seek(self.key.of(at_or_after))?;
        let mut answer = None;
        if let Some((key, value)) = row
            && let Some(path) = self.key.path(self.table, key)?
        {
            answer = Some((path, nodes::decode(self.table, key, value)?));
        }
        self.found = Some((*at_or_after, answer.clone()));
        Ok(answer)
    }
}
