//! What of a batch may be written in another order than it was sent in, by kind: MDBX takes sorted rows several times faster.
//!
//! What changes rows that are held keeps its place, and ends a segment. It writes nothing.

use alloy_primitives::B256;
use snapsync_trie::{TargetId, VerifiedCodes};

use crate::{
    state::{
        apply_storages::ProvedStorages,
        packed::PackedAccounts,
        progress::StateProgress,
        settle::DerivedNodes,
        write::{StorageCopy, Write},
    },
    writer::Ticket,
};

/// A write with its place in the batch, which its notice keeps.
pub(crate) struct Placed<T> {
    pub(crate) at: usize,
    pub(crate) ticket: Ticket,
    pub(crate) write: T,
}

/// Writes of a batch with their places, none of which it must keep.
pub(crate) type Segment = Vec<(usize, Write)>;

/// A segment by kind. Progress comes first: it may name the target that rows of the same segment were proved at.
#[derive(Default)]
pub(crate) struct Sorted {
    pub(crate) progress: Vec<Placed<StateProgress>>,
    pub(crate) accounts: Vec<Placed<(TargetId, PackedAccounts)>>,
    pub(crate) storages: Vec<ProvedStorages>,
    pub(crate) codes: Vec<Placed<VerifiedCodes>>,
    pub(crate) copies: Vec<Placed<Vec<StorageCopy>>>,
    pub(crate) storage_nodes: Vec<Placed<(B256, DerivedNodes)>>,
    pub(crate) account_nodes: Vec<Placed<DerivedNodes>>,
    pub(crate) response_bytes: u64,
}

/// Whether what was sent before is written before it, and what comes after, after it.
pub(crate) fn keeps_its_place(write: &Write) -> bool {
    matches!(
        write,
        Write::Block { .. }
            | Write::TakeBack { .. }
            | Write::DropCodes { .. }
            | Write::Speaks { .. }
            | Write::Lists { .. }
            | Write::Retreat { .. }
            | Write::Renewal { .. }
            | Write::HealedAccounts { .. }
            | Write::HealedSlots { .. }
    )
}

pub(crate) fn sort(segment: Segment) -> Sorted {
    let mut sorted = Sorted::default();
    for (at, write) in segment {
        match write {
            Write::Accounts { ticket, target, accounts, response_bytes } => {
                sorted.response_bytes += response_bytes;
                sorted.accounts.push(Placed { at, ticket, write: (target, accounts) });
            }
            Write::Storages { ticket, target, storages, response_bytes } => {
                sorted.response_bytes += response_bytes;
                sorted.storages.push(ProvedStorages { at, ticket, target, storages });
            }
            Write::Codes { ticket, codes, response_bytes } => {
                sorted.response_bytes += response_bytes;
                sorted.codes.push(Placed { at, ticket, write: codes });
            }
            Write::CopyStorages { ticket, copies } => {
                sorted.copies.push(Placed { at, ticket, write: copies });
            }
            Write::StorageNodes { ticket, account, nodes, derived, seen } => {
                let nodes = DerivedNodes { nodes, derived, seen };
                sorted.storage_nodes.push(Placed { at, ticket, write: (account, nodes) });
            }
            Write::AccountNodes { ticket, nodes, derived, seen } => {
                sorted.account_nodes.push(Placed {
                    at,
                    ticket,
                    write: DerivedNodes { nodes, derived, seen },
                });
            }
            Write::Progress { ticket, progress } => {
                sorted.progress.push(Placed { at, ticket, write: progress });
            }
            Write::Stop => unreachable!("the writer takes the stop out of the batch"),
            other => unreachable!("{other:?} keeps its place, and ends the segment before it"),
        }
    }
    sorted
}
