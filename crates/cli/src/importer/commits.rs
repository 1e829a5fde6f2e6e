//! Blocks on their way to the disk while the next ones are executed: their history first, then the state, several in one transaction.
//!
//! A block goes to the state's writer when its history is durable, so whatever block the state is of, its history is there; a kill loses blocks
//! that were executed and not written yet, and nothing else. What waits is bounded in number and in bytes: a disk that is slower than the EVM
//! stops it. The threads are the writers' own.

use std::{collections::VecDeque, sync::Arc};

use crossbeam_channel::{Receiver, TrySendError, bounded};
use snapsync_execute::Block;
use snapsync_storage::{
    BlockOutcome, BlocksAhead, Config, DerivedBlock, HistorySummary, HistoryWriter, Notice, Reach,
    StateSnapshot, StateStore, StateWriter, Store, Summary, Write, Writer,
};
use snapsync_wire::{BlockReceipts, Receipt, ReceiptForm};

use super::parts::{Part, TICKET, adrift, history_of, unproved};
use crate::exit::{Exit, Failure, storage_failure};

/// Blocks that are executed and not durable: enough for a transaction that is written, one that is gathered, and what comes meanwhile.
const BLOCKS_MAX: usize = 256;
/// Notices that wait to be heard: above all writes that both writers can owe at once.
const NOTICES: usize = 2 * BLOCKS_MAX;

/// What a writer has to say.
enum Told {
    History(Notice<HistorySummary>),
    State(Notice<Summary>),
}

/// A block whose history is not durable yet.
struct Unwritten {
    block: Part,
    derived: DerivedBlock,
}

/// Blocks between their execution and the disk.
pub(super) struct Commits {
    store: StateStore,
    history: Option<HistoryWriter>,
    state: Option<StateWriter>,
    told: Receiver<Told>,
    ahead: Arc<BlocksAhead>,
    bytes_max: usize,
    /// Executed. Their history is written together when that of those before is durable.
    gathered: Vec<Unwritten>,
    /// Their history is on its way to the disk.
    in_history: Vec<DerivedBlock>,
    /// Their history is durable, and the state's writer has no room for them yet.
    ready: VecDeque<Box<DerivedBlock>>,
    /// Bytes of the history that is not durable.
    history_bytes: usize,
    /// Whether it was told that something is wrong: nothing more is written then.
    is_over: bool,
}

impl Commits {
    /// Starts both writers.
    pub(super) fn start(store: &Store, config: &Config) -> Result<Self, Failure> {
        let (tell, told) = bounded(NOTICES);
        let tell_state = tell.clone();
        // A notice that nobody hears any more is of a run that is over.
        let history =
            store.history.writer(config, Box::new(move |notice| drop(tell.send(Told::History(notice)))));
        let state =
            store.state.writer(config, Box::new(move |notice| drop(tell_state.send(Told::State(notice)))));
        let disk = |error| storage_failure(&error);
        Ok(Self {
            store: store.state.clone(),
            history: Some(history.map_err(disk)?),
            state: Some(state.map_err(disk)?),
            told,
            ahead: Arc::default(),
            bytes_max: usize::try_from(config.state.batch_max_bytes + config.history.batch_max_bytes)
                .unwrap_or(usize::MAX),
            gathered: Vec::new(),
            in_history: Vec::new(),
            ready: VecDeque::new(),
            history_bytes: 0,
            is_over: false,
        })
    }

    /// The state after the newest block.
    pub(super) fn snapshot(&self) -> Result<StateSnapshot, Failure> {
        let disk = |error| storage_failure(&error);
        let snapshot = self.store.snapshot().map_err(disk)?;
        if self.ahead.is_empty() {
            return Ok(snapshot);
        }
        let under = snapshot.under(&self.ahead).map_err(disk)?;
        under.ok_or_else(|| {
            Failure::new(
                Exit::DataDirectory,
                "the directory's state is not the one that blocks were executed on",
            )
        })
    }

    /// Takes the block that follows the newest one. BLOCKING: while too much waits for the disk.
    pub(super) fn push(
        &mut self,
        block: &Block,
        receipts: &[Receipt],
        derived: DerivedBlock,
    ) -> Result<(), Failure> {
        if !Arc::make_mut(&mut self.ahead).push(&derived) {
            return Err(adrift(derived.claim(), "does not follow the newest block"));
        }
        let receipts = BlockReceipts::from_receipts(ReceiptForm::Slim, receipts);
        let block = Part { header: block.header().clone(), body: block.body().clone(), receipts };
        self.history_bytes += block.bytes();
        self.gathered.push(Unwritten { block, derived });
        while let Ok(told) = self.told.try_recv() {
            self.hear(told)?;
        }
        self.send()?;
        while self.is_full() {
            self.wait()?;
        }
        Ok(())
    }

