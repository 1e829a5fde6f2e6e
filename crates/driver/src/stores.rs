//! Our side of the disk: the open store, its two writers, and the orders that go to them. It never waits for a commit.

use std::collections::VecDeque;

use alloy_primitives::B256;
use crossbeam_channel::{Sender, TrySendError};
use snapsync_storage::{
    BlockSpan, DerivedBlock, Haste, HistorySummary, HistoryWrite, HistoryWriter, ProvenReceipts, StateWriter,
    StorageCopy, Store, Summary, Write, Writer,
};
use snapsync_sync::{BlockRange, COPIES_MAX, Event, Progress};
use snapsync_trie::{EMPTY_ROOT, HashRange, TargetId, verify_accounts};
use snapsync_wire::SnapVersion;

use crate::{
    Error, notices,
    outlets::Figures,
    readers::{Readers, Tickets},
    underway::Underway,
};

/// A notice of either writer.
#[derive(Debug)]
pub(crate) enum Notice {
    State(snapsync_storage::Notice<Summary>),
    History(snapsync_storage::Notice<HistorySummary>),
}

/// The open store, its writers, and what they were given.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) readers: Readers,
    state: Option<StateWriter>,
    history: Option<HistoryWriter>,
    /// Orders of our own for which the state's writer had no room. They are small: accounts to be copied to, a record.
    waiting: VecDeque<Write>,
    /// The same for the history's writer: gaps to be opened, final blocks, receipts of blocks that were
    /// executed.
    waiting_history: VecDeque<HistoryWrite>,
    /// What was handed to workers, and to the writers by them.
    pub(crate) underway: Underway,
    /// Holds the lock until everything is closed.
    _store: Store,
}

impl Disk {
    /// Starts both writers; their notices go to `notices`.
    pub(crate) fn open(
        store: Store,
        config: &snapsync_storage::Config,
        notices: &Sender<Notice>,
    ) -> Result<Self, Error> {
        let (to_state, to_history) = (notices.clone(), notices.clone());
        // A planner that is gone wants no notices; what is committed stays.
        let state = store.state.writer(
            config,
            Box::new(move |notice| {
                let _planner_gone = to_state.send(Notice::State(notice));
            }),
        )?;
        let history = store.history.writer(
            config,
            Box::new(move |notice| {
                let _planner_gone = to_history.send(Notice::History(notice));
            }),
        )?;
        let readers =
            Readers { state: store.state.clone(), history: store.history.clone(), tickets: Tickets::new() };
        Ok(Self {
            readers,
            state: Some(state),
            history: Some(history),
            waiting: VecDeque::new(),
            waiting_history: VecDeque::new(),
            underway: Underway::default(),
            _store: store,
        })
    }

    /// The state writer's inbox, for workers.
    pub(crate) fn state_inbox(&self) -> Sender<Write> {
        self.state.as_ref().expect("writers run until the disk is closed").sender()
    }

    /// The history writer's inbox, for workers.
    pub(crate) fn history_inbox(&self) -> Sender<HistoryWrite> {
        self.history.as_ref().expect("writers run until the disk is closed").sender()
    }

    /// For whoever waits for a block: of both writers.
    pub(crate) fn haste(&self) -> [Haste; 2] {
        let running = "writers run until the disk is closed";
        [self.state.as_ref().expect(running).haste(), self.history.as_ref().expect(running).haste()]
    }

    /// Has a donor's storage stand under other accounts.
    ///
    /// Copies to few accounts each, that wait anyway, go together: a writer takes some writes a commit, however small they are.
    pub(crate) fn copy(&mut self, copy: StorageCopy) {
        if let Some(Write::CopyStorages { copies, .. }) = self.waiting.back_mut() {
            let accounts: usize = copies.iter().map(|copy| copy.accounts.len()).sum();
            if accounts + copy.accounts.len() <= COPIES_MAX {
                return copies.push(copy);
            }
        }
        self.write(Write::CopyStorages { ticket: self.readers.tickets.next(), copies: vec![copy] });
    }

    /// Closes the gaps of a state that has no account: nobody was asked for it. Where they are closed, nothing changes.
    pub(crate) fn hold_empty(&mut self, target: TargetId) {
        let nothing: [(&B256, &[u8]); 0] = [];
        let accounts = verify_accounts(EMPTY_ROOT, HashRange::FULL, nothing, [] as [&[u8]; 0])
            .expect("no account under the root of none is a whole state");
        let ticket = self.readers.tickets.next();
        self.write(Write::Accounts { ticket, target, accounts: accounts.into(), response_bytes: 0 });
    }

