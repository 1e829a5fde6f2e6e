//! Proves answers of bodies and receipts against the headers on our disk.
//!
//! Inbox: answers. Outbox: verdicts and parts of blocks to the planner, blocks to the history's writer. Owns: nothing. Ends
//! when: the planner drops the inbox, or the writer is gone.
//!
//! A peer leaves out what it does not have, so each body and each block's receipts are matched with the asked blocks by their
//! roots: only what belongs to none of them is a lie. It checks the roots that a header names and nothing else:
//! `requestsHash` cannot be checked from what peers send.

use alloy_primitives::B256;
use snapsync_peers::{Fault, Outcome};
use snapsync_storage::{HistoryWrite, ProvenBodies, Ticket};
use snapsync_stream::{Answered, Judgement, ReceiptPart, Verdict, What};
use snapsync_sync::{BlockGaps, BlockRange};
use snapsync_wire::eth::{BlockBodies, Receipts};

use crate::{
    ask::Payload,
    faults,
    parts::Part,
    readers::Readers,
    receipts::{Sorted, sort},
    work::{Gone, Outbox, Report, Task},
};

/// Proves one answer.
pub(crate) fn prove(task: Task, outbox: &Outbox, readers: &Readers) -> Result<(), Gone> {
    let fetcher = BlockFetcher { outbox, readers };
    let Task { judgement, payload, held, hashes, .. } = task;
    match payload {
        Payload::Bodies(answer) => fetcher.bodies(&judgement, &hashes, answer),
        Payload::Receipts(answer) => fetcher.receipts(&judgement, &hashes, answer, held),
        _ => {
            unreachable!("the planner gives answers about blocks to this worker, the desk checks their kinds")
        }
    }
}

struct BlockFetcher<'a> {
    outbox: &'a Outbox,
    readers: &'a Readers,
}

impl BlockFetcher<'_> {
    fn bodies(&self, judgement: &Judgement, hashes: &[B256], answer: BlockBodies) -> Result<(), Gone> {
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
        let headers = match self.readers.asked(hashes) {
            Ok(Some(headers)) => headers,
            Ok(None) => return self.outbox.judged(request, Verdict::unavailable()),
            Err(error) => return self.outbox.failed(error),
        };
        let response_bytes = answer.bodies.iter().map(|body| body.raw().len() as u64).sum();
        let bodies = match ProvenBodies::prove(&headers, answer.bodies) {
            Ok(bodies) => bodies,
            Err(fault) => return self.outbox.refuse(request, faults::of_blocks(fault)),
        };
        let answered = Answered::Bodies { found: spans(bodies.numbers()) };
        self.outbox.judged(request, Verdict { outcome: outcome(count, blocks), answered })?;
        self.outbox.write_history(HistoryWrite::Bodies { ticket: Ticket(request.0), bodies, response_bytes })
    }

    fn receipts(
        &self,
        judgement: &Judgement,
        hashes: &[B256],
        answer: Receipts,
        held: Option<Part>,
    ) -> Result<(), Gone> {
        let request = judgement.request;
        let What::Receipts { blocks, first_receipt } = judgement.what else {
            unreachable!("the desk checks that an answer's kind is its request's")
        };
        let found = answer.blocks.len() as u64;
        // Should what it goes on with be gone, its peer is not to blame: the block starts anew.
        if found == 0 || (first_receipt > 0 && held.is_none()) {
            return self.outbox.judged(request, Verdict::unavailable());
        }
        if found > blocks.count() {
            return self.outbox.refuse(request, Fault::TooMany { asked: blocks.count(), found });
        }
        let headers = match self.readers.asked(hashes) {
            Ok(Some(headers)) => headers,
            Ok(None) => return self.outbox.judged(request, Verdict::unavailable()),
            Err(error) => return self.outbox.failed(error),
        };
        let response_bytes = answer.blocks.iter().map(|block| block.raw().len() as u64).sum();
        let Sorted { whole, part } = match sort(answer, &headers, held) {
            Ok(sorted) => sorted,
            Err(fault) => return self.outbox.refuse(request, fault),
        };
        let found = spans(whole.numbers());
        let mut of_next = None;
        if let Some((block, part)) = part {
            of_next = Some(ReceiptPart { block, receipts: part.count(), bytes: part.bytes() });
            let at = headers.iter().position(|header| header.number == block);
            let hash = at.and_then(|at| hashes.get(at)).copied().unwrap_or_default();
            let report = Report::Part { job: judgement.job, block, hash, part };
            self.outbox.reports.send(report).map_err(|_| Gone)?;
        }
        if found.is_empty() && of_next.is_none() {
            return self.outbox.judged(request, Verdict::unavailable());
        }
        let outcome = outcome(whole.numbers().len() as u64, blocks);
        let answered = Answered::Receipts { found, part: of_next };
        let is_written = answered.is_written();
        self.outbox.judged(request, Verdict { outcome, answered })?;
        if !is_written {
            return Ok(());
        }
        let ticket = Ticket(request.0);
        self.outbox.write_history(HistoryWrite::Receipts { ticket, receipts: whole, response_bytes })
    }
}

