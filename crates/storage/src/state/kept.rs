//! A whole state: that of the newest block, or of one before it whose rows can still be looked at. What peers are answered from.
//!
//! Rows are checked for their form as they are read, not for their truth. It opens no transaction and knows no root:
//! [`StateSnapshot::kept`](crate::StateSnapshot::kept) says of which block it is.

use alloy_primitives::B256;
use snapsync_trie::{AccountRow, SlotRow};

use crate::{
    env::ReadTxn,
    error::Result,
    state::{
        accounts::{self, hash_key},
        dated::{DatedCursor, When},
        source::{AccountTrie, StorageTrie},
        storages,
        tables::ACCOUNTS,
        undo::Kind,
    },
};

/// A state as it was after one block, out of a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct KeptState<'s> {
    txn: &'s ReadTxn,
    when: When<'s>,
}

impl<'s> KeptState<'s> {
    pub(crate) fn new(txn: &'s ReadTxn, when: When<'s>) -> Self {
        Self { txn, when }
    }

    /// The accounts from `start` on, by rising key.
    pub fn accounts_from(&self, start: B256) -> Result<Accounts<'s>> {
        let cursor = DatedCursor::new(self.txn, Kind::Account, &[], self.when)?;
        Ok(Accounts { cursor, start: Some(start) })
    }

    /// The slots of `account` from `start` on, by rising key.
    pub fn slots_from(&self, account: B256, start: B256) -> Result<Slots<'s>> {
        let cursor = DatedCursor::new(self.txn, Kind::Slot, account.as_slice(), self.when)?;
        Ok(Slots { cursor, account, start: Some(start) })
    }

    /// The account trie, for proofs and rebuilds.
    pub fn account_trie(&self) -> Result<AccountTrie<'s>> {
        AccountTrie::new(self.txn, self.when)
    }

    /// The storage trie of `account`, for proofs and rebuilds.
    pub fn storage_trie(&self, account: B256) -> Result<StorageTrie<'s>> {
        StorageTrie::new(self.txn, account, self.when)
    }
}

/// Accounts by rising key.
#[derive(Debug)]
pub struct Accounts<'s> {
    cursor: DatedCursor<'s>,
    /// Where to begin; `None` once begun.
    start: Option<B256>,
}

impl Iterator for Accounts<'_> {
    type Item = Result<AccountRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.start.take() {
            Some(start) => self.cursor.seek(start.as_slice()),
            None => self.cursor.next(),
        };
        let read = |(key, row): (&[u8], &[u8])| {
            let account = accounts::decode(key, row)?;
            Ok(AccountRow { key: hash_key(ACCOUNTS.name, key)?, account })
        };
        row.transpose().map(|row| row.and_then(read))
    }
}

/// Slots of one account by rising key.
#[derive(Debug)]
pub struct Slots<'s> {
    cursor: DatedCursor<'s>,
    account: B256,
    /// Where to begin; `None` once begun.
    start: Option<B256>,
}

impl Iterator for Slots<'_> {
    type Item = Result<SlotRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.start.take() {
            Some(start) => self.cursor.seek(start.as_slice()),
            None => self.cursor.next(),
        };
        let read = |(key, digits): (&[u8], &[u8])| storages::decode(self.account.as_slice(), key, digits);
        row.transpose().map(|row| row.and_then(read))
    }
}
