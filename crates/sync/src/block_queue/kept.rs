//! Blocks that are held by our own chain, or beside it, as far as the queue remembers: on these others may stand.
//!
//! It trusts the host. It is no list of all that is held: the lowest are forgotten first, and asked for again by whoever needs one.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;

use super::outcome::BlockLink;

/// Held blocks.
#[derive(Debug, Default)]
pub(super) struct KeptBlocks {
    by_hash: BTreeMap<B256, BlockLink>,
    by_number: BTreeSet<(u64, B256)>,
}

impl KeptBlocks {
    pub(super) fn number(&self, hash: &B256) -> Option<u64> {
        self.by_hash.get(hash).map(|block| block.number)
    }

    pub(super) fn contains(&self, hash: &B256) -> bool {
        self.by_hash.contains_key(hash)
    }

    pub(super) fn count(&self) -> usize {
        self.by_hash.len()
    }

    /// Remembers a block; the lowest give way, the head does not.
    pub(super) fn insert(&mut self, block: BlockLink, head: &B256, max: usize) {
        if self.by_hash.insert(block.hash, block).is_none() {
            self.by_number.insert((block.number, block.hash));
        }
        while self.by_hash.len() > max.max(1) {
            let Some(&(_, lowest)) = self.by_number.iter().find(|(_, hash)| hash != head) else { return };
            self.remove(&lowest);
        }
    }

    /// Forgets what is below `floor`. The head stays.
    pub(super) fn prune(&mut self, floor: u64, head: &B256) {
        let below: Vec<B256> =
            self.by_number.iter().take_while(|(number, _)| *number < floor).map(|(_, hash)| *hash).collect();
        for hash in below.iter().filter(|hash| *hash != head) {
            self.remove(hash);
        }
    }

    /// Forgets what stands on another block than the one that is final. The head stays. Gives what was forgotten.
    pub(super) fn leave_branches(&mut self, finalized: &BlockLink, head: &B256) -> BTreeSet<B256> {
        let mut left = BTreeSet::new();
        // Rising: a parent is judged before its children.
        for (number, hash) in self.by_number.range((finalized.number, B256::ZERO)..) {
            let parent = self.by_hash.get(hash).map(|block| block.parent).unwrap_or_default();
            let is_other = match number - finalized.number {
                0 => *hash != finalized.hash,
                1 => parent != finalized.hash,
                _ => left.contains(&parent),
            };
            if is_other && hash != head {
                left.insert(*hash);
            }
        }
        left.iter().for_each(|hash| self.remove(hash));
        left
    }

    fn remove(&mut self, hash: &B256) {
        if let Some(block) = self.by_hash.remove(hash) {
            self.by_number.remove(&(block.number, block.hash));
        }
    }

    /// What is always true here.
    pub(super) fn check(&self, head: &B256, max: usize) {
        assert!(self.by_hash.len() <= max.max(1), "more held blocks are remembered than may be");
        assert_eq!(self.by_hash.len(), self.by_number.len(), "each held block has its number");
        assert!(self.contains(head), "the head is held");
    }
}
