//! Accounts by number, and blocks that change their balances.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use snapsync_keccak::keccak256;
use snapsync_trie::{Account, EMPTY_CODE, EMPTY_ROOT};
use snapsync_wire::{Header, HeaderFields};

fn address(number: u64) -> Address {
    Address::left_padding_from(&number.to_be_bytes())
}

pub(crate) fn key(number: u64) -> B256 {
    keccak256(address(number).as_slice())
}

pub(crate) fn account(balance: u64) -> Account {
    Account { nonce: 1, balance: U256::from(balance) << 20, storage_root: EMPTY_ROOT, code_hash: EMPTY_CODE }
}

/// A block that leaves these balances, and its access list (EIP-7928).
pub(crate) fn block(
    number: u64,
    parent: B256,
    state_root: B256,
    balances: &BTreeMap<u64, u64>,
) -> (Header, Bytes) {
    let list = access_list(balances);
    let fields = HeaderFields::amsterdam(number, parent, state_root, keccak256(&list));
    (Header::made(&fields), list)
}

fn access_list(balances: &BTreeMap<u64, u64>) -> Bytes {
    let empty = || list(&[]);
    let accounts = balances.iter().map(|(number, balance)| {
        let balance = list(&[alloy_rlp::encode(1u64), alloy_rlp::encode(account(*balance).balance)]);
        list(&[alloy_rlp::encode(address(*number)), empty(), empty(), list(&[balance]), empty(), empty()])
    });
    list(&accounts.collect::<Vec<_>>()).into()
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let payload: Vec<u8> = items.concat();
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(&payload);
    out
}
