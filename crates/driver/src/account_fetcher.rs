//! Proves answers of accounts.
//!
//! Inbox: answers. Outbox: verdicts to the planner, proved rows to the state's writer. Owns: a verifier.
//! Ends when: the planner drops the inbox, or the writer is gone.

use snapsync_stream::What;
use snapsync_trie::Verifier;

use crate::{
    ask::Payload,
    provers,
    work::{Gone, Outbox, Task},
};

/// Proves one answer against the root and the range of its judgement.
pub(crate) fn prove(task: Task, outbox: &Outbox, verifier: &mut Verifier) -> Result<(), Gone> {
    let request = task.judgement.request;
    let proved = match (task.payload, task.judgement.what) {
        (Payload::Accounts(answer), What::Accounts { target, root, range }) => {
            provers::accounts(verifier, request, (target, root, range), &answer)
        }
        (Payload::Accounts(answer), What::Renewal { target, root, account }) => {
            provers::renewal(verifier, request, (target, root, account), &answer)
        }
        _ => unreachable!(
            "the planner gives answers of accounts to this worker, and the desk checks that kinds match"
        ),
    };
    outbox.hand_over(request, proved)
}
