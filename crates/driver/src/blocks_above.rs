//! What the worker that takes blocks owns, and how it takes one: the state that the next is taken over, and what comes of it.
//!
//! It holds and does not run; `block_follower.rs` does.

use std::{
    slice,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{B256, Bytes};
use snapsync_execute::{
    BadBlock, Block, BlockHashes, Error as ExecuteError, Follower, TakenBy as ExecutedBy,
};
use snapsync_storage::{BlocksAhead, Haste, ProvenReceipts, StateSnapshot};
use snapsync_sync::Head;
use snapsync_wire::{BlockReceipts, Body, Header, ReceiptForm};

use crate::{
    calls::Named,
    candidates::{BadBlocks, Candidates},
    events::TakenBy,
    payloads::Payloads,
    readers::Readers,
    taking::{TakenBlock, Told},
    waiting::Waiting,
    work::Outbox,
};

/// The worker.
pub(crate) struct BlockFollower {
    pub(crate) follower: Follower,
    pub(crate) readers: Readers,
    pub(crate) outbox: Outbox,
    pub(crate) started: Instant,
    pub(crate) genesis: B256,
    /// Blocks that were taken and are not on the disk yet, and what they may hold in memory.
    pub(crate) ahead: Arc<BlocksAhead>,
    pub(crate) ahead_bytes_max: usize,
    /// The same of blocks that are brought together.
    pub(crate) stretch_bytes_max: usize,
    /// The block that the state was of when it was told to leave it.
    pub(crate) left: Option<B256>,
    /// A block of the chain that is bad.
    pub(crate) refused: Option<Head>,
    /// Blocks below this number are taken one by one: together they did not come to their root.
    pub(crate) singly_below: u64,
    pub(crate) waiting: Waiting,
    /// Blocks that the host gave.
    pub(crate) payloads: Payloads,
    /// Those of them that were taken.
    pub(crate) candidates: Candidates,
    pub(crate) bad: BadBlocks,
    /// The head that the host waits for.
    pub(crate) named: Option<Named>,
    /// Of both writers.
    pub(crate) haste: [Haste; 2],
}

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) follower: Follower,
    pub(crate) readers: Readers,
    pub(crate) outbox: Outbox,
    pub(crate) payloads: Payloads,
    pub(crate) genesis: B256,
    pub(crate) haste: [Haste; 2],
    /// What blocks may hold in memory that are not on the disk, and those among them that are brought together.
    pub(crate) bytes_max: usize,
    pub(crate) stretch_bytes_max: usize,
}

impl BlockFollower {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { follower, readers, outbox, payloads, genesis, haste, bytes_max, stretch_bytes_max } =
            parts;
        let (started, ahead) = (Instant::now(), Arc::default());
        Self {
            follower,
            readers,
            outbox,
            started,
            genesis,
            ahead,
            ahead_bytes_max: bytes_max / 2,
            stretch_bytes_max,
            left: None,
            refused: None,
            singly_below: 0,
            waiting: Waiting::for_nothing(),
            payloads,
            // And as much again for the state that lies over the disk's for them.
            candidates: Candidates::new(bytes_max / 8),
            bad: BadBlocks::default(),
            named: None,
            haste,
        }
    }

    /// The state after the blocks that were taken; nothing, if there is no state of which all is known.
    pub(crate) fn state(&mut self) -> snapsync_storage::Result<Option<StateSnapshot>> {
        let state = self.readers.state.snapshot()?;
        let Some(at) = state.whole()? else {
            (self.left, self.ahead) = (None, Arc::default());
            return Ok(None);
        };
        Arc::make_mut(&mut self.ahead).forget(at.number);
        if self.ahead.is_empty() {
            return Ok(Some(state));
        }
        // Nobody but the writer of these blocks changes the state before they are there: it is told to do so behind them.
        state.under(&self.ahead)
    }

    /// A block of ours: its body was proved against its header before it was written.
    pub(crate) fn read(
        &self,
        header: Header,
        body: &[u8],
    ) -> snapsync_storage::Result<Result<Block, BadBlock>> {
        let body = Body::decode(&Bytes::copy_from_slice(body)).map_err(|error| {
            let why = "the body does not decode";
            tracing::error!(%error, why);
            snapsync_storage::Error::Corrupt { table: "Bodies", key: header.hash().to_string(), why }
        })?;
        Ok(Block::new(header, body))
    }

    /// Takes a block over its parent's state.
    pub(crate) fn take(
        &mut self,
        state: &StateSnapshot,
        hashes: &dyn BlockHashes,
        block: &Block,
        parent: &Header,
        list: Option<&Bytes>,
    ) -> Result<TakenBlock, ExecuteError> {
        let began = Instant::now();
        let taken = self.follower.take(self.started.elapsed(), block, parent, list, state, hashes)?;
        let told = vec![Told::of(block, TakenBy::of(&taken.by), began.elapsed())];
        let receipts = receipts(block.header(), &taken.by);
        Ok(TakenBlock { derived: Box::new(taken.derived), receipts, told })
    }
}

impl Told {
    pub(crate) fn of(block: &Block, by: TakenBy, took: Duration) -> Self {
        let (header, transactions) = (block.header(), block.body().transaction_count());
        let head = Head { number: header.number, hash: block.hash() };
        Self { block: head, transactions, gas: header.gas_used, by, took }
    }
}

/// The receipts that execution gave, as the history's writer takes them. They were compared with the header before; should they be none that a
/// peer may send, peers are asked for them.
fn receipts(header: &Header, by: &ExecutedBy) -> Option<ProvenReceipts> {
    let ExecutedBy::Execution { receipts } = by else { return None };
    let receipts = BlockReceipts::from_receipts(ReceiptForm::Slim, receipts);
    ProvenReceipts::prove(slice::from_ref(header), vec![receipts]).ok()
}
