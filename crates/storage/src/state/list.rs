//! What a block left of the state, by its access list, checked against its header.
//!
//! The list is trusted as far as the header is: whoever checks it takes the header from a chain that leads to a block that was named. It
//! says nothing of storage roots: those are derived.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes, U256};
use snapsync_keccak::keccak256;
use snapsync_trie::{Account, EMPTY_CODE};
use snapsync_wire::{AccessList, Header};

use crate::state::{
    block::{AccountChange, StateChanges, StorageChange},
    claim::BlockClaim,
};

/// Why a list is not the one of a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// The block is older than access lists.
    #[error("block {number} has no access list")]
    NoList {
        /// The block.
        number: u64,
    },
    /// The bytes are not those that the header commits to.
    #[error("the access list of block {number} has hash {found}, its header says {expected}")]
    Hash {
        /// The block.
        number: u64,
        /// What the header says.
        expected: B256,
        /// What was received.
        found: B256,
    },
    /// The header commits to bytes that are no list: the block itself is at fault, not who sent it.
    #[error("the access list of block {number} cannot be read: {why}")]
    Malformed {
        /// The block.
        number: u64,
        /// Why.
        why: String,
    },
}

/// A block's access list, under the hashes of addresses and slots.
///
/// Invariant: made by [`CheckedList::check`] only.
#[derive(Clone, Debug)]
pub struct CheckedList {
    claim: BlockClaim,
    /// Rising.
    accounts: Vec<(B256, ListedAccount)>,
    /// In memory, about.
    bytes: usize,
}

/// What a block left of an account; `None`: as it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListedAccount {
    nonce: Option<u64>,
    balance: Option<U256>,
    /// In a box, as few accounts have one.
    code: Option<Box<(B256, Bytes)>>,
    /// Rising; zero: there is none any more.
    pub(crate) slots: Vec<(B256, U256)>,
}

impl CheckedList {
    /// Checks a list against the header of its block.
    ///
    /// # Errors
    /// When the header does not commit to it.
    pub fn check(header: &Header, raw: &Bytes) -> Result<Self, ListFault> {
        let number = header.number;
        let expected = header.block_access_list_hash.ok_or(ListFault::NoList { number })?;
        let found = keccak256(raw);
        if found != expected {
            return Err(ListFault::Hash { number, expected, found });
        }
        let list = AccessList::decode(raw)
            .map_err(|error| ListFault::Malformed { number, why: error.to_string() })?;
        let mut accounts: Vec<(B256, ListedAccount)> = list
            .accounts()
            .iter()
            .map(|account| {
                let slot = |(slot, value): &(U256, U256)| (keccak256(&slot.to_be_bytes::<32>()), *value);
                let mut slots: Vec<(B256, U256)> = account.slots.iter().map(slot).collect();
                slots.sort_unstable_by_key(|(key, _)| *key);
                let code = account.code.as_ref().map(|code| Box::new((keccak256(code), code.clone())));
                let listed = ListedAccount { nonce: account.nonce, balance: account.balance, code, slots };
                (keccak256(account.address.as_slice()), listed)
            })
            .collect();
        accounts.sort_unstable_by_key(|(key, _)| *key);
        let (hash, parent, root) = (header.hash(), header.parent_hash, header.state_root);
        let slots: usize = accounts.iter().map(|(_, listed)| listed.slots.capacity()).sum();
        // Codes are parts of the list as it was received.
        let bytes = raw.len()
            + accounts.capacity() * size_of::<(B256, ListedAccount)>()
            + slots * size_of::<(B256, U256)>();
        Ok(Self { claim: BlockClaim { number, hash, parent, root }, accounts, bytes })
    }

    /// Which block it is of.
    pub const fn claim(&self) -> BlockClaim {
        self.claim
    }

    /// The accounts that it names, rising.
    pub(crate) fn accounts(&self) -> impl ExactSizeIterator<Item = (&B256, &ListedAccount)> {
        self.accounts.iter().map(|(key, account)| (key, account))
    }

    /// Bytes in memory, about.
    pub(crate) const fn bytes_held(&self) -> usize {
        self.bytes
    }

    /// The same as changes of a whole state, of which a [`DerivedBlock`](crate::DerivedBlock) is made. `account` tells what was before.
    ///
    /// # Errors
    /// Those of `account`.
    pub fn changes<E>(
        &self,
        account: impl FnMut(&B256) -> Result<Option<Account>, E>,
    ) -> Result<StateChanges, E> {
        let mut changes = StateChanges::default();
        changes.follow(self, account)?;
        Ok(changes)
    }
}

impl StateChanges {
    /// Adds what the block behind those whose changes these are leaves, by its list. `account` tells what was before all of them.
    ///
    /// # Errors
    /// Those of `account`.
    pub fn follow<E>(
        &mut self,
        list: &CheckedList,
        mut account: impl FnMut(&B256) -> Result<Option<Account>, E>,
    ) -> Result<(), E> {
        for (key, listed) in &list.accounts {
            if !listed.has_changed() {
                continue;
            }
            let before = match self.accounts.get(key) {
                Some(changed) => changed.map(AccountChange::without_storage),
                None => account(key)?,
            };
            let Some(after) = listed.after(before) else {
                if before.is_some() {
                    self.accounts.insert(*key, None);
                    // What it had is gone, also for one that comes again under its key.
                    self.storages.insert(*key, StorageChange { wiped: true, slots: BTreeMap::new() });
                }
                continue;
            };
            let Account { nonce, balance, code_hash, .. } = after;
            self.accounts.insert(*key, Some(AccountChange { nonce, balance, code_hash }));
            if !listed.slots.is_empty() {
                self.storages.entry(*key).or_default().slots.extend(listed.slots.iter().copied());
            }
            self.codes.extend(listed.code().map(|(_, code)| code.clone()));
        }
        Ok(())
    }
}

