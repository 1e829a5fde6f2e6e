//! Blocks that were taken before they are part of the chain: payloads that the host gave and has not named yet, each over its parent's state.
//!
//! ```text
//!   on the disk ... 7   8 <── ahead of the disk   9a  10a <── candidates: named next, they are written as they are
//!                   └── 8b <── beside the chain            9b too
//! ```
//!
//! They are bounded in number and bytes; the oldest go first, and are taken again if they are named after all. Bad blocks are remembered as well,
//! a few, in memory alone: what was found bad here may have been our own disk's doing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use alloy_primitives::B256;
use snapsync_execute::{BlockHashes, Error as ExecuteError};
use snapsync_storage::{BlocksAhead, HistorySnapshot, TargetRecord};
use snapsync_wire::Header;

use crate::taking::TakenBlock;

/// Candidates, at most: as many blocks as can be taken back.
const CANDIDATES_MAX: usize = 128;
/// Bad blocks that are remembered.
const BAD_MAX: usize = 256;

/// A block that was taken.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) header: Header,
    pub(crate) taken: TakenBlock,
}

/// The blocks that were taken. See the module's documentation.
#[derive(Debug)]
pub(crate) struct Candidates {
    blocks: BTreeMap<B256, Candidate>,
    /// In the order in which they came.
    order: VecDeque<B256>,
    bytes: usize,
    bytes_max: usize,
    /// The state after the one that came last: most others follow it.
    newest: Arc<BlocksAhead>,
}

impl Candidates {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let (blocks, order) = (BTreeMap::new(), VecDeque::new());
        Self { blocks, order, bytes: 0, bytes_max, newest: Arc::default() }
    }

    pub(crate) fn has(&self, hash: &B256) -> bool {
        self.blocks.contains_key(hash)
    }

    /// What they may hold.
    pub(crate) const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// What lies over the disk's state after this block, if that is the one that came last. What is on the disk is let go of.
    pub(crate) fn newest(&mut self, hash: &B256, on_disk: &TargetRecord) -> Option<Arc<BlocksAhead>> {
        if self.newest.tip().is_none_or(|tip| tip.hash != *hash) {
            return None;
        }
        if self.newest.has(&on_disk.hash) {
            Arc::make_mut(&mut self.newest).forget(on_disk.number);
        }
        Some(self.newest.clone()).filter(|blocks| !blocks.is_empty())
    }

    /// The candidates that lead to this block, rising, itself the last; none, if it is not among them.
    pub(crate) fn branch(&self, hash: &B256) -> VecDeque<&Candidate> {
        let mut branch = VecDeque::new();
        let mut at = self.blocks.get(hash);
        while let Some(block) = at {
            branch.push_front(block);
            at = self.blocks.get(&block.header.parent_hash);
        }
        branch
    }

    /// Keeps a block that was taken over the state that `over` shows, or over the disk's own if that is empty.
    ///
    /// One that is among them already is put in its own place.
    pub(crate) fn put(&mut self, hash: B256, candidate: Candidate, over: Arc<BlocksAhead>) {
        self.remove(&hash);
        let derived = &candidate.taken.derived;
        // The one before is let go of first: else what both show is copied.
        self.newest = over;
        Arc::make_mut(&mut self.newest).push(derived);
        self.bytes += derived.bytes_held();
        self.order.push_back(hash);
        self.blocks.insert(hash, candidate);
        while self.blocks.len() > CANDIDATES_MAX || self.bytes > self.bytes_max {
            let Some(oldest) = self.order.front().copied() else { break };
            self.remove(&oldest);
        }
        // What is let go of above lies in here still.
        if self.newest.bytes_held() > self.bytes_max {
            self.newest = Arc::default();
        }
    }

    /// The block, which is part of the chain now.
    pub(crate) fn take(&mut self, hash: &B256) -> Option<TakenBlock> {
        self.remove(hash).map(|candidate| candidate.taken)
    }

    fn remove(&mut self, hash: &B256) -> Option<Candidate> {
        let candidate = self.blocks.remove(hash)?;
        self.order.retain(|other| other != hash);
        self.bytes -= candidate.taken.derived.bytes_held();
        if self.blocks.is_empty() {
            self.newest = Arc::default();
        }
        Some(candidate)
    }
}

/// The hashes of blocks on a branch whose lower end is canonical.
#[derive(Debug)]
pub(crate) struct BranchHashes<'h> {
    /// Those above the lower end.
    pub(crate) above: BTreeMap<u64, B256>,
    pub(crate) history: &'h HistorySnapshot,
}

impl BlockHashes for BranchHashes<'_> {
    fn hash_of(&self, number: u64) -> Result<Option<B256>, ExecuteError> {
        match self.above.get(&number) {
            Some(hash) => Ok(Some(*hash)),
            None => self.history.hash_of(number),
        }
    }
}

/// Why a block, or one of its ancestors, is bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    /// The newest ancestor that is not.
    pub(crate) latest_valid: B256,
    pub(crate) reason: String,
}

/// Blocks that are bad.
#[derive(Debug, Default)]
pub(crate) struct BadBlocks(VecDeque<(B256, Bad)>);

impl BadBlocks {
    pub(crate) fn of(&self, hash: &B256) -> Option<&Bad> {
        self.0.iter().find(|(bad, _)| bad == hash).map(|(_, bad)| bad)
    }

    pub(crate) fn put(&mut self, hash: B256, bad: Bad) {
        if self.of(&hash).is_some() {
            return;
        }
        self.0.push_back((hash, bad));
        if self.0.len() > BAD_MAX {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_blocks_are_remembered_until_others_take_their_place() {
        let mut bad = BadBlocks::default();
        let hash = |at: usize| B256::left_padding_from(&at.to_be_bytes());
        for at in 0..=BAD_MAX {
            let reason = at.to_string();
            bad.put(hash(at), Bad { latest_valid: B256::ZERO, reason: reason.clone() });
            bad.put(hash(at), Bad { latest_valid: B256::ZERO, reason: "another".into() });
            assert_eq!(bad.of(&hash(at)).map(|bad| bad.reason.clone()), Some(reason));
        }
        assert_eq!(bad.of(&hash(0)), None);
        assert!(bad.of(&hash(1)).is_some());
    }
}
