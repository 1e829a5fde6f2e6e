//! The state within a block: the parent's rows under what the block has changed so far.
//!
//! Each account and slot is read once and kept with what it was, so that in the end only what differs is told. It holds what one block
//! touches, which its gas bounds. It trusts the EVM to say which accounts it has touched.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, hash_map::Entry},
};

use alloy_eips::eip7928::total_bal_items;
use alloy_primitives::{Address, B256, Bytes, U256, map::AddressMap};
use revm::{
    Database, DatabaseCommit,
    bytecode::Bytecode,
    context::DBErrorMarker,
    database_interface::bal::BalState,
    state::{Account, AccountInfo, bal::BlockAccessIndex},
};
use snapsync_keccak::keccak256_batch;
use snapsync_storage::{AccountChange, StateChanges, StorageChange};
use snapsync_trie::EMPTY_CODE;

use super::codes::{self, Codes};
use crate::{
    error::{Error, Result},
    executor::ParentState,
};

/// The parent's state could not be read. What happened lies where the overlay was told to leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parent's state cannot be read")]
pub(super) struct ReadFailed;

impl DBErrorMarker for ReadFailed {}

/// An account in a block.
#[derive(Clone, Debug)]
struct Touched {
    before: Option<AccountChange>,
    now: Option<AccountChange>,
    /// Whether the slots that were there before are gone.
    wiped: bool,
    /// Slots before and now; what was wiped was zero before.
    slots: HashMap<U256, (U256, U256)>,
}

/// The parent's state under what the block has changed.
pub(super) struct Overlay<'a> {
    state: &'a mut dyn ParentState,
    codes: &'a mut Codes,
    accounts: HashMap<Address, Touched>,
    new_codes: BTreeMap<B256, Bytecode>,
    /// What the access list is made of, from Amsterdam on.
    list: Option<BalState>,
    /// Where the first error is left that was met: the EVM carries no errors of ours.
    failure: &'a RefCell<Option<Error>>,
}

impl std::fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay").field("accounts", &self.accounts.len()).finish_non_exhaustive()
    }
}

/// What a block leaves behind.
pub(super) struct Left {
    pub(super) changes: StateChanges,
    /// Its access list, and how many accounts and slots that names.
    pub(super) list: Option<(Bytes, u64)>,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(
        state: &'a mut dyn ParentState,
        codes: &'a mut Codes,
        failure: &'a RefCell<Option<Error>>,
        has_list: bool,
    ) -> Self {
        let list = has_list.then(|| BalState::new().with_bal_builder());
        Self { state, codes, accounts: HashMap::new(), new_codes: BTreeMap::new(), list, failure }
    }

    /// What follows is noted in the access list under this index.
    pub(super) fn set_index(&mut self, index: u64) {
        if let Some(list) = &mut self.list {
            list.bal_index = BlockAccessIndex::new(index);
        }
    }

    /// The root of the state as it is now.
    pub(super) fn root(&mut self) -> Result<B256> {
        let changes = self.changes();
        self.state.root_with(&changes)
    }

    /// Whether there is a contract at an address.
    pub(super) fn has_code(&mut self, address: Address) -> Result<bool, ReadFailed> {
        Ok(self.held(address)?.now.is_some_and(|account| account.code_hash != EMPTY_CODE))
    }

    /// What an account holds.
    pub(super) fn balance(&mut self, address: Address) -> Result<U256, ReadFailed> {
        Ok(self.held(address)?.now.map_or(U256::ZERO, |account| account.balance))
    }

    /// Gives an account a balance; it is there afterwards, even if it is empty.
    pub(super) fn set_balance(&mut self, address: Address, balance: U256) -> Result<(), ReadFailed> {
        let held = self.held(address)?;
        let none = AccountChange { nonce: 0, balance, code_hash: EMPTY_CODE };
        held.now = Some(AccountChange { balance, ..held.now.unwrap_or(none) });
        Ok(())
    }

    pub(super) fn finish(mut self) -> Left {
        let list = self.list.as_mut().and_then(BalState::take_built_alloy_bal).map(|list| {
            let named = total_bal_items(&list);
            (Bytes::from(alloy_rlp::encode(&list)), named)
        });
        Left { changes: self.changes(), list }
    }

    /// What differs from the parent's state.
    fn changes(&self) -> StateChanges {
        let mut changes = StateChanges::default();
        let differs = |held: &Touched| {
            held.before != held.now || held.wiped || held.slots.values().any(|(before, now)| before != now)
        };
        let changed: Vec<(&Address, &Touched)> =
            self.accounts.iter().filter(|(_, held)| differs(held)).collect();
        let keys = hashes(changed.iter().map(|(address, _)| address.as_slice()).collect());
        for (key, (_, held)) in keys.into_iter().zip(changed) {
            if held.before.is_none() && held.now.is_none() {
                continue;
            }
            if held.before != held.now {
                changes.accounts.insert(key, held.now);
            }
            // An account that is gone takes its storage with it.
            if held.now.is_some() {
                let storage = held.storage();
                if storage.wiped || !storage.slots.is_empty() {
                    changes.storages.insert(key, storage);
                }
            }
        }
        changes.codes = self.new_codes.values().map(Bytecode::original_bytes).collect();
        changes
    }