impl AccountChange {
    const fn without_storage(self) -> Account {
        let Self { nonce, balance, code_hash } = self;
        Account { nonce, balance, code_hash, ..Account::EMPTY }
    }
}

impl ListedAccount {
    /// The account afterwards: nothing, if no field of it is left. Its storage root is the one before, whatever its slots are.
    pub(crate) fn after(&self, before: Option<Account>) -> Option<Account> {
        let before = before.unwrap_or(Account::EMPTY);
        let after = Account {
            nonce: self.nonce.unwrap_or(before.nonce),
            balance: self.balance.unwrap_or(before.balance),
            code_hash: self.code.as_ref().map_or(before.code_hash, |code| code.0),
            ..before
        };
        let is_empty = after.nonce == 0 && after.balance.is_zero() && after.code_hash == EMPTY_CODE;
        (!is_empty).then_some(after)
    }

    /// Whether it is not only looked at.
    pub(crate) fn has_changed(&self) -> bool {
        self.nonce.is_some() || self.balance.is_some() || self.code.is_some() || !self.slots.is_empty()
    }

    /// The code that is new, unless it is none at all.
    pub(crate) fn code(&self) -> Option<&(B256, Bytes)> {
        self.code.as_deref().filter(|(hash, _)| *hash != EMPTY_CODE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_balance(balance: u64) -> Account {
        Account { balance: U256::from(balance), ..Account::EMPTY }
    }

    fn listed_balance(balance: u64) -> ListedAccount {
        ListedAccount { balance: Some(U256::from(balance)), ..ListedAccount::default() }
    }

    #[test]
    fn account_of_which_nothing_is_left_goes_and_one_that_was_created_and_destroyed_never_comes() {
        // Both show as a balance of zero and nothing else.
        assert_eq!(listed_balance(0).after(None), None);
        assert_eq!(listed_balance(0).after(Some(with_balance(7))), None);
        // One that was only read and is not there is not made.
        assert_eq!(ListedAccount::default().after(None), None);
        let used = Account { nonce: 1, ..with_balance(7) };
        assert_eq!(listed_balance(0).after(Some(used)), Some(Account { nonce: 1, ..Account::EMPTY }));
    }

    #[test]
    fn what_a_list_does_not_name_stays_as_it_was() {
        let (root, code_hash) = (B256::repeat_byte(3), B256::repeat_byte(4));
        let before = Account { nonce: 5, balance: U256::from(6u64), storage_root: root, code_hash };
        let slots = vec![(B256::ZERO, U256::ZERO)];
        let listed = ListedAccount { nonce: Some(9), slots, ..ListedAccount::default() };
        // The storage root says nothing of its slots any more: it is derived.
        assert_eq!(listed.after(Some(before)), Some(Account { nonce: 9, ..before }));
        assert_eq!(listed_balance(8).after(None), Some(with_balance(8)));
    }

    #[test]
    fn code_that_was_taken_away_is_none() {
        let code = Some(Box::new((EMPTY_CODE, Bytes::new())));
        let listed = ListedAccount { code, ..ListedAccount::default() };
        let before = Account { nonce: 1, code_hash: B256::repeat_byte(4), ..Account::EMPTY };
        assert_eq!(listed.after(Some(before)), Some(Account { nonce: 1, ..Account::EMPTY }));
        assert!(listed.code().is_none());
    }

    #[test]
    fn lists_behind_one_another_leave_what_the_last_that_names_a_row_says() {
        let (key, slot) = (|n| B256::repeat_byte(n), |n| B256::with_last_byte(n));
        let list = |accounts: Vec<(B256, ListedAccount)>| {
            let claim = BlockClaim { number: 0, hash: B256::ZERO, parent: B256::ZERO, root: B256::ZERO };
            CheckedList { claim, accounts, bytes: 0 }
        };
        let slots = |slots: &[(u8, u64)]| ListedAccount {
            slots: slots.iter().map(|(n, value)| (slot(*n), U256::from(*value))).collect(),
            ..ListedAccount::default()
        };
        let nonce = |nonce| ListedAccount { nonce: Some(nonce), ..ListedAccount::default() };
        let lists = [
            list(vec![(key(1), slots(&[(1, 11), (2, 12)])), (key(2), slots(&[(1, 7)])), (key(3), nonce(1))]),
            list(vec![(key(1), slots(&[(2, 22), (3, 0)])), (key(2), listed_balance(0)), (key(3), nonce(2))]),
            // It comes again, and has nothing of what it had. One is only looked at.
            list(vec![(key(2), ListedAccount { balance: Some(U256::from(5u64)), ..slots(&[(9, 9)]) })]),
            list(vec![(key(4), ListedAccount::default())]),
        ];
        let mut changes = StateChanges::default();
        for list in &lists {
            let before = |_: &B256| Ok::<_, crate::Error>(Some(with_balance(3)));
            changes.follow(list, before).expect("rows");
        }
        let account = |nonce, balance: u64| {
            Some(AccountChange { nonce, balance: U256::from(balance), code_hash: EMPTY_CODE })
        };
        let accounts = [(key(1), account(0, 3)), (key(2), account(0, 5)), (key(3), account(2, 3))];
        assert_eq!(changes.accounts, BTreeMap::from(accounts));
        let storage =
            |wiped, listed: ListedAccount| StorageChange { wiped, slots: listed.slots.into_iter().collect() };
        let first = storage(false, slots(&[(1, 11), (2, 22), (3, 0)]));
        assert_eq!(
            changes.storages,
            BTreeMap::from([(key(1), first), (key(2), storage(true, slots(&[(9, 9)])))])
        );
    }
}
