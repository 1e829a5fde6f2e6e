//! From an answer to what it proves, or to which lie it was.
//!
//! Nothing here believes a sender: a proof's nodes count only by their digests, rows only when they and the edges of
//! the proof give the root that was asked for. It does not know peers, and it does not say "unavailable": an answer
//! without rows and without a proof means that the peer lacks the root, which the caller sorts out beforehand.

mod accounts;
mod codes;
mod edge;
mod fence;
mod node;
mod nodes;
mod rows;
mod storages;
mod verifier;

pub use accounts::{AccountRow, VerifiedAccounts, verify_accounts};
pub use codes::{VerifiedCodes, verify_codes};
pub(crate) use node::{Child as TheirChild, Node};
pub(crate) use nodes::ProofNodes;
pub use nodes::{NodeClaim, VerifiedNode, verify_nodes};
pub use rows::rows_of;
use serde::{Deserialize, Serialize};
pub use storages::{
    SlotRow, StorageClaim, StorageQuery, VerifiedStorage, VerifiedStorages, slot_value, verify_storages,
};
pub use verifier::Verifier;

/// The most nodes that a proof may have: the paths to two edges, 64 branches each. Other clients drop a peer at
/// the same number. Fewer than that, unused ones among them, are legal.
pub const PROOF_NODES_MAX: usize = 128;

/// Whether the trie holds anything to the right of what an answer covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum More {
    /// It goes on to the right.
    Right,
    /// Nothing follows: this was the end of the trie.
    Nothing,
}
