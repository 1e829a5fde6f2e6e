//! The planner's part in following: what the worker that takes blocks has told becomes a write, and the engine hears of it.
//!
//! The engine says when a change is written, so that whatever it has recorded is written in the order in which it said so: what is recorded names
//! the block that the state is of.

use alloy_primitives::B256;
use crossbeam_channel::TrySendError;
use snapsync_stream::Input;
use snapsync_sync::{Event as SyncEvent, HeaderReach, ReceiptsFrom, Target};

use crate::{
    Error, Event,
    planner::FetchSnapState,
    stores::Notice,
    taking::{Change, Look, Step, TakenBlock, Told, Wish},
};

impl FetchSnapState {
    /// Has the worker look whether there is something to do. It never waits.
    pub(crate) fn look_for_blocks(&mut self) {
        if self.blocks.as_ref().is_some_and(|blocks| blocks.looks.is_empty()) {
            self.look(Look::Changed);
        }
    }

    /// The same, whatever it has told before, once all that was carried out of it is on the disk.
    pub(crate) fn look_anew(&mut self) {
        let Some(blocks) = &mut self.blocks else { return };
        blocks.is_anew_due = !blocks.written.is_empty() || blocks.is_going_back;
        if !blocks.is_anew_due {
            self.look(Look::Anew);
        }
    }

    fn look(&mut self, look: Look) {
        let Some(blocks) = &self.blocks else { return };
        // It ends before its looks do only where its executor panicked, which goes on in whoever waits for the end; or where our disk failed.
        if let Err(TrySendError::Disconnected(_)) = blocks.looks.try_send(look) {
            self.ended.get_or_insert(Err(Error::ShutDown));
        }
    }

    /// The pivot moved: no block above it is taken as before.
    pub(crate) fn leave_blocks(&mut self) {
        self.drop_lists();
        self.look_anew();
    }

    /// Access lists have come; the next block may be taken by its own.
    pub(crate) fn on_lists_kept(&mut self) {
        // They may have come too late.
        self.drop_lists();
        self.look_for_blocks();
    }

    /// The worker wants lists from now on, or none.
    pub(crate) fn on_wish(&mut self, wish: Wish) {
        self.pending.push_back(Input::Sync(match wish {
            Wish::Lists => SyncEvent::ListsWanted,
            Wish::NoLists => SyncEvent::ListsUnwanted,
        }));
        if wish == Wish::NoLists {
            self.drop_lists_below(None);
        }
    }

    /// The blocks above the fork are others from now on: the lists of those that were are of no use.
    pub(crate) fn leave_lists(&mut self, event: &SyncEvent) {
        let SyncEvent::HeadersDurable { reach: HeaderReach::Joined(join), .. } = event else { return };
        let Some(blocks) = &self.blocks else { return };
        let used = blocks.lists.drop_above(join.fork);
        self.pending.extend(used.into_iter().map(|request| Input::Used { request }));
    }

    /// Drops the lists of blocks that were taken, or are not to be taken by them.
    fn drop_lists(&mut self) {
        self.drop_lists_below(self.desk.engine().lists_are_above());
    }

    fn drop_lists_below(&mut self, state: Option<u64>) {
        let Some(blocks) = &self.blocks else { return };
        let used = blocks.lists.drop_below(state);
        self.pending.extend(used.into_iter().map(|request| Input::Used { request }));
    }

    /// The worker has taken a step.
    pub(crate) fn on_followed(&mut self, step: Step) {
        match step {
            Step::Taken(taken) => {
                let claim = taken.derived.claim();
                let target = Target { number: claim.number, hash: claim.hash, root: claim.root };
                self.ask_engine(claim.parent, target, Change::Take(taken));
            }
            Step::TakeBack { block, parent } => self.ask_engine(block, parent, Change::TakeBack(block)),
            Step::Stranded { block } => {
                if !self.stands_at(block) {
                    return self.look_anew();
                }
                tracing::warn!(%block, "the chain has left a block that cannot be taken back any more");
                self.pending.push_back(Input::Sync(SyncEvent::Stranded));
            }
            Step::Refused { block, reason } => {
                tracing::warn!(block = block.number, hash = %block.hash, reason, "a block is bad");
                self.outlets.event(Event::BlockRefused { block, reason });
            }
            Step::Failed { block, reason } => {
                tracing::warn!(block = block.number, hash = %block.hash, reason, "a block was not taken");
                self.outlets.event(Event::BlockFailed { block, reason });
            }
        }
    }

