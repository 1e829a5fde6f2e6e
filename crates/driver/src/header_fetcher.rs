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

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use crossbeam_channel::unbounded;
    use snapsync_peers::PeerId;
    use snapsync_storage::Descent;
    use snapsync_stream::{HeaderStart, RequestId};
    use snapsync_sync::JobId;
    use snapsync_wire::{Header, eth::BlockHeaders};

    use super::*;
    use crate::{parts::tests::header_above, work::Report};

    /// Falling headers from `top` on; `salt` makes those of another fork.
    fn chain(top: u64, count: u64, salt: u64) -> Vec<Header> {
        let mut parent = B256::with_last_byte(u8::try_from(salt).expect("small"));
        let mut rising = Vec::new();
        for number in top + 1 - count..=top {
            let header = header_above(parent, number, salt, B256::ZERO);
            parent = header.hash();
            rising.push(header);
        }
        rising.reverse();
        rising
    }

    /// What becomes of an answer to a request for headers from 20 on, of which the first has hash `expected`.
    fn judged(start: HeaderStart, expected: B256, headers: Vec<Header>) -> (Outcome, usize) {
        let ((reports, verdicts), (state, _), (history, written)) = (unbounded(), unbounded(), unbounded());
        let outbox =
            Outbox { reports, state, history, hashed: Default::default(), lists_above: Default::default() };
        let judgement = Judgement {
            request: RequestId(1),
            peer: PeerId(1),
            job: JobId(1),
            what: What::Headers { start, count: 5 },
            expected: Some(expected),
        };
        let payload = Payload::Headers(BlockHeaders { id: 1, headers });
        let (hashes, descent) = (Vec::new(), Descent::GoesOn);
        prove(Task { judgement, payload, held: None, hashes, descent }, &outbox).expect("we listen");
        let Ok(Report::Judged { verdict, .. }) = verdicts.try_recv() else { panic!("no verdict") };
        (verdict.outcome, written.len())
    }

    // ROW: F6
    // ROW: F39
    #[test]
    fn headers_of_another_fork_are_no_lie_where_a_number_was_asked_for() {
        let (ours, theirs) = (chain(20, 5, 1), chain(20, 5, 2));
        let (by_number, hash) = (HeaderStart::Number(20), ours[0].hash());
        assert_eq!(judged(by_number, hash, ours.clone()), (Outcome::Complete, 1));
        assert_eq!(judged(by_number, hash, ours[..2].to_vec()), (Outcome::Partial, 1));
        assert_eq!(judged(by_number, hash, theirs.clone()), (Outcome::Unavailable, 0));
        assert_eq!(judged(by_number, hash, Vec::new()), (Outcome::Unavailable, 0), "a peer that is behind");
        // Whoever was asked for a hash gives that one, or nothing.
        let linked = HeaderStart::Linked { number: 20, hash };
        assert_eq!(judged(linked, hash, ours.clone()), (Outcome::Complete, 1));
        assert_eq!(judged(linked, hash, Vec::new()), (Outcome::Unavailable, 0));
        let wrong = Fault::WrongHeader { expected: hash, found: theirs[0].hash() };
        assert_eq!(judged(linked, hash, theirs.clone()), (Outcome::Invalid(wrong.clone()), 0));
        assert_eq!(judged(HeaderStart::Hash(hash), hash, theirs), (Outcome::Invalid(wrong), 0));
    }

    #[test]
    fn headers_that_do_not_link_or_have_other_numbers_are_a_lie_on_any_fork() {
        let (ours, theirs) = (chain(20, 5, 1), chain(20, 5, 2));
        let (by_number, hash) = (HeaderStart::Number(20), ours[0].hash());
        for chain in [&ours, &theirs] {
            let mut torn = chain.clone();
            torn.remove(2);
            let (outcome, written) = judged(by_number, hash, torn);
            assert_eq!((outcome, written), (Outcome::Invalid(Fault::HeaderLink { number: 19 }), 0));
        }
        let lower = chain(19, 3, 2);
        let (outcome, _) = judged(by_number, hash, lower);
        assert_eq!(outcome, Outcome::Invalid(Fault::HeaderNumber { expected: 20, found: 19 }));
    }
}
