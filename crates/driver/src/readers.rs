//! What workers may read of our disk, and the tickets that they may take. It writes nothing.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use alloy_primitives::{B256, Bytes};
use snapsync_storage::{HistoryStore, StateStore, Ticket};
use snapsync_sync::{BlockRange, Head, LeftBlock, Target};
use snapsync_wire::Header;

/// Blocks that rows are taken off, at most: a branch that is longer is healed sooner than its lists are here.
const LEFT_MAX: usize = 512;

/// Tickets of writes that answer no request. They count from the top half, so that they never meet a request's.
#[derive(Clone, Debug)]
pub(crate) struct Tickets(Arc<AtomicU64>);

impl Tickets {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1 << 63)))
    }

    pub(crate) fn next(&self) -> Ticket {
        Ticket(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a worker may read, and the tickets it may take.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    pub(crate) state: StateStore,
    pub(crate) history: HistoryStore,
    pub(crate) tickets: Tickets,
}

impl Readers {
    /// A header of ours, by the hash that was asked for: its number may have another block by now. That it is not there, or does not
    /// decode, is damage: the engine asks for what belongs to durable headers only.
    pub(crate) fn header(
        &self,
        snapshot: &snapsync_storage::HistorySnapshot,
        hash: &B256,
    ) -> snapsync_storage::Result<Header> {
        let raw = snapshot.header_by_hash(hash)?.ok_or_else(|| missing(hash, "the header is missing"))?;
        Header::decode(&Bytes::copy_from_slice(raw)).map_err(|_| missing(hash, "the header does not decode"))
    }

    /// The canonical header of this number; none if the chain ends below it.
    pub(crate) fn canonical(&self, number: u64) -> snapsync_storage::Result<Option<Header>> {
        let snapshot = self.history.snapshot()?;
        let hash = snapshot.canonical(number)?;
        hash.map(|hash| self.header(&snapshot, &hash)).transpose()
    }

    /// The same as a target.
    pub(crate) fn target(&self, number: u64) -> snapsync_storage::Result<Option<Target>> {
        let header = self.canonical(number)?;
        Ok(header.map(|header| Target { number, hash: header.hash(), root: header.state_root }))
    }

    /// Which of these blocks the canonical chain has left, each down to where it forks off; and one whose header is not held, or that is too far
    /// above it.
    pub(crate) fn left(&self, blocks: &[Head]) -> snapsync_storage::Result<(Vec<LeftBlock>, Option<u64>)> {
        let snapshot = self.history.snapshot()?;
        let mut left: Vec<LeftBlock> = Vec::new();
        for block in blocks {
            let mut at = *block;
            while snapshot.canonical(at.number)? != Some(at.hash)
                && !left.iter().any(|left| left.block.hash == at.hash)
            {
                let is_held = snapshot.header_by_hash(&at.hash)?.is_some() && at.number > 0;
                if !is_held || left.len() == LEFT_MAX {
                    return Ok((Vec::new(), Some(at.number)));
                }
                let header = self.header(&snapshot, &at.hash)?;
                let parent = Head { number: at.number - 1, hash: header.parent_hash };
                let has_list = header.block_access_list_hash.is_some();
                left.push(LeftBlock { block: at, parent, has_list });
                at = parent;
            }
        }
        // The list of the lowest is looked at beside the header below it.
        for parent in left.iter().map(|left| left.parent) {
            if snapshot.header_by_hash(&parent.hash)?.is_none() {
                return Ok((Vec::new(), Some(parent.number)));
            }
        }
        Ok((left, None))
    }

    /// Hashes of canonical blocks; none if the chain was cut below them, of which a notice is on its way.
    pub(crate) fn hashes(&self, blocks: BlockRange) -> snapsync_storage::Result<Option<Vec<B256>>> {
        let snapshot = self.history.snapshot()?;
        if snapshot.highest()?.is_none_or(|(number, _)| number < blocks.last) {
            return Ok(None);
        }
        (blocks.first..=blocks.last)
            .map(|number| {
                let hash = snapshot.canonical(number)?;
                Ok(Some(hash.ok_or_else(|| missing(&number, "the number has no hash"))?))
            })
            .collect()
    }
}

fn missing(key: &impl ToString, why: &'static str) -> snapsync_storage::Error {
    snapsync_storage::Error::Corrupt { table: "Headers", key: key.to_string(), why }
}
