//! What the blocks of a moving chain change: which accounts, and which slots of which contracts, spread evenly over all there are.
//!
//! Blocks are counted from the first head on, which changes nothing. A block that changes a slot changes its contract's account. Keys are
//! upper bits, as in `truth`. Nobody here knows what is held.

use std::time::Duration;

use alloy_primitives::B256;

use super::truth::{Truth, last_with, upper};
use crate::chance::Chance;

/// How fast a chain moves.
#[derive(Clone, Debug)]
pub struct Pace {
    /// From one block to the next.
    pub block: Duration,
    /// Accounts without storage that a block changes.
    pub accounts: u64,
    /// Slots that it changes, of contracts in proportion to what they have.
    pub slots: u64,
}

#[derive(Debug, Default)]
struct Block {
    /// Rising.
    accounts: Vec<u64>,
    /// By contract.
    slots: Vec<(u32, u64)>,
}

/// All changes up to a block.
#[derive(Debug)]
pub(crate) struct Drift {
    pub(crate) pace: Pace,
    seed: u64,
    blocks: Vec<Block>,
    /// For each contract the changes of its slots, by block.
    by_contract: Vec<Vec<(u32, u64)>>,
    /// Slots before each contract's.
    before: Vec<u64>,
}

impl Drift {
    pub(crate) fn new(pace: Pace, truth: &Truth, seed: u64) -> Self {
        let mut sum = 0;
        let before = truth.all_contracts().iter().map(|contract| {
            let before = sum;
            sum += contract.slots;
            before
        });
        let before: Vec<u64> = before.chain([truth.slots()]).collect();
        let by_contract = vec![Vec::new(); truth.all_contracts().len()];
        Self { pace, seed, blocks: vec![Block::default()], by_contract, before }
    }

    /// The newest block at a moment.
    pub(crate) fn head(&self, now: Duration) -> u32 {
        u32::try_from(now.as_nanos() / self.pace.block.as_nanos()).unwrap_or(u32::MAX)
    }

    /// Draws the blocks up to this one.
    pub(crate) fn grow(&mut self, truth: &Truth, to: u32) {
        while self.blocks.len() as u64 <= u64::from(to) {
            let number = self.blocks.len() as u32;
            let mut chance = Chance::new(self.seed ^ (u64::from(number) << 20));
            let mut block = Block::default();
            block.accounts.extend((0..self.pace.accounts).map(|_| chance.draw()));
            for _ in 0..self.pace.slots {
                let nth = chance.below(self.before[self.before.len() - 1]);
                let contract = self.before.partition_point(|before| *before <= nth) - 1;
                let slot = chance.draw();
                block.slots.push((contract as u32, slot));
                self.by_contract[contract].push((number, slot));
                block.accounts.push(upper(&truth.all_contracts()[contract].key));
            }
            block.accounts.sort_unstable();
            block.accounts.dedup();
            block.slots.sort_unstable();
            self.blocks.push(block);
        }
    }

    /// Accounts that a block changes.
    pub(crate) fn accounts(&self, block: u32) -> &[u64] {
        &self.blocks[block as usize].accounts
    }

    /// Slots that it changes.
    pub(crate) fn slots(&self, block: u32) -> &[(u32, u64)] {
        &self.blocks[block as usize].slots
    }

    /// Accounts of a range that a block changes.
    pub(crate) fn accounts_in(&self, block: u32, first: u64, last: u64) -> &[u64] {
        let accounts = self.accounts(block);
        let from = accounts.partition_point(|key| *key < first);
        let to = accounts.partition_point(|key| *key <= last);
        &accounts[from..to]
    }

    /// Changes of a contract's slots, by block.
    pub(crate) fn of_contract(&self, contract: u32) -> &[(u32, u64)] {
        &self.by_contract[contract as usize]
    }

    /// The last block up to this one that changed a contract's slots; zero if none did.
    pub(crate) fn version(&self, contract: u32, block: u32) -> u32 {
        let changes = self.of_contract(contract);
        let at = changes.partition_point(|(changed, _)| *changed <= block);
        at.checked_sub(1).map_or(0, |at| changes[at].0)
    }
}

/// A key in the middle of its upper bits.
pub(crate) fn key_of(upper: u64) -> B256 {
    let mut key = last_with(upper);
    key.0[8..].fill(0);
    key.0[8] = 0x80;
    key
}
