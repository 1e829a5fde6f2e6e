//! An account of the genesis allocation, and the root of all of them.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};
use serde_json::value::RawValue;
use snapsync_keccak::keccak256;
use snapsync_trie::{Account, Builder, EMPTY_CODE};

use super::{
    error::Fault,
    json::{Members, bytes_of, fixed_in, is_field, optional, padded_in, padded_of, u64_of, wrapping_u256_of},
};

/// What a genesis file gives to an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GivenAccount {
    pub(super) balance: U256,
    pub(super) nonce: u64,
    pub(super) code: Vec<u8>,
    pub(super) storage: BTreeMap<B256, B256>,
}

/// Reads the allocation's members into `alloc`. An address that is there twice, with and without `0x` or in other cases, has
/// what was said last.
pub(super) fn read_all(
    alloc: &mut BTreeMap<Address, GivenAccount>,
    members: &Members<'_>,
) -> Result<(), Fault> {
    for (name, value) in members.iter() {
        let address = fixed_in(name).ok_or_else(|| Fault::not("an address", name).within(name))?;
        alloc.insert(Address::from(address), read(value).map_err(|fault| fault.within(name))?);
    }
    Ok(())
}

fn read(value: &RawValue) -> Result<GivenAccount, Fault> {
    let members = Members::of(value)?;
    let (mut account, mut balance) = (GivenAccount::default(), None);
    for (name, value) in members.iter() {
        let within = |fault: Fault| fault.within(name);
        if is_field(name, "balance") {
            balance = optional(value, wrapping_u256_of).map_err(within)?;
        } else if is_field(name, "nonce") {
            account.nonce = optional(value, u64_of).map_err(within)?.unwrap_or(0);
        } else if is_field(name, "code") {
            account.code = optional(value, bytes_of).map_err(within)?.unwrap_or_default();
        } else if is_field(name, "storage") {
            match optional(value, read_slots).map_err(within)? {
                Some(slots) => account.storage.extend(slots),
                None => account.storage.clear(),
            }
        }
    }
    account.balance = balance.ok_or_else(|| Fault::missing("balance"))?;
    Ok(account)
}

fn read_slots(value: &RawValue) -> Result<Vec<(B256, B256)>, Fault> {
    let mut slots = Vec::new();
    for (name, value) in Members::of(value)?.iter() {
        let slot = padded_in(name).ok_or_else(|| Fault::not("at most 32 bytes in hex", name).within(name))?;
        let value = optional(value, padded_of).map_err(|fault| fault.within(name))?;
        slots.push((B256::from(slot), B256::from(value.unwrap_or_default())));
    }
    Ok(slots)
}

/// An account of the allocation as rows have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GivenRow {
    pub(super) account: Account,
    /// The slots by rising key, as leaves of their trie.
    pub(super) slots: BTreeMap<B256, Vec<u8>>,
}

/// The allocation as rows, by the hashes of its addresses. An account is there as soon as it is named, though it be empty.
pub(super) fn rows(alloc: &BTreeMap<Address, GivenAccount>) -> BTreeMap<B256, GivenRow> {
    alloc.iter().map(|(address, given)| (keccak256(address.as_slice()), row(given))).collect()
}

fn row(given: &GivenAccount) -> GivenRow {
    let held = given.storage.iter().filter(|(_, value)| !value.is_zero());
    let leaf = |value: &B256| alloy_rlp::encode(U256::from_be_bytes(value.0));
    let slots: BTreeMap<_, _> = held.map(|(slot, value)| (keccak256(slot.as_slice()), leaf(value))).collect();
    let account = Account {
        nonce: given.nonce,
        balance: given.balance,
        storage_root: root(slots.iter().map(|(key, leaf)| (*key, leaf.as_slice()))),
        code_hash: if given.code.is_empty() { EMPTY_CODE } else { keccak256(&given.code) },
    };
    GivenRow { account, slots }
}

/// The root of the state that rows are.
pub(super) fn state_root(rows: &BTreeMap<B256, GivenRow>) -> B256 {
    let leaves: Vec<_> = rows.iter().map(|(key, row)| (*key, row.account.to_rlp())).collect();
    root(leaves.iter().map(|(key, leaf)| (*key, leaf.as_slice())))
}

/// The root over rising leaves.
fn root<'l>(leaves: impl Iterator<Item = (B256, &'l [u8])>) -> B256 {
    let mut trie = Builder::new();
    leaves.for_each(|(key, leaf)| trie.push_leaf(key, leaf));
    trie.finish().root
}
