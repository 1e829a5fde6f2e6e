//! How a message becomes blocks: rate and padding of Keccak-256. It permutes nothing.

use alloy_primitives::B256;

use crate::permutation::State;

/// Bytes of a message that one permutation takes in: 1600 bits less twice the digest's 256.
pub(crate) const RATE: usize = 136;

/// Lanes that the rate fills.
pub(crate) const RATE_LANES: usize = RATE / 8;

/// Stands behind the last byte of a message. SPEC: Keccak's own padding, which SHA-3 later changed to 0x06.
pub(crate) const PAD_FIRST: u8 = 0x01;

/// Is added to the last byte of the last block.
pub(crate) const PAD_LAST: u8 = 0x80;

/// Permutations that the digest of a message of `len` bytes costs.
pub const fn blocks(len: usize) -> u64 {
    (len / RATE) as u64 + 1
}

/// Makes `block` the last one of a message that ends with these bytes, fewer than [`RATE`].
#[inline(always)]
pub(crate) fn pad(block: &mut [u8; RATE], rest: &[u8]) {
    *block = [0; RATE];
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = PAD_FIRST;
    block[RATE - 1] |= PAD_LAST;
}

/// The lane with which a message ends, of which this is left: its odd bytes and the padding behind them.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn odd_lane(rest: &[u8]) -> u64 {
    let odd = rest.len() % 8;
    let bytes = match rest.last_chunk() {
        Some(last) => u64::from_le_bytes(*last).checked_shr(64 - 8 * odd as u32).unwrap_or(0),
        None => rest.iter().rev().fold(0, |lane, byte| lane << 8 | u64::from(*byte)),
    };
    bytes | u64::from(PAD_FIRST) << (8 * odd)
}

/// The last lane of the next block of a message, of which this is left: padded if the message ends with the block.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn last_lane(rest: &[u8]) -> u64 {
    let pad_last = u64::from(PAD_LAST) << 56;
    if rest.len() < RATE - 8 {
        return pad_last;
    }
    let mut lane = [0; 8];
    let rest = &rest[RATE - 8..];
    let taken = rest.len().min(8);
    lane[..taken].copy_from_slice(&rest[..taken]);
    let lane = u64::from_le_bytes(lane);
    if taken < 8 { lane ^ u64::from(PAD_FIRST) << (taken * 8) ^ pad_last } else { lane }
}

/// The digest that a state gives out.
pub(crate) fn squeeze(state: &State) -> B256 {
    let mut digest = B256::ZERO;
    for (bytes, lane) in digest.chunks_exact_mut(8).zip(state) {
        bytes.copy_from_slice(&lane.to_le_bytes());
    }
    digest
}
