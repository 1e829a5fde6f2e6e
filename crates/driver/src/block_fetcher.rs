//! Proves answers of bodies and receipts against the headers on our disk.
//!
//! Inbox: answers. Outbox: verdicts to the planner, blocks to the history's writer. Owns: the receipts of blocks that
//! eth/70 has cut, at most one block for each request of a job's window, until the rest of them is here. Ends when: the
//! planner drops the inbox, or the writer is gone.
//!
//! It checks the roots that a header names and nothing else: `requestsHash` cannot be checked from what peers send.

use std::collections::BTreeMap;

use crossbeam_channel::Receiver;
use snapsync_peers::{Fault, Outcome};
use snapsync_storage::{BlockFault, HistoryWrite, ProvenBodies, ProvenReceipts, Ticket};
use snapsync_stream::{Answered, Judgement, Verdict, What};
use snapsync_sync::{BlockRange, Event, JobId};
use snapsync_wire::{
    BlockReceipts, Header,
    eth::{BlockBodies, Completeness, Receipts},
};

use crate::{
    ask::Payload,
    faults,
    stores::Readers,
    workers::{Gone, Outbox, Report, Task},
};

/// The first receipts of a block, proved only when the last ones are here.
#[derive(Debug)]
struct Part {
    number: u64,
    receipts: BlockReceipts,
}

/// The cut blocks. A job has several requests in flight, and the answer to one must leave the part of another alone.
#[derive(Debug, Default)]
struct Parts(BTreeMap<(JobId, u64), BlockReceipts>);

impl Parts {
    fn keep(&mut self, job: JobId, part: Part) {
        self.0.insert((job, part.number), part.receipts);
    }

    /// The part of the first of the blocks that an answer is about, if there is one. Parts of the others are of no use any
    /// more: such a block was begun anew.
    fn take(&mut self, job: JobId, blocks: BlockRange) -> Option<Part> {
        let number = blocks.first;
        let first = self.0.remove(&(job, number)).map(|receipts| Part { number, receipts });
        self.0.retain(|(owner, number), _| *owner != job || !(blocks.first..=blocks.last).contains(number));
        first
    }
}

impl Part {
    /// Whether no block with this gas limit can have so many receipts. A byte of a log costs 8 gas, its topics and address
    /// more, and a receipt itself 21,000 gas for less than 400 bytes: a quarter of the gas is twice what is possible. So a
    /// peer that never ends a block fills no memory.
    fn is_too_long(&self, gas_limit: u64) -> bool {
        const SMALLEST_BYTES: u64 = 64 << 10;
        self.receipts.raw().len() as u64 > gas_limit / 4 + SMALLEST_BYTES
    }
}

/// Runs until there is nothing more to prove.
pub(crate) fn run(inbox: &Receiver<Task>, outbox: &Outbox, readers: &Readers) {
    let mut fetcher = BlockFetcher { outbox, readers, parts: Parts::default() };
    for Task { judgement, payload } in inbox {
        let done = match payload {
            Payload::Bodies(answer) => fetcher.bodies(&judgement, answer),
            Payload::Receipts(answer) => fetcher.receipts(&judgement, answer),
            _ => unreachable!(
                "the planner gives answers about blocks to this worker, the desk checks their kinds"
            ),
        };
        if done.is_err() {
            return;
        }
    }
}

struct BlockFetcher<'a> {
    outbox: &'a Outbox,
    readers: &'a Readers,
    parts: Parts,
}

