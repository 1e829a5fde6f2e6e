//! What a block whose changes are derived is known by.

use alloy_primitives::B256;

/// What names a block whose changes are derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockClaim {
    /// Block number.
    pub number: u64,
    /// Hash of its header.
    pub hash: B256,
    /// Hash of its parent's header.
    pub parent: B256,
    /// The state root that the header claims.
    pub root: B256,
}
