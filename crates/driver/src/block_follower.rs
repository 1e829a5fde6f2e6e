//! Takes the blocks above the state, one after the other, once it was verified.
//!
//! Inbox: looks; each says that headers, bodies, lists or the state may have changed. Outbox: steps to the planner, which has them written, and
//! whether lists are wanted.
//! Owns: the follower, which executes blocks or applies their lists. Ends when: the planner drops its looks.
//!
//! What it goes by is on the disk: the block that the state is of, which blocks are canonical, their bodies. Only the blocks that it has taken
//! itself are not there yet: the next one is derived over them while they are written, several in one transaction. Whatever else changes the
//! state waits until they are. It writes nothing, and fetches nothing.

use std::{slice, sync::Arc, time::Instant};

use alloy_primitives::{B256, Bytes};
use crossbeam_channel::{Receiver, TryRecvError};
use snapsync_execute::{Block, Error as ExecuteError, Follower, TakenBy as ExecutedBy};
use snapsync_storage::{BlocksAhead, HistorySnapshot, ProvenReceipts, StateSnapshot};
use snapsync_sync::Head;
use snapsync_wire::{BlockReceipts, Body, Header, ReceiptForm};

use crate::{
    events::TakenBy,
    notices,
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
    readers: Readers,
    outbox: Outbox,
    started: Instant,
    /// Blocks that were taken and are not on the disk yet, and what they may hold in memory.
    ahead: Arc<BlocksAhead>,
    ahead_bytes_max: usize,
    /// The block that the state was of when it was told to leave it.
    left: Option<B256>,
    /// A block that is bad.
    refused: Option<B256>,
    waiting: Waiting,
}

impl BlockFollower {
    pub(crate) fn new(follower: Follower, readers: Readers, outbox: Outbox, ahead_bytes_max: usize) -> Self {
        let (started, ahead) = (Instant::now(), Arc::default());
        let waiting = Waiting::for_nothing();
        Self {
            follower,
            readers,
            outbox,
            started,
            ahead,
            ahead_bytes_max,
            left: None,
            refused: None,
            waiting,
        }
    }

    /// Runs until nobody tells it to look any more.
    pub(crate) fn run(mut self, looks: &Receiver<Look>) {
        // BLOCKING: until there may be something to do.
        while let Ok(look) = looks.recv() {
            if self.go_on(look, looks).is_err() {
                return;
            }
        }
    }

    /// Takes one step after the other, for as long as there is one.
    fn go_on(&mut self, look: Look, looks: &Receiver<Look>) -> Result<(), Gone> {
        let mut look = Ok(look);
        loop {
            match look {
                Ok(Look::Anew) => (self.left, self.ahead) = (None, Arc::default()),
                Ok(Look::Changed) | Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err(Gone),
            }
            let wish = self.waiting.wish();
            let step = self.next();
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
    fn state(&mut self) -> snapsync_storage::Result<Option<StateSnapshot>> {
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
        if self.refused == Some(hash) {
            self.waiting.stop();
            return Ok(None);
        }
        let header = self.readers.header(&history, &hash)?;
        let list = self.outbox.lists_above.of(&hash);
        if !self.waiting.is_due(now, &self.follower, &header, list.is_some()) {
            return Ok(None);
        }
        let Some(body) = history.body(&hash)? else { return Ok(None) };
        let body = Bytes::copy_from_slice(body);
        let block = Head { number, hash };
        let step = self.take(&state, &history, (block, header, &body), &parent, list.as_ref());
        drop(state);
        Ok(Some(match step {
            Ok(taken) => {
                Arc::make_mut(&mut self.ahead).push(&taken.derived);
                Step::Taken(taken)
            }
            Err(ExecuteError::Disk(error)) => return Err(error),
            Err(ExecuteError::Bad(bad)) => {
                self.refused = Some(hash);
                Step::Refused { block, reason: bad.to_string() }
            }
            Err(other) => {
                let now = self.started.elapsed();
                self.waiting.failed(now, &self.follower, hash, list.is_some());
                Step::Failed { block, reason: other.to_string() }
            }
        }))
    }

    fn take(
        &mut self,
        state: &StateSnapshot,
        history: &HistorySnapshot,
        (head, header, body): (Head, Header, &Bytes),
        parent: &Header,
        list: Option<&Bytes>,
    ) -> Result<TakenBlock, ExecuteError> {
        let began = Instant::now();
        // It was proved against its header before it was written.
        let body = Body::decode(body).map_err(|error| {
            let why = "the body does not decode";
            tracing::error!(%error, why);
            snapsync_storage::Error::Corrupt { table: "Bodies", key: head.hash.to_string(), why }
        })?;
        let (transactions, gas) = (body.transaction_count(), header.gas_used);
        let block = Block::new(header, body)?;
        // A canonical block's canonical ancestors are its own.
        let taken = self.follower.take(self.started.elapsed(), &block, parent, list, state, history)?;
        let by = TakenBy::of(&taken.by);
        let told = Told { block: head, transactions, gas, by, took: began.elapsed() };
        let receipts = receipts(block.header(), &taken.by);
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
