//! What became of access lists on the disk.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{Head, TargetId};

/// Whether rows were of the parent of a block whose access list came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListOutcome {
    /// They were, and are of the block now.
    Applied,
    /// None was, and nothing has changed.
    Left,
}

/// What became of a block's access list on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedBlock {
    /// The block.
    pub block: Head,
    /// Its parent's hash.
    pub parent: B256,
    /// Whether rows were of its parent.
    pub outcome: ListOutcome,
    /// The target whose name rows have from now on that had one of `older`, as all of them are of this block.
    pub newest: Option<TargetId>,
    /// Targets that nothing is of any more.
    pub older: Vec<TargetId>,
    /// Storages that owe their root from now on, and of which all slots are held.
    pub owed: Vec<B256>,
    /// Storages that owe it, and of which slots are missing.
    pub cut: Vec<B256>,
    /// Accounts that are gone, whose storages were pending or owed their root.
    pub freed: Vec<B256>,
}
