//! The state as a density: how many accounts lie in a range, and which of them are contracts of how many slots.
//!
//! Every count is a difference of two floors, so that the parts of a range add up to the whole whatever the cuts. It
//! answers honestly and knows nothing of lines, time or the machine under test.

use std::collections::BTreeSet;

use alloy_primitives::{B256, U256};
use snapsync_trie::{HashRange, StorageClaim};

use crate::chance::Chance;

/// Cells of the key space; each has a count of accounts of its own, so that density varies as that of hashes does.
const CELLS_LOG2: u32 = 16;

/// Bytes of a range proof: two paths of some five nodes.
pub const PROOF_BYTES: u64 = 5_000;

/// What a state is made of.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Accounts without storage, and all others.
    pub accounts: u64,
    /// Bytes of an account on the wire.
    pub account_bytes: u64,
    /// Accounts with storage.
    pub contracts: u64,
    /// Slots of a typical contract; a few have a hundred times as many.
    pub slots_typical: u64,
    /// Bytes of a slot on the wire.
    pub slot_bytes: u64,
    /// Share of all slots, in percent, that lie in one contract; all others have as many less.
    pub huge_percent: u64,
    /// Different codes.
    pub codes: u64,
    /// Blocks from genesis to the target.
    pub blocks: u64,
    /// Bytes of a body, and of a block's receipts.
    pub block_bytes: u64,
}

/// A contract.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    /// Its account's key.
    pub key: B256,
    /// Its slots.
    pub slots: u64,
}

/// The truth.
#[derive(Debug)]
pub struct Truth {
    /// What it is made of.
    pub shape: Shape,
    /// Accounts before each cell, and in all.
    before: Vec<u64>,
    /// Contracts by key.
    contracts: Vec<Contract>,
}

/// The upper 64 bits of a key: more than the counts resolve.
pub(crate) fn upper(key: &B256) -> u64 {
    (U256::from_be_bytes(key.0) >> 192usize).to::<u64>()
}

/// The lower 64 bits.
fn lower(hash: &B256) -> u64 {
    U256::from_be_bytes(hash.0).wrapping_to::<u64>()
}

/// The upper bits up to which all things lie at or before a key; a thing lies in the middle of its upper bits' keys.
fn through(key: &B256) -> Option<u64> {
    if key.0[8] >= 0x80 { Some(upper(key)) } else { upper(key).checked_sub(1) }
}

/// The same for what lies before a key.
fn before(key: B256) -> Option<u64> {
    HashRange::before(key).and_then(|key| through(&key))
}

/// The last key whose upper bits are these.
pub(crate) fn last_with(upper: u64) -> B256 {
    let mut key = B256::repeat_byte(0xff);
    key.0[..8].copy_from_slice(&upper.to_be_bytes());
    key
}

/// How many of `count` evenly spread things lie up to and with the upper bits.
fn share_of(count: u64, upper: u64) -> u64 {
    ((u128::from(count) * (u128::from(upper) + 1)) >> 64) as u64
}

/// The things of `count` that lie in a range.
fn in_range(count: u64, range: &HashRange) -> u64 {
    let up_to = |upper: Option<u64>| upper.map_or(0, |upper| share_of(count, upper));
    up_to(through(&range.last())) - up_to(before(range.start()))
}

impl Truth {
    /// A state of this shape.
    #[must_use]
    pub fn make(shape: Shape, chance: &mut Chance) -> Self {
        let cells = 1_u64 << CELLS_LOG2;
        let mean = shape.accounts / cells;
        let (mut before, mut sum) = (vec![0], 0);
        for _ in 0..cells {
            // Within a fifth of the mean: wider than hashes spread at these counts.
            sum += chance.between(mean - mean / 5, mean + mean / 5);
            before.push(sum);
        }
        let mut contracts: Vec<Contract> = (0..shape.contracts)
            .map(|_| Contract { key: chance.hash(), slots: typical(&shape, chance) })
            .collect();
        contracts.sort_by_key(|contract| contract.key);
        // The sum of all slots is the same, whatever part of it one contract has.
        let nth = chance.index(contracts.len());
        for other in (0..contracts.len()).filter(|other| *other != nth) {
            let moved = contracts[other].slots * shape.huge_percent / 100;
            contracts[other].slots -= moved;
            contracts[nth].slots += moved;
        }
        Self { shape, before, contracts }
    }

    /// The target's state root.
    #[must_use]
    pub fn root(&self) -> B256 {
        B256::repeat_byte(0x77)
    }

    /// The hash of a block.
    #[must_use]
    pub fn block(&self, number: u64) -> B256 {
        B256::from(U256::from(number + 1).to_be_bytes())
    }

    /// The number of a block of this hash.
    #[must_use]
    pub fn number_of(&self, hash: &B256) -> u64 {
        lower(hash).saturating_sub(1)
    }

    /// Slots in all.
    #[must_use]
    pub fn slots(&self) -> u64 {
        self.contracts.iter().map(|contract| contract.slots).sum()
    }