    /// Records where the engine stands.
    pub(crate) fn record(&mut self, progress: &Progress) {
        // The two environments commit apart; gaps that a kill left unopened are opened at the next start.
        if let Some(blocks) = progress.blocks {
            self.want(blocks);
        }
        let ticket = self.readers.tickets.next();
        self.write(Write::Progress { ticket, progress: notices::state_progress(progress) });
    }

    /// Writes a block that was taken over the state of its parent.
    pub(crate) fn take_block(&mut self, block: Box<DerivedBlock>) {
        self.write(Write::Block { ticket: self.readers.tickets.next(), block });
    }

    /// Keeps the receipts of a block that was executed. The two environments commit apart: receipts that a kill loses are asked of peers.
    pub(crate) fn keep_receipts(&mut self, receipts: ProvenReceipts) {
        let ticket = self.readers.tickets.next();
        self.waiting_history.push_back(HistoryWrite::Receipts { ticket, receipts, response_bytes: 0 });
        self.write_waiting();
    }

    /// Takes back the block that the state is of.
    pub(crate) fn take_back(&mut self, hash: B256) {
        self.write(Write::TakeBack { ticket: self.readers.tickets.next(), hash });
    }

    /// Records the version of snap that is spoken.
    pub(crate) fn speak(&mut self, version: SnapVersion) {
        let snap = u8::try_from(version.number()).unwrap_or(u8::MAX);
        self.write(Write::Speaks { ticket: self.readers.tickets.next(), snap });
    }

    /// Opens the gaps of bodies and receipts; when they were opened before, nothing changes.
    pub(crate) fn want(&mut self, blocks: BlockRange) {
        let blocks = BlockSpan { first: blocks.first, last: blocks.last };
        let write = HistoryWrite::Want { ticket: self.readers.tickets.next(), blocks };
        self.waiting_history.push_back(write);
        self.write_waiting();
    }

    /// Has blocks beside the chain go, up to a final one that is not above `highest`.
    pub(crate) fn prune(&mut self, hash: B256, highest: u64) {
        let write = HistoryWrite::Finalize { ticket: self.readers.tickets.next(), hash, highest };
        self.waiting_history.push_back(write);
        self.write_waiting();
    }

    /// The planner never waits for a writer: one answer can bring more copies than there is room for notices, and a writer
    /// that waits for room there would wait for the planner. Nor do these wait for the rows that queue: a writer takes them first.
    fn write(&mut self, write: Write) {
        self.waiting.push_back(write);
        self.write_waiting();
    }

    /// Hands over what found no room before, in its order. No room means that a commit is under way, whose notice comes here.
    pub(crate) fn write_waiting(&mut self) {
        if let Some(state) = &self.state {
            order(state, &mut self.waiting);
        }
        if let Some(history) = &self.history {
            order(history, &mut self.waiting_history);
        }
    }

    /// What a notice means to the engine, if anything.
    pub(crate) fn event(&mut self, notice: Notice, figures: &mut Figures) -> Result<Option<Event>, Error> {
        use snapsync_storage::Notice::{Committed, Failed};
        Ok(match notice {
            Notice::State(Committed { ticket, summary }) => {
                self.underway.state_event(ticket, summary, figures)
            }
            Notice::History(Committed { ticket, summary }) => {
                self.underway.history_event(ticket, summary, figures)
            }
            // Closing gives the reason itself, which this one then makes way for ([`Error::or_of_the_disk`]).
            Notice::State(Failed { .. }) => return Err(gone("state")),
            Notice::History(Failed { .. }) => return Err(gone("history")),
        })
    }

    /// Waits until both writers have written what they hold; says why one ended early.
    ///
    /// BLOCKING: the workers must be gone, or nothing ends the writers' inboxes.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        if let Some(state) = &self.state {
            for write in self.waiting.drain(..).chain([Write::Stop]) {
                let _gone_already = state.send(write);
            }
        }
        if let Some(history) = &self.history {
            for write in self.waiting_history.drain(..).chain([HistoryWrite::Stop]) {
                let _gone_already = history.send(write);
            }
        }
        let state = self.state.take().map_or(Ok(()), StateWriter::join);
        let history = self.history.take().map_or(Ok(()), HistoryWriter::join);
        Ok(state.and(history)?)
    }
}

