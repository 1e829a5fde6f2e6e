//! What of a block its history holds, as the writer takes it; and what is said where that does not fit.

use snapsync_storage::{
    BlockClaim, BlockFault, BlockSpan, Descent, HistoryWrite, ProvenBodies, ProvenHeaders, ProvenReceipts,
    Ticket,
};
use snapsync_wire::{BlockReceipts, Body, Header};

use crate::exit::{Exit, Failure};

/// Writes of a kind are heard of in their order: nothing has to be told apart.
pub(super) const TICKET: Ticket = Ticket(0);

/// A block's part of the history.
pub(super) struct Part {
    pub(super) header: Header,
    pub(super) body: Body,
    pub(super) receipts: BlockReceipts,
}

impl Part {
    pub(super) fn bytes(&self) -> usize {
        self.header.raw().len() + self.body.raw().len() + self.receipts.raw().len()
    }
}

/// Blocks, one after the other, as the history's writer takes them.
pub(super) fn history_of(blocks: Vec<Part>) -> Result<Vec<HistoryWrite>, BlockFault> {
    let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return Ok(Vec::new()) };
    // What lies below was wanted before, or is not.
    let span = BlockSpan { first: first.header.number, last: last.header.number };
    let (top, falling) =
        (last.header.hash(), blocks.iter().rev().map(|block| block.header.clone()).collect());
    let headers = ProvenHeaders::prove(top, Some(span.last), falling)?;
    let of_blocks: Vec<Header> = blocks.iter().map(|block| block.header.clone()).collect();
    let (bodies, receipts) = blocks.into_iter().map(|block| (block.body, block.receipts)).unzip();
    let bodies = ProvenBodies::prove(&of_blocks, bodies)?;
    let receipts = ProvenReceipts::prove(&of_blocks, receipts)?;
    // A sibling of the newest header takes its place: whoever executes it has chosen.
    Ok(vec![
        HistoryWrite::Headers { ticket: TICKET, headers, descent: Descent::Begins, response_bytes: 0 },
        HistoryWrite::Want { ticket: TICKET, blocks: span },
        HistoryWrite::Bodies { ticket: TICKET, bodies, response_bytes: 0 },
        HistoryWrite::Receipts { ticket: TICKET, receipts, response_bytes: 0 },
    ])
}

/// The directory was not as it was found when it was opened.
pub(super) fn adrift(block: BlockClaim, why: &str) -> Failure {
    Failure::new(Exit::DataDirectory, format!("block {} {} {why}", block.number, block.hash))
}

/// What was executed gives the roots in its header: it was compared before.
pub(super) fn unproved(fault: BlockFault) -> Failure {
    Failure::new(Exit::Verification, fault)
}