fn outcome(found: u64, asked: BlockRange) -> Outcome {
    if found == asked.count() { Outcome::Complete } else { Outcome::Partial }
}

/// Rising numbers as ranges.
fn spans(numbers: impl Iterator<Item = u64>) -> Vec<BlockRange> {
    BlockGaps::new(numbers.map(|number| BlockRange { first: number, last: number })).iter().collect()
}

#[cfg(test)]
mod tests {
    use snapsync_storage::{Descent, ProvenHeaders};
    use snapsync_trie::ordered_root;
    use snapsync_wire::{BlockReceipts, consensus_receipts, eth::Completeness};

    use super::*;
    use crate::parts::tests::{header, receipts};

    fn answer(blocks: Vec<BlockReceipts>, last_block: Completeness) -> Receipts {
        Receipts { id: 1, blocks, last_block }
    }

    // ROW: F39
    #[test]
    fn blocks_that_left_the_chain_while_they_were_asked_for_are_judged_by_their_own_headers() {
        let dir = tempfile::tempdir().expect("a directory");
        let chain = snapsync_storage::Chain { id: 1, genesis: B256::ZERO };
        let store = snapsync_storage::Store::open(&snapsync_storage::Config::small(dir.path()), chain);
        let store = store.expect("a store");
        let mut steps = store.history.writer_steps(Box::new(snapsync_storage::Open)).expect("a writer");
        // One block at height 1 and another one there: the second is canonical in the end.
        let root = |gas: &[u64]| {
            ordered_root(&consensus_receipts(&receipts(gas.iter().copied())).expect("receipts"))
        };
        let (old, new) = (header(1, 42_000, root(&[21_000, 42_000])), header(1, 21_000, root(&[21_000])));
        for block in [&old, &new] {
            let headers = ProvenHeaders::prove(block.hash(), None, vec![block.clone()]).expect("a header");
            let (ticket, descent) = (Ticket(1), Descent::Begins);
            let write = HistoryWrite::Headers { ticket, headers, descent, response_bytes: 0 };
            steps.commit(vec![write]).expect("room");
        }
        assert_eq!(store.history.snapshot().expect("one").canonical(1).expect("a row"), Some(new.hash()));

        let ((reports, verdicts), (state, _), (history, _written)) =
            (crossbeam_channel::unbounded(), crossbeam_channel::unbounded(), crossbeam_channel::unbounded());
        let outbox =
            Outbox { reports, state, history, hashed: Default::default(), lists_above: Default::default() };
        let tickets = crate::readers::Tickets::new();
        let readers = Readers { state: store.state.clone(), history: store.history.clone(), tickets };
        let fetcher = BlockFetcher { outbox: &outbox, readers: &readers };
        let judgement = Judgement {
            request: snapsync_stream::RequestId(1),
            peer: snapsync_peers::PeerId(1),
            job: snapsync_sync::JobId(1),
            what: What::Receipts { blocks: BlockRange { first: 1, last: 1 }, first_receipt: 0 },
            expected: None,
        };
        for (asked, outcome) in [(&old, true), (&new, false)] {
            let answer = answer(vec![receipts([21_000, 42_000])], Completeness::Whole);
            fetcher.receipts(&judgement, &[asked.hash()], answer, None).expect("we listen");
            let Ok(Report::Judged { verdict, .. }) = verdicts.try_recv() else { panic!("no verdict") };
            assert_eq!(verdict.outcome == Outcome::Complete, outcome, "{verdict:?}");
        }
    }
}
