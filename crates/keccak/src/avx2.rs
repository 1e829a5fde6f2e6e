//! The kernel for AVX2: four states in 256-bit registers, or one in general registers with BMI's rotations.
//!
//! AVX2 has neither a rotation nor a function of three operands, and 16 registers for 25 words: what does not fit stays in
//! the first cache, and most instructions read one operand from there.
#![expect(unsafe_code, reason = "vector instructions; only a processor that has them makes the token Avx2")]

use std::arch::x86_64::{
    __m256i, _mm256_and_si256, _mm256_andnot_si256, _mm256_cmpeq_epi64, _mm256_cmpgt_epi64,
    _mm256_loadu_si256, _mm256_maskload_epi64, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set_epi64x,
    _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_slli_epi64, _mm256_srli_epi64, _mm256_storeu_si256,
    _mm256_unpackhi_epi64, _mm256_unpacklo_epi64, _mm256_xor_si256,
};

use alloy_primitives::B256;

use crate::{
    permutation::{self, State, Word, align_frame},
    portable,
    sponge::{RATE, RATE_LANES, last_lane, odd_lane},
};

/// Proof that this processor has AVX2, BMI1 and BMI2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        all.then_some(Self(()))
    }

    /// Takes whole blocks into one state.
    pub(crate) fn absorb(self, state: &mut State, blocks: &[u8]) {
        // SAFETY: `detect` has found all that these functions are compiled for.
        unsafe { absorb_with_bmi(state, blocks) }
    }

    /// One permutation of one state.
    pub(crate) fn permute(self, state: &mut State) {
        // SAFETY: as in `absorb`.
        unsafe { permute_with_bmi(state) }
    }

    /// The digests of four messages.
    pub(crate) fn four(self, messages: &[&[u8]; 4], digests: &mut [B256; 4]) {
        // SAFETY: as in `absorb`.
        unsafe { digest_four(messages, digests) }
    }
}

#[target_feature(enable = "bmi1,bmi2")]
fn absorb_with_bmi(state: &mut State, blocks: &[u8]) {
    portable::absorb_inlined(state, blocks);
}

#[target_feature(enable = "bmi1,bmi2")]
fn permute_with_bmi(state: &mut State) {
    permutation::permute(state);
}

/// The same lane of four states. Invariant: made only in functions compiled for AVX2.
#[derive(Clone, Copy)]
struct Four(__m256i);

