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
    /// A header of ours, by its hash. That it is not there, or does not decode, is damage: whoever asks has read the hash here.
    pub(crate) fn header(
        &self,
        snapshot: &snapsync_storage::HistorySnapshot,
        hash: &B256,
    ) -> snapsync_storage::Result<Header> {
        let raw = snapshot.header_by_hash(hash)?.ok_or_else(|| missing(hash, "the header is missing"))?;
        Header::decode(&Bytes::copy_from_slice(raw)).map_err(|_| missing(hash, "the header does not decode"))
    }

    /// The headers of blocks that a peer was asked about. `None`: one is gone, since the chain has left it for good; its peer is not to blame.
    pub(crate) fn asked(&self, hashes: &[B256]) -> snapsync_storage::Result<Option<Vec<Header>>> {
        let snapshot = self.history.snapshot()?;
        let mut headers = Vec::with_capacity(hashes.len());
        for hash in hashes {
            if snapshot.header_by_hash(hash)?.is_none() {
                return Ok(None);
            }
            headers.push(self.header(&snapshot, hash)?);
        }
        Ok(Some(headers))
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

#[cfg(test)]
mod tests {
    use snapsync_storage::{Chain, Config, Descent, HistoryWrite, Open, ProvenHeaders, Store};
    use snapsync_wire::HeaderFields;

    use super::*;

    /// So many blocks above `parent`, rising; branches differ by their roots.
    fn branch(parent: Head, count: u64, root: u8) -> Vec<Header> {
        let mut below = parent;
        let mut block = || {
            let (number, parent_hash) = (below.number + 1, below.hash);
            let fields = HeaderFields {
                number,
                parent_hash,
                state_root: B256::repeat_byte(root),
                ..Default::default()
            };
            let header = Header::made(&fields);
            below = head(&header);
            header
        };
        (0..count).map(|_| block()).collect()
    }

    fn head(header: &Header) -> Head {
        Head { number: header.number, hash: header.hash() }
    }

    /// A history whose chain was the first of these branches, and is the last one now.
    fn held(branches: &[&[Header]]) -> (tempfile::TempDir, Readers) {
        let dir = tempfile::tempdir().expect("a directory");
        let chain = Chain { id: 1, genesis: B256::ZERO };
        let store = Store::open(&Config::small(dir.path()), chain).expect("a store");
        let mut steps = store.history.writer_steps(Box::new(Open)).expect("a writer");
        let tickets = Tickets::new();
        for branch in branches {
            let falling: Vec<Header> = branch.iter().rev().cloned().collect();
            let headers = ProvenHeaders::prove(falling[0].hash(), None, falling).expect("they hang together");
            let (ticket, descent) = (tickets.next(), Descent::Begins);
            let write = HistoryWrite::Headers { ticket, headers, descent, response_bytes: 0 };
            steps.commit(vec![write]).expect("room");
        }
        drop(steps);
        (dir, Readers { state: store.state.clone(), history: store.history.clone(), tickets })
    }

    #[test]
    fn left_blocks_are_found_down_to_the_fork_each_once_or_it_is_said_which_is_not_held() {
        let genesis = Head { number: 0, hash: B256::ZERO };
        let shared = branch(genesis, 3, 1);
        let fork = head(&shared[2]);
        let (old, new) = (branch(fork, 2, 2), branch(fork, 3, 3));
        let (_dir, readers) = held(&[&[&shared[..], &old[..]].concat(), &new]);
        let [low, high] = [head(&old[0]), head(&old[1])];
        let left = |block, parent| LeftBlock { block, parent, has_list: false };
        let both = vec![left(high, low), left(low, fork)];
        assert_eq!(readers.left(&[high]).expect("rows"), (both.clone(), None));
        assert_eq!(readers.left(&[high, low, head(&new[2])]).expect("rows"), (both, None), "each once");
        assert_eq!(readers.left(&[fork]).expect("rows"), (vec![], None), "it is canonical");
        let unknown = Head { number: 5, hash: B256::repeat_byte(9) };
        assert_eq!(readers.left(&[high, unknown]).expect("rows"), (vec![], Some(5)));
    }

    #[test]
    fn a_branch_that_is_too_long_to_go_back_over_is_said_to_be() {
        let genesis = Head { number: 0, hash: B256::ZERO };
        let shared = branch(genesis, 1, 1);
        let fork = head(&shared[0]);
        let (old, new) = (branch(fork, LEFT_MAX as u64 + 1, 2), branch(fork, LEFT_MAX as u64 + 2, 3));
        let (_dir, readers) = held(&[&[&shared[..], &old[..]].concat(), &new]);
        let (left, unheld) = readers.left(&[head(&old[LEFT_MAX - 1])]).expect("rows");
        assert_eq!((left.len(), unheld), (LEFT_MAX, None));
        assert_eq!(readers.left(&[head(&old[LEFT_MAX])]).expect("rows"), (vec![], Some(2)));
    }
}
