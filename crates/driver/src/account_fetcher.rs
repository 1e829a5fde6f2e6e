//! Proves answers of accounts.
//!
//! Inbox: answers. Outbox: verdicts to the planner, proved rows to the state's writer. Owns: a verifier.
//! Ends when: the planner drops the inbox, or the writer is gone.

use snapsync_peers::Outcome;
use snapsync_storage::{Ticket, Write};
use snapsync_stream::{Answered, Verdict, What};
use snapsync_trie::Verifier;

use crate::{
    ask::Payload,
    work::{Gone, Outbox, Task},
};

/// Proves one answer against the root and the range of its judgement.
pub(crate) fn prove(task: Task, outbox: &Outbox, verifier: &mut Verifier) -> Result<(), Gone> {
    let request = task.judgement.request;
    let (Payload::Accounts(answer), What::Accounts { target, root, range }) =
        (task.payload, task.judgement.what)
    else {
        unreachable!(
            "the planner gives answers of accounts to this worker, and the desk checks that kinds match"
        )
    };
    if answer.accounts.is_empty() && answer.proof.is_empty() {
        return outbox.judged(request, Verdict::unavailable());
    }
    let accounts = match verifier.accounts(root, range, &answer.accounts, &answer.proof) {
        Ok(accounts) => accounts,
        Err(fault) => return outbox.refuse(request, fault),
    };
    outbox.hashed(accounts.hashed());
    let covered = accounts.covered();
    let outcome = if covered.last() >= range.last() { Outcome::Complete } else { Outcome::Partial };
    outbox.judged(request, Verdict { outcome, answered: Answered::Accounts { covered } })?;
    let response_bytes =
        answer.accounts.content_bytes() + answer.proof.iter().map(|node| node.len() as u64).sum::<u64>();
    let (ticket, accounts) = (Ticket(request.0), accounts.into());
    outbox.write(Write::Accounts { ticket, target, accounts, response_bytes })
}
