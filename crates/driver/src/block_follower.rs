//! Takes the blocks above the state, one after the other, once it was verified.
//!
//! Inbox: looks; each says that headers, bodies, lists or the state may have changed; and what the host gives and names. Outbox: steps to the
//! planner, which has them written, and whether lists are wanted.
//! Owns: the follower, which executes blocks or applies their lists. Ends when: the planner drops its looks.
//!
//! What it goes by is on the disk: the block that the state is of, which blocks are canonical, their bodies. Only the blocks that it has taken
//! itself are not there yet: the next one is derived over them while they are written, several in one transaction. Whatever else changes the
//! state waits until they are. It writes nothing, and fetches nothing.

use std::{slice, sync::Arc, time::Instant};

use alloy_primitives::{B256, Bytes};
use crossbeam_channel::{Receiver, TryRecvError, never, select};
use snapsync_execute::{
    BadBlock, Block, BlockHashes, Error as ExecuteError, Follower, TakenBy as ExecutedBy,
};
use snapsync_storage::{BlocksAhead, ProvenReceipts, StateSnapshot};
use snapsync_sync::Head;
use snapsync_wire::{BlockReceipts, Body, Header, ReceiptForm};

use crate::{
    calls::{Call, Named},
    candidates::{BadBlocks, Candidates},
    events::TakenBy,
    notices,
    payloads::Payloads,
    readers::Readers,
    taking::{Look, Step, TakenBlock, Told},
    waiting::Waiting,
    work::{Gone, Outbox, Report},
};

/// Blocks that are taken and not on the disk: enough for a transaction that is written, one that is gathered, and what comes meanwhile.
const AHEAD_MAX: usize = 128;

/// The worker.
pub(crate) struct BlockFollower {
    follower: Follower,
    pub(crate) readers: Readers,
    pub(crate) outbox: Outbox,
    pub(crate) started: Instant,
    pub(crate) genesis: B256,
    /// Blocks that were taken and are not on the disk yet, and what they may hold in memory.
    pub(crate) ahead: Arc<BlocksAhead>,
    ahead_bytes_max: usize,
    /// The block that the state was of when it was told to leave it.
    left: Option<B256>,
    /// A block of the chain that is bad.
    pub(crate) refused: Option<Head>,
    waiting: Waiting,
    /// Blocks that the host gave.
    pub(crate) payloads: Payloads,
    /// Those of them that were taken.
    pub(crate) candidates: Candidates,
    pub(crate) bad: BadBlocks,
    /// The head that the host waits for.
    pub(crate) named: Option<Named>,
}

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) follower: Follower,
    pub(crate) readers: Readers,
    pub(crate) outbox: Outbox,
    pub(crate) payloads: Payloads,
    pub(crate) genesis: B256,
    /// What blocks may hold in memory that are not on the disk.
    pub(crate) bytes_max: usize,
}