    /// Has the engine hear of a change of the state of block `at`; it says when that is to be written.
    fn ask_engine(&mut self, at: B256, target: Target, change: Change) {
        if !self.stands_at(at) {
            return self.look_anew();
        }
        let receipts = match &change {
            Change::Take(TakenBlock { receipts: Some(_), .. }) => ReceiptsFrom::Execution,
            Change::Take(_) | Change::TakeBack(_) => ReceiptsFrom::Peers,
        };
        if let Some(blocks) = &mut self.blocks {
            blocks.asked = Some(change);
            self.pending.push_back(Input::Sync(SyncEvent::Followed { target, receipts }));
        }
    }

    /// The engine agrees: what it was asked about goes to the writer, behind all that it had recorded before.
    pub(crate) fn change_state(&mut self) {
        let Some(blocks) = &mut self.blocks else { return };
        match blocks.asked.take() {
            Some(Change::Take(TakenBlock { derived, receipts, told })) => {
                blocks.written.push_back(told);
                receipts.into_iter().for_each(|receipts| self.disk.keep_receipts(receipts));
                self.disk.take_block(derived);
            }
            Some(Change::TakeBack(hash)) => {
                blocks.is_going_back = true;
                self.disk.take_back(hash);
            }
            None => {}
        }
        self.drop_lists();
    }

    /// The engine has heard of a change: if it did not agree, another look is to be taken.
    pub(crate) fn drop_change(&mut self) {
        if self.blocks.as_mut().is_some_and(|blocks| blocks.asked.take().is_some()) {
            self.look_anew();
        }
    }

    /// Whether the engine, too, has the state for that of this block, and lets blocks bring it on.
    fn stands_at(&self, hash: B256) -> bool {
        let engine = self.desk.engine();
        engine.may_follow() && engine.pin().is_some_and(|pin| pin.target.hash == hash)
    }

    fn tell_taken(&mut self, told: Told) {
        let Told { block, transactions, gas, by, took } = told;
        self.outlets.figures.blocks_taken += 1;
        self.outlets.event(Event::BlockTaken { block, transactions, gas, by, took });
    }

    /// Something became durable: blocks that were taken, or taken back, are told.
    pub(crate) fn on_block_written(&mut self, notice: &Notice) {
        use snapsync_storage::{BlockOutcome, Notice::Committed, Summary};
        let Notice::State(Committed { summary, .. }) = notice else { return };
        match summary {
            Summary::Block { claim, outcome: BlockOutcome::Applied } => {
                let Some(blocks) = &mut self.blocks else { return };
                let (told, complete) = blocks.wrote(claim.hash);
                if blocks.is_anew_due {
                    self.look_anew();
                }
                told.into_iter().for_each(|told| self.tell_taken(told));
                if let Some(target) = complete {
                    self.tell_complete(target);
                }
            }
            Summary::TakenBack { hash, outcome: BlockOutcome::Applied } => {
                let Some(blocks) = &mut self.blocks else { return };
                blocks.is_going_back = false;
                if blocks.is_anew_due {
                    self.look_anew();
                }
                self.outlets.event(Event::BlockTakenBack { hash: *hash });
            }
            // The writer has a state of another block than the engine: no order of ours leads there.
            Summary::Block { outcome: BlockOutcome::Left, .. }
            | Summary::TakenBack { outcome: BlockOutcome::Left, .. } => {
                tracing::error!("a block does not follow the state on the disk");
                self.ended = Some(Err(snapsync_storage::Error::Refused {
                    why: "a block that does not follow the state on the disk",
                }
                .into()));
            }
            _ => {}
        }
    }
}
