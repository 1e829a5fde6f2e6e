//! What a header's gas allows: how many receipts its block has at most, and how much gas they may count.
//!
//! It bounds what is held before a root can be checked. It proves nothing.

use snapsync_wire::Header;

/// The least gas that a transaction leaves in its receipt before Amsterdam: 21,000, of which refunds gave back half until
/// London.
const GAS_LEAST: u64 = 10_500;

/// The least gas that a transaction counts for in a block from Amsterdam on.
const GAS_LEAST_AMSTERDAM: u64 = 4_500;

/// Bounds on the receipts of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasBounds {
    /// How many there are, at most.
    pub receipts_max: u64,
    /// The cumulative gas of the last one, at most.
    pub cumulative_max: u64,
}

impl GasBounds {
    /// The bounds by this header.
    pub fn of(header: &Header) -> Self {
        if header.block_access_list_hash.is_none() {
            return Self { receipts_max: header.gas_used / GAS_LEAST, cumulative_max: header.gas_used };
        }
        // SPEC: from Amsterdam the header counts the larger of two kinds of gas (EIP-8037), and without refunds (EIP-7778); a
        // receipt counts both kinds. Each is within the block's limit.
        Self {
            receipts_max: header.gas_used / GAS_LEAST_AMSTERDAM,
            cumulative_max: header.gas_limit.saturating_mul(2),
        }
    }
}
