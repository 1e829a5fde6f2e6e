//! A chain by what tells it from others.

use std::fmt;

use alloy_primitives::B256;

/// A chain: its id and its first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The chain id of EIP-155.
    pub id: u64,
    /// The hash of block 0.
    pub genesis: B256,
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with genesis {}", self.id, self.genesis)
    }
}
