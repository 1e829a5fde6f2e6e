//! What the history's writer takes, and what it tells after a commit.

use alloy_primitives::B256;

use crate::{
    history::{
        proven::{ProvenBodies, ProvenHeaders, ProvenReceipts},
        record::BlockRef,
        spans::BlockSpan,
    },
    writer::Ticket,
};

/// One write to the history.
#[derive(Debug)]
pub enum HistoryWrite {
    /// Which bodies and receipts are wanted. The first one opens their gaps; a later one opens those of the blocks above.
    Want {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The blocks.
        blocks: BlockSpan,
    },
    /// Headers that hang together.
    Headers {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The headers.
        headers: ProvenHeaders,
        /// What they are to the pieces that are held.
        descent: Descent,
        /// Bytes of the response that they came in, for the counters.
        response_bytes: u64,
    },
    /// Bodies that give their headers' roots.
    Bodies {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The bodies.
        bodies: ProvenBodies,
        /// Bytes of the response that they came in, for the counters.
        response_bytes: u64,
    },
    /// Receipts that give their headers' roots.
    Receipts {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The receipts.
        receipts: ProvenReceipts,
        /// Bytes of the response that they came in, for the counters.
        response_bytes: u64,
    },
    /// A block is final: blocks beside the chain go, up to it. Each write takes away some of them.
    Finalize {
        /// Names the write in its notice.
        ticket: Ticket,
        /// The block's hash. One that is not canonical takes nothing away.
        hash: B256,
        /// Its highest number: that of the block that the state is of.
        highest: u64,
    },
    /// The writer commits what it has and ends.
    Stop,
}

/// What headers are to the pieces that are held. The first ones of a directory are its held piece in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descent {
    /// The first one is the target of a directory that has none: what was held for another one, before its record was durable, is
    /// no longer canonical and no longer wanted.
    Anew,
    /// The first one is a head that was named: another descent, if there is one, is left.
    Begins,
    /// They go on below the held piece or below the descent, or lie right on top of the held piece. Those that do not are late,
    /// of a descent that was left: they are kept, and lead nowhere.
    GoesOn,
}

/// Where a descent met the held piece, and what is held of the blocks above by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The highest number that both have in common.
    pub fork: u64,
    /// The highest canonical block from now on.
    pub top: BlockRef,
    /// Canonical blocks above the fork whose bodies are held.
    pub bodies: Vec<BlockSpan>,
    /// Canonical blocks above the fork whose receipts are held.
    pub receipts: Vec<BlockSpan>,
}

/// What became of headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// They are of a piece that is held down to here by now; that may be lower than they are.
    Down {
        /// Number of its lowest header.
        floor: u64,
        /// Parent hash in its lowest header.
        parent: B256,
    },
    /// They are canonical now, or were.
    Joined(Join),
    /// They hang from nothing that is recorded.
    Loose,
}

/// What followed from a block that is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// It is not canonical, as far as is known: nothing went.
    Beside,
    /// It is above what was allowed: nothing went.
    Ahead {
        /// Its number.
        number: u64,
    },
    /// It is canonical.
    Reached {
        /// Its number.
        number: u64,
        /// Blocks beside the chain that went.
        pruned: u64,
        /// Whether the same write would take away more.
        more: bool,
    },
}

/// What became durable, by ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistorySummary {
    /// The gaps are open.
    Want,
    /// Headers are durable.
    Headers {
        /// The highest one.
        top: BlockRef,
        /// State root in the highest one.
        root: B256,
        /// Number of the lowest one.
        lowest: u64,
        /// Parent hash in the lowest one.
        parent: B256,
        /// What became of them.
        reach: Reach,
    },
    /// Bodies are durable.
    Bodies {
        /// The canonical blocks of the answer, those that were held before among them.
        blocks: Vec<BlockSpan>,
    },
    /// Receipts are durable.
    Receipts {
        /// The canonical blocks of the answer, those that were held before among them.
        blocks: Vec<BlockSpan>,
    },
    /// A block is final.
    Finalized {
        /// Its hash.
        hash: B256,
        /// What followed.
        finality: Finality,
    },
}
