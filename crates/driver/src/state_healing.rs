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
    provers,
    readers::Readers,
    work::{Gone, Outbox, Task},
};

/// Compares one answer.
pub(crate) fn compare(task: Task, outbox: &Outbox, readers: &Readers) -> Result<(), Gone> {
    let request = task.judgement.request;
    let (Payload::Nodes(answer), What::Nodes { target, root, nodes }) = (task.payload, task.judgement.what)
    else {
        unreachable!(
            "the planner gives answers of nodes to this worker, and the desk checks that kinds match"
        )
    };
    let ours = readers.state.snapshot();
    match ours.and_then(|ours| provers::nodes(&ours, request, (target, root, &nodes), answer)) {
        Ok(proved) => outbox.hand_over(request, proved),
        Err(error) => outbox.failed(error),
    }
}
