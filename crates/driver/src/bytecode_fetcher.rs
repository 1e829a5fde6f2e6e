//! Proves answers of codes: each is what its hash says.
//!
//! Inbox: answers. Outbox: verdicts to the planner, codes to the state's writer. Owns: nothing.
//! Ends when: the planner drops the inbox, or the writer is gone.

use snapsync_stream::What;

use crate::{
    ask::Payload,
    provers,
    work::{Gone, Outbox, Task},
};

/// Proves one answer.
pub(crate) fn prove(task: Task, outbox: &Outbox) -> Result<(), Gone> {
    let request = task.judgement.request;
    let (Payload::Codes(answer), What::Codes { hashes }) = (task.payload, task.judgement.what) else {
        unreachable!(
            "the planner gives answers of codes to this worker, and the desk checks that kinds match"
        )
    };
    outbox.hand_over(request, provers::codes(request, &hashes, answer))
}
