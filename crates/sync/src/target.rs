//! Where to: the block whose state is fetched, and the short name that requests remember it by.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use snapsync_trie::TargetId;

/// A block whose state is wanted: root and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Block number.
    pub number: u64,
    /// Hash of the block's header.
    pub hash: B256,
    /// The header's state root.
    pub root: B256,
}

/// A target with its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The id that rows, pendings and requests remember.
    pub id: TargetId,
    /// The target itself.
    pub target: Target,
}
