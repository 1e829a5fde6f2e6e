//! Compares ranges of another's state, and the nodes that their proofs show, with what we hold: for peers that give no trie nodes by their
//! paths.
//!
//! Called by: the worker of `state_healing`, with an answer of a walk. Owns: nothing; as there, rows on their way to the disk are not seen.

use alloy_primitives::B256;
use snapsync_storage::StateSnapshot;
use snapsync_stream::{RequestId, WantedNode};
use snapsync_sync::{StorageClaim, TargetId};

use crate::{ask::Payload, compared, provers::Proved};

/// Compares one answer.
pub(crate) fn compare(
    ours: &StateSnapshot,
    request: RequestId,
    (target, root, node): (TargetId, B256, WantedNode),
    payload: &Payload,
) -> snapsync_storage::Result<Proved> {
    match (payload, node.account) {
        (Payload::Accounts(answer), None) => {
            compared::accounts(ours, request, (target, root, node.claim), answer)
        }
        (Payload::Storages(answer), Some(account)) => {
            let claim = StorageClaim { account, root: node.claim.root() };
            compared::slots(ours, request, (target, claim, node.claim), answer)
        }
        _ => unreachable!("the desk checks that kinds match"),
    }
}