    /// Waits until all is durable, or something is wrong that was told. BLOCKING.
    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        while !self.is_over && !self.ahead.is_empty() {
            self.wait()?;
        }
        Ok(())
    }

    /// Ends both writers once all is durable. BLOCKING.
    pub(super) fn close(mut self) -> Result<(), Failure> {
        let settled = self.settle();
        let ended = [
            self.history.take().map_or(Ok(()), Writer::join),
            self.state.take().map_or(Ok(()), Writer::join),
        ];
        settled?;
        ended.into_iter().try_for_each(|ended| ended.map_err(|error| storage_failure(&error)))
    }

    fn is_full(&self) -> bool {
        self.ahead.len() >= BLOCKS_MAX
            || self.ahead.bytes_held() + self.history_bytes > self.bytes_max && self.ahead.len() > 1
    }

    fn wait(&mut self) -> Result<(), Failure> {
        let told = self.told.recv().map_err(|_| gone())?;
        self.hear(told)?;
        self.send()
    }

    fn hear(&mut self, told: Told) -> Result<(), Failure> {
        let heard = match told {
            Told::History(Notice::Committed { summary, .. }) => self.on_history(&summary),
            Told::State(Notice::Committed { summary, .. }) => self.on_state(&summary),
            Told::History(Notice::Failed { .. }) => Err(why_ended(self.history.take())),
            Told::State(Notice::Failed { .. }) => Err(why_ended(self.state.take())),
        };
        self.is_over |= heard.is_err();
        heard
    }

    fn on_history(&mut self, summary: &HistorySummary) -> Result<(), Failure> {
        match summary {
            HistorySummary::Headers { top, reach, .. } if !matches!(reach, Reach::Joined(_)) => {
                let why = format!(
                    "block {} {} hangs from no block of the directory's history",
                    top.number, top.hash
                );
                return Err(Failure::new(Exit::DataDirectory, why));
            }
            // The last of a group.
            HistorySummary::Receipts { .. } => {
                self.ready.extend(self.in_history.drain(..).map(Box::new));
                self.history_bytes = self.gathered.iter().map(|unwritten| unwritten.block.bytes()).sum();
            }
            _ => {}
        }
        Ok(())
    }

    fn on_state(&mut self, summary: &Summary) -> Result<(), Failure> {
        let Summary::Block { claim, outcome } = summary else { return Ok(()) };
        if *outcome != BlockOutcome::Applied {
            return Err(adrift(*claim, "does not begin at the directory's state"));
        }
        Arc::make_mut(&mut self.ahead).forget(claim.number);
        Ok(())
    }

    /// Sends on whatever may go.
    fn send(&mut self) -> Result<(), Failure> {
        let sent = self.send_history().and_then(|()| self.send_state());
        self.is_over |= sent.is_err();
        sent
    }

    fn send_history(&mut self) -> Result<(), Failure> {
        let Some(writer) = self.history.as_ref().filter(|_| self.in_history.is_empty()) else {
            return Ok(());
        };
        if self.gathered.is_empty() {
            return Ok(());
        }
        let gathered = std::mem::take(&mut self.gathered).into_iter();
        let (parts, derived) = gathered.map(|unwritten| (unwritten.block, unwritten.derived)).unzip();
        self.in_history = derived;
        // Four writes find room: those of the group before are durable.
        history_of(parts)
            .map_err(unproved)?
            .into_iter()
            .try_for_each(|write| writer.send(write))
            .map_err(|_| gone())
    }

    fn send_state(&mut self) -> Result<(), Failure> {
        let Some(writer) = &self.state else { return Ok(()) };
        while let Some(block) = self.ready.pop_front() {
            match writer.sender().try_send(Write::Block { ticket: TICKET, block }) {
                Ok(()) => {}
                Err(TrySendError::Full(Write::Block { block, .. })) => {
                    self.ready.push_front(block);
                    break;
                }
                Err(_) => return Err(gone()),
            }
        }
        Ok(())
    }
}

fn gone() -> Failure {
    Failure::new(Exit::Failure, "a writer has ended")
}

/// Why a writer has ended that says that it failed.
fn why_ended<W: Send + 'static>(writer: Option<Writer<W>>) -> Failure {
    match writer.map(Writer::join) {
        Some(Err(error)) => storage_failure(&error),
        _ => gone(),
    }
}
