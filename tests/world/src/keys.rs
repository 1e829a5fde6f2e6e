//! Keys of accounts and slots: any bytes, or hashes of addresses and of slots' numbers, where blocks have access lists.
//!
//! A list says addresses and numbers, so whatever it is to name must be the hash of one that is known. What changes is decided elsewhere.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};
use snapsync_keccak::keccak256;

use crate::chance::Chance;

/// Tries after which a key that begins like another one is given up: one in 256 does.
const TRIES_MAX: u32 = 600;

/// Where keys come from.
#[derive(Clone, Debug)]
pub enum Keys {
    /// Any 32 bytes.
    Any,
    /// Hashes of what is known.
    Hashed(Names),
}

/// What keys are the hashes of.
#[derive(Clone, Debug, Default)]
pub struct Names {
    addresses: BTreeMap<B256, Address>,
    slots: BTreeMap<B256, U256>,
}

impl Keys {
    /// Of a new account, somewhere.
    pub(crate) fn account(&mut self, chance: &mut Chance) -> B256 {
        match self {
            Self::Any => chance.hash(),
            Self::Hashed(names) => names.account(|_| true, chance),
        }
    }

    /// Of a new account that begins like another one.
    pub(crate) fn account_like(&mut self, key: B256, chance: &mut Chance) -> B256 {
        match self {
            Self::Any => B256::from_slice(&[&key[..1], &chance.hash()[1..]].concat()),
            Self::Hashed(names) => names.account(|found| found[0] == key[0], chance),
        }
    }

    /// Of a new account right beside another one, or as near as may be.
    pub(crate) fn account_beside(&mut self, key: B256, chance: &mut Chance) -> B256 {
        match self {
            Self::Any => beside(key, chance),
            Self::Hashed(_) => self.account_like(key, chance),
        }
    }

    /// Of a new slot, somewhere.
    pub(crate) fn slot(&mut self, chance: &mut Chance) -> B256 {
        match self {
            Self::Any => chance.hash(),
            Self::Hashed(names) => names.slot(|_| true, chance),
        }
    }

    /// Of a new slot right beside another one, or as near as may be.
    pub(crate) fn slot_beside(&mut self, key: B256, chance: &mut Chance) -> B256 {
        match self {
            Self::Any => beside(key, chance),
            Self::Hashed(names) => names.slot(|found| found[0] == key[0], chance),
        }
    }

    /// Whether an account with this key can be named.
    pub(crate) fn is_known(&self, account: &B256) -> bool {
        match self {
            Self::Any => true,
            Self::Hashed(names) => names.addresses.contains_key(account),
        }
    }
}

/// Leaves of such neighbours split below the deepest branch there can be.
fn beside(mut key: B256, chance: &mut Chance) -> B256 {
    key.0[31] ^= 1 << chance.below(8);
    key
}

impl Names {
    fn account(&mut self, fits: impl Fn(&B256) -> bool, chance: &mut Chance) -> B256 {
        let draw = |chance: &mut Chance| Address::from_slice(&chance.hash()[..20]);
        let (address, key) = search(draw, |address| keccak256(address.as_slice()), fits, chance);
        self.addresses.insert(key, address);
        key
    }

    fn slot(&mut self, fits: impl Fn(&B256) -> bool, chance: &mut Chance) -> B256 {
        let hash = |slot: &U256| keccak256(&slot.to_be_bytes::<32>());
        let (slot, key) = search(|chance| U256::from(chance.draw()), hash, fits, chance);
        self.slots.insert(key, slot);
        key
    }

    /// The address of an account.
    pub(crate) fn address(&self, account: &B256) -> Option<Address> {
        self.addresses.get(account).copied()
    }

    /// All accounts that can be named, rising.
    pub(crate) fn accounts(&self) -> impl ExactSizeIterator<Item = &B256> {
        self.addresses.keys()
    }

    /// The number of a slot.
    pub(crate) fn number(&self, slot: &B256) -> Option<U256> {
        self.slots.get(slot).copied()
    }
}

fn search<T>(
    draw: impl Fn(&mut Chance) -> T,
    hash: impl Fn(&T) -> B256,
    fits: impl Fn(&B256) -> bool,
    chance: &mut Chance,
) -> (T, B256) {
    let mut tries = 0;
    loop {
        let name = draw(chance);
        let key = hash(&name);
        tries += 1;
        if fits(&key) || tries == TRIES_MAX {
            return (name, key);
        }
    }
}
