//! What a worker is given, and where it puts what it made: the one form that all workers share.
//!
//! It knows no worker, and nothing here decides.

use std::sync::{Arc, Mutex, PoisonError};

use alloy_primitives::B256;
use crossbeam_channel::Sender;
use snapsync_peers::{Fault, Head as PeerHead};
use snapsync_storage::{Descent, HistoryWrite, Write};
use snapsync_stream::{Judgement, RequestId, Verdict};
use snapsync_sync::{BlockRange, JobId};
use snapsync_trie::Hashed;

use crate::{
    ask::Payload,
    lists_above::ListsAbove,
    parts::Part,
    provers::Proved,
    taking::{Step, Wish},
};

/// An answer to be proved.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) judgement: Judgement,
    pub(crate) payload: Payload,
    /// What is held of the block that it goes on with.
    pub(crate) held: Option<Part>,
    /// The blocks whose bodies, receipts or lists were asked for.
    pub(crate) hashes: Vec<B256>,
    /// What headers are to those that are held.
    pub(crate) descent: Descent,
}

/// What a worker tells the planner.
#[derive(Debug)]
pub(crate) enum Report {
    /// An answer was proved, or which lie it is. Sent before its rows go to the writer.
    Judged { request: RequestId, verdict: Verdict },
    /// An answer ended inside a block. Sent before its verdict.
    Part { job: JobId, block: u64, hash: B256, part: Part },
    /// Accounts whose rows name codes that nobody has; sent before what came of the others.
    CodesNamed { accounts: Vec<B256> },
    /// What becomes of the blocks above the state.
    Followed(Step),
    /// Whether these are taken by their access lists from now on.
    ListsAbove(Wish),
    /// The host gave blocks: those that may be at hand now, and the highest of them.
    Given { blocks: BlockRange, head: PeerHead },
    /// The host named a head, if that is news, and what it holds for final.
    Named { head: Option<B256>, finalized: B256 },
    /// Our own disk failed.
    Failed(snapsync_storage::Error),
}

/// Why a worker ends before its inbox does: the other side of one of its outboxes is gone, so there is nobody to work for.
#[derive(Debug)]
pub(crate) struct Gone;

/// Where workers put what they made.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    pub(crate) reports: Sender<Report>,
    pub(crate) state: Sender<Write>,
    pub(crate) history: Sender<HistoryWrite>,
    /// Lists of blocks that are to be taken.
    pub(crate) lists_above: ListsAbove,
    /// What all workers have hashed: figures, and nobody waits for them.
    pub(crate) hashed: Arc<Mutex<Hashed>>,
}

impl Outbox {
    /// Counts what was hashed.
    pub(crate) fn hashed(&self, hashed: Hashed) {
        self.hashed.lock().unwrap_or_else(PoisonError::into_inner).add(hashed);
    }

    /// Tells the verdict. BLOCKING: while the planner is behind.
    pub(crate) fn judged(&self, request: RequestId, verdict: Verdict) -> Result<(), Gone> {
        self.reports.send(Report::Judged { request, verdict }).map_err(|_| Gone)
    }

    /// Hands over what a prover of the state made: the verdict first, that its peer be asked again while the rows wait.
    pub(crate) fn hand_over(&self, request: RequestId, proved: Proved) -> Result<(), Gone> {
        self.hashed(proved.hashed);
        self.judged(request, proved.verdict)?;
        proved.write.map_or(Ok(()), |write| self.write(write))
    }

    /// Tells of a lie.
    pub(crate) fn refuse(&self, request: RequestId, fault: impl Into<Fault>) -> Result<(), Gone> {
        self.judged(request, Verdict::invalid(fault.into()))
    }

    /// Hands rows to the state's writer. BLOCKING: while the disk is behind; that is how a slow disk stops requests.
    pub(crate) fn write(&self, write: Write) -> Result<(), Gone> {
        self.state.send(write).map_err(|_| Gone)
    }

    /// Hands blocks to the history's writer. BLOCKING: likewise.
    pub(crate) fn write_history(&self, write: HistoryWrite) -> Result<(), Gone> {
        self.history.send(write).map_err(|_| Gone)
    }

    /// Tells the planner something else. BLOCKING: while it is behind.
    pub(crate) fn report(&self, report: Report) -> Result<(), Gone> {
        self.reports.send(report).map_err(|_| Gone)
    }

    /// Tells that our own disk failed; the planner ends the sync.
    pub(crate) fn failed(&self, error: snapsync_storage::Error) -> Result<(), Gone> {
        self.reports.send(Report::Failed(error)).map_err(|_| Gone)
    }
}
