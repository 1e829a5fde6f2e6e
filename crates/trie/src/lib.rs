//! What is true: range proofs verified and made, tries built, roots derived.
//!
//! Trust model: everything that arrives is hostile until [`verify_accounts`], [`verify_storages`] or
//! [`verify_codes`] has made a `Verified*` of it; these types have no other constructor, so whoever accepts one
//! needs no check of its own. What comes back from our own disk is trusted, and the derived root tells.
//!
//! One sorted builder stands behind everything here: the shape of a trie is laid out first from the common prefixes
//! of sorted keys, then hashed height by height in batches, across all tries of an answer. This crate spawns no
//! thread, reads no clock and stores nothing.

mod account;
mod batch;
mod branch;
mod build;
mod compare;
mod coverage;
mod encode;
mod fault;
mod forest;
mod gaps;
mod hashed;
mod leaves;
mod nodes;
mod ordered;
mod outline;
mod overlay;
mod path;
mod pending;
mod prove;
mod range;
mod rebuild;
mod references;
mod rlp;
mod shown;
mod source;
mod stands;
mod verify;

pub use account::{Account, AccountFault, EMPTY_CODE, EMPTY_ROOT};
pub use branch::{Branch, BranchError, Child, ChildRef, InlineNode};
pub use build::{Builder, Built, Part, join, subtries};
pub use compare::{Differences, compare};
pub use coverage::{Coverage, Standing, TargetId};
pub use fault::Fault;
pub use gaps::Gaps;
pub use hashed::Hashed;
pub use nodes::Nodes;
pub use ordered::ordered_root;
pub use overlay::{Overlay, RowChanges};
pub use path::Path;
pub use pending::PendingStorage;
pub use prove::{prove, prove_node};
pub use range::HashRange;
pub use rebuild::{Changes, rebuild, rebuild_whole};
pub use shown::{Shown, compare_accounts, compare_storage};
pub use source::TrieSource;
pub use verify::{
    AccountRow, More, NodeClaim, PROOF_NODES_MAX, SlotRow, StorageClaim, StorageQuery, VerifiedAccounts,
    VerifiedCodes, VerifiedNode, VerifiedStorage, VerifiedStorages, Verifier, rows_of, slot_value,
    verify_accounts, verify_codes, verify_nodes, verify_storages,
};
