//! Compares another's trie nodes with what we hold, node by node, on the way down to the rows that differ.
//!
//! Inbox: answers. Outbox: verdicts to the planner, with the nodes below that are to be asked for next; rows that differ to the state's
//! writer. Owns: nothing; each answer is looked at beside a snapshot of its own. Ends when: the planner drops the inbox, or the writer
//! is gone.
//!
//! Rows on their way to the disk are not seen: they are found to differ once more, and written once more, which changes nothing.

use snapsync_stream::What;

use crate::{
    ask::Payload,
    compared,
    readers::Readers,
    repair,
    work::{Gone, Outbox, Task},
};

/// Compares one answer.
pub(crate) fn compare(task: Task, outbox: &Outbox, readers: &Readers) -> Result<(), Gone> {
    let request = task.judgement.request;
    let ours = match readers.state.snapshot() {
        Ok(ours) => ours,
        Err(error) => return outbox.failed(error),
    };
    let proved = match (task.payload, task.judgement.what) {
        (Payload::Nodes(answer), What::Nodes { target, root, nodes }) => {
            compared::nodes(&ours, request, (target, root, &nodes), answer)
        }
        (payload, What::Repair { target, root, node }) => {
            repair::compare(&ours, request, (target, root, node), &payload)
        }
        _ => unreachable!(
            "the planner gives answers of walks to this worker, and the desk checks that kinds match"
        ),
    };
    match proved {
        Ok(proved) => outbox.hand_over(request, proved),
        Err(error) => outbox.failed(error),
    }
}
