//! Point reads of one moment, for whoever executes blocks or answers questions about a few accounts.
//!
//! Cursors are opened once and kept, so that a read costs a search and nothing else; where keys rise, not even that. Rows of an older block
//! are those of the snapshot under what was undone since, rows of blocks that are not on the disk yet those under what they change. It trusts
//! what it reads as far as its form: roots tell the rest.

use std::borrow::Cow;

use alloy_primitives::{B256, U256};
use snapsync_trie::Account;

use crate::{
    env::{ReadCursor, ReadTxn},
    error::Result,
    state::{
        accounts,
        dated::When,
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
    when: When<'s>,
}

/// A row's body, if there is a row.
type Body<'s> = Option<Cow<'s, [u8]>>;

impl<'s> PointReads<'s> {
    pub(crate) fn new(txn: &'s ReadTxn, when: When<'s>) -> Result<Self> {
        Ok(Self {
            txn,
            accounts: PackCursor::new(txn, ACCOUNTS, &[])?,
            slots: PackCursor::new(txn, STORAGES, &[])?,
            undo: txn.cursor(UNDO)?,
            when,
        })
    }

    /// The account at `key`.
    pub fn account(&mut self, key: &B256) -> Result<Option<Account>> {
        let row = match self.differing(Kind::Account, key.as_slice())? {
            Some(differing) => differing,
            None => self.accounts.find(key.as_slice())?.map(Cow::Borrowed),
        };
        row.map(|row| accounts::decode(key.as_slice(), &row)).transpose()
    }

    /// A slot's value; zero, if it has none.
    pub fn slot(&mut self, account: &B256, key: &B256) -> Result<U256> {
        let row = match self.differing_slot(account, key)? {
            Some(differing) => differing,
            None => {
                self.slots.turn_to(account.as_slice());
                self.slots.find(key.as_slice())?.map(Cow::Borrowed)
            }
        };
        let value = |body: &[u8]| Ok(storages::decode(account.as_slice(), key.as_slice(), body)?.value);
        row.map_or(Ok(U256::ZERO), |body| value(&body))
    }

    /// The code of this hash. Codes stay, whatever blocks are undone.
    pub fn code(&self, hash: &B256) -> Result<Option<&'s [u8]>> {
        if let When::Ahead(blocks) = self.when
            && let Some(code) = blocks.code(hash)
        {
            return Ok(Some(code));
        }
        self.txn.get(CODES, hash.as_slice())
    }

    fn differing_slot(&mut self, account: &B256, key: &B256) -> Result<Option<Body<'s>>> {
        if matches!(self.when, When::Newest) {
            return Ok(None);
        }
        let mut name = [0; 64];
        name[..32].copy_from_slice(account.as_slice());
        name[32..].copy_from_slice(key.as_slice());
        Ok(match (self.differing(Kind::Slot, &name)?, self.when) {
            (None, When::Ahead(blocks)) if blocks.is_wiped(account.as_slice()) => Some(None),
            (differing, _) => differing,
        })
    }

    /// The row at the block that they are of: nothing, if it is the one that the packs hold.
    fn differing(&mut self, kind: Kind, key: &[u8]) -> Result<Option<Body<'s>>> {
        Ok(match self.when {
            When::Newest => None,
            When::Block(number) => {
                undo::at(&mut self.undo, kind, key, number)?.map(|old| old.map(Cow::Owned))
            }
            When::Ahead(blocks) => blocks.row(kind, key).map(|body| body.map(Cow::Borrowed)),
        })
    }
}
