//! Proves answers of codes: each is what its hash says.
//!
//! Inbox: answers. Outbox: verdicts to the planner, codes to the state's writer. Owns: nothing.
//! Ends when: the planner drops the inbox, or the writer is gone.

use snapsync_peers::Outcome;
use snapsync_storage::{Ticket, Write};
use snapsync_stream::{Answered, Verdict, What};
use snapsync_trie::verify_codes;

use crate::{
    ask::Payload,
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
    if answer.codes.is_empty() {
        return outbox.judged(request, Verdict::unavailable());
    }
    let response_bytes = answer.codes.iter().map(|code| code.len() as u64).sum();
    let codes = match verify_codes(&hashes, answer.codes) {
        Ok(codes) => codes,
        Err(fault) => return outbox.refuse(request, fault),
    };
    let found: Vec<_> = codes.iter().map(|(hash, _)| hash).collect();
    let outcome = if found.len() == hashes.len() { Outcome::Complete } else { Outcome::Partial };
    outbox.judged(request, Verdict { outcome, answered: Answered::Codes { found } })?;
    outbox.write(Write::Codes { ticket: Ticket(request.0), codes, response_bytes })
}
