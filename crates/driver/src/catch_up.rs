//! Checks access lists against the headers on our disk, and hands them to the state's writer in the order of their blocks; those of blocks that
//! the chain has left with the header before them. Those of blocks that are to be taken are kept for whoever takes them.
//!
//! Inbox: answers; the desk has them judged from the lowest block on. Outbox: verdicts to the planner, lists to the state's writer or where they are kept. Owns:
//! nothing. Ends when: the planner drops the inbox, or the writer is gone.
//!
//! Which rows a list is brought to, the writer knows.

use snapsync_stream::{Verdict, What};

use crate::{
    ask::Payload,
    provers,
    readers::Readers,
    work::{Gone, Outbox, Task},
};

/// Checks one answer.
pub(crate) fn check(task: Task, outbox: &Outbox, readers: &Readers) -> Result<(), Gone> {
    let request = task.judgement.request;
    let (Payload::Lists(answer), What::Lists { .. } | What::ListsAbove { .. } | What::LeftList { .. }) =
        (task.payload, &task.judgement.what)
    else {
        unreachable!(
            "the planner gives answers of lists to this worker, and the desk checks that kinds match"
        )
    };
    // By the hashes that were asked for: the chain may have moved since.
    let headers = readers.asked(&task.hashes).and_then(|headers| {
        let Some(headers) = headers else { return Ok(None) };
        let left = headers.first().filter(|_| matches!(task.judgement.what, What::LeftList { .. }));
        let parent = left.map(|left| readers.asked(&[left.parent_hash])).transpose()?;
        let Some(parent) = parent else { return Ok(Some((headers, None))) };
        Ok(parent.map(|mut parent| (headers, parent.pop())))
    });
    match headers {
        Ok(None) => outbox.judged(request, Verdict::unavailable()),
        Ok(Some((headers, _))) if matches!(task.judgement.what, What::ListsAbove { .. }) => {
            let (verdict, lists) = provers::kept(&headers, answer);
            for (header, raw) in headers.iter().zip(lists) {
                outbox.lists_above.put(request, (header.number, header.hash()), raw);
            }
            outbox.judged(request, verdict)
        }
        Ok(Some((headers, None))) => outbox.hand_over(request, provers::lists(request, &headers, answer)),
        Ok(Some((headers, Some(parent)))) => {
            outbox.hand_over(request, provers::left_list(request, &headers, &parent, answer))
        }
        Err(error) => outbox.failed(error),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256, Bytes};
    use snapsync_keccak::keccak256;
    use snapsync_peers::{Fault, Outcome};
    use snapsync_storage::Write;
    use snapsync_stream::{Answered, RequestId};
    use snapsync_sync::BlockRange;
    use snapsync_wire::{Header, HeaderFields, eth::BlockAccessLists};

    use super::*;

    /// A list of one account that was only looked at.
    fn list(account: u8) -> Bytes {
        let mut raw = vec![0xdb, 0xda, 0x94];
        raw.extend_from_slice(Address::repeat_byte(account).as_slice());
        raw.extend_from_slice(&[0xc0; 5]);
        raw.into()
    }

    fn header(number: u64) -> Header {
        Header::made(&fields(number))
    }

    fn fields(number: u64) -> HeaderFields {
        HeaderFields::amsterdam(number, B256::ZERO, B256::ZERO, keccak256(&list(number as u8)))
    }

    fn judged(lists: Vec<Option<Bytes>>) -> (Verdict, usize) {
        let headers: Vec<Header> = (1..=3).map(header).collect();
        let proved = provers::lists(RequestId(1), &headers, BlockAccessLists { id: 1, lists });
        let written = match proved.write {
            Some(Write::Lists { lists, .. }) => lists.len(),
            _ => 0,
        };
        (proved.verdict, written)
    }

    fn found(last: u64, outcome: Outcome) -> (Verdict, usize) {
        let answered = Answered::Lists { found: BlockRange { first: 1, last } };
        (Verdict { outcome, answered }, last as usize)
    }

    #[test]
    fn lists_count_up_to_the_first_that_is_not_there() {
        let all = || (1..=3).map(|number| Some(list(number)));
        assert_eq!(judged(all().collect()), found(3, Outcome::Complete));
        assert_eq!(judged(all().take(2).collect()), found(2, Outcome::Partial));
        assert_eq!(judged(vec![Some(list(1)), None, Some(list(3))]), found(1, Outcome::Partial));
        let empty = Bytes::from_static(&[0xc0]);
        assert_eq!(judged(vec![Some(list(1)), Some(empty.clone())]), found(1, Outcome::Partial));
        for nothing in [vec![], vec![None; 3], vec![Some(empty)]] {
            assert_eq!(judged(nothing), (Verdict::unavailable(), 0), "nobody is blamed");
        }
    }

    #[test]
    fn what_is_kept_has_the_hash_in_its_block_s_header_whether_or_not_it_is_a_list() {
        let malformed = Bytes::from_static(b"no list");
        let of = |fields: HeaderFields, raw: &Bytes| {
            Header::made(&HeaderFields { block_access_list_hash: Some(keccak256(raw)), ..fields })
        };
        let headers = [header(1), of(fields(2), &malformed), header(3)];
        let kept = |lists| provers::kept(&headers, BlockAccessLists { id: 1, lists });
        let answered = Answered::Kept { found: BlockRange { first: 1, last: 2 } };
        let (verdict, lists) = kept(vec![Some(list(1)), Some(malformed.clone())]);
        assert_eq!(verdict, Verdict { outcome: Outcome::Partial, answered });
        assert_eq!(lists, [list(1), malformed.clone()], "whoever takes the block finds out");
        let lie = Verdict::invalid(Fault::WrongList { number: 1 });
        assert_eq!(kept(vec![Some(malformed)]), (lie, vec![]));
        assert_eq!(kept(vec![None; 3]), (Verdict::unavailable(), vec![]), "nobody is blamed");
    }

    #[test]
    fn the_list_of_a_left_block_takes_it_off_beside_its_parent_only() {
        let parent = header(1);
        let fields = HeaderFields { parent_hash: parent.hash(), ..fields(2) };
        let left = [Header::made(&fields)];
        let judged = |parent: &Header, lists| {
            let proved = provers::left_list(RequestId(1), &left, parent, BlockAccessLists { id: 1, lists });
            (proved.verdict, matches!(proved.write, Some(Write::Retreat { .. })))
        };
        let answered = Answered::Lists { found: BlockRange { first: 2, last: 2 } };
        let complete = Verdict { outcome: Outcome::Complete, answered };
        assert_eq!(judged(&parent, vec![Some(list(2))]), (complete, true));
        assert_eq!(judged(&parent, vec![None]), (Verdict::unavailable(), false), "nobody is blamed");
        let lie = Verdict::invalid(Fault::WrongList { number: 2 });
        assert_eq!(judged(&parent, vec![Some(list(3))]), (lie, false));
        assert!(!judged(&header(3), vec![Some(list(2))]).1, "it is not its parent");
    }

    #[test]
    fn a_list_that_its_header_does_not_commit_to_is_a_lie() {
        let lie = |fault| (Verdict::invalid(fault), 0);
        assert_eq!(judged(vec![Some(list(1)), Some(list(3))]), lie(Fault::WrongList { number: 2 }));
        let four = vec![None; 4];
        assert_eq!(judged(four), lie(Fault::TooMany { asked: 3, found: 4 }));
    }
}