impl BlockFetcher<'_> {
    fn bodies(&mut self, judgement: &Judgement, answer: BlockBodies) -> Result<(), Gone> {
        let request = judgement.request;
        let What::Bodies { blocks } = judgement.what else {
            unreachable!("the desk checks that an answer's kind is its request's")
        };
        let count = answer.bodies.len() as u64;
        if count == 0 {
            return self.outbox.judged(request, Verdict::unavailable());
        }
        if count > blocks.count() {
            return self.outbox.refuse(request, Fault::TooMany { asked: blocks.count(), found: count });
        }
        let headers = match self.headers(blocks) {
            Ok(headers) => headers,
            Err(error) => return self.outbox.failed(error),
        };
        let response_bytes = answer.bodies.iter().map(|body| body.raw().len() as u64).sum();
        let bodies = match ProvenBodies::prove(headers.into_iter().zip(answer.bodies).collect()) {
            Ok(bodies) => bodies,
            Err(fault) => return self.outbox.refuse(request, faults::of_blocks(fault)),
        };
        let outcome = if count == blocks.count() { Outcome::Complete } else { Outcome::Partial };
        self.outbox.judged(request, Verdict { outcome, answered: Answered::Bodies { count } })?;
        self.outbox.write_history(HistoryWrite::Bodies { ticket: Ticket(request.0), bodies, response_bytes })
    }

    fn receipts(&mut self, judgement: &Judgement, answer: Receipts) -> Result<(), Gone> {
        let request = judgement.request;
        let What::Receipts { blocks, first_receipt } = judgement.what else {
            unreachable!("the desk checks that an answer's kind is its request's")
        };
        let held = self.parts.take(judgement.job, blocks);
        let found = answer.blocks.len() as u64;
        if found == 0 {
            return self.outbox.judged(request, Verdict::unavailable());
        }
        if found > blocks.count() {
            return self.outbox.refuse(request, Fault::TooMany { asked: blocks.count(), found });
        }
        let response_bytes = answer.blocks.iter().map(|block| block.raw().len() as u64).sum();
        let sorted = match sort(answer, blocks, first_receipt, held) {
            Ok(sorted) => sorted,
            Err(fault) => return self.outbox.refuse(request, fault),
        };
        let headers = match self.headers(blocks) {
            Ok(headers) => headers,
            Err(error) => return self.outbox.failed(error),
        };
        let whole = sorted.whole.len() as u64;
        if let Some(part) = &sorted.part
            && headers.get(sorted.whole.len()).is_none_or(|header| part.is_too_long(header.gas_limit))
        {
            return self.outbox.refuse(request, Fault::WrongReceipts { number: part.number });
        }
        let receipts = match ProvenReceipts::prove(headers.into_iter().zip(sorted.whole).collect()) {
            Ok(receipts) => receipts,
            Err(fault) => return self.outbox.refuse(request, faults::of_blocks(fault)),
        };
        let receipts_of_next = sorted.held_count;
        if let Some(part) = sorted.part {
            self.parts.keep(judgement.job, part);
        }
        let outcome = if whole == blocks.count() { Outcome::Complete } else { Outcome::Partial };
        let answered = Answered::Receipts { blocks: whole, receipts_of_next };
        self.outbox.judged(request, Verdict { outcome, answered })?;
        if whole > 0 {
            let ticket = Ticket(request.0);
            return self.outbox.write_history(HistoryWrite::Receipts { ticket, receipts, response_bytes });
        }
        // Only a part of one block: nothing goes to the disk yet, so nobody else will say that the answer is dealt with.
        let event = Event::ReceiptsDurable { job: judgement.job, ticket: request.into(), blocks: None };
        self.outbox.reports.send(Report::Sync(event)).map_err(|_| Gone)
    }

    /// The headers of blocks, from our disk; each was proved before it was written.
    fn headers(&self, blocks: BlockRange) -> snapsync_storage::Result<Vec<Header>> {
        let snapshot = self.readers.history.snapshot()?;
        (blocks.first..=blocks.last).map(|number| self.readers.header(&snapshot, number)).collect()
    }
}

/// An answer's blocks: the whole ones, and what there is of a cut one.
struct Sorted {
    whole: Vec<BlockReceipts>,
    part: Option<Part>,
    held_count: u64,
}

/// Puts the parts of a cut block together. What was held counts only if the request said that it is.
fn sort(
    answer: Receipts,
    blocks: BlockRange,
    first_receipt: u64,
    held: Option<Part>,
) -> Result<Sorted, Fault> {
    let mut whole = answer.blocks;
    let malformed =
        |number: u64| move |_| faults::of_blocks(BlockFault::Malformed { number, why: String::new() });
    if first_receipt > 0 {
        let held = held.filter(|part| part.number == blocks.first);
        let held = held.ok_or(Fault::WrongReceipts { number: blocks.first })?;
        whole[0] = held.receipts.join(&whole[0]).map_err(malformed(blocks.first))?;
    }
    if answer.last_block == Completeness::Whole {
        return Ok(Sorted { whole, part: None, held_count: 0 });
    }
    let receipts = whole.pop().expect("an answer without blocks was sorted out before");
    let number = blocks.first + whole.len() as u64;
    let held_count = receipts.count().map_err(malformed(number))? as u64;
    let before = if whole.is_empty() { first_receipt } else { 0 };
    if held_count <= before {
        // A cut block must bring at least one receipt more, or the same question would be asked for ever.
        return Err(Fault::WrongReceipts { number });
    }
    Ok(Sorted { whole, part: Some(Part { number, receipts }), held_count })
}

#[cfg(test)]
mod tests {
    use snapsync_wire::ReceiptForm;

    use super::*;

    fn part(number: u64) -> Part {
        Part { number, receipts: BlockReceipts::from_receipts(ReceiptForm::Slim, &[]) }
    }

    fn numbers(parts: &Parts) -> Vec<u64> {
        parts.0.keys().map(|(_, number)| *number).collect()
    }

    #[test]
    fn answer_about_other_blocks_of_a_job_leaves_its_cut_block() {
        let (job, mut parts) = (JobId(1), Parts::default());
        parts.keep(job, part(11));
        assert!(parts.take(job, BlockRange { first: 50, last: 99 }).is_none());
        assert!(parts.take(JobId(2), BlockRange { first: 11, last: 49 }).is_none());
        assert_eq!(parts.take(job, BlockRange { first: 11, last: 49 }).map(|part| part.number), Some(11));
        assert!(numbers(&parts).is_empty());
    }

    #[test]
    fn more_receipts_than_gas_can_pay_for_are_refused() {
        let receipt = |logs: usize| {
            let mut list = Vec::new();
            alloy_rlp::Encodable::encode(&vec![vec![0u8; logs]], &mut list);
            let receipts = BlockReceipts::from_raw(ReceiptForm::Slim, list.into()).unwrap();
            Part { number: 1, receipts }
        };
        assert!(!receipt(70_000).is_too_long(30_000));
        assert!(receipt(80_000).is_too_long(30_000));
    }

    #[test]
    fn block_that_was_begun_anew_leaves_no_part() {
        let (job, mut parts) = (JobId(1), Parts::default());
        parts.keep(job, part(11));
        parts.keep(job, part(60));
        assert!(parts.take(job, BlockRange { first: 1, last: 49 }).is_none());
        assert_eq!(numbers(&parts), [60]);
    }
}
