//! What a block of the moving chain changes: a little of everything that blocks do, found by looking at its parent's state.
//!
//! The same parent and the same dice make the same changes. Nothing is executed and nothing written here: the store derives the root.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};
use snapsync_keccak::keccak256;
use snapsync_storage::{AccountChange, StateChanges, StateSnapshot, StorageChange};
use snapsync_trie::{Account, AccountRow, EMPTY_CODE};

use crate::{Error, dice::Dice};

/// Purses that change.
const ACCOUNTS_CHANGED: u64 = 8;
/// Accounts that come.
const ACCOUNTS_NEW: u64 = 3;
/// Accounts that go.
const ACCOUNTS_GONE: u64 = 1;
/// Contracts that come, with a code and some slots.
const CONTRACTS_NEW: u64 = 1;
/// Contracts whose slots change.
const CONTRACTS_CHANGED: u64 = 3;
/// Slots of one that do, at most.
const SLOTS_CHANGED_MAX: u64 = 4;
/// One contract in so many that change loses its slots, if they are few.
const EMPTIED_EVERY: u64 = 16;
/// What few means.
const SLOTS_EMPTIED_MAX: usize = 64;
/// Rows that are passed over in search of a contract; a state without one has none in so many.
const SEARCH_ROWS: usize = 4_096;

/// The changes of the block above the state of `snapshot`.
///
/// # Errors
/// When the disk fails.
pub(crate) fn above(snapshot: &StateSnapshot, dice: &mut Dice) -> Result<StateChanges, Error> {
    let mut made = Changing { snapshot, dice, changes: StateChanges::default() };
    for _ in 0..ACCOUNTS_GONE {
        made.account_goes()?;
    }
    for _ in 0..ACCOUNTS_CHANGED {
        made.purse_changes()?;
    }
    for _ in 0..ACCOUNTS_NEW {
        made.account_comes();
    }
    for _ in 0..CONTRACTS_NEW {
        made.contract_comes();
    }
    for _ in 0..CONTRACTS_CHANGED {
        made.slots_change()?;
    }
    Ok(made.changes)
}

/// A block under way.
struct Changing<'a> {
    snapshot: &'a StateSnapshot,
    dice: &'a mut Dice,
    changes: StateChanges,
}

impl Changing<'_> {
    /// An account without storage, anywhere, that this block has not changed yet.
    fn plain_account(&mut self) -> Result<Option<AccountRow>, Error> {
        let row = self.find(|account| !account.has_storage())?;
        Ok(row.filter(|row| !self.changes.accounts.contains_key(&row.key)))
    }

    /// The first account behind a random key, and from the first key on, of which `is` holds.
    fn find(&mut self, is: impl Fn(&Account) -> bool) -> Result<Option<AccountRow>, Error> {
        for start in [self.dice.word(), B256::ZERO] {
            for row in self.snapshot.accounts_from(start)?.take(SEARCH_ROWS) {
                let row = row?;
                if is(&row.account) {
                    return Ok(Some(row));
                }
            }
        }
        Ok(None)
    }

    fn account_goes(&mut self) -> Result<(), Error> {
        if let Some(row) = self.plain_account()? {
            self.changes.accounts.insert(row.key, None);
        }
        Ok(())
    }

    fn purse_changes(&mut self) -> Result<(), Error> {
        if let Some(AccountRow { key, account }) = self.plain_account()? {
            let nonce = account.nonce.saturating_add(1);
            let balance = self.dice.wei();
            let changed = AccountChange { nonce, balance, code_hash: account.code_hash };
            self.changes.accounts.insert(key, Some(changed));
        }
        Ok(())
    }

    fn account_comes(&mut self) {
        let key = keccak256(self.dice.address().as_slice());
        let balance = self.dice.wei() + U256::from(1);
        self.changes.accounts.insert(key, Some(AccountChange { nonce: 0, balance, code_hash: EMPTY_CODE }));
    }

    fn contract_comes(&mut self) {
        let key = keccak256(self.dice.address().as_slice());
        let length = 100 + self.dice.below(2_000) as usize;
        let mut code = self.dice.bytes(length);
        // No code begins with 0xef (EIP-3541).
        code[0] = 0x60;
        let change = AccountChange { nonce: 1, balance: U256::ZERO, code_hash: keccak256(&code) };
        self.changes.accounts.insert(key, Some(change));
        self.changes.codes.push(code.into());
        let slots = (0..1 + self.dice.below(SLOTS_CHANGED_MAX)).map(|_| (self.dice.word(), self.value()));
        let slots: BTreeMap<B256, U256> = slots.collect();
        self.changes.storages.insert(key, StorageChange { wiped: false, slots });
    }

    /// Of a contract that is there: a slot in four goes, one in four comes, the others get another value.
    fn slots_change(&mut self) -> Result<(), Error> {
        let Some(row) = self.find(Account::has_storage)? else { return Ok(()) };
        let mut change = self.changes.storages.remove(&row.key).unwrap_or_default();
        let held = self.snapshot.slots_from(row.key, B256::ZERO)?.take(SLOTS_EMPTIED_MAX + 1).count();
        if self.dice.below(EMPTIED_EVERY) == 0 && held <= SLOTS_EMPTIED_MAX {
            change = StorageChange { wiped: true, slots: BTreeMap::new() };
        }
        for _ in 0..1 + self.dice.below(SLOTS_CHANGED_MAX) {
            let near = self.dice.word();
            let slot = self.snapshot.slots_from(row.key, near)?.next().transpose()?;
            let (key, value) = match (self.dice.below(4), slot) {
                (0, Some(slot)) => (slot.key, U256::ZERO),
                (1, _) | (_, None) => (near, self.value()),
                (_, Some(slot)) => (slot.key, self.value()),
            };
            change.slots.insert(key, value);
        }
        self.changes.storages.insert(row.key, change);
        Ok(())
    }

    fn value(&mut self) -> U256 {
        self.dice.wei() + U256::from(1)
    }
}
