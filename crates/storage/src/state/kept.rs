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
        dated::DatedCursor,
        reads::AsOf,
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
    as_of: AsOf,
}

impl<'s> KeptState<'s> {
    pub(crate) fn new(txn: &'s ReadTxn, as_of: AsOf) -> Self {
        Self { txn, as_of }
    }

    /// Which block's it is.
    pub const fn as_of(&self) -> AsOf {
        self.as_of
    }

    /// The accounts from `start` on, by rising key.
    pub fn accounts_from(&self, start: B256) -> Result<Accounts<'s>> {
        let cursor = DatedCursor::new(self.txn, Kind::Account, &[], self.as_of)?;
        Ok(Accounts { cursor, start: Some(start) })
    }

    /// The slots of `account` from `start` on, by rising key.
    pub fn slots_from(&self, account: B256, start: B256) -> Result<Slots<'s>> {
        let cursor = DatedCursor::new(self.txn, Kind::Slot, account.as_slice(), self.as_of)?;
        Ok(Slots { cursor, account, start: Some(start) })
    }

    /// The account trie, for proofs and rebuilds.
    pub fn account_trie(&self) -> Result<AccountTrie<'s>> {
        AccountTrie::new(self.txn, self.as_of)
    }

    /// The storage trie of `account`, for proofs and rebuilds.
    pub fn storage_trie(&self, account: B256) -> Result<StorageTrie<'s>> {
        StorageTrie::new(self.txn, account, self.as_of)
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
