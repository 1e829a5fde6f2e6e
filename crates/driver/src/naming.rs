//! How a target is named, and what names none.

use alloy_primitives::B256;

use crate::Error;

/// How a target is named to a sync that stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// By hash: nothing is trusted.
    Hash(B256),
    /// By height: the peers are asked, and what more than half of them say is believed.
    Number(u64),
    /// The newest block that the largest group of peers has, as more than half of it say. Never the genesis: peers that have
    /// nothing above it sync themselves.
    Latest,
}

/// Refuses what is no block's hash. A consensus client that knows no head yet may send zero; peers would answer that with block 0,
/// and be charged for it.
pub(crate) fn check_hash(hash: B256) -> Result<(), Error> {
    if [B256::ZERO, B256::repeat_byte(0xff)].contains(&hash) { Err(Error::NoBlock { hash }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_all_ones_are_no_block_s_hash() {
        for byte in [0, 0xff] {
            let hash = B256::repeat_byte(byte);
            assert!(matches!(check_hash(hash), Err(Error::NoBlock { hash: named }) if named == hash));
        }
        assert!(check_hash(B256::with_last_byte(1)).is_ok());
    }
}
