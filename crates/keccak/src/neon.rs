//! The kernel for AArch64 with the SHA-3 instructions: two states in 128-bit registers.
//!
//! The processor's designers had this permutation in mind: `eor3` adds three words, `rax1` is theta's sum with its rotation, `xar`
//! theta's end with rho's rotation, `bcax` a lane of chi. 32 registers hold all 25 words of both states. A lone state goes
//! through general registers, which on this processor are 31.
#![expect(unsafe_code, reason = "vector instructions; only a processor that has them makes the token Neon")]
#![expect(
    inline_always_mismatching_target_features,
    reason = "they are inlined after all, once their callers are in a function that has the features"
)]

use std::arch::aarch64::{
    uint64x2_t, vbcaxq_u64, vdupq_n_u64, veor3q_u64, veorq_u64, vld1q_u8, vrax1q_u64, vreinterpretq_u8_u64,
    vreinterpretq_u64_u8, vst1q_u8, vxarq_u64, vzip1q_u64, vzip2q_u64,
};
use std::arch::is_aarch64_feature_detected;

use alloy_primitives::B256;

use crate::{
    permutation::{Word, permute},
    sponge::{RATE, RATE_LANES, pad},
};

/// Proof that this processor has NEON and the SHA-3 instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon(());

impl Neon {
    pub(crate) fn detect() -> Option<Self> {
        let all = is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("sha3");
        all.then_some(Self(()))
    }

    /// The digests of two messages.
    pub(crate) fn two(self, messages: &[&[u8]; 2], digests: &mut [B256; 2]) {
        // SAFETY: `detect` has found all that the function is compiled for.
        unsafe { digest_two(messages, digests) }
    }
}

/// The same lane of two states. Invariant: made only in functions compiled for the SHA-3 instructions.
#[derive(Clone, Copy)]
struct Two(uint64x2_t);

impl Word for Two {
    #[inline(always)]
    fn splat(lane: u64) -> Self {
        // SAFETY: this and the functions below are inlined into functions compiled for these instructions, which alone use them.
        unsafe { Self(vdupq_n_u64(lane)) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        unsafe { Self(veorq_u64(self.0, other.0)) }
    }

    #[inline(always)]
    fn chi(self, b: Self, c: Self) -> Self {
        // SAFETY: as in `splat`. The instruction clears the bits of its last operand.
        unsafe { Self(vbcaxq_u64(self.0, c.0, b.0)) }
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        self.twist::<LEFT, RIGHT>(Self::splat(0))
    }

    #[inline(always)]
    fn parity([a, b, c, d, e]: [Self; 5]) -> Self {
        // SAFETY: as in `splat`.
        unsafe { Self(veor3q_u64(veor3q_u64(a.0, b.0, c.0), d.0, e.0)) }
    }

    #[inline(always)]
    fn tilt(before: Self, after: Self) -> Self {
        // SAFETY: as in `splat`.
        unsafe { Self(vrax1q_u64(before.0, after.0)) }
    }

    #[inline(always)]
    fn twist<const LEFT: i32, const RIGHT: i32>(self, tilt: Self) -> Self {
        // SAFETY: as in `splat`. The instruction rotates to the right.
        unsafe { Self(vxarq_u64::<RIGHT>(self.0, tilt.0)) }
    }
}

#[target_feature(enable = "neon,sha3")]
fn digest_two(messages: &[&[u8]; 2], digests: &mut [B256; 2]) {
    let mut state = [Two(vdupq_n_u64(0)); 25];
    let mut room = [[0; RATE]; 2];
    let mut rests = *messages;
    let mut open = [true; 2];
    while open.contains(&true) {
        add(&mut state, next_blocks(&rests, &mut room));
        permute(&mut state);
        let [front, back] = [transpose(state[0].0, state[1].0), transpose(state[2].0, state[3].0)];
        for lane in 0..2 {
            if open[lane] && rests[lane].len() < RATE {
                for (bytes, half) in digests[lane].chunks_exact_mut(16).zip([front[lane], back[lane]]) {
                    // SAFETY: 16 bytes are written, without alignment, to a slice of that length.
                    unsafe { vst1q_u8(bytes.as_mut_ptr(), vreinterpretq_u8_u64(half)) }
                }
                open[lane] = false;
            }
        }
        rests = rests.map(|rest| &rest[rest.len().min(RATE)..]);
    }
}

/// The next block of each message: where it lies, or padded in `room` if the message ends with it.
///
/// A message that is over gets a block of padding, which its lane takes in while others go on; nobody looks.
#[inline]
fn next_blocks<'a, const N: usize>(
    rests: &[&'a [u8]; N],
    room: &'a mut [[u8; RATE]; N],
) -> [&'a [u8; RATE]; N] {
    let mut blocks = [&[0; RATE]; N];
    for ((block, rest), room) in blocks.iter_mut().zip(rests).zip(room) {
        *block = rest.first_chunk().unwrap_or_else(|| {
            pad(room, rest);
            room
        });
    }
    blocks
}

/// Adds a block of each message: two lanes at a time by turning a square, then the one that is over.
#[target_feature(enable = "neon,sha3")]
#[inline]
fn add(state: &mut [Two; 25], [a, b]: [&[u8; RATE]; 2]) {
    let (pairs_a, last_a) = a.as_chunks::<16>();
    let (pairs_b, last_b) = b.as_chunks::<16>();
    for ((a, b), words) in pairs_a.iter().zip(pairs_b).zip(state.chunks_exact_mut(2)) {
        // SAFETY: 16 bytes are read, without alignment, from arrays of that length.
        let (a, b) = unsafe { (vld1q_u8(a.as_ptr()), vld1q_u8(b.as_ptr())) };
        let columns = transpose(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b));
        words[0] = words[0].xor(Two(columns[0]));
        words[1] = words[1].xor(Two(columns[1]));
    }
    let lane = |rest: &[u8]| vdupq_n_u64(rest.try_into().map_or(0, u64::from_le_bytes));
    let [word, _] = transpose(lane(last_a), lane(last_b));
    state[RATE_LANES - 1] = state[RATE_LANES - 1].xor(Two(word));
}

/// Two lanes of each of two messages, a0 a1 and b0 b1, turned into two words, a0 b0 and a1 b1; or back.
#[target_feature(enable = "neon,sha3")]
#[inline]
fn transpose(a: uint64x2_t, b: uint64x2_t) -> [uint64x2_t; 2] {
    [vzip1q_u64(a, b), vzip2q_u64(a, b)]
}
