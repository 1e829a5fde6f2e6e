//! Which lie an answer was: one variant for each that can be told apart. It names no peer and no penalty.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{AccountFault, Path};

/// Why an answer proves nothing. The sender is at fault in every case: an honest peer sends none of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Fault {
    /// A key is smaller than the one before it.
    #[error("key {key} comes after {before}")]
    SwappedOrder {
        /// The earlier, larger key.
        before: B256,
        /// The later, smaller key.
        key: B256,
    },
    /// A key comes twice.
    #[error("key {key} comes twice")]
    DuplicateKey {
        /// The key.
        key: B256,
    },
    /// A key lies before the origin that was asked for.
    #[error("key {key} lies before the origin {origin}")]
    BeforeOrigin {
        /// The key.
        key: B256,
        /// The first key that was asked for.
        origin: B256,
    },
    /// A row without a value, which no trie holds.
    #[error("the value of {key} is empty")]
    EmptyValue {
        /// The key.
        key: B256,
    },
    /// An account whose encoding is not the canonical slim one.
    #[error("account {key}: {why}")]
    BadAccount {
        /// The account.
        key: B256,
        /// What is wrong with it.
        why: AccountFault,
    },
    /// A slot whose value is no canonical number from 1 to 2^256 - 1.
    #[error("slot {key} holds no canonical number")]
    BadSlot {
        /// The slot.
        key: B256,
    },
    /// The rows do not give the root that was asked for: something was left out, added or changed.
    #[error("the rows give root {derived}, not {expected}")]
    RootMismatch {
        /// The root that was asked for.
        expected: B256,
        /// The root that the answer gives.
        derived: B256,
    },
    /// The rows and the edges that the proof shows cannot stand in one trie.
    #[error("the rows do not fit the proof's edge at {path}")]
    EdgeMismatch {
        /// Where the proof shows a node that the rows leave no place for.
        path: Path,
    },
    /// No rows at all, although the proof shows some at or after the origin.
    #[error("nothing was sent, but the trie goes on at or after {origin}")]
    NotEmpty {
        /// The first key that was asked for.
        origin: B256,
    },
    /// Neither a proof, nor the only case that stands without one.
    #[error("an answer from origin {origin} came without a proof")]
    Unproven {
        /// The first key that was asked for.
        origin: B256,
    },
    /// None of the proof's nodes is the root that was asked for.
    #[error("the proof holds no node of root {root}")]
    ProofForAnotherRoot {
        /// The root that was asked for.
        root: B256,
    },
    /// The path to an edge needs a node that the proof does not hold.
    #[error("the proof lacks node {hash} at {path}")]
    MissingNode {
        /// Where the node belongs.
        path: Path,
        /// Its digest.
        hash: B256,
    },
    /// More nodes than the paths to two edges can have.
    #[error("a proof of {count} nodes, {max} at most")]
    ExtraProofNodes {
        /// Nodes that were sent.
        count: u32,
        /// Nodes that an answer may have.
        max: u32,
    },
    /// A node on the way that is no node at all.
    #[error("the node at {path} is malformed")]
    MalformedNode {
        /// Where the node stands.
        path: Path,
    },
    /// A branch that holds a value; all keys have the same length, so none can end there.
    #[error("the branch at {path} holds a value")]
    ValueInBranch {
        /// Where the branch stands.
        path: Path,
    },
    /// A node that leads below 64 nibbles.
    #[error("the node at {path} leads to a path of {nibbles} nibbles")]
    PathTooLong {
        /// Where the node stands.
        path: Path,
        /// The length of the path that it makes.
        nibbles: u32,
    },
    /// A leaf that ends above 64 nibbles.
    #[error("the leaf at {path} ends after {nibbles} nibbles")]
    PathTooShort {
        /// Where the leaf stands.
        path: Path,
        /// The length of its whole path.
        nibbles: u32,
    },
    /// A node under 32 bytes that is named by its digest instead of standing in its parent.
    #[error("the node at {path} has {bytes} bytes and is named by its digest")]
    HashedSmallNode {
        /// Where the node stands.
        path: Path,
        /// The length of its encoding.
        bytes: u32,
    },
    /// A node of 32 bytes or more that stands in its parent instead of being named by its digest.
    #[error("the node at {path} stands in its parent with {bytes} bytes")]
    InlinedLargeNode {
        /// Where the node stands.
        path: Path,
        /// The length of its encoding.
        bytes: u32,
    },
    /// An account between two answered ones was left out.
    #[error("the storage of {account} was left out")]
    OmittedStorageSet {
        /// The account.
        account: B256,
    },
    /// More storage sets than accounts that were asked for.
    #[error("{count} storage sets for {claims} accounts")]
    ExtraStorageSets {
        /// Sets that were sent.
        count: u32,
        /// Accounts that were asked for.
        claims: u32,
    },
    /// A code that was not asked for, or is not the one that was.
    #[error("code {hash} was not asked for")]
    WrongCode {
        /// The digest of what was sent.
        hash: B256,
    },
    /// A trie node that was not asked for, or is not the one that was.
    #[error("node {hash} was not asked for")]
    WrongNode {
        /// The digest of what was sent.
        hash: B256,
    },
}

impl Fault {
    /// The names of all kinds, in the order of the variants.
    pub const KINDS: &[&str] = &[
        "swapped_order",
        "duplicate_key",
        "before_origin",
        "empty_value",
        "bad_account",
        "bad_slot",
        "root_mismatch",
        "edge_mismatch",
        "not_empty",
        "unproven",
        "proof_for_another_root",
        "missing_node",
        "extra_proof_nodes",
        "malformed_node",
        "value_in_branch",
        "path_too_long",
        "path_too_short",
        "hashed_small_node",
        "inlined_large_node",
        "omitted_storage_set",
        "extra_storage_sets",
        "wrong_code",
        "wrong_node",
    ];

    /// The name of this kind of lie, for counters and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SwappedOrder { .. } => "swapped_order",
            Self::DuplicateKey { .. } => "duplicate_key",
            Self::BeforeOrigin { .. } => "before_origin",
            Self::EmptyValue { .. } => "empty_value",
            Self::BadAccount { .. } => "bad_account",
            Self::BadSlot { .. } => "bad_slot",
            Self::RootMismatch { .. } => "root_mismatch",
            Self::EdgeMismatch { .. } => "edge_mismatch",
            Self::NotEmpty { .. } => "not_empty",
            Self::Unproven { .. } => "unproven",
            Self::ProofForAnotherRoot { .. } => "proof_for_another_root",
            Self::MissingNode { .. } => "missing_node",
            Self::ExtraProofNodes { .. } => "extra_proof_nodes",
            Self::MalformedNode { .. } => "malformed_node",
            Self::ValueInBranch { .. } => "value_in_branch",
            Self::PathTooLong { .. } => "path_too_long",
            Self::PathTooShort { .. } => "path_too_short",
            Self::HashedSmallNode { .. } => "hashed_small_node",
            Self::InlinedLargeNode { .. } => "inlined_large_node",
            Self::OmittedStorageSet { .. } => "omitted_storage_set",
            Self::ExtraStorageSets { .. } => "extra_storage_sets",
            Self::WrongCode { .. } => "wrong_code",
            Self::WrongNode { .. } => "wrong_node",
        }
    }
}
