//! What the contenders are given: leaves in order, an account answer with its proof, storage sets. The same in every run.

use std::{collections::BTreeMap, convert::Infallible};

use alloy_primitives::{B256, Bytes, U256};
use snapsync_trie::{
    Account, Branch, Builder, EMPTY_CODE, EMPTY_ROOT, HashRange, Path, StorageClaim, TrieSource, prove,
};

use crate::Chance;

/// Every tenth account is a contract.
const CONTRACT_SHARE: u64 = 10;

/// Leaves of a trie by rising key, their values one behind the other.
#[derive(Clone, Debug, Default)]
pub struct Leaves {
    keys: Vec<B256>,
    values: Vec<u8>,
    ends: Vec<usize>,
}

impl Leaves {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The leaf at `index`: its key and its value.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn at(&self, index: usize) -> (&B256, &[u8]) {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        (&self.keys[index], &self.values[start..self.ends[index]])
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&B256, &[u8])> {
        (0..self.len()).map(|index| self.at(index))
    }

    /// Where the first leaf at or after `key` is.
    pub fn position(&self, key: &B256) -> usize {
        self.keys.partition_point(|at| at < key)
    }

    /// The root of the trie that they make.
    pub fn root(&self) -> B256 {
        let mut builder = Builder::new();
        self.iter().for_each(|(key, value)| builder.push_leaf(*key, value));
        builder.finish().root
    }

    fn push(&mut self, key: B256, write: impl FnOnce(&mut Vec<u8>)) {
        self.keys.push(key);
        write(&mut self.values);
        self.ends.push(self.values.len());
    }
}

/// The accounts of a state, by rising key.
#[derive(Clone, Debug)]
pub struct State {
    rows: Vec<(B256, Account)>,
}

impl State {
    /// A state of `count` accounts: balances and nonces of the sizes that mainnet has, every tenth a contract.
    pub fn new(count: usize) -> Self {
        let mut chance = Chance::new(0x5eed);
        let mut rows: Vec<_> = (0..count).map(|_| (chance.hash(), account(&mut chance))).collect();
        rows.sort_unstable_by_key(|row| row.0);
        Self { rows }
    }

    /// Its leaves, of every `step`-th account.
    pub fn leaves(&self, step: usize) -> Leaves {
        let mut leaves = Leaves::default();
        for (key, account) in self.rows.iter().step_by(step) {
            leaves.push(*key, |values| account.write_rlp(values));
        }
        leaves
    }

    /// An answer of `count` accounts out of the middle of every `step`-th account, with the proof of its edges.
    pub fn answer(&self, step: usize, count: usize) -> Answer {
        let leaves = self.leaves(step);
        let origin = B256::repeat_byte(0x35);
        let first = leaves.position(&origin);
        let rows = self.rows.iter().step_by(step).skip(first).take(count);
        let slim: Vec<_> = rows.map(|(key, account)| (*key, account.to_slim())).collect();
        let mut answered = Leaves::default();
        for index in first..first + count {
            let (key, value) = leaves.at(index);
            answered.push(*key, |values| values.extend_from_slice(value));
        }
        let mut stored = Stored::new(leaves);
        let last = slim[slim.len() - 1].0;
        let Ok(proof) = prove(&mut stored, &[origin, last]);
        Answer { root: stored.root, range: HashRange::from_start(origin), slim, leaves: answered, proof }
    }
}

/// An answer to a request for a range of accounts.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The state's root.
    pub root: B256,
    /// The range that was asked for.
    pub range: HashRange,
    /// Keys and slim accounts, as they travel.
    pub slim: Vec<(B256, Vec<u8>)>,
    /// The same as leaves of the trie.
    pub leaves: Leaves,
    /// The nodes on the paths to both edges.
    pub proof: Vec<Bytes>,
}

/// Whole storage tries in one answer.
#[derive(Clone, Debug, Default)]
pub struct Sets {
    /// What the accounts claim.
    pub claims: Vec<StorageClaim>,
    /// The slots of each, by rising key, with the values as the trie holds them.
    pub sets: Vec<Vec<(B256, Vec<u8>)>>,
}

