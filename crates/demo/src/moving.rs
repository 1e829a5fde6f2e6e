//! The demo's chain as it goes on: block after block on its store, and back to another branch.
//!
//! Each block is written as a node writes those that it follows: its changes laid over its parent's state, with a root that its header
//! claims, then its header, body and receipts. So the store keeps the states of the last 128 blocks, and its peers serve these and no
//! others. It has no clock: whoever moves it says when.

use std::{
    path::Path,
    sync::mpsc::{self, Receiver},
};

use alloy_primitives::{B256, Bytes};
use snapsync_storage::{
    BlockClaim, BlockOutcome, BlockSpan, Config, DerivedBlock, Descent, HistoryStore, HistorySummary,
    HistoryWrite, HistoryWriter, Notice, StateStore, StateWriter, Store, Summary, TargetRecord, Ticket,
    Write,
};
use snapsync_wire::Header;

use crate::{
    Error,
    blocks::{ChainMaker, MadeBlock},
    chain::{CHAIN_ID, write_segment},
    changes,
    dice::Dice,
    executed::BlockMaker,
    plan::{DemoParams, StatePlan},
    sealer::ExecutedBlock,
};

/// How many blocks can be left: as many as the store can take back, less one whose state is asked for by then.
pub const DEPTH_MAX: u64 = 127;
/// Writes of one segment of the history: what is wanted, headers, bodies, receipts.
const SEGMENT_WRITES: usize = 4;
/// What everything is written under: one write is waited for at a time, or the last of several.
const TICKET: Ticket = Ticket(0);

/// The chain and its two writers.
#[derive(Debug)]
pub struct MovingChain {
    state: StateStore,
    history: HistoryStore,
    state_writer: StateWriter,
    state_notices: Receiver<Notice<Summary>>,
    history_writer: HistoryWriter,
    history_notices: Receiver<Notice<HistorySummary>>,
    maker: ChainMaker,
    seed: u64,
    /// How often it has turned: each branch has a chance of its own.
    branch: u64,
}

/// The chain has turned to another branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The highest block that both branches have.
    pub fork: u64,
    /// The head that was left.
    pub left: u64,
    /// The head now: one block higher.
    pub head: u64,
}

/// The state root that the header of a block claims, be it on the branch of now or on one that was left; `None`: there is no such block.
///
/// # Errors
/// When the disk fails.
pub fn state_root(history: &HistoryStore, hash: B256) -> Result<Option<B256>, Error> {
    Ok(header(history, hash)?.map(|header| header.state_root))
}

fn header(history: &HistoryStore, hash: B256) -> Result<Option<Header>, Error> {
    let snapshot = history.snapshot()?;
    let raw = snapshot.header_by_hash(&hash)?;
    Ok(raw.map(|raw| Header::decode(&Bytes::copy_from_slice(raw))).transpose()?)
}

impl MovingChain {
    /// Takes up the chain in `datadir`, which is open as `store`, at its head.
    ///
    /// # Errors
    /// When the store is not one that a demo has made, or the disk fails.
    pub fn open(store: &Store, datadir: &Path, seed: u64) -> Result<Self, Error> {
        let config = Config::small(datadir);
        let (tell_state, state_notices) = mpsc::sync_channel(1);
        let (tell_history, history_notices) = mpsc::sync_channel(SEGMENT_WRITES);
        // Whoever stops listening is gone, and the writer goes with it.
        let state_writer =
            store.state.writer(&config, Box::new(move |notice| drop(tell_state.send(notice))))?;
        let history_writer =
            store.history.writer(&config, Box::new(move |notice| drop(tell_history.send(notice))))?;
        let mut chain = Self {
            maker: ChainMaker::on(0, B256::ZERO, seed, CHAIN_ID),
            state: store.state.clone(),
            history: store.history.clone(),
            state_writer,
            state_notices,
            history_writer,
            history_notices,
            seed,
            branch: 0,
        };
        chain.stand_on(chain.head()?)?;
        Ok(chain)
    }

    /// The block whose state is the newest.
    ///
    /// # Errors
    /// When the disk fails, or holds no whole state.
    pub fn head(&self) -> Result<TargetRecord, Error> {
        let progress = self.state.snapshot()?.progress()?;
        progress.and_then(|progress| progress.whole()).ok_or(Error::NoHead)
    }

    /// Where its blocks are.
    pub fn history(&self) -> &HistoryStore {
        &self.history
    }

