//! What a block changes in a state, by seed: accounts, slots and codes, of real rows.
//!
//! Much of it is what makes tries hard: keys beside others, whose leaf splits a branch's child; what goes away and leaves a branch with one
//! child; what comes back as it was. It looks at no disk, and knows no peer.

use std::{collections::BTreeSet, rc::Rc};

use alloy_primitives::{B256, Bytes, U256};
use snapsync_keccak::keccak256;
use snapsync_trie::{Account as Body, EMPTY_CODE, EMPTY_ROOT};

use crate::{
    chain::{Account, Flavour, Row, Rows, State},
    chance::Chance,
    keys::Keys,
    states::States,
    tries::{Leaf, Trie, slot_value},
};

/// How often in a thousand all of an earlier state comes back.
const BACK_PER_MILLE: u64 = 40;

/// How often in a thousand the largest storage changes.
const LARGEST_PER_MILLE: u64 = 700;

/// The state of a block above one with the state `before`, which changes so many accounts in a thousand.
pub(crate) fn next(
    before: &State,
    states: &States,
    keys: &mut Keys,
    touched_per_mille: u64,
    chance: &mut Chance,
) -> State {
    if chance.hits(BACK_PER_MILLE) {
        let nth = chance.index(states.all().count());
        return states.all().nth(nth).unwrap_or(before).clone();
    }
    let mut draft = Draft { state: before.clone(), states, keys, chance };
    let touched = 1 + before.accounts.len() as u64 * touched_per_mille / 1000;
    (0..touched).for_each(|_| draft.change());
    if draft.chance.hits(LARGEST_PER_MILLE) {
        draft.change_largest();
    }
    draft.finish()
}

/// A state that is being made from the one before.
struct Draft<'a> {
    state: State,
    states: &'a States,
    keys: &'a mut Keys,
    chance: &'a mut Chance,
}

