//! Our tries as `snapsync_trie` reads them, for proofs and for rebuilds.
//!
//! Each looks at one snapshot: at its newest state, at an older one, or at that of blocks above it. Sixteen jobs of a rebuild open sixteen snapshots, each for its own leading
//! nibbles, and keep them to their ends. What is read is trusted here; the root that is derived from it tells.

use alloy_primitives::B256;
use snapsync_trie::{Branch, Path, TrieSource};

use crate::{
    env::ReadTxn,
    error::{Error, Result},
    state::{
        accounts::{self, hash_key},
        dated::{DatedCursor, When},
        dirty::DirtyCursor,
        nodes, storages,
        tables::ACCOUNTS,
        undo::Kind,
    },
};

/// The account trie of a snapshot.
#[derive(Debug)]
pub struct AccountTrie<'s> {
    rows: DatedCursor<'s>,
    nodes: NodeCursor<'s>,
}

impl<'s> AccountTrie<'s> {
    pub(crate) fn new(txn: &'s ReadTxn, when: When<'s>) -> Result<Self> {
        let nodes = NodeCursor::new(txn, Kind::AccountBranch, None, when)?;
        Ok(Self { rows: DatedCursor::new(txn, Kind::Account, &[], when)?, nodes })
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
    rows: DatedCursor<'s>,
    nodes: NodeCursor<'s>,
}

impl<'s> StorageTrie<'s> {
    pub(crate) fn new(txn: &'s ReadTxn, account: B256, when: When<'s>) -> Result<Self> {
        let nodes = NodeCursor::new(txn, Kind::StorageBranch, Some(&account), when)?;
        Ok(Self { account, rows: DatedCursor::new(txn, Kind::Slot, account.as_slice(), when)?, nodes })
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
    cursor: DatedCursor<'s>,
    dirty: DirtyCursor<'s>,
    kind: Kind,
    key: Vec<u8>,
    /// The last question and its answer: every question between the two has the same answer.
    found: Option<(Path, Option<(Path, Branch)>)>,
}

impl<'s> NodeCursor<'s> {
    fn new(txn: &'s ReadTxn, kind: Kind, account: Option<&B256>, when: When<'s>) -> Result<Self> {
        let cursor = DatedCursor::new(txn, kind, account.map_or(&[], B256::as_slice), when)?;
        Ok(Self { cursor, dirty: DirtyCursor::new(txn, account)?, kind, key: Vec::new(), found: None })
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
        let table = self.kind.table();
        let answer = match self.cursor.seek(&self.key)? {
            Some((key, branch)) => Some((nodes::path(table, key)?, nodes::decode(table, key, branch)?)),
            None => None,
        };
        self.found = Some((*at_or_after, answer.clone()));
        Ok(answer)
    }
}
