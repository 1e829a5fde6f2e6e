//! Blocks that do anything to the accounts of a whole state, in plain maps beside it.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes, U256};
use proptest::prelude::*;
use snapsync_keccak::keccak256;
use snapsync_storage::{
    AccountChange, BlockClaim, DerivedBlock, Open, StateChanges, StorageChange, Store, Summary, TargetRecord,
    Write,
};
use snapsync_trie::{Account, EMPTY_ROOT, Path, TrieSource, rebuild_whole};

use super::{Place, Run, Trie, World, sync};

/// What one block does to an account.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// It is there afterwards, with this nonce; a code, if any, is new.
    Put {
        nonce: u64,
        code: Option<u8>,
    },
    Delete,
    /// Slots change, some to zero; all others may go before.
    Slots {
        wiped: bool,
        slots: BTreeMap<u8, u8>,
    },
}

/// Deeds by the number of an account, of which half are there at first.
pub(crate) type Block = BTreeMap<u8, Deed>;

pub(crate) fn deeds() -> impl Strategy<Value = Deed> {
    let slots = prop::collection::btree_map(0..40u8, prop_oneof![2 => Just(0), 3 => any::<u8>()], 0..30);
    prop_oneof![
        4 => (any::<u64>(), prop::option::of(any::<u8>())).prop_map(|(nonce, code)| Deed::Put { nonce, code }),
        2 => Just(Deed::Delete),
        4 => (prop::bool::weighted(0.2), slots).prop_map(|(wiped, slots)| Deed::Slots { wiped, slots }),
    ]
}

pub(crate) fn account_key(n: u8) -> B256 {
    keccak256(&u64::from(n).to_be_bytes())
}

pub(crate) fn slot_key(n: u8) -> B256 {
    keccak256(&[n])
}

/// A state in plain maps.
#[derive(Clone, Default)]
pub(crate) struct Plain {
    pub(crate) accounts: BTreeMap<B256, Account>,
    pub(crate) slots: BTreeMap<B256, BTreeMap<B256, U256>>,
    pub(crate) codes: BTreeMap<B256, Bytes>,
}

impl Plain {
    pub(crate) fn of(world: &World) -> Self {
        let slots = |trie: &Trie| {
            let value = |rlp: &[u8]| alloy_rlp::decode_exact::<U256>(rlp).unwrap();
            trie.rows.iter().map(|(key, rlp)| (*key, value(rlp))).collect()
        };
        Self {
            accounts: world.accounts.rows.keys().map(|key| (*key, world.account(key).unwrap())).collect(),
            slots: world.storages.iter().map(|(account, trie)| (*account, slots(trie))).collect(),
            codes: world.codes.clone(),
        }
    }

    /// Does a block, and says what an executor would say of it.
    pub(crate) fn apply(&mut self, block: &Block) -> StateChanges {
        let mut changes = StateChanges::default();
        for (n, deed) in block {
            let key = account_key(*n);
            match deed {
                Deed::Put { nonce, code } => {
                    let before = self.accounts.get(&key).copied().unwrap_or(Account::EMPTY);
                    let code = code.map(|code| Bytes::from(vec![code; 3]));
                    let code_hash = code.as_ref().map_or(before.code_hash, |code| keccak256(code));
                    let account = Account { nonce: *nonce, code_hash, ..before };
                    self.accounts.insert(key, account);
                    let Account { nonce, balance, .. } = account;
                    changes.accounts.insert(key, Some(AccountChange { nonce, balance, code_hash }));
                    if let Some(code) = code {
                        self.codes.insert(code_hash, code.clone());
                        changes.codes.push(code);
                    }
                }
                Deed::Delete => {
                    self.accounts.remove(&key);
                    self.slots.remove(&key);
                    changes.accounts.insert(key, None);
                }
                // Of an account that is not there no slot can change.
                Deed::Slots { .. } if !self.accounts.contains_key(&key) => {}
                Deed::Slots { wiped, slots } => {
                    let held = self.slots.entry(key).or_default();
                    if *wiped {
                        held.clear();
                    }
                    let slots: BTreeMap<_, _> =
                        slots.iter().map(|(n, value)| (slot_key(*n), U256::from(*value))).collect();
                    held.extend(&slots);
                    held.retain(|_, value| !value.is_zero());
                    changes.storages.insert(key, StorageChange { wiped: *wiped, slots });
                }
            }
        }
        changes
    }

    /// The same as tries, under a head of this number.
    pub(crate) fn world(&self, number: u64) -> World {
        let tries: BTreeMap<B256, Trie> = self
            .slots
            .iter()
            .filter(|(_, slots)| !slots.is_empty())
            .map(|(account, slots)| {
                (
                    *account,
                    Trie::new(slots.iter().map(|(key, value)| (*key, alloy_rlp::encode(value))).collect()),
                )
            })
            .collect();
        let rows = self.accounts.iter().map(|(key, account)| {
            let storage_root = tries.get(key).map_or(EMPTY_ROOT, |trie| trie.root);
            (*key, Account { storage_root, ..*account }.to_rlp())
        });
        let mut world = World::around(rows.collect(), tries, self.codes.clone());
        (world.target.number, world.target.hash) = (number, keccak256(&number.to_be_bytes()));
        world
    }
}

pub(crate) fn claim(parent: &TargetRecord, target: &TargetRecord) -> BlockClaim {
    BlockClaim { number: target.number, hash: target.hash, parent: parent.hash, root: target.root }
}

pub(crate) fn write(run: &mut Run, block: DerivedBlock) -> Summary {
    run.write(|ticket| Write::Block { ticket, block: Box::new(block) }).unwrap()
}

/// Syncs to a state of some accounts.
pub(crate) fn synced(place: &Place) -> (World, Store, Run) {
    let world = World::new(60, 70);
    let store = place.open();
    let mut run = place.run(&store, Box::new(Open));
    sync(&world, &store, &mut run).unwrap();
    (world, store, run)
}

/// Rows and branches are found from wherever they are sought, and give the root.
pub(crate) fn assert_is<S: TrieSource>(source: &mut S, trie: &Trie)
where
    S::Error: std::fmt::Debug,
{
    let keys = || trie.rows.keys();
    for from in keys().copied().chain([B256::ZERO, B256::repeat_byte(0x7f)]).chain(keys().rev().copied()) {
        let mut value = Vec::new();
        let found = source.next_row(from, &mut value).unwrap().map(|key| (key, value));
        assert_eq!(found, trie.rows.range(from..).next().map(|(key, value)| (*key, value.clone())));
        for depth in [0, 1, 2, 64] {
            let from = Path::prefix_of(&from, depth);
            let found = source.next_branch(&from).unwrap();
            assert_eq!(found, trie.nodes.range(from..).next().map(|(path, branch)| (*path, branch.clone())));
        }
    }
    assert_eq!(rebuild_whole(source).unwrap().0, trie.root);
}

pub(crate) fn stories() -> impl Strategy<Value = Vec<Block>> {
    prop::collection::vec(prop::collection::btree_map(0..120u8, deeds(), 0..25), 1..6)
}
