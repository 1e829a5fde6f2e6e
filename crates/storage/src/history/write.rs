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
    /// Which bodies and receipts are wanted. The first one opens their gaps, later ones change nothing.
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
    /// The writer commits what it has and ends.
    Stop,
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
    },
    /// Bodies are durable.
    Bodies {
        /// The blocks of the answer, those that were held before among them.
        blocks: Vec<BlockSpan>,
    },
    /// Receipts are durable.
    Receipts {
        /// The blocks of the answer, those that were held before among them.
        blocks: Vec<BlockSpan>,
    },
}
