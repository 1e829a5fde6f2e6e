//! A block's access list, brought to rows that are older than the block.
//!
//! ```text
//! account's key is held as of a target that moves     nonce, balance, code; deleted, if nothing is left
//! slot's part is held as of one                       the slot; a settled storage is as new as its account
//! the storage was claimed at one, and changes         its root is owed from now on: only its trie tells
//! ```
//!
//! All other keys stay as they are: what is missing comes newer, what is newer knows the block already. Values are absolute, so where rows
//! are of several blocks the lists of all blocks after the oldest, in order, bring each of them to the newest. What changes is marked.

use std::collections::BTreeSet;

use alloy_primitives::{B256, U256};
use snapsync_trie::{Account, Coverage, EMPTY_ROOT, PendingStorage, SlotRow, Standing, TargetId};

use crate::{
    env::WriteTxn,
    error::Result,
    state::{
        accounts::{self, ROW_MAX},
        apply_storages,
        list::{CheckedList, ListedAccount},
        marked, pack_writer,
        pending::{self, PendingRow},
        progress::CommitNumber,
        storages,
        tables::{ACCOUNTS, CODES, PENDING_CODES, PENDING_STORAGES, STORAGES},
        write::Unsettled,
    },
};

/// How many rows of each kind there are more than before; fewer, if negative.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Grown {
    pub(crate) accounts: i64,
    pub(crate) slots: i64,
    pub(crate) codes: u64,
}

/// What a list did to rows, and to what is pending.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    pub(crate) grown: Grown,
    pub(crate) unsettled: Unsettled,
    /// Codes that were waited for.
    pub(crate) codes: Vec<B256>,
}

/// Brings a list to the rows of targets that `moves` names.
pub(crate) fn apply(
    txn: &WriteTxn<'_>,
    held: &Coverage,
    moves: &BTreeSet<TargetId>,
    commit: CommitNumber,
    list: &CheckedList,
) -> Result<Brought> {
    let (rows, scratch) = (Vec::new(), Vec::new());
    let mut bringing = Bringing { txn, held, moves, commit, rows, brought: Brought::default(), scratch };
    for (key, listed) in list.accounts() {
        bringing.account(key, listed)?;
    }
    let Bringing { rows, brought, .. } = bringing;
    marked::change(txn, None, held, commit, rows.iter().map(|(key, body)| (key, body.as_deref())))?;
    Ok(brought)
}

/// Whether rows that stand like this are brought to the block.
fn does_move(moves: &BTreeSet<TargetId>, standing: Standing) -> bool {
    #[cfg(feature = "planted-bugs")]
    if crate::planted::is(crate::WriterBug::ListAheadOfCursor) {
        return matches!(standing, Standing::At(_));
    }
    matches!(standing, Standing::At(target) if moves.contains(&target))
}

struct Bringing<'a, 'e> {
    txn: &'a WriteTxn<'e>,
    held: &'a Coverage,
    moves: &'a BTreeSet<TargetId>,
    commit: CommitNumber,
    /// Accounts that change, rising.
    rows: Vec<(B256, Option<Vec<u8>>)>,
    brought: Brought,
    scratch: Vec<u8>,
}

impl Bringing<'_, '_> {
    fn account(&mut self, key: &B256, listed: &ListedAccount) -> Result<()> {
        let standing = self.held.at(*key);
        if !standing.is_held() {
            return Ok(());
        }
        let row = pack_writer::find(self.txn, ACCOUNTS, &[], key.as_slice())?;
        let before = row.as_deref().map(|row| accounts::decode(key.as_slice(), row)).transpose()?;
        let after = if does_move(self.moves, standing) { listed.after(before) } else { before };
        let Some(after) = after else {
            if before.is_some() {
                self.delete(key)?;
            }
            return Ok(());
        };
        self.slots(key, listed, standing, before)?;
        if before != Some(after) {
            let mut body = [0; ROW_MAX];
            let length = accounts::encode(&after, &mut body);
            self.rows.push((*key, Some(body[..length].to_vec())));
            self.brought.grown.accounts += i64::from(before.is_none());
        }
        self.code(listed, &after)
    }