impl BlockFollower {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { follower, readers, outbox, payloads, genesis, bytes_max } = parts;
        let (started, ahead) = (Instant::now(), Arc::default());
        Self {
            follower,
            readers,
            outbox,
            started,
            genesis,
            ahead,
            ahead_bytes_max: bytes_max / 2,
            left: None,
            refused: None,
            waiting: Waiting::for_nothing(),
            payloads,
            candidates: Candidates::new(bytes_max / 4),
            bad: BadBlocks::default(),
            named: None,
        }
    }

    /// Runs until nobody tells it to look any more.
    pub(crate) fn run(mut self, looks: &Receiver<Look>, mut calls: Receiver<Call>) {
        loop {
            // BLOCKING: until there may be something to do.
            let done = select! {
                recv(looks) -> look => match look {
                    Ok(look) => self.go_on(look, looks, &calls),
                    Err(_) => return,
                },
                recv(calls) -> call => match call {
                    Ok(call) => self.answer(call),
                    Err(_) => {
                        calls = never();
                        Ok(())
                    }
                },
            };
            if done.is_err() {
                return;
            }
        }
    }

    /// Takes one step after the other, for as long as there is one. The host is answered between two of them.
    fn go_on(&mut self, look: Look, looks: &Receiver<Look>, calls: &Receiver<Call>) -> Result<(), Gone> {
        let mut look = Ok(look);
        loop {
            if let Ok(call) = calls.try_recv() {
                self.answer(call)?;
            }
            match look {
                Ok(Look::Anew) => (self.left, self.ahead) = (None, Arc::default()),
                Ok(Look::Changed) | Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err(Gone),
            }
            let wish = self.waiting.wish();
            let step = self.next();
            self.settle()?;
            let other = Some(self.waiting.wish()).filter(|other| *other != wish);
            other.map_or(Ok(()), |wish| self.outbox.report(Report::ListsAbove(wish)))?;
            match step {
                Ok(Some(step)) => self.outbox.report(Report::Followed(step))?,
                Ok(None) => return Ok(()),
                Err(error) => self.outbox.failed(error)?,
            }
            look = looks.try_recv();
        }
    }

    /// The state after the blocks that were taken; nothing, if there is no state of which all is known.
    pub(crate) fn state(&mut self) -> snapsync_storage::Result<Option<StateSnapshot>> {
        let state = self.readers.state.snapshot()?;
        let Some(at) = state.progress()?.and_then(|progress| progress.whole()) else {
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

    /// Whether so many blocks are on their way to the disk that no more are taken.
    fn is_far_ahead(&self) -> bool {
        self.ahead.len() >= AHEAD_MAX
            || self.ahead.bytes_held() > self.ahead_bytes_max && !self.ahead.is_empty()
    }

    /// What is to be done, if anything is.
    fn next(&mut self) -> snapsync_storage::Result<Option<Step>> {
        let Some(state) = self.state()? else { return Ok(None) };
        let Some(at) = state.progress()?.and_then(|progress| progress.whole()) else { return Ok(None) };
        if self.is_far_ahead() {
            return Ok(None);
        }
        let history = self.readers.history.snapshot()?;
        if history.canonical(at.number)? != Some(at.hash) {
            if self.left == Some(at.hash) || !self.ahead.is_empty() {
                return Ok(None);
            }
            self.left = Some(at.hash);
            let parent = state.below_newest()?.map(|parent| notices::pin(parent).target);
            return Ok(Some(match parent {
                Some(parent) => Step::TakeBack { block: at.hash, parent },
                None => Step::Stranded { block: at.hash },
            }));
        }
        let number = at.number.saturating_add(1);
        let (parent, now) = (self.readers.header(&history, &at.hash)?, self.started.elapsed());
        let Some(hash) = history.canonical(number)? else {
            self.waiting.stand(now, &self.follower, &parent);
            return Ok(None);
        };
        if self.refused.is_some_and(|refused| refused.hash == hash) {
            self.waiting.stop();
            return Ok(None);
        }
        let header = self.readers.header(&history, &hash)?;
        let list = self.outbox.lists_above.of(&hash).or_else(|| self.payloads.list(&hash));
        if !self.waiting.is_due(now, &self.follower, &header, list.is_some()) {
            return Ok(None);
        }
        let Some(body) = history.body(&hash)? else { return Ok(None) };
        if let Some(taken) = self.candidates.take(&hash) {
            Arc::make_mut(&mut self.ahead).push(&taken.derived);
            return Ok(Some(Step::Taken(taken)));
        }
        let block = Head { number, hash };
        let step = match self.read(header, body)? {
            // A canonical block's canonical ancestors are its own.
            Ok(read) => self.take(&state, &history, &read, &parent, list.as_ref()),
            Err(bad) => Err(bad.into()),
        };
        drop(state);
        Ok(Some(match step {
            Ok(taken) => {
                Arc::make_mut(&mut self.ahead).push(&taken.derived);
                Step::Taken(taken)
            }
            Err(ExecuteError::Disk(error)) => return Err(error),
            Err(ExecuteError::Bad(bad)) => {
                self.refused = Some(block);
                self.remember_bad(hash, at.hash, bad.to_string());
                Step::Refused { block, reason: bad.to_string() }
            }
            Err(other) => {
                let now = self.started.elapsed();
                self.waiting.failed(now, &self.follower, hash, list.is_some());
                Step::Failed { block, reason: other.to_string() }
            }
        }))
    }

    /// A block of ours: its body was proved against its header before it was written.
    fn read(&self, header: Header, body: &[u8]) -> snapsync_storage::Result<Result<Block, BadBlock>> {
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
        let header = block.header();
        let head = Head { number: header.number, hash: block.hash() };
        let (transactions, gas) = (block.body().transaction_count(), header.gas_used);
        let taken = self.follower.take(self.started.elapsed(), block, parent, list, state, hashes)?;
        let by = TakenBy::of(&taken.by);
        let told = Told { block: head, transactions, gas, by, took: began.elapsed() };
        let receipts = receipts(header, &taken.by);
        Ok(TakenBlock { derived: Box::new(taken.derived), receipts, told })
    }
}

/// The receipts that execution gave, as the history's writer takes them. They were compared with the header before; should they be none that a
/// peer may send, peers are asked for them.
fn receipts(header: &Header, by: &ExecutedBy) -> Option<ProvenReceipts> {
    let ExecutedBy::Execution { receipts } = by else { return None };
    let receipts = BlockReceipts::from_receipts(ReceiptForm::Slim, receipts);
    ProvenReceipts::prove(slice::from_ref(header), vec![receipts]).ok()
}
