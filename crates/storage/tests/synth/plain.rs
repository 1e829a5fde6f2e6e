//! Blocks that change a small state in plain maps, their access lists, and answers about the states that they leave.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use proptest::prelude::*;
use snapsync_keccak::keccak256;
use snapsync_storage::{Derived, NodeChanges, PackedAccounts};
use snapsync_trie::{
    Account, Changes, EMPTY_CODE, EMPTY_ROOT, HashRange, TargetId, rows_of, verify_accounts,
};
use snapsync_wire::{Header, HeaderFields};

use super::{Trie, World};

pub(crate) const ACCOUNTS: u8 = 40;

/// What one block does to an account.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Its nonce grows, and its code is another one.
    Put { more: u8, code: Option<u8> },
    /// Nothing is left of it.
    Empty,
    /// Slots change; zero: they go.
    Slots(BTreeMap<u8, u8>),
}

pub(crate) type Block = BTreeMap<u8, Deed>;

pub(crate) fn blocks() -> impl Strategy<Value = Block> {
    let slots = prop::collection::btree_map(0..60u8, prop_oneof![1 => Just(0), 2 => any::<u8>()], 1..12);
    let deed = prop_oneof![
        3 => (1..9u8, prop::option::of(0..9u8)).prop_map(|(more, code)| Deed::Put { more, code }),
        1 => Just(Deed::Empty),
        4 => slots.prop_map(Deed::Slots),
    ];
    prop::collection::btree_map(0..ACCOUNTS, deed, 0..10)
}

pub(crate) fn address(n: u8) -> Address {
    Address::repeat_byte(n)
}

pub(crate) fn key(n: u8) -> B256 {
    keccak256(address(n).as_slice())
}

pub(crate) fn slot_key(n: u8) -> B256 {
    keccak256(&U256::from(n).to_be_bytes::<32>())
}

pub(crate) fn code(n: u8) -> Bytes {
    Bytes::from(vec![n; 3])
}

/// A state in plain maps, by the numbers of accounts and slots.
#[derive(Clone, Default)]
pub(crate) struct Plain {
    pub(crate) accounts: BTreeMap<u8, (u64, Option<u8>)>,
    pub(crate) slots: BTreeMap<u8, BTreeMap<u8, u8>>,
}

impl Plain {
    pub(crate) fn first() -> Self {
        let mut plain = Self::default();
        for n in (0..ACCOUNTS).filter(|n| n % 5 != 0) {
            plain.accounts.insert(n, (u64::from(n) + 1, (n % 3 == 0).then_some(n % 7)));
            if n % 2 == 0 {
                // Some come whole, some in pieces, some are the same.
                let count = [3, 60, 9][usize::from(n % 3)];
                plain.slots.insert(n, (0..count).map(|slot| (slot, slot % 5 + n % 4 + 1)).collect());
            }
        }
        plain
    }

    /// Does a block, and gives its access list.
    pub(crate) fn apply(&mut self, block: &Block) -> Bytes {
        let mut listed: Vec<(Address, Vec<u8>)> = Vec::new();
        for (n, deed) in block {
            let before = self.accounts.get(n).copied();
            let (mut slots, mut nonce, mut new_code) = (Vec::new(), None, None);
            match deed {
                Deed::Put { more, code } => {
                    let (was, had) = before.unwrap_or_default();
                    let now = (was + u64::from(*more), code.or(had));
                    self.accounts.insert(*n, now);
                    nonce = Some(now.0);
                    new_code = code.map(code_of);
                }
                Deed::Empty => {
                    self.accounts.remove(n);
                    self.slots.remove(n);
                    nonce = before.map(|_| 0);
                    new_code = before.and_then(|(_, code)| code).map(|_| Bytes::new());
                }
                // Of an account that is not there no slot can change.
                Deed::Slots(_) if before.is_none() => {}
                Deed::Slots(changes) => {
                    let held = self.slots.entry(*n).or_default();
                    held.extend(changes);
                    held.retain(|_, value| *value != 0);
                    slots = changes.iter().map(|(slot, value)| (*slot, *value)).collect();
                }
            }
            listed.push((address(*n), listed_account(*n, &slots, nonce, new_code)));
        }
        list(listed.iter().map(|(_, account)| account.clone()).collect())
    }