impl Word for Four {
    #[inline(always)]
    fn splat(lane: u64) -> Self {
        // SAFETY: this and the functions below are inlined into functions compiled for AVX2, which alone use them.
        unsafe { Self(_mm256_set1_epi64x(lane.cast_signed())) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        unsafe { Self(_mm256_xor_si256(self.0, other.0)) }
    }

    #[inline(always)]
    fn chi(self, b: Self, c: Self) -> Self {
        // SAFETY: as in `splat`.
        unsafe { Self(_mm256_xor_si256(self.0, _mm256_andnot_si256(b.0, c.0))) }
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        // SAFETY: as in `splat`.
        unsafe {
            Self(_mm256_or_si256(_mm256_slli_epi64::<LEFT>(self.0), _mm256_srli_epi64::<RIGHT>(self.0)))
        }
    }
}

#[target_feature(enable = "avx2")]
fn digest_four(messages: &[&[u8]; 4], digests: &mut [B256; 4]) {
    align_frame();
    let mut state = [Four(_mm256_setzero_si256()); 25];
    let mut rests = *messages;
    let mut open = [true; 4];
    while open.contains(&true) {
        if let [Some(a), Some(b), Some(c), Some(d)] = rests.map(|rest| rest.first_chunk()) {
            add_whole(&mut state, [a, b, c, d]);
        } else {
            // A lane whose message is over takes in a block of padding, and nobody looks. What is left of the message is the
            // empty slice at its end: a masked load that admits nothing is quick only where memory is mapped.
            add_last(&mut state, &rests);
        }
        permutation::permute(&mut state);
        let ends = rests.map(|rest| rest.len() < RATE);
        if ends.contains(&true) {
            let rows = transpose([state[0].0, state[1].0, state[2].0, state[3].0]);
            for (lane, row) in rows.into_iter().enumerate() {
                if open[lane] && ends[lane] {
                    // SAFETY: a digest has 32 bytes, and a store of 32 bytes that needs no alignment goes there.
                    unsafe { _mm256_storeu_si256(digests[lane].as_mut_ptr().cast(), row) }
                    open[lane] = false;
                }
            }
        }
        rests = rests.map(|rest| &rest[rest.len().min(RATE)..]);
    }
}

/// Adds a block of each message, none of which ends in it: four lanes at a time by turning a square, then the one that is over.
#[target_feature(enable = "avx2")]
#[inline]
fn add_whole(state: &mut [Four; 25], blocks: [&[u8; RATE]; 4]) {
    for first in (0..RATE_LANES - 1).step_by(4) {
        let rows = blocks.map(|block| {
            let bytes = &block[first * 8..first * 8 + 32];
            // SAFETY: 32 bytes are read, without alignment, from a slice of that length.
            unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
        });
        add_four(state, first, rows);
    }
    add_seventeenth(
        state,
        blocks.map(|block| block.last_chunk().map_or(0, |lane| u64::from_le_bytes(*lane))),
    );
}

/// Adds a block of each message, some of which end in it and are padded.
///
/// Nothing is copied to be padded: a load right behind stores of other lengths would wait for them.
#[target_feature(enable = "avx2")]
#[inline]
fn add_last(state: &mut [Four; 25], rests: &[&[u8]; 4]) {
    let odd = rests.map(odd_lane);
    for first in (0..RATE_LANES - 1).step_by(4) {
        let mut rows = [_mm256_setzero_si256(); 4];
        for ((row, rest), odd) in rows.iter_mut().zip(rests).zip(odd) {
            *row = four_of_last(rest, odd, first);
        }
        add_four(state, first, rows);
    }
    add_seventeenth(state, rests.map(last_lane));
}

/// The lanes from `first` on of what is left of a message: whole ones, then the odd one, then none.
#[target_feature(enable = "avx2")]
#[inline]
fn four_of_last(rest: &[u8], odd: u64, first: usize) -> __m256i {
    let first_number = first as i64;
    let number = _mm256_set_epi64x(first_number + 3, first_number + 2, first_number + 1, first_number);
    let whole = _mm256_set1_epi64x((rest.len() / 8) as i64);
    let admitted = _mm256_cmpgt_epi64(whole, number);
    // SAFETY: the mask admits lanes that lie in the slice as a whole; what it shuts out is not touched.
    let read = unsafe { _mm256_maskload_epi64(rest.as_ptr().wrapping_add(first * 8).cast(), admitted) };
    let odd = _mm256_and_si256(_mm256_cmpeq_epi64(whole, number), _mm256_set1_epi64x(odd.cast_signed()));
    _mm256_or_si256(read, odd)
}

/// Adds four lanes of each message, one message a row, to the words from `first` on.
#[target_feature(enable = "avx2")]
#[inline]
fn add_four(state: &mut [Four; 25], first: usize, rows: [__m256i; 4]) {
    for (word, column) in state[first..].iter_mut().zip(transpose(rows)) {
        *word = word.xor(Four(column));
    }
}

/// Adds the lane of a block that no square of four covers.
#[target_feature(enable = "avx2")]
#[inline]
fn add_seventeenth(state: &mut [Four; 25], lanes: [u64; 4]) {
    let [a, b, c, d] = lanes.map(u64::cast_signed);
    let word = Four(_mm256_set_epi64x(d, c, b, a));
    state[RATE_LANES - 1] = state[RATE_LANES - 1].xor(word);
}

/// Four lanes of each of four messages, turned into four words: `rows[i]` has message i's.
///
/// ```text
/// a0 a1 a2 a3      a0 b0 a2 b2      a0 b0 c0 d0
/// b0 b1 b2 b3  ->  a1 b1 a3 b3  ->  a1 b1 c1 d1
/// c0 c1 c2 c3      c0 d0 c2 d2      a2 b2 c2 d2
/// d0 d1 d2 d3      c1 d1 c3 d3      a3 b3 c3 d3
/// ```
#[target_feature(enable = "avx2")]
#[inline]
fn transpose(rows: [__m256i; 4]) -> [__m256i; 4] {
    let [a, b, c, d] = rows;
    let ab = [_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b)];
    let cd = [_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d)];
    [
        _mm256_permute2x128_si256::<0x20>(ab[0], cd[0]),
        _mm256_permute2x128_si256::<0x20>(ab[1], cd[1]),
        _mm256_permute2x128_si256::<0x31>(ab[0], cd[0]),
        _mm256_permute2x128_si256::<0x31>(ab[1], cd[1]),
    ]
}
