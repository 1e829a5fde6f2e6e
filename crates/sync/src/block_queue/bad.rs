//! Blocks that are known to be bad, so that they and their descendants are not executed again.
//!
//! It trusts whoever executed a block. It never holds a block whose ancestors are not all known down to a bad one.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::B256;

use crate::Head;

use super::outcome::BlockLink;

/// A bad block.
#[derive(Clone, Copy, Debug)]
struct BadBlock {
    number: u64,
    /// The first bad block of its chain: itself, if it was executed.
    first: B256,
    /// That one's parent.
    latest_valid: Head,
}

/// Bad blocks of one kind, the oldest of which are forgotten.
#[derive(Debug, Default)]
struct Memory {
    by_hash: BTreeMap<B256, BadBlock>,
    by_age: VecDeque<B256>,
}

impl Memory {
    fn insert(&mut self, hash: B256, block: BadBlock, max: usize) {
        if self.by_hash.insert(hash, block).is_none() {
            self.by_age.push_back(hash);
        }
        while self.by_age.len() > max
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.by_hash.remove(&oldest);
        }
    }

    fn retain(&mut self, keep: impl Fn(&BadBlock) -> bool) {
        self.by_hash.retain(|_, block| keep(block));
        self.by_age.retain(|hash| self.by_hash.contains_key(hash));
    }

    fn check(&self, max: usize) {
        assert!(self.by_age.len() <= max, "more bad blocks are remembered than may be");
        assert_eq!(self.by_hash.len(), self.by_age.len(), "each bad block has an age");
    }
}

/// What is remembered of bad blocks.
#[derive(Debug, Default)]
pub(super) struct BadBlocks {
    /// Blocks that were executed, or whose number is not the one after their held parent's.
    executed: Memory,
    /// Their descendants. Apart, so that however many of them come, what is above is not forgotten and executed again.
    descended: Memory,
}

impl BadBlocks {
    fn block(&self, hash: &B256) -> Option<BadBlock> {
        self.executed.by_hash.get(hash).or_else(|| self.descended.by_hash.get(hash)).copied()
    }

    /// The last valid ancestor of a bad block.
    pub(super) fn latest_valid(&self, hash: &B256) -> Option<Head> {
        self.block(hash).map(|bad| bad.latest_valid)
    }

    /// This block is bad, and its parent is held.
    pub(super) fn reject(&mut self, block: &BlockLink, latest_valid: Head, max: usize) {
        let bad = BadBlock { number: block.number, first: block.hash, latest_valid };
        self.executed.insert(block.hash, bad, max);
    }

    /// Remembers a block whose parent is bad. Gives the last valid ancestor, if that is so.
    pub(super) fn descend(&mut self, block: &BlockLink, max: usize) -> Option<Head> {
        let parent = self.block(&block.parent)?;
        self.descended.insert(block.hash, BadBlock { number: block.number, ..parent }, max);
        Some(parent.latest_valid)
    }

    /// This block is valid after all, and with it what was thought bad for its sake.
    pub(super) fn forgive(&mut self, hash: &B256) {
        if let Some(bad) = self.block(hash) {
            self.executed.retain(|other| other.first != bad.first);
            self.descended.retain(|other| other.first != bad.first);
        }
    }

    /// Nothing at or below this number can come any more.
    pub(super) fn prune(&mut self, number: u64) {
        self.executed.retain(|bad| bad.number > number);
        self.descended.retain(|bad| bad.number > number);
    }

    pub(super) fn count(&self) -> usize {
        self.executed.by_hash.len() + self.descended.by_hash.len()
    }

    /// What is always true here.
    pub(super) fn check(&self, max: usize) {
        self.executed.check(max);
        self.descended.check(max);
    }
}