    /// Makes the next block. BLOCKING: until it is durable.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn grow(&mut self) -> Result<TargetRecord, Error> {
        let block = self.bring_next()?;
        self.write_history(vec![block])?;
        self.head()
    }

    /// Makes blocks that can be executed until there are so many above a block that cannot. Gives that block, and the head. BLOCKING: until all
    /// is durable.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn execute_above(
        &mut self,
        maker: &mut BlockMaker,
        plan: DemoParams,
        blocks: u64,
    ) -> Result<(TargetRecord, TargetRecord), Error> {
        let mut base = self.head()?;
        let mut above = 0;
        loop {
            let header = header(&self.history, base.hash)?.ok_or(Error::NoHead)?;
            if !BlockMaker::has_made(&header) {
                break;
            }
            let parent = self::header(&self.history, header.parent_hash)?.ok_or(Error::NoHead)?;
            let (number, hash, root) = (parent.number, parent.hash(), parent.state_root);
            base = TargetRecord { number, hash, root, ..base };
            above += 1;
        }
        let plan = StatePlan::new(plan);
        for _ in above..blocks {
            let parent = header(&self.history, self.head()?.hash)?.ok_or(Error::NoHead)?;
            let (state, history) = (self.state.snapshot()?, self.history.snapshot()?);
            let ExecutedBlock { made, derived } =
                maker.next(&state, &history, &parent, |dice| plan.payee(dice))?;
            drop((state, history));
            self.write_state(Write::Block { ticket: TICKET, block: Box::new(derived) })?;
            self.write_history(vec![made])?;
        }
        let head = self.head()?;
        self.stand_on(head)?;
        Ok((base, head))
    }

    /// Leaves the newest `depth` blocks, as many as can be left at most, and makes one more on another branch. Peers hear of it at its end.
    /// BLOCKING: until all is durable.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn turn(&mut self, depth: u64) -> Result<Turn, Error> {
        let left = self.head()?;
        let lowest = self.state.snapshot()?.lowest_block()?.unwrap_or(left.number);
        let depth = depth.min(DEPTH_MAX).min(left.number.saturating_sub(lowest));
        self.branch += 1;
        for _ in 0..depth {
            self.take_back()?;
        }
        let fork = self.head()?;
        self.stand_on(fork)?;
        let blocks = (0..=depth).map(|_| self.bring_next()).collect::<Result<_, _>>()?;
        self.write_history(blocks)?;
        Ok(Turn { fork: fork.number, left: left.number, head: self.head()?.number })
    }

    /// Ends both writers. BLOCKING: until what they have is durable.
    ///
    /// # Errors
    /// Why one has ended before.
    pub fn close(self) -> Result<(), Error> {
        self.state_writer.join()?;
        Ok(self.history_writer.join()?)
    }

    /// The next block is made on this one.
    fn stand_on(&mut self, block: TargetRecord) -> Result<(), Error> {
        let header = header(&self.history, block.hash)?.ok_or(Error::NoHead)?;
        self.maker = ChainMaker::above_header(&header, self.chance(), CHAIN_ID);
        Ok(())
    }

    fn chance(&self) -> u64 {
        Dice::new(self.seed, 0xb2a2_c400 + self.branch).next()
    }

    /// Makes the next block and brings it to the state.
    fn bring_next(&mut self) -> Result<MadeBlock, Error> {
        let parent = self.head()?;
        let snapshot = self.state.snapshot()?;
        let mut dice = Dice::new(self.chance(), 0xc4a2_6e00_0000 + parent.number);
        let changes = changes::above(&snapshot, &mut dice)?;
        let root = changes.root_above(&snapshot)?;
        let block = self.maker.next_block(root);
        let claim = BlockClaim { number: block.number, hash: block.hash, parent: parent.hash, root };
        let derived = DerivedBlock::derive(&snapshot, claim, &changes)?;
        drop(snapshot);
        self.write_state(Write::Block { ticket: TICKET, block: Box::new(derived) })?;
        Ok(block)
    }

    fn take_back(&self) -> Result<(), Error> {
        let hash = self.head()?.hash;
        self.write_state(Write::TakeBack { ticket: TICKET, hash })
    }

    /// One write to the state, durable.
    fn write_state(&self, write: Write) -> Result<(), Error> {
        self.state_writer.send(write)?;
        match self.state_notices.recv() {
            Ok(Notice::Committed {
                summary: Summary::Block { outcome, .. } | Summary::TakenBack { outcome, .. },
                ..
            }) if outcome == BlockOutcome::Applied => Ok(()),
            Ok(Notice::Failed { message, .. }) => Err(Error::Writer { message }),
            Ok(Notice::Committed { .. }) | Err(_) => Err(Error::NoHead),
        }
    }

    /// Blocks that hang together, durable, and canonical then.
    fn write_history(&self, made: Vec<MadeBlock>) -> Result<(), Error> {
        let Some(last) = made.last().map(|block| block.number) else { return Ok(()) };
        let blocks = BlockSpan { first: 0, last };
        let writes = std::cell::Cell::new(0u32);
        let send = |write| {
            writes.set(writes.get() + 1);
            self.history_writer.send(write)
        };
        write_segment(made, 0, Descent::Begins, |write| {
            let is_headers = matches!(write, HistoryWrite::Headers { .. });
            send(write)?;
            // No block is wanted whose header is not there, and none is kept that is not wanted.
            if is_headers { send(HistoryWrite::Want { ticket: TICKET, blocks }) } else { Ok(()) }
        })?;
        for _ in 0..writes.get() {
            match self.history_notices.recv() {
                Ok(Notice::Committed { .. }) => {}
                Ok(Notice::Failed { message, .. }) => return Err(Error::Writer { message }),
                Err(_) => return Err(Error::NoHead),
            }
        }
        Ok(())
    }
}
