//! Answers whose rows are on their way to the disk, and what it means to the engine that they came there.
//!
//! A notice names a ticket; which job it belongs to is remembered here from the moment the answer is judged. It holds no row.

use std::{collections::BTreeMap, time::Instant};

use alloy_primitives::B256;
use snapsync_storage::{
    BlockOutcome, HistorySummary, RetreatOutcome, StorageSet, StorageState, Summary, Ticket,
};
use snapsync_stream::{Judgement, RequestId};
use snapsync_sync::{BlockRange, Event, JobId};
use snapsync_trie::HashRange;

use crate::{notices, outlets::Figures};

/// Who waits for which ticket.
#[derive(Debug, Default)]
pub(crate) struct Underway {
    jobs: BTreeMap<u64, JobId>,
    /// Roots that storages must derive to.
    expected: BTreeMap<B256, B256>,
}

impl Underway {
    /// Remembers which job an answer belongs to, before a worker has it.
    pub(crate) fn expect(&mut self, judgement: &Judgement) {
        self.jobs.insert(judgement.request.0, judgement.job);
    }

    /// Remembers what a storage must derive to.
    pub(crate) fn expect_root(&mut self, account: B256, root: B256) {
        self.expected.insert(account, root);
    }

    /// An answer gave nothing to write.
    pub(crate) fn forget(&mut self, request: RequestId) {
        self.jobs.remove(&request.0);
    }

    /// What a commit of the state's writer means to the engine, if anything.
    pub(crate) fn state_event(
        &mut self,
        ticket: Ticket,
        summary: Summary,
        figures: &mut Figures,
    ) -> Option<Event> {
        let job = self.arrived(ticket, figures);
        match &summary {
            Summary::Accounts { rows, covered, .. } => {
                figures.durable.accounts += rows;
                figures.applying.accounts(*rows, *covered);
            }
            Summary::Storages { sets, rows } => {
                figures.durable.slots += rows;
                figures.applying.storages(sets.len() as u64, *rows);
                let is_whole =
                    |set: &&StorageSet| set.state == StorageState::Settled && set.covered == HashRange::FULL;
                for set in sets.iter().filter(is_whole) {
                    figures.whole_storages += 1;
                    figures.whole_slots += set.slots;
                }
            }
            Summary::Codes { found } => {
                figures.durable.codes += found.len() as u64;
                figures.applying.codes(found.len() as u64);
            }
            Summary::Lists { blocks, .. } => {
                let applied = blocks.iter().filter(|block| block.outcome == BlockOutcome::Applied);
                figures.reconciled.lists += applied.count() as u64;
            }
            Summary::Retreated(told) => {
                figures.reconciled.lists += u64::from(told.outcome == RetreatOutcome::Applied);
            }
            Summary::HealedAccounts { rows, .. } => figures.reconciled.accounts += rows,
            Summary::HealedSlots { rows, .. } => figures.reconciled.slots += rows,
            Summary::Renewed { pieces, .. } => figures.reconciled.renewed += pieces.len() as u64,
            _ => {}
        }
        let expected = &mut self.expected;
        notices::state_event(job, snapsync_sync::Ticket(ticket.0), summary, |account| {
            expected.remove(account)
        })
    }

    /// The same for the history's writer.
    pub(crate) fn history_event(
        &mut self,
        ticket: Ticket,
        summary: HistorySummary,
        figures: &mut Figures,
    ) -> Option<Event> {
        let job = self.arrived(ticket, figures);
        let event = notices::history_event(job, snapsync_sync::Ticket(ticket.0), summary)?;
        let count = |blocks: &[BlockRange]| blocks.iter().map(BlockRange::count).sum::<u64>();
        match &event {
            Event::HeadersDurable { segment, .. } => figures.durable.headers += segment.count(),
            Event::BodiesDurable { blocks, .. } => figures.durable.bodies += count(blocks),
            Event::ReceiptsDurable { blocks, .. } | Event::ReceiptsMade { blocks } => {
                figures.durable.receipts += count(blocks)
            }
            _ => {}
        }
        Some(event)
    }

    /// Something became durable: the job that waits for it.
    fn arrived(&mut self, ticket: Ticket, figures: &mut Figures) -> Option<JobId> {
        figures.durable_at = Instant::now();
        self.jobs.remove(&ticket.0)
    }
}
