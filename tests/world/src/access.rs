//! Access lists of the world's blocks (EIP-7928): what a block leaves of each account and slot that it changes, in the bytes of the wire.
//!
//! ```text
//! changed      each value that is another one afterwards; now and then a value that it had in between as well
//! looked at    accounts and slots that stay as they are, and slots that are written what they hold already
//! ```
//!
//! A list is made from the states before and after its block. It says nothing of storage roots, and nobody's key that is the hash of nothing known.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::Decodable;
use snapsync_trie::{Account as Body, EMPTY_CODE};

use crate::{
    chain::{Row, Rows, State},
    chance::Chance,
    keys::Names,
};

/// How often in a thousand a value was another one in between.
const TWICE_PER_MILLE: u64 = 200;

/// How often in a thousand a changed storage has a slot that is written what it holds, and how often one that is read.
const TOUCHED_PER_MILLE: u64 = 150;

/// Accounts that a block looks at, at most, or whose slots it writes what they hold.
const LOOKED_AT_MAX: u64 = 3;

/// What a list says of one account.
#[derive(Debug, Default)]
struct Entry {
    /// By number, each with the values that it had, the last one at the end.
    slots: BTreeMap<U256, Vec<Vec<u8>>>,
    reads: BTreeSet<U256>,
    balance: Vec<Vec<u8>>,
    nonce: Vec<Vec<u8>>,
    code: Vec<Vec<u8>>,
}

/// The list of a block between two states.
pub(crate) fn list(before: &State, after: &State, names: &Names, chance: &mut Chance) -> Bytes {
    let mut making = Making { before, after, names, chance, entries: BTreeMap::new() };
    let keys: BTreeSet<&B256> = before.accounts.keys().chain(after.accounts.keys()).collect();
    for key in keys {
        making.account(key);
    }
    making.look_around();
    encode(&making.entries).into()
}

struct Making<'a> {
    before: &'a State,
    after: &'a State,
    names: &'a Names,
    chance: &'a mut Chance,
    entries: BTreeMap<Address, Entry>,
}

impl Making<'_> {
    fn account(&mut self, key: &B256) {
        let row = |state: &State| state.accounts.get(key).map(|account| account.row.clone());
        let (old, new) = (row(self.before), row(self.after));
        if old == new {
            return;
        }
        let Some(address) = self.names.address(key) else { return };
        let (old, new) = (body(old.as_ref()), body(new.as_ref()));
        let mut entry = Entry::default();
        if old.nonce != new.nonce {
            entry.nonce = self.values(alloy_rlp::encode(new.nonce), alloy_rlp::encode(77_u64));
        }
        if old.balance != new.balance {
            entry.balance = self.values(alloy_rlp::encode(new.balance), alloy_rlp::encode(77_u64));
        }
        if old.code_hash != new.code_hash {
            let code = self.code(&new.code_hash);
            entry.code = self.values(alloy_rlp::encode(code), alloy_rlp::encode(Bytes::from_static(&[7])));
        }
        if old.storage_root != new.storage_root {
            self.slots(key, &mut entry);
        }
        self.entries.insert(address, entry);
    }

    fn code(&self, hash: &B256) -> Bytes {
        let code = Some(hash).filter(|hash| **hash != EMPTY_CODE).and_then(|hash| self.after.codes.get(hash));
        code.map(|row| row.value.clone()).unwrap_or_default()
    }

    /// A value, now and then behind another one.
    fn values(&mut self, last: Vec<u8>, between: Vec<u8>) -> Vec<Vec<u8>> {
        if self.chance.hits(TWICE_PER_MILLE) { vec![between, last] } else { vec![last] }
    }

    fn slots(&mut self, key: &B256, entry: &mut Entry) {
        let none = Rows::new();
        let of = |state: &State| state.slots_of(key).map_or_else(|| none.clone(), |trie| trie.rows.clone());
        let (old, new) = (of(self.before), of(self.after));
        let all: BTreeSet<&B256> = old.keys().chain(new.keys()).collect();
        for slot in all {
            let Some(number) = self.names.number(slot) else { continue };
            if old.get(slot) != new.get(slot) || self.is_touched(new.len()) {
                let values = self.values(value(new.get(slot)), alloy_rlp::encode(77_u64));
                entry.slots.insert(number, values);
            } else if self.is_touched(new.len()) {
                entry.reads.insert(number);
            }
        }
    }

    fn is_touched(&mut self, slots: usize) -> bool {
        self.chance.hits(TOUCHED_PER_MILLE / slots.max(1) as u64)
    }

    /// Accounts that stay as they are.
    fn look_around(&mut self) {
        for _ in 0..self.chance.below(LOOKED_AT_MAX + 1) {
            let nth = self.chance.index(self.names.accounts().len());
            let Some(key) = self.names.accounts().nth(nth).copied() else { return };
            let Some(address) = self.names.address(&key) else { return };
            if self.entries.contains_key(&address) {
                continue;
            }
            let mut entry = Entry::default();
            let first = self.after.slots_of(&key).and_then(|trie| trie.rows.first_key_value());
            match (self.chance.below(3), first) {
                (0, Some((slot, row))) => {
                    let number = self.names.number(slot);
                    entry.slots.extend(number.map(|number| (number, vec![value(Some(row))])));
                }
                (1, Some((slot, _))) => entry.reads.extend(self.names.number(slot)),
                _ => {}
            }
            self.entries.insert(address, entry);
        }
    }
}