    /// Bytes of all rows, once each.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let used: BTreeSet<B256> = self.contracts.iter().map(|contract| self.code_of(contract)).collect();
        let codes = used.iter().map(|code| self.code_bytes(code)).sum::<u64>();
        self.account_bytes(&HashRange::FULL) + self.slots() * self.shape.slot_bytes + codes
    }

    /// Bytes of the accounts in a range.
    #[must_use]
    pub fn account_bytes(&self, range: &HashRange) -> u64 {
        let up_to = |upper: Option<u64>| upper.map_or(0, |upper| self.accounts_through(upper));
        (up_to(through(&range.last())) - up_to(before(range.start()))) * self.shape.account_bytes
    }

    fn accounts_through(&self, upper: u64) -> u64 {
        let cell = (upper >> (64 - CELLS_LOG2)) as usize;
        let inside = upper << CELLS_LOG2 | ((1 << CELLS_LOG2) - 1);
        self.before[cell] + share_of(self.before[cell + 1] - self.before[cell], inside)
    }

    /// What an answer of so many bytes to a range covers: the first account always, the last one may lie beyond.
    #[must_use]
    pub fn accounts(&self, range: &HashRange, bytes: u64) -> HashRange {
        let count = (bytes / self.shape.account_bytes).max(1);
        let (low, high) = (upper(&range.start()), upper(&range.last()));
        let wanted = before(range.start()).map_or(0, |upper| self.accounts_through(upper)) + count;
        if self.accounts_through(high) <= wanted {
            return *range;
        }
        // The least upper bits with that many accounts before them.
        let (mut low, mut high) = (low, high);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.accounts_through(middle) >= wanted { high = middle } else { low = middle + 1 }
        }
        HashRange::new(range.start(), last_with(low).min(range.last())).unwrap_or(*range)
    }

    /// All contracts, by key.
    pub(crate) fn all_contracts(&self) -> &[Contract] {
        &self.contracts
    }

    /// Which one of them an account's is.
    pub(crate) fn place_of(&self, account: &B256) -> Option<usize> {
        self.contracts.binary_search_by_key(account, |contract| contract.key).ok()
    }

    /// The accounts in a range.
    pub(crate) fn accounts_in(&self, range: &HashRange) -> u64 {
        self.account_bytes(range) / self.shape.account_bytes
    }

    /// The contracts in a range.
    #[must_use]
    pub fn contracts(&self, range: &HashRange) -> &[Contract] {
        let from = self.contracts.partition_point(|contract| contract.key < range.start());
        let to = self.contracts.partition_point(|contract| contract.key <= range.last());
        &self.contracts[from..to]
    }

    /// The contract of an account.
    #[must_use]
    pub fn contract(&self, account: &B256) -> Option<Contract> {
        self.place_of(account).map(|at| self.contracts[at])
    }

    /// A contract's claim. No two have the same root.
    #[must_use]
    pub fn claim(contract: &Contract) -> StorageClaim {
        let mut root = contract.key;
        root.0[31] ^= 0xff;
        StorageClaim { account: contract.key, root }
    }

    /// The code that a contract names.
    #[must_use]
    pub fn code_of(&self, contract: &Contract) -> B256 {
        Self::code(upper(&contract.key) % self.shape.codes)
    }

    fn code(nth: u64) -> B256 {
        B256::from(U256::from(nth + 1_000_000_000).to_be_bytes())
    }

    /// Bytes of a code.
    #[must_use]
    pub fn code_bytes(&self, hash: &B256) -> u64 {
        1_000 + u64::from(hash.0[31]) * 60
    }

    /// The slots of a contract within a range.
    #[must_use]
    pub fn slots_in(&self, contract: &Contract, range: &HashRange) -> u64 {
        in_range(contract.slots, range)
    }

    /// What an answer of so many bytes to a range of a contract's slots covers.
    #[must_use]
    pub fn cut_storage(&self, contract: &Contract, range: &HashRange, bytes: u64) -> HashRange {
        let count = (bytes / self.shape.slot_bytes).max(1);
        if self.slots_in(contract, range) <= count {
            return *range;
        }
        let step = ((u128::from(count) << 64) / u128::from(contract.slots)) as u64;
        let last = last_with(upper(&range.start()).saturating_add(step));
        HashRange::new(range.start(), last.min(range.last())).unwrap_or(*range)
    }
}

/// A few slots mostly, and a power law above.
fn typical(shape: &Shape, chance: &mut Chance) -> u64 {
    let mut slots = chance.between(shape.slots_typical / 4, shape.slots_typical).max(1);
    while slots < shape.slots_typical * 100 && chance.hits(330) {
        slots *= 2;
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        let shape = Shape {
            accounts: 1_000_000,
            account_bytes: 100,
            contracts: 100,
            slots_typical: 1_000,
            slot_bytes: 60,
            huge_percent: 30,
            codes: 10,
            blocks: 1,
            block_bytes: 1,
        };
        let truth = Truth::make(shape, &mut Chance::new(1));
        let whole = truth.account_bytes(&HashRange::FULL);
        assert_eq!(whole, truth.before[1 << CELLS_LOG2] * 100);
        let (mut start, mut sum) = (B256::ZERO, 0);
        loop {
            let covered = truth.accounts(&HashRange::from_start(start), 77_777);
            sum += truth.account_bytes(&covered);
            match HashRange::after(covered.last()) {
                Some(next) => start = next,
                None => break,
            }
        }
        assert_eq!(sum, whole);
        let huge = truth.contracts.iter().max_by_key(|contract| contract.slots).copied();
        let huge = huge.expect("there are contracts");
        let parts = HashRange::FULL.split(7);
        assert_eq!(parts.iter().map(|part| truth.slots_in(&huge, part)).sum::<u64>(), huge.slots);
    }
}
