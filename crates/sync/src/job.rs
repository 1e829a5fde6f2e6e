//! What the engine wants fetched: jobs, which streams turn into requests.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{BlockRange, HashRange, Head, StorageClaim, TargetId};

/// Names a job from its start to its end; never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// The header at which a descent starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeaderTop {
    /// Only its hash is known: it is asked for alone, and tells its number.
    Named {
        /// Hash of the header.
        hash: B256,
    },
    /// Number and hash are known, from a header above it.
    Linked {
        /// Number of the header.
        number: u64,
        /// Hash of the header.
        hash: B256,
    },
}

impl HeaderTop {
    /// The hash that the topmost header must have.
    pub fn hash(&self) -> B256 {
        match *self {
            Self::Named { hash } | Self::Linked { hash, .. } => hash,
        }
    }
}

/// Something to be fetched. Each state job carries the root it is asked from, so that an answer is judged against the
/// target of its request and not against whatever the target is by then. Only account rows follow the pivot ([`crate::Effect::Retarget`]):
/// a claim is worth what its target is worth, and is asked for under that one's root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    /// Accounts of a range, in rising order.
    Accounts {
        /// The target of the first requests.
        target: TargetId,
        /// Its state root.
        root: B256,
        /// What is still to be fetched.
        range: HashRange,
    },
    /// Accounts that are held already, each asked again: nobody can answer any more what their rows claim.
    Renewal {
        /// The target of the first requests.
        target: TargetId,
        /// Its state root.
        root: B256,
        /// The accounts; rising, no two the same, at least one.
        accounts: Vec<B256>,
    },
    /// Whole storages of many accounts, in rising order of the accounts.
    Storages {
        /// The target of all claims.
        target: TargetId,
        /// Its state root.
        root: B256,
        /// The accounts and their claimed storage roots; rising, no two the same.
        claims: Vec<StorageClaim>,
    },
    /// A part of one storage. Invariant: `range.start` >= 1, since the part at the origin comes from [`Job::Storages`].
    StorageRange {
        /// The target of the claim.
        target: TargetId,
        /// Its state root.
        root: B256,
        /// The account and its claimed storage root.
        claim: StorageClaim,
        /// The slots still to be fetched.
        range: HashRange,
    },
    /// Codes by hash, in any order.
    Codes {
        /// Code hashes, no two the same.
        hashes: Vec<B256>,
    },
    /// The accounts in which ours differ from those of a target: a walk down its trie, which begins at the root and ends by itself
    /// ([`crate::Event::JobEnded`]).
    HealAccounts {
        /// The target.
        target: TargetId,
        /// Its state root.
        root: B256,
    },
    /// The slots in which storages that are held differ from those that are claimed: a walk down each trie, likewise.
    HealStorages {
        /// The target of all claims.
        target: TargetId,
        /// Its state root.
        root: B256,
        /// The accounts and their claimed storage roots; rising, no two the same.
        claims: Vec<StorageClaim>,
    },
    /// Access lists of blocks whose headers are durable, from the lowest on: each is of use after the one before only.
    Lists {
        /// The blocks.
        blocks: BlockRange,
    },
    /// Access lists of blocks above a verified state, from the lowest on: they are kept until their blocks are taken.
    ListsAbove {
        /// The blocks.
        blocks: BlockRange,
    },
    /// The access list of a block that the canonical chain has left. Its header and that of its parent are durable.
    LeftList {
        /// The block.
        block: Head,
    },
    /// Headers from `top` down to `floor`, each the parent of the one before. A [`HeaderTop::Named`] top means that
    /// header alone; `floor` then says nothing.
    Headers {
        /// The highest header.
        top: HeaderTop,
        /// The lowest number wanted.
        floor: u64,
    },
    /// Bodies of blocks whose headers are durable.
    Bodies {
        /// The blocks.
        blocks: BlockRange,
    },
    /// Receipts of blocks whose headers are durable.
    Receipts {
        /// The blocks.
        blocks: BlockRange,
    },
}