impl Draft<'_> {
    fn change(&mut self) {
        let Some(key) = self.any_key() else { return };
        match self.chance.below(12) {
            0..=2 => self.change_balance(key),
            3 => self.add(),
            4 => self.remove(key),
            5 | 6 => self.bring_back(),
            7 | 8 => {
                if let Some(key) = self.any_contract() {
                    self.change_slots(key, 4);
                }
            }
            9 => self.change_storage(key),
            10 => self.copy_storage(key),
            _ => self.change_code(key),
        }
    }

    fn any_key(&mut self) -> Option<B256> {
        let known: Vec<&B256> =
            self.state.accounts.keys().filter(|account| self.keys.is_known(account)).collect();
        known.get(self.chance.index(known.len())).copied().copied()
    }

    fn any_contract(&mut self) -> Option<B256> {
        let has_slots = |(key, account): (&B256, &Account)| {
            (account.storage_root != EMPTY_ROOT && self.keys.is_known(key)).then_some(*key)
        };
        let contracts: Vec<B256> = self.state.accounts.iter().filter_map(has_slots).collect();
        (!contracts.is_empty()).then(|| contracts[self.chance.index(contracts.len())])
    }

    fn body(&self, key: &B256) -> Option<Body> {
        self.state.accounts.get(key).and_then(|account| Body::from_slim(&account.row.value).ok())
    }

    fn put(&mut self, key: B256, body: Body) {
        let value: Bytes = body.to_slim().into();
        let row = Row { weight: value.len() as u32 + 32, value };
        let Body { storage_root, code_hash, .. } = body;
        self.state.accounts.insert(key, Account { row, storage_root, code_hash });
    }

    fn change_body(&mut self, key: B256, change: impl FnOnce(&mut Body)) {
        let Some(mut body) = self.body(&key) else { return };
        change(&mut body);
        self.put(key, body);
    }

    fn change_balance(&mut self, key: B256) {
        let balance = U256::from(self.chance.draw());
        self.change_body(key, |body| (body.nonce, body.balance) = (body.nonce + 1, balance));
    }

    /// A new account somewhere, or right beside another one.
    fn add(&mut self) {
        let Some(mut key) = self.any_key() else { return };
        match self.chance.below(3) {
            0 => key = self.keys.account(self.chance),
            // A path that is the same for a nibble or two.
            1 => key = self.keys.account_like(key, self.chance),
            _ => key = self.keys.account_beside(key, self.chance),
        }
        let balance = U256::from(self.chance.draw());
        self.put(key, Body { nonce: 0, balance, storage_root: EMPTY_ROOT, code_hash: EMPTY_CODE });
        if self.chance.hits(500) {
            self.change_storage(key);
            self.change_code(key);
        }
    }

    /// An account goes, with its storage. One stays: a state without accounts is asked of nobody.
    fn remove(&mut self, key: B256) {
        if self.state.accounts.len() > 1 {
            self.state.accounts.remove(&key);
        }
    }

    /// An account is as it was at an earlier block, or its storage is.
    fn bring_back(&mut self) {
        let nth = self.chance.index(self.states.all().count());
        let Some(earlier) = self.states.all().nth(nth) else { return };
        let is_other = |key: &&B256| {
            self.state.accounts.get(*key).map(|account| &account.row)
                != earlier.accounts.get(*key).map(|account| &account.row)
        };
        let both: BTreeSet<&B256> = earlier.accounts.keys().chain(self.state.accounts.keys()).collect();
        let others: Vec<B256> = both.into_iter().filter(is_other).copied().collect();
        let Some(key) = others.get(self.chance.index(others.len())).copied() else { return };
        let Some(account) = earlier.accounts.get(&key).cloned() else { return self.remove(key) };
        let storage_root = account.storage_root;
        if let Some(trie) = earlier.storages.get(&storage_root) {
            self.state.storages.insert(storage_root, Rc::clone(trie));
        }
        if self.chance.hits(300) {
            return self.change_body(key, |body| body.storage_root = storage_root);
        }
        self.state.accounts.insert(key, account);
    }

    /// A storage empties, or is another one than before: where there was none, it is new.
    fn change_storage(&mut self, key: B256) {
        let is_empty = self.state.accounts.get(&key).is_none_or(|account| account.storage_root == EMPTY_ROOT);
        if !is_empty && self.chance.hits(700) {
            return self.change_body(key, |body| body.storage_root = EMPTY_ROOT);
        }
        let slots =
            if self.chance.hits(100) { self.chance.between(50, 400) } else { self.chance.between(1, 6) };
        let rows = (0..slots).map(|_| (self.keys.slot(self.chance), self.slot())).collect();
        self.put_storage(key, rows);
    }

    /// Two storages are equal from now on. That they cease to be so, each change of one of them sees to.
    fn copy_storage(&mut self, key: B256) {
        let Some(donor) = self.any_contract() else { return };
        let storage_root = self.state.accounts[&donor].storage_root;
        self.change_body(key, |body| body.storage_root = storage_root);
    }

    /// Some slots have other values, some go, some are new; one of them beside another.
    fn change_slots(&mut self, key: B256, up_to: u64) {
        let Some(trie) = self.state.slots_of(&key) else { return };
        let mut rows = trie.rows.clone();
        for _ in 0..self.chance.between(1, up_to) {
            let nth = self.chance.index(rows.len());
            let slot = rows.keys().nth(nth).copied();
            match (self.chance.below(4), slot) {
                (0, Some(slot)) => drop(rows.remove(&slot)),
                (1, Some(slot)) => {
                    let beside = self.keys.slot_beside(slot, self.chance);
                    rows.insert(beside, self.slot());
                }
                (2, Some(slot)) => drop(rows.insert(slot, self.slot())),
                _ => drop(rows.insert(self.keys.slot(self.chance), self.slot())),
            }
        }
        self.put_storage(key, rows);
    }

    /// The largest storage comes in pieces, if any does.
    fn change_largest(&mut self) {
        let slots = |key: &B256| self.state.slots_of(key).map_or(0, |trie| trie.rows.len());
        let known = self.state.accounts.keys().filter(|account| self.keys.is_known(account));
        if let Some(key) = known.max_by_key(|key| slots(key)).copied() {
            self.change_slots(key, 12);
        }
    }

    fn slot(&mut self) -> Row {
        let bits = self.chance.below(64);
        let value = slot_value((self.chance.draw() >> bits) | 1);
        Row { weight: value.len() as u32 + 32, value }
    }

    fn put_storage(&mut self, key: B256, rows: Rows) {
        let trie = Trie::make(Flavour::Real, Leaf::Slot, rows);
        let storage_root = trie.root;
        if storage_root != EMPTY_ROOT {
            self.state.storages.insert(storage_root, Rc::new(trie));
        }
        self.change_body(key, |body| body.storage_root = storage_root);
    }

    /// A code that was nowhere yet, one that others have, or none.
    fn change_code(&mut self, key: B256) {
        let code_hash = match self.chance.below(4) {
            0 => EMPTY_CODE,
            1 => {
                let nth = self.chance.index(self.states.codes.len());
                self.states.codes.keys().nth(nth).copied().unwrap_or(EMPTY_CODE)
            }
            _ => {
                let value: Bytes = self.chance.hash().as_slice()[..1 + self.chance.index(32)].to_vec().into();
                let hash = keccak256(&value);
                self.state.codes.insert(hash, Row { weight: value.len() as u32, value });
                hash
            }
        };
        self.change_body(key, |body| body.code_hash = code_hash);
    }

    fn finish(mut self) -> State {
        let accounts = &self.state.accounts;
        let (mut roots, mut codes) = (BTreeSet::new(), Rows::new());
        for account in accounts.values() {
            roots.insert(account.storage_root);
            let code = self.state.codes.get(&account.code_hash).or(self.states.codes.get(&account.code_hash));
            codes.extend(code.map(|code| (account.code_hash, code.clone())));
        }
        let rows = accounts.iter().map(|(key, account)| (*key, account.row.clone())).collect();
        self.state.storages.retain(|root, _| roots.contains(root));
        self.state.codes = codes;
        self.state.trie = Rc::new(Trie::make(Flavour::Real, Leaf::Account, rows));
        self.state.root = self.state.trie.root;
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Size;

    /// What differs from one state to the next.
    fn met(before: &State, after: &State) -> BTreeSet<&'static str> {
        let mut met = BTreeSet::new();
        let keys: BTreeSet<&B256> = before.accounts.keys().chain(after.accounts.keys()).collect();
        for key in keys {
            match (before.accounts.get(key), after.accounts.get(key)) {
                (None, Some(_)) => drop(met.insert("new")),
                (Some(_), None) => drop(met.insert("gone")),
                (Some(one), Some(two)) if one.storage_root != two.storage_root => {
                    let (from, to) = (one.storage_root == EMPTY_ROOT, two.storage_root == EMPTY_ROOT);
                    met.insert(if from {
                        "created"
                    } else if to {
                        "emptied"
                    } else {
                        "slots"
                    });
                }
                (Some(one), Some(two)) if one.code_hash != two.code_hash => drop(met.insert("code")),
                (Some(one), Some(two)) if one.row != two.row => drop(met.insert("balance")),
                _ => {}
            }
        }
        met
    }

    #[test]
    fn blocks_change_all_that_they_may_and_states_are_whole() {
        let mut chance = Chance::new(1);
        let size = Size {
            flavour: Flavour::Real,
            accounts: 120,
            contracts_per_mille: 300,
            huge_slots: 300,
            row_weight: 0,
            blocks: 1,
        };
        let mut keys = Keys::Any;
        let mut states = States::new(State::make(&size, &mut keys, &mut chance));
        let mut all = BTreeSet::new();
        for _ in 0..40 {
            let state = next(states.newest(), &states, &mut keys, 50, &mut chance);
            all.extend(met(states.newest(), &state));
            for (key, account) in &state.accounts {
                let slots = state.slots_of(key).map_or(EMPTY_ROOT, |trie| trie.root);
                assert_eq!(slots, account.storage_root, "{key}");
                assert!(account.code_hash == EMPTY_CODE || state.codes.contains_key(&account.code_hash));
            }
            states.push(state);
        }
        let wanted = ["balance", "code", "created", "emptied", "gone", "new", "slots"];
        assert_eq!(all.into_iter().collect::<Vec<_>>(), wanted);
        let roots: BTreeSet<B256> = states.all().map(|state| state.root).collect();
        assert!(roots.len() < 41, "no block brought an earlier state back");
    }
}
