//! Point reads of one moment, for whoever executes blocks or answers questions about a few accounts.
//!
//! Cursors are opened once and kept, so that a read costs a search and nothing else; where keys rise, not even that. Rows of an older block
//! are those of the snapshot under what was undone since. It trusts what it reads as far as its form: roots tell the rest.

use alloy_primitives::{B256, U256};
use snapsync_trie::Account;

use crate::{
    env::{ReadCursor, ReadTxn},
    error::Result,
    state::{
        accounts,
        pack_cursor::PackCursor,
        storages,
        tables::{ACCOUNTS, CODES, STORAGES, UNDO},
        undo::{self, Kind},
    },
};

/// The block at whose state they look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// The one that the snapshot is of.
    Newest,
    /// An older one, which is [`StateSnapshot::lowest_block`](crate::StateSnapshot::lowest_block) at least.
    Block(u64),
}

/// Kept cursors over accounts, slots and codes of one snapshot.
#[derive(Debug)]
pub struct PointReads<'s> {
    txn: &'s ReadTxn,
    accounts: PackCursor<'s>,
    slots: PackCursor<'s>,
    undo: ReadCursor<'s>,
    as_of: AsOf,
}

impl<'s> PointReads<'s> {
    pub(crate) fn new(txn: &'s ReadTxn, as_of: AsOf) -> Result<Self> {
        Ok(Self {
            txn,
            accounts: PackCursor::new(txn, ACCOUNTS, &[])?,
            slots: PackCursor::new(txn, STORAGES, &[])?,
            undo: txn.cursor(UNDO)?,
            as_of,
        })
    }

    /// The account at `key`.
    pub fn account(&mut self, key: &B256) -> Result<Option<Account>> {
        if let Some(old) = self.undone(Kind::Account, key.as_slice())? {
            return old.map(|row| accounts::decode(key.as_slice(), &row)).transpose();
        }
        let row = self.accounts.find(key.as_slice())?;
        row.map(|row| accounts::decode(key.as_slice(), row)).transpose()
    }

    /// A slot's value; zero, if it has none.
    pub fn slot(&mut self, account: &B256, key: &B256) -> Result<U256> {
        let value = |body: &[u8]| Ok(storages::decode(account.as_slice(), key.as_slice(), body)?.value);
        if self.as_of != AsOf::Newest {
            let name = [account.as_slice(), key.as_slice()].concat();
            if let Some(old) = self.undone(Kind::Slot, &name)? {
                return old.map_or(Ok(U256::ZERO), |body| value(&body));
            }
        }
        self.slots.turn_to(account.as_slice());
        self.slots.find(key.as_slice())?.map_or(Ok(U256::ZERO), value)
    }

    /// The code of this hash. Codes stay, whatever blocks are undone.
    pub fn code(&self, hash: &B256) -> Result<Option<&'s [u8]>> {
        self.txn.get(CODES, hash.as_slice())
    }

    /// The row as it was at the block that they are of: nothing, if it has not changed since.
    fn undone(&mut self, kind: Kind, key: &[u8]) -> Result<Option<Option<Vec<u8>>>> {
        match self.as_of {
            AsOf::Newest => Ok(None),
            AsOf::Block(number) => undo::at(&mut self.undo, kind, key, number),
        }
    }
}
