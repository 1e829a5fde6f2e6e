//! The kernel that every processor can run: one state, a lane a `u64`. Nothing here is `unsafe`.

use crate::permutation::{self, State, Word};
use crate::sponge::RATE;

impl Word for u64 {
    #[inline(always)]
    fn splat(lane: u64) -> Self {
        lane
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self ^ other
    }

    #[inline(always)]
    fn chi(self, b: Self, c: Self) -> Self {
        self ^ (!b & c)
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        self.rotate_left(LEFT as u32)
    }
}

/// One permutation.
pub(crate) fn permute(state: &mut State) {
    permutation::permute(state);
}

/// Takes in whole blocks.
pub(crate) fn absorb(state: &mut State, blocks: &[u8]) {
    absorb_inlined(state, blocks);
}

/// The same, to be compiled again with instructions that not every processor has.
#[inline(always)]
pub(crate) fn absorb_inlined(state: &mut State, blocks: &[u8]) {
    for block in blocks.chunks_exact(RATE) {
        add(state, block);
        permutation::permute(state);
    }
}

/// Adds the bytes of a block to the lanes in front.
#[inline(always)]
fn add(state: &mut State, block: &[u8]) {
    for (lane, bytes) in state.iter_mut().zip(block.as_chunks::<8>().0) {
        *lane ^= u64::from_le_bytes(*bytes);
    }
}
