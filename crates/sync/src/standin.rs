//! Sketches of types that `snapsync-trie` is going to own; they go away as soon as it has them.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

/// A range of hashes, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HashRange {
    /// The lowest hash in the range.
    pub start: B256,
    /// The highest hash in the range.
    pub last: B256,
}

impl HashRange {
    /// The whole key space.
    pub const FULL: Self = Self { start: B256::ZERO, last: B256::repeat_byte(0xff) };
}

/// An account and the storage root that its row claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StorageClaim {
    /// keccak256 of the address.
    pub account: B256,
    /// The storage root that the account's row names.
    pub root: B256,
}
