//! The three works as this workspace does them.

use alloy_primitives::B256;
use snapsync_bench::{Answer, Leaves, Sets};
use snapsync_trie::{
    Builder, HashRange, StorageQuery, VerifiedAccounts, VerifiedStorages, Verifier, join, rows_of, subtries,
};

/// Branches that wait before they are taken, as in a rebuild: a write of some hundred KiB.
const NODES_WAITING_MAX: usize = 4096;

/// The root of sorted leaves, sub-trie by sub-trie, all on this thread. The branches are made as for the disk, and let go.
pub(crate) fn root(leaves: &Leaves) -> B256 {
    let mut next = 0;
    let part = |prefix: snapsync_trie::Path| {
        let last = prefix.last_key();
        let mut builder = Builder::below(prefix);
        while next < leaves.len() {
            let (key, value) = leaves.at(next);
            if *key > last {
                break;
            }
            builder.push_leaf(*key, value);
            next += 1;
            if builder.nodes_waiting() >= NODES_WAITING_MAX {
                drop(builder.take_nodes());
            }
        }
        let mut part = builder.finish_part();
        drop(part.take_nodes());
        part
    };
    join(subtries(1).into_iter().map(part).collect()).root
}

/// An account answer, from slim accounts to rows and branches that may be written; by a verifier that is kept, as in a sync.
pub(crate) fn accounts(verifier: &mut Verifier, answer: &Answer) -> VerifiedAccounts {
    verifier.accounts(answer.root, answer.range, rows_of(&answer.slim), &answer.proof).unwrap()
}

/// A storage answer, from values as they travel to rows and branches that may be written.
pub(crate) fn storages(verifier: &mut Verifier, sets: &Sets) -> VerifiedStorages {
    let query = StorageQuery { claims: &sets.claims, range: HashRange::FULL };
    verifier.storages(query, sets.sets.iter().map(|set| rows_of(set)), &[] as &[Vec<u8>]).unwrap()
}
