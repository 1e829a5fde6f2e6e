//! What is written down about a sync as a whole, and what a watcher is told.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{
    BlockRange, Checkpoint, Head, HeadRefusal, Lack, Missing, MoveReason, NoLists, Phase, Pin, Standing,
    TargetId,
};

/// The part of the journal that no row implies. Gaps and pendings change with their rows instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The target, once its header is known.
    pub pin: Option<Pin>,
    /// The phase.
    pub phase: Phase,
    /// The derived root, once it equalled the target's.
    pub rebuilt: Option<B256>,
    /// Blocks whose bodies and receipts are wanted: where their gaps begin, when a target is recorded, and when a later head is.
    pub blocks: Option<BlockRange>,
}

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// A phase began.
    Phase(Phase),
    /// The first target's header is known.
    Pinned(Pin),
    /// The pivot moved.
    Moved {
        /// The target until now.
        from: Pin,
        /// The target from now on.
        to: Pin,
        /// Why.
        why: MoveReason,
    },
    /// A head that was named is not, or not yet, the top of the chain.
    HeadRefused {
        /// Its hash.
        hash: B256,
        /// Why.
        why: HeadRefusal,
    },
    /// A final block is canonical, and blocks beside the chain are gone up to it, but for those that a head which is on its way may need.
    Finalized {
        /// The block.
        block: Head,
        /// Blocks beside the chain that went for it.
        pruned: u64,
    },
    /// A block that was named as final is not canonical. Nothing goes for it, unless the chain comes to it. Told once of each.
    FinalRefused {
        /// Its hash.
        hash: B256,
    },
    /// The derived root is the header's; history may still be open.
    StateVerified(Pin),
    /// All that was asked for is durable and verified.
    Complete(Pin),
    /// The headers of a later head are held down to the chain: it is canonical now. Its bodies and receipts are asked for next.
    Head(Head),
    /// No connected peer has these parts of history. The sync goes on with all else, and asks whoever comes. Told when there
    /// are such for the first time, and again when they have become twice as many.
    Lacking(Lack),
    /// Rows are of several blocks, and lists do not bring them to the newest, or no further; what differs is to be healed.
    NoLists(NoLists),
    /// The sync cannot go on. Nothing is wiped.
    Fatal(Fatal),
}

/// Why a sync cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Fatal {
    /// The header chain does not contain the checkpoint.
    #[error("checkpoint {} {} is not on the header chain, which has {found} there", wanted.number, wanted.hash)]
    CheckpointMismatch {
        /// What the operator vouched for.
        wanted: Checkpoint,
        /// What the header chain has at that number.
        found: B256,
    },
    /// The block that has the checkpoint's hash has another number.
    #[error("checkpoint {} is block {found}, not block {}", wanted.hash, wanted.number)]
    CheckpointNumber {
        /// What the operator vouched for.
        wanted: Checkpoint,
        /// The number in the header of that hash.
        found: u64,
    },
    /// The target is not below the checkpoint on the same chain.
    #[error("target {wanted} is not on the chain below the checkpoint, which has {found} at {number}")]
    TargetMismatch {
        /// The target's number.
        number: u64,
        /// The target's hash.
        wanted: B256,
        /// What the checkpoint's chain has at that number.
        found: B256,
    },
    /// The lowest header does not descend from our genesis.
    #[error("headers end at genesis {found}, ours is {wanted}")]
    GenesisMismatch {
        /// Our genesis.
        wanted: B256,
        /// Theirs.
        found: B256,
    },
    /// An unfinished sync has another target.
    #[error("this directory holds a sync to {have}, not to {asked}")]
    OtherTarget {
        /// The target that the journal names.
        have: B256,
        /// The target that was named now.
        asked: B256,
    },
    /// Peers are there, and none has what the target needs.
    #[error("no connected peer has what the target needs: {missing}")]
    TargetUnavailable {
        /// What none has.
        missing: Missing,
    },
    /// All is complete and verified but for parts of history that no peer has.
    #[error("nobody has {lack}; all else is complete and verified, and the same command tries again")]
    HistoryUnavailable {
        /// What none has.
        lack: Lack,
    },
    /// The state trie derived from the rows has another root than the header.
    #[error("derived state root is {derived}, the header says {expected}")]
    RootMismatch {
        /// The header's.
        expected: B256,
        /// Ours.
        derived: B256,
    },
    /// The state trie derived from rows of several blocks has another root than the header, again and again, although each time what
    /// differed was put right.
    #[error(
        "the rows held are of several blocks, the oldest of {}, and do not give the root of target {}, however often they are healed",
        of_target(*oldest), target.0
    )]
    Unreconciled {
        /// What may be said of all rows.
        oldest: Standing,
        /// The target.
        target: TargetId,
    },
    /// A storage trie derived from its rows has another root than the account claims.
    #[error("derived storage root of {account} is {derived}, the account says {expected}")]
    StorageRootMismatch {
        /// The account.
        account: B256,
        /// The claim.
        expected: B256,
        /// Ours.
        derived: B256,
    },
}

fn of_target(standing: Standing) -> String {
    match standing {
        Standing::At(target) => format!("target {}", target.0),
        Standing::Mixed | Standing::Missing => "no known one".to_owned(),
    }
}

/// Figures for a watcher, read at any time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Share of the account key space that is durable, 0 to 1; never falls.
    pub share: f64,
    /// Open account ranges.
    pub account_gaps: usize,
    /// Storages that are not settled.
    pub storages_pending: usize,
    /// Of those, the ones of which slots are held: they came in pieces, or are of another block than what is claimed.
    pub storages_huge: usize,
    /// Of those, the ones that nobody can be asked for, since no peer has the state any more that claimed them: their accounts are asked again.
    pub claims_outdated: usize,
    /// Of those, the ones that are held and whose tries are being derived.
    pub storages_deriving: usize,
    /// Accounts that are asked again now, for whatever they may claim.
    pub renewals_open: usize,
    /// Storages beside those that owe their root, since an access list changed their slots.
    pub storages_owed: usize,
    /// Of those, the ones of which slots are missing, so that their accounts are asked again.
    pub storages_owed_cut: usize,
    /// Slots still to come of the storages that came in pieces, by how densely what came is filled.
    pub slots_owed: u64,
    /// Codes that are not held.
    pub codes_pending: usize,
    /// Blocks whose access lists are still to be brought to rows.
    pub lists_missing: u64,
    /// The lowest header that is durable, if any is.
    pub header_floor: Option<u64>,
    /// Headers still to be fetched.
    pub headers_missing: u64,
    /// Bodies still to be fetched.
    pub bodies_missing: u64,
    /// Receipts (of whole blocks) still to be fetched.
    pub receipts_missing: u64,
}

impl Tally {
    /// Whether peers must still be asked for state; what is held already may wait to be derived.
    pub fn is_state_wanted(&self) -> bool {
        let is_claimed = self.storages_pending > self.storages_deriving || self.codes_pending > 0;
        self.account_gaps > 0 || self.renewals_open > 0 || self.storages_owed_cut > 0 || is_claimed
    }

    /// Whether peers must still be asked for headers, bodies, receipts or access lists.
    pub fn are_blocks_wanted(&self) -> bool {
        self.lists_missing > 0
            || self.headers_missing > 0
            || self.bodies_missing > 0
            || self.receipts_missing > 0
    }
}
