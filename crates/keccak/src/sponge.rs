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

/// The last block of a message that ends with these bytes, fewer than [`RATE`].
#[inline]
pub(crate) fn padded(rest: &[u8]) -> [u8; RATE] {
    let mut block = [0; RATE];
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = PAD_FIRST;
    block[RATE - 1] |= PAD_LAST;
    block
}

/// The next block of each message: where it lies, or padded in `room` if the message ends with it.
///
/// A message that is over gets a block of padding, which its lane takes in while others go on; nobody looks.
#[inline]
pub(crate) fn next_blocks<'a, const N: usize>(
    rests: &[&'a [u8]; N],
    room: &'a mut [[u8; RATE]; N],
) -> [&'a [u8; RATE]; N] {
    let mut blocks = [&[0; RATE]; N];
    for ((block, rest), room) in blocks.iter_mut().zip(rests).zip(room) {
        *block = rest.first_chunk().unwrap_or_else(|| {
            *room = padded(rest);
            room
        });
    }
    blocks
}

/// The digest that a state gives out.
pub(crate) fn squeeze(state: &State) -> B256 {
    let mut digest = B256::ZERO;
    for (bytes, lane) in digest.chunks_exact_mut(8).zip(state) {
        bytes.copy_from_slice(&lane.to_le_bytes());
    }
    digest
}
