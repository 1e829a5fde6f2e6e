//! Proves answers of bodies and receipts against the headers on our disk.
//!
//! Inbox: answers. Outbox: verdicts to the planner, blocks to the history's writer. Owns: for each job the receipts of at
//! most one block that eth/70 has cut, until the rest of them is here. Ends when: the planner drops the inbox, or the
//! writer is gone.
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

/// Runs until there is nothing more to prove.
pub(crate) fn run(inbox: &Receiver<Task>, outbox: &Outbox, readers: &Readers) {
    let mut fetcher = BlockFetcher { outbox, readers, parts: BTreeMap::new() };
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
    parts: BTreeMap<JobId, Part>,
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
        let held = self.parts.remove(&judgement.job);
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
        let receipts = match ProvenReceipts::prove(headers.into_iter().zip(sorted.whole).collect()) {
            Ok(receipts) => receipts,
            Err(fault) => return self.outbox.refuse(request, faults::of_blocks(fault)),
        };
        let receipts_of_next = sorted.held_count;
        if let Some(part) = sorted.part {
            self.parts.insert(judgement.job, part);
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
