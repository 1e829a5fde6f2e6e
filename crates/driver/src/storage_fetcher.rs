//! Proves answers of storages: many whole tries, or a part of one.
//!
//! Inbox: answers. Outbox: verdicts to the planner, proved slots to the state's writer. Owns: a verifier.
//! Ends when: the planner drops the inbox, or the writer is gone.

use snapsync_stream::What;
use snapsync_trie::{HashRange, StorageClaim, TargetId, Verifier};

use crate::{
    ask::Payload,
    provers,
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
    let (target, claims, range) = asked(task.judgement.what);
    outbox.hand_over(request, provers::storages(verifier, request, (target, &claims, range), &answer))
}

fn asked(what: What) -> (TargetId, Vec<StorageClaim>, HashRange) {
    match what {
        What::Storages { target, claims, .. } => (target, claims, HashRange::FULL),
        What::StorageRange { target, claim, range, .. } => (target, vec![claim], range),
        _ => unreachable!("a judgement of storages was asked as storages"),
    }
}