impl Sets {
    /// About `slots` slots in tries of so many slots each.
    pub fn of(slots_each: usize, slots: usize) -> Self {
        let mut chance = Chance::new(0x51 + slots_each as u64);
        let mut sets = Self::default();
        (0..slots / slots_each).for_each(|_| sets.push(&mut chance, slots_each));
        sets
    }

    /// About `slots` slots in tries of 1 to 1000, small ones far more often, as contracts are.
    pub fn mixed(slots: usize) -> Self {
        let mut chance = Chance::new(0x713);
        let mut sets = Self::default();
        while sets.slots() < slots {
            let size = 1 << chance.below(10);
            let size = size + chance.below(size);
            sets.push(&mut chance, (size as usize).min(1000));
        }
        sets
    }

    /// Slots in all sets.
    pub fn slots(&self) -> usize {
        self.sets.iter().map(Vec::len).sum()
    }

    fn push(&mut self, chance: &mut Chance, slots: usize) {
        let slot = |chance: &mut Chance| {
            // Half are small numbers, a quarter addresses, a quarter fill the word.
            let value = match chance.below(4) {
                0 => U256::from_be_bytes(chance.hash().0),
                1 => U256::from_be_bytes(chance.hash().0) >> 96,
                _ => U256::from(chance.below(1 << 40) + 1),
            };
            (chance.hash(), alloy_rlp::encode(value))
        };
        let mut set: Vec<_> = (0..slots).map(|_| slot(chance)).collect();
        set.sort_unstable();
        let mut builder = Builder::new();
        set.iter().for_each(|(key, value)| builder.push_leaf(*key, value));
        self.claims.push(StorageClaim { account: chance.hash(), root: builder.finish().root });
        self.sets.push(set);
    }
}

/// A trie as a disk would hold it, to prove from.
struct Stored {
    leaves: Leaves,
    branches: BTreeMap<Path, Branch>,
    root: B256,
}

impl Stored {
    fn new(leaves: Leaves) -> Self {
        let mut builder = Builder::new();
        leaves.iter().for_each(|(key, value)| builder.push_leaf(*key, value));
        let built = builder.finish();
        Self { branches: built.nodes.branches().collect(), root: built.root, leaves }
    }
}

impl TrieSource for Stored {
    type Error = Infallible;

    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>, Infallible> {
        let at = self.leaves.position(&at_or_after);
        Ok((at < self.leaves.len()).then(|| {
            let (key, bytes) = self.leaves.at(at);
            value.extend_from_slice(bytes);
            *key
        }))
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>, Infallible> {
        Ok(self.branches.range(*at_or_after..).next().map(|(path, branch)| (*path, branch.clone())))
    }
}

fn account(chance: &mut Chance) -> Account {
    let is_contract = chance.below(CONTRACT_SHARE) == 0;
    Account {
        nonce: chance.below(1 << chance.clone().below(12)),
        balance: U256::from(chance.number()) * U256::from(chance.below(1 << 12)),
        storage_root: if is_contract { chance.hash() } else { EMPTY_ROOT },
        code_hash: if is_contract { chance.hash() } else { EMPTY_CODE },
    }
}

#[cfg(test)]
mod tests {
    use snapsync_trie::{StorageQuery, rows_of, verify_accounts, verify_storages};

    use super::*;

    #[test]
    fn inputs_are_what_a_peer_could_send() {
        let answer = State::new(4000).answer(2, 500);
        let verified =
            verify_accounts(answer.root, answer.range, rows_of(&answer.slim), &answer.proof).unwrap();
        assert_eq!(verified.rows().len(), 500);
        let sets = Sets::mixed(3000);
        let query = StorageQuery { claims: &sets.claims, range: HashRange::FULL };
        let rows = sets.sets.iter().map(|set| rows_of(set));
        assert_eq!(verify_storages(query, rows, &[] as &[Vec<u8>]).unwrap().rows_len(), sets.slots());
    }

    #[test]
    fn every_nth_leaf_is_a_state_too() {
        let state = State::new(100);
        assert_eq!(state.leaves(4).len(), 25);
        assert_eq!(state.leaves(4).at(1), state.leaves(1).at(4));
    }
}
