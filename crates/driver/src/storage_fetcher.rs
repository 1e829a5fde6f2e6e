//! Proves answers of storages: many whole tries, or a part of one.
//!
//! Inbox: answers. Outbox: verdicts to the planner, proved slots to the state's writer. Owns: a verifier.
//! Ends when: the planner drops the inbox, or the writer is gone.

use snapsync_peers::Outcome;
use snapsync_storage::{Ticket, Write};
use snapsync_stream::{Answered, Verdict, What};
use snapsync_sync::PartialStorage;
use snapsync_trie::{HashRange, StorageClaim, StorageQuery, TargetId, VerifiedStorages, Verifier};

use crate::{
    ask::Payload,
    work::{Gone, Outbox, Task},
};

/// Proves one answer, each set against the root that its account claims.
pub(crate) fn prove(task: Task, outbox: &Outbox, verifier: &mut Verifier) -> Result<(), Gone> {
    let request = task.judgement.request;
    let Payload::Storages(answer) = task.payload else {
        unreachable!(
            "the planner gives answers of storages to this worker, and the desk checks that kinds match"
        )
    };
    if answer.sets.is_empty() && answer.proof.is_empty() {
        return outbox.judged(request, Verdict::unavailable());
    }
    let (target, claims, range) = asked(task.judgement.what);
    let query = StorageQuery { claims: &claims, range };
    let storages = match verifier.storages(query, &answer.sets, &answer.proof) {
        Ok(storages) => storages,
        Err(fault) => return outbox.refuse(request, fault),
    };
    outbox.hashed(storages.hashed());
    outbox.judged(request, verdict(&claims, range, &storages))?;
    let response_bytes =
        answer.sets.rows().content_bytes() + answer.proof.iter().map(|node| node.len() as u64).sum::<u64>();
    let (ticket, storages) = (Ticket(request.0), storages.into());
    outbox.write(Write::Storages { ticket, target, storages, response_bytes })
}

fn asked(what: What) -> (TargetId, Vec<StorageClaim>, HashRange) {
    match what {
        What::Storages { target, claims, .. } => (target, claims, HashRange::FULL),
        What::StorageRange { target, claim, range, .. } => (target, vec![claim], range),
        _ => unreachable!("a judgement of storages was asked as storages"),
    }
}

fn verdict(claims: &[StorageClaim], range: HashRange, storages: &VerifiedStorages) -> Verdict {
    let settled: Vec<_> =
        storages.sets().filter(|set| set.is_whole()).map(|set| set.claim().account).collect();
    let partial = storages.sets().find(|set| !set.is_whole()).map(|set| PartialStorage {
        account: set.claim().account,
        covered: set.covered(),
        slots: set.rows().len() as u64,
    });
    let complete = storages.len() == claims.len()
        && partial.is_none_or(|partial| partial.covered.last() >= range.last());
    let outcome = if complete { Outcome::Complete } else { Outcome::Partial };
    Verdict { outcome, answered: Answered::Storages { settled, partial } }
}
