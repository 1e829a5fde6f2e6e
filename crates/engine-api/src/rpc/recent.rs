//! What the transactions of the newest blocks are called, as far as blocks were looked through: 8 bytes of each hash, so that a thousand full
//! blocks take 2 MiB. What is found by these is looked at in the block itself before it is told. A block that left the chain is looked through
//! anew, under its other hash.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use alloy_primitives::B256;

/// What is remembered of recent blocks.
#[derive(Default)]
pub(super) struct RecentTransactions {
    /// By number; only a block of the same hash is the same.
    blocks: Mutex<BTreeMap<u64, Named>>,
}

/// A block by what its transactions are called.
struct Named {
    hash: B256,
    /// The first 8 bytes of each transaction's hash, in order.
    tags: Box<[u64]>,
}

fn tag(hash: &B256) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(first)
}

impl RecentTransactions {
    /// Whether a block may have a transaction; `None`: it was not looked through.
    pub(super) fn knows(&self, number: u64, block: &B256, hash: &B256) -> Option<bool> {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let named = blocks.get(&number).filter(|named| named.hash == *block)?;
        Some(named.tags.contains(&tag(hash)))
    }

    /// A block was looked through; what is below `lowest` is forgotten.
    pub(super) fn remember(&self, number: u64, hash: B256, hashes: &[B256], lowest: u64) {
        let tags = hashes.iter().map(tag).collect();
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.insert(number, Named { hash, tags });
        // What a reader of an older moment puts below goes with the next block.
        while let Some(first) = blocks.first_entry().filter(|first| *first.key() < lowest) {
            first.remove();
        }
    }
}