    /// The account is gone, with all that is below it.
    fn delete(&mut self, key: &B256) -> Result<()> {
        self.brought.grown.slots -= apply_storages::clear(self.txn, key)?.cast_signed();
        self.brought.grown.accounts -= 1;
        if self.txn.delete(PENDING_STORAGES, key.as_slice())? {
            self.brought.unsettled.freed.push(*key);
        }
        self.rows.push((*key, None));
        Ok(())
    }

    /// Brings the slots of an account that stays, and says of its storage what is known then.
    fn slots(
        &mut self,
        key: &B256,
        listed: &ListedAccount,
        standing: Standing,
        before: Option<Account>,
    ) -> Result<()> {
        if listed.slots.is_empty() {
            return Ok(());
        }
        let Some(mut pending) = pending::get(self.txn, key)? else {
            let Standing::At(target) = standing else { return Ok(()) };
            if !does_move(self.moves, standing) {
                return Ok(());
            }
            let root = before.map_or(EMPTY_ROOT, |before| before.storage_root);
            let parts = Coverage::all(standing);
            let count = self.put_slots(key, listed.slots.iter(), &parts)?;
            // A storage that was none and stays none owes nothing.
            if count > 0 || root != EMPTY_ROOT {
                let storage = PendingStorage { account: *key, expected: None, target, parts };
                pending::put(self.txn, &PendingRow { storage, since: self.commit }, &mut self.scratch)?;
                self.brought.unsettled.owed.push(*key);
            }
            return Ok(());
        };
        let parts = pending.storage.parts.clone();
        let moves = self.moves;
        let here = listed.slots.iter().filter(|(slot, _)| does_move(moves, parts.at(*slot)));
        self.put_slots(key, here, &parts)?;
        let is_claimed = pending.storage.expected.is_some();
        if is_claimed && does_move(self.moves, Standing::At(pending.storage.target)) {
            pending.storage.expected = None;
            pending::put(self.txn, &pending, &mut self.scratch)?;
            let Unsettled { owed, cut, .. } = &mut self.brought.unsettled;
            if pending.storage.is_filled() { owed.push(*key) } else { cut.push(*key) }
        }
        Ok(())
    }

    /// Puts slots among those that are held; returns how many have changed.
    fn put_slots<'s>(
        &mut self,
        account: &B256,
        slots: impl Iterator<Item = &'s (B256, U256)>,
        parts: &Coverage,
    ) -> Result<usize> {
        let mut rows: Vec<(B256, Option<Vec<u8>>)> = Vec::new();
        for (key, value) in slots {
            let old = pack_writer::find(self.txn, STORAGES, account.as_slice(), key.as_slice())?;
            let mut new = None;
            if !value.is_zero() {
                storages::encode(&SlotRow { key: *key, value: *value }, |body| new = Some(body.to_vec()));
            }
            if old != new {
                self.brought.grown.slots += i64::from(new.is_some()) - i64::from(old.is_some());
                rows.push((*key, new));
            }
        }
        let rows = rows.iter().map(|(key, body)| (key, body.as_deref()));
        marked::change(self.txn, Some(account), parts, self.commit, rows)
    }

    /// The code that the account has now, if the list brought it.
    fn code(&mut self, listed: &ListedAccount, after: &Account) -> Result<()> {
        let Some((hash, code)) = listed.code().filter(|(hash, _)| *hash == after.code_hash) else {
            return Ok(());
        };
        if self.txn.get(CODES, hash.as_slice())?.is_none() {
            self.txn.put(CODES, hash.as_slice(), code)?;
            if self.txn.delete(PENDING_CODES, hash.as_slice())? {
                self.brought.codes.push(*hash);
            }
            self.brought.grown.codes += 1;
        }
        Ok(())
    }
}