    fn held(&mut self, address: Address) -> Result<&mut Touched, ReadFailed> {
        match self.accounts.entry(address) {
            Entry::Occupied(held) => Ok(held.into_mut()),
            Entry::Vacant(place) => {
                let account = self.state.account(&address).map_err(|error| fail(self.failure, error))?;
                let change = account.map(|held| AccountChange {
                    nonce: held.nonce,
                    balance: held.balance,
                    code_hash: held.code_hash,
                });
                Ok(place.insert(Touched { before: change, now: change, wiped: false, slots: HashMap::new() }))
            }
        }
    }

    fn commit_one(&mut self, address: Address, account: Account) -> Result<(), ReadFailed> {
        if !account.is_touched() {
            return Ok(());
        }
        let is_gone = account.is_selfdestructed() || (account.is_empty() && !account.is_created());
        let is_new = account.is_created();
        let held = self.held(address)?;
        if is_gone || is_new {
            held.wiped = held.before.is_some();
            held.slots.clear();
        }
        if is_gone {
            held.now = None;
            return Ok(());
        }
        let before = held.now.replace(change_of(&account.info));
        for (slot, value) in account.storage {
            let now = value.present_value();
            if is_new || value.is_changed() {
                // What a block has made or wiped was zero before.
                held.slots.entry(slot).or_insert((U256::ZERO, now)).1 = now;
            }
        }
        let hash = account.info.code_hash;
        if before.map(|before| before.code_hash) != Some(hash)
            && hash != EMPTY_CODE
            && let Some(code) = account.info.code
        {
            self.new_codes.insert(hash, code);
        }
        Ok(())
    }
}

impl Touched {
    fn storage(&self) -> StorageChange {
        let changed = self.slots.iter().filter(|(_, (before, now))| before != now);
        let changed: Vec<([u8; 32], U256)> =
            changed.map(|(slot, (_, now))| (slot.to_be_bytes(), *now)).collect();
        let keys = hashes(changed.iter().map(|(slot, _)| slot.as_slice()).collect());
        let slots = keys.into_iter().zip(changed.iter().map(|(_, now)| *now)).collect();
        StorageChange { wiped: self.wiped, slots }
    }
}

/// Many hashes at once.
fn hashes(messages: Vec<&[u8]>) -> Vec<B256> {
    let mut hashes = vec![B256::ZERO; messages.len()];
    keccak256_batch(&messages, &mut hashes);
    hashes
}

fn change_of(info: &AccountInfo) -> AccountChange {
    AccountChange { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash }
}

/// Leaves an error where it is looked for.
fn fail(failure: &RefCell<Option<Error>>, error: Error) -> ReadFailed {
    failure.borrow_mut().get_or_insert(error);
    ReadFailed
}

impl Database for Overlay<'_> {
    type Error = ReadFailed;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, ReadFailed> {
        let info = |account: AccountChange| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: None,
            account_id: None,
        };
        Ok(self.held(address)?.now.map(info))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, ReadFailed> {
        if hash == EMPTY_CODE {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.new_codes.get(&hash).or_else(|| self.codes.find(&hash)) {
            return Ok(code.clone());
        }
        let code = self.state.code(&hash).map_err(|error| fail(self.failure, error))?;
        let code = codes::ready(code);
        self.codes.keep(hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, ReadFailed> {
        let held = self.held(address)?;
        if let Some((_, now)) = held.slots.get(&slot) {
            return Ok(*now);
        }
        let is_known = held.wiped || held.before.is_none();
        let value = if is_known {
            U256::ZERO
        } else {
            self.state.slot(&address, &slot).map_err(|error| fail(self.failure, error))?
        };
        self.held(address)?.slots.insert(slot, (value, value));
        Ok(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, ReadFailed> {
        self.state.block_hash(number).map_err(|error| fail(self.failure, error))
    }
}

impl DatabaseCommit for Overlay<'_> {
    fn commit(&mut self, changes: AddressMap<Account>) {
        if let Some(list) = &mut self.list {
            list.commit(&changes);
        }
        for (address, account) in changes {
            // Each account that is committed was read before. Should it not have been, and fail now, the failure is left where it is
            // looked for at the end.
            if self.commit_one(address, account).is_err() {
                return;
            }
        }
    }

    fn commit_iter(&mut self, changes: &mut dyn Iterator<Item = (Address, Account)>) {
        self.commit(changes.collect());
    }
}