    pub(crate) fn world(&self, number: u64) -> World {
        let tries: BTreeMap<B256, Trie> = self
            .slots
            .iter()
            .filter(|(_, slots)| !slots.is_empty())
            .map(|(n, slots)| {
                let row =
                    |(slot, value): (&u8, &u8)| (slot_key(*slot), alloy_rlp::encode(U256::from(*value)));
                (key(*n), Trie::new(slots.iter().map(row).collect()))
            })
            .collect();
        let rows = self.accounts.iter().map(|(n, (nonce, code_number))| {
            let storage_root = tries.get(&key(*n)).map_or(EMPTY_ROOT, |trie| trie.root);
            let code_hash = code_number.map_or(EMPTY_CODE, |code_number| keccak256(&code(code_number)));
            let account = Account { nonce: *nonce, balance: U256::ZERO, storage_root, code_hash };
            (key(*n), account.to_rlp())
        });
        let codes = (0..9).map(|n| (keccak256(&code(n)), code(n))).collect();
        let mut world = World::around(rows.collect(), tries, codes);
        world.target.number = number;
        world
    }
}

pub(crate) fn code_of(n: u8) -> Bytes {
    code(n)
}

/// An RLP list of these items.
pub(crate) fn list(items: Vec<Vec<u8>>) -> Bytes {
    let payload: Vec<u8> = items.concat();
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(&payload);
    out.into()
}

pub(crate) fn changes(values: Vec<Vec<u8>>) -> Vec<u8> {
    let all = values.into_iter().enumerate();
    list(all.map(|(index, value)| list(vec![alloy_rlp::encode(index as u64), value]).to_vec()).collect())
        .to_vec()
}

pub(crate) fn listed_account(n: u8, slots: &[(u8, u8)], nonce: Option<u64>, code: Option<Bytes>) -> Vec<u8> {
    let slots = slots.iter().map(|(slot, value)| {
        // It has been something else before: the last value counts.
        let values = vec![alloy_rlp::encode(U256::from(77)), alloy_rlp::encode(U256::from(*value))];
        list(vec![alloy_rlp::encode(U256::from(*slot)), changes(values)]).to_vec()
    });
    let none = || list(Vec::new()).to_vec();
    let nonce = changes(nonce.map(alloy_rlp::encode).into_iter().collect());
    let code = changes(code.map(alloy_rlp::encode).into_iter().collect());
    list(vec![alloy_rlp::encode(address(n)), list(slots.collect()).to_vec(), none(), none(), nonce, code])
        .to_vec()
}

/// A header of an Amsterdam block.
pub(crate) fn header(number: u64, parent: B256, root: B256, raw: &Bytes) -> Header {
    Header::made(&HeaderFields::amsterdam(number, parent, root, keccak256(raw)))
}

/// A trie's branches as a worker sends them.
pub(crate) fn parts(root: B256, changes: Vec<Changes>) -> impl Iterator<Item = (NodeChanges, Derived)> {
    let last = changes.len() - 1;
    let derived = move |nth| if nth == last { Derived::Whole(root) } else { Derived::Part };
    changes.into_iter().enumerate().map(move |(nth, nodes)| (nodes, derived(nth)))
}

/// All of a gap, or what lies behind its first part.
pub(crate) fn part_of(gap: HashRange, size: u8) -> HashRange {
    let parts = if size.is_multiple_of(3) && gap.share() > 0.01 { 3 } else { 1 };
    gap.split(parts).pop().unwrap()
}

/// A part of a range, proved.
pub(crate) fn answer(world: &World, range: HashRange, size: u8) -> (TargetId, PackedAccounts) {
    let (rows, proof) = world.accounts.answer_up_to(range, usize::from(size % 12) + 1);
    let slim: Vec<_> = rows.iter().map(|(key, _)| (*key, world.account(key).unwrap().to_slim())).collect();
    let accounts = verify_accounts(world.accounts.root, range, rows_of(&slim), &proof).unwrap();
    (world.target.id, accounts.into())
}