/// What a row says; of no account, what an empty one would say.
fn body(row: Option<&Row>) -> Body {
    row.and_then(|row| Body::from_slim(&row.value).ok()).unwrap_or(Body::EMPTY)
}

/// A slot's value as a list has it; zero, if there is none.
fn value(row: Option<&Row>) -> Vec<u8> {
    let number = row.and_then(|row| U256::decode(&mut row.value.as_ref()).ok());
    alloy_rlp::encode(number.unwrap_or_default())
}

fn encode(entries: &BTreeMap<Address, Entry>) -> Vec<u8> {
    let entry = |(address, entry): (&Address, &Entry)| {
        let slot = |(number, values): (&U256, &Vec<Vec<u8>>)| {
            rlp_list(&[alloy_rlp::encode(number), changes(values)])
        };
        let slots: Vec<Vec<u8>> = entry.slots.iter().map(slot).collect();
        let reads: Vec<Vec<u8>> = entry.reads.iter().map(alloy_rlp::encode).collect();
        rlp_list(&[
            alloy_rlp::encode(address),
            rlp_list(&slots),
            rlp_list(&reads),
            changes(&entry.balance),
            changes(&entry.nonce),
            changes(&entry.code),
        ])
    };
    rlp_list(&entries.iter().map(entry).collect::<Vec<_>>())
}

/// Each value behind the index of the transaction that left it.
fn changes(values: &[Vec<u8>]) -> Vec<u8> {
    let change = |(nth, value): (usize, &Vec<u8>)| rlp_list(&[alloy_rlp::encode(nth as u64), value.clone()]);
    rlp_list(&values.iter().enumerate().map(change).collect::<Vec<_>>())
}

fn rlp_list(items: &[Vec<u8>]) -> Vec<u8> {
    let payload = items.concat();
    let mut out = Vec::with_capacity(payload.len() + 9);
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(&payload);
    out
}

#[cfg(test)]
mod tests {
    use snapsync_wire::AccessList;

    use super::*;
    use crate::{
        chain::{Flavour, Size},
        changes,
        keys::Keys,
        states::States,
    };

    #[test]
    fn a_list_reads_back_and_names_all_that_has_changed() {
        let mut chance = Chance::new(7);
        let size = Size {
            flavour: Flavour::Real,
            accounts: 120,
            contracts_per_mille: 300,
            huge_slots: 200,
            row_weight: 0,
            blocks: 1,
        };
        let mut keys = Keys::Hashed(Names::default());
        let mut states = States::new(State::make(&size, &mut keys, &mut chance));
        for _ in 0..20 {
            let after = changes::next(states.newest(), &states, &mut keys, 60, &mut chance);
            let Keys::Hashed(names) = &keys else { panic!("they are hashes") };
            let raw = list(states.newest(), &after, names, &mut chance);
            let read = AccessList::decode(&raw).unwrap();
            for (key, account) in &after.accounts {
                let before = states.newest().accounts.get(key);
                if before.map(|before| &before.row) != Some(&account.row) {
                    let address = names.address(key).unwrap();
                    assert!(read.accounts().iter().any(|listed| listed.address == address), "{key}");
                }
            }
            states.push(after);
        }
    }
}
