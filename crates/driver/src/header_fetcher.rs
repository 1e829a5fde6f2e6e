//! Proves answers of headers: the highest is the expected one, each next one the parent of the one before.
//!
//! Inbox: answers, in falling order of their blocks. Outbox: verdicts to the planner, headers to the history's writer.
//! Owns: nothing: which hash is expected comes with each judgement. Ends when: the planner drops the inbox, or the
//! writer is gone.

use snapsync_peers::{Fault, Outcome};
use snapsync_storage::{BlockFault, HistoryWrite, ProvenHeaders, Ticket};
use snapsync_stream::{Answered, Judgement, Verdict, What};
use snapsync_sync::HeaderSegment;

use crate::{
    ask::Payload,
    faults,
    work::{Gone, Outbox, Task},
};

/// Proves one answer.
pub(crate) fn prove(task: Task, outbox: &Outbox) -> Result<(), Gone> {
    let Task { judgement, payload, descent, .. } = task;
    let (Payload::Headers(answer), What::Headers { start, count }) = (payload, &judgement.what) else {
        unreachable!(
            "the planner gives answers of headers to this worker, and the desk checks that kinds match"
        )
    };
    let request = judgement.request;
    let found = answer.headers.len() as u64;
    if found == 0 {
        return outbox.judged(request, Verdict::unavailable());
    }
    if found > *count {
        return outbox.refuse(request, Fault::TooMany { asked: *count, found });
    }
    let response_bytes = answer.headers.iter().map(|header| header.raw().len() as u64).sum();
    let proven = match ProvenHeaders::prove(expected(&judgement), start.number(), answer.headers) {
        Ok(proven) => proven,
        // A true answer of a peer on another fork: what it has at that height is not ours.
        Err(BlockFault::Other { .. }) if start.hash().is_none() => {
            return outbox.judged(request, Verdict::unavailable());
        }
        Err(fault) => return outbox.refuse(request, faults::of_blocks(fault)),
    };
    let outcome = if found == *count { Outcome::Complete } else { Outcome::Partial };
    let answered = Answered::Headers { segment: segment(&proven) };
    outbox.judged(request, Verdict { outcome, answered })?;
    let ticket = Ticket(request.0);
    outbox.write_history(HistoryWrite::Headers { ticket, headers: proven, descent, response_bytes })
}

fn expected(judgement: &Judgement) -> alloy_primitives::B256 {
    judgement.expected.expect("the desk judges headers only when the hash that they must have is known")
}

fn segment(proven: &ProvenHeaders) -> HeaderSegment {
    let ((hash, top), (_, lowest)) = (proven.top(), proven.lowest());
    HeaderSegment {
        top: top.number,
        hash: *hash,
        root: top.state_root,
        lowest: lowest.number,
        parent: lowest.parent_hash,
    }
}