/// Hands over orders as long as there is room for them.
fn order<W: Send + 'static>(writer: &Writer<W>, waiting: &mut VecDeque<W>) {
    while let Some(write) = waiting.pop_front() {
        match writer.try_order(write) {
            Ok(()) => {}
            Err(TrySendError::Full(write)) => return waiting.push_front(write),
            // Its notice says why.
            Err(TrySendError::Disconnected(_)) => return,
        }
    }
}

fn gone(env: &'static str) -> Error {
    snapsync_storage::Error::WriterGone { env }.into()
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;
    use snapsync_storage::{Chain, Config, Ticket};
    use snapsync_sync::StorageClaim;

    use super::*;

    #[test]
    fn copies_that_outnumber_the_notices_room_stop_nobody() {
        const COPIES: u64 = 1_000;
        let dir = tempfile::tempdir().expect("a directory");
        let mut config = Config::small(dir.path());
        config.state.queue_writes_max = 1;
        let store = Store::open(&config, Chain { id: 1, genesis: B256::ZERO }).expect("a store");
        // The writer waits after each commit until its notices are heard.
        let (notices, heard) = bounded(1);
        let mut disk = Disk::open(store, &config, &notices).expect("writers");
        let donor = StorageClaim { account: B256::ZERO, root: B256::ZERO };
        for account in 0..COPIES {
            disk.copy(StorageCopy { donor, accounts: vec![B256::left_padding_from(&account.to_be_bytes())] });
        }
        let accounts = |write: &Write| match write {
            Write::CopyStorages { copies, .. } => copies.iter().map(|copy| copy.accounts.len()).sum(),
            other => panic!("{other:?}"),
        };
        let waiting: Vec<usize> = disk.waiting.iter().map(accounts).collect();
        assert!(waiting.iter().rev().skip(1).all(|together| *together == COPIES_MAX), "{waiting:?}");
        let mut answered = 0;
        while answered < COPIES {
            disk.write_waiting();
            let notice = heard.recv().expect("a notice for each");
            let Notice::State(snapsync_storage::Notice::Committed { summary, .. }) = notice else {
                panic!("{notice:?}")
            };
            let Summary::Copied { settled, refused } = summary else { panic!("{summary:?}") };
            assert!(settled.is_empty(), "nobody is pending");
            answered += refused.len() as u64;
        }
        assert!(disk.waiting.is_empty());
        disk.close().expect("a clean end");
    }

    #[test]
    fn planner_does_not_wait_for_the_history_s_writer() {
        const WANTS: u64 = 100;
        let dir = tempfile::tempdir().expect("a directory");
        let mut config = Config::small(dir.path());
        config.history.queue_writes_max = 1;
        let store = Store::open(&config, Chain { id: 1, genesis: B256::ZERO }).expect("a store");
        // The writer waits after each commit until its notices are heard.
        let (notices, heard) = bounded(1);
        let mut disk = Disk::open(store, &config, &notices).expect("writers");
        for _ in 0..WANTS {
            disk.want(BlockRange { first: 1, last: 9 });
        }
        for _ in 0..WANTS {
            disk.write_waiting();
            let notice = heard.recv().expect("a notice for each");
            let Notice::History(snapsync_storage::Notice::Committed { .. }) = notice else {
                panic!("{notice:?}")
            };
        }
        disk.close().expect("a clean end");
    }

    #[test]
    fn reason_of_a_writer_s_end_is_told_by_closing_also_while_its_notice_is_unread() {
        let dir = tempfile::tempdir().expect("a directory");
        let config = Config::small(dir.path());
        let store = Store::open(&config, Chain { id: 1, genesis: B256::ZERO }).expect("a store");
        let (notices, heard) = crossbeam_channel::unbounded();
        let mut disk = Disk::open(store, &config, &notices).expect("writers");
        // No disk fails when it is told to; a record that contradicts itself ends the writer in the same way.
        let progress =
            snapsync_storage::StateProgress { pin: None, phase: 0, rebuilt: Some(B256::repeat_byte(1)) };
        disk.state_inbox().send(Write::Progress { ticket: Ticket(1), progress }).expect("open");
        let error = disk.close().expect_err("it was refused");
        assert!(matches!(&error, Error::Storage(error) if error.kind() == "refused"), "{error}");
        let failed = |notice| matches!(notice, Notice::State(snapsync_storage::Notice::Failed { .. }));
        drop(disk);
        drop(notices);
        assert!(heard.into_iter().any(failed), "its notice was here all the time");
    }
}
