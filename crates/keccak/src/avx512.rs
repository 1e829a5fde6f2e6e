//! The kernel for AVX-512: eight states in whole registers, four in half ones, one in quarters.
//!
//! 32 registers hold all 25 words of the states and the parities of theta; a rotation is one instruction (`vprolq`), and so is
//! any function of three operands (`vpternlogq`): chi's, and theta's sums of three. The same code in half and quarter registers
//! costs half of that on processors that take a whole register in two turns. Even a single state is faster so than
//! in general registers, though half of each register then stays empty.
//!
//! Messages are read where they lie: the end of one under a mask that admits nothing behind it, so that no block is copied.
#![expect(unsafe_code, reason = "vector instructions; only a processor that has them makes the token Avx512")]

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_rol_epi64, _mm_set1_epi64x,
    _mm_storeu_si128, _mm_ternarylogic_epi64, _mm_unpacklo_epi64, _mm_xor_si128, _mm256_rol_epi64,
    _mm256_set1_epi64x, _mm256_storeu_si256, _mm256_ternarylogic_epi64, _mm256_xor_si256,
    _mm512_castsi256_si512, _mm512_castsi512_si256, _mm512_extracti64x4_epi64, _mm512_loadu_si512,
    _mm512_mask_mov_epi8, _mm512_maskz_loadu_epi8, _mm512_permutex2var_epi64, _mm512_rol_epi64,
    _mm512_set_epi64, _mm512_set1_epi8, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_shuffle_i64x2,
    _mm512_storeu_si512, _mm512_ternarylogic_epi64, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
    _mm512_xor_si512,
};
use std::array;

use alloy_primitives::B256;

use crate::{
    permutation::{State, Word, align_frame, permute},
    sponge::{PAD_FIRST, RATE, RATE_LANES, last_lane},
};

/// Proof that this processor has AVX-512 F, BW and VL, and BMI1 and BMI2 for the masks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        all.then_some(Self(()))
    }

    /// Takes whole blocks into one state.
    pub(crate) fn absorb(self, state: &mut State, blocks: &[u8]) {
        // SAFETY: `detect` has found all that these functions are compiled for.
        unsafe { absorb(state, blocks) }
    }

    /// One permutation of one state.
    pub(crate) fn permute(self, state: &mut State) {
        // SAFETY: as in `absorb`.
        unsafe { permute_one(state) }
    }

    /// The digest of one message.
    pub(crate) fn one(self, message: &[u8]) -> B256 {
        // SAFETY: as in `absorb`.
        unsafe { digest_one(message) }
    }

    /// The digests of four messages.
    pub(crate) fn four(self, messages: &[&[u8]; 4], digests: &mut [B256; 4]) {
        // SAFETY: as in `absorb`.
        unsafe { digest::<Four, 4>(messages, digests) }
    }

    /// The digests of eight messages.
    pub(crate) fn eight(self, messages: &[&[u8]; 8], digests: &mut [B256; 8]) {
        // SAFETY: as in `absorb`.
        unsafe { digest::<Eight, 8>(messages, digests) }
    }
}

/// Makes a type the same lane of several states, given its register and the instructions of that width.
macro_rules! word {
    ($name:ident, $register:ty, $splat:ident, $xor:ident, $rotate:ident, $three:ident) => {
        /// Invariant: made only in functions compiled for AVX-512.
        #[derive(Clone, Copy)]
        struct $name($register);

        impl Word for $name {
            #[inline(always)]
            fn splat(lane: u64) -> Self {
                // SAFETY: this and the functions below are inlined into functions compiled for AVX-512, which alone use them.
                unsafe { Self($splat(lane.cast_signed())) }
            }

            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                // SAFETY: as in `splat`.
                unsafe { Self($xor(self.0, other.0)) }
            }

            #[inline(always)]
            fn chi(self, b: Self, c: Self) -> Self {
                // SAFETY: as in `splat`. The number is the truth table of `a ^ (!b & c)`.
                unsafe { Self($three::<0xd2>(self.0, b.0, c.0)) }
            }

            #[inline(always)]
            fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
                // SAFETY: as in `splat`.
                unsafe { Self($rotate::<LEFT>(self.0)) }
            }

            #[inline(always)]
            fn parity([a, b, c, d, e]: [Self; 5]) -> Self {
                // SAFETY: as in `splat`. The number is the truth table of `a ^ b ^ c`.
                unsafe { Self($three::<0x96>($three::<0x96>(a.0, b.0, c.0), d.0, e.0)) }
            }
        }
    };
}

word!(Eight, __m512i, _mm512_set1_epi64, _mm512_xor_si512, _mm512_rol_epi64, _mm512_ternarylogic_epi64);
word!(Four, __m256i, _mm256_set1_epi64x, _mm256_xor_si256, _mm256_rol_epi64, _mm256_ternarylogic_epi64);
word!(One, __m128i, _mm_set1_epi64x, _mm_xor_si128, _mm_rol_epi64, _mm_ternarylogic_epi64);

/// A word that holds as many lanes as messages go together.
trait Several: Word {
    /// From the front of a whole register.
    fn narrow(register: __m512i) -> Self;

    /// In front of a whole register, whose rest is anything.
    fn widen(self) -> __m512i;
}

impl Several for Eight {
    #[inline(always)]
    fn narrow(register: __m512i) -> Self {
        Self(register)
    }

    #[inline(always)]
    fn widen(self) -> __m512i {
        self.0
    }
}

impl Several for Four {
    #[inline(always)]
    fn narrow(register: __m512i) -> Self {
        // SAFETY: as in `splat`.
        unsafe { Self(_mm512_castsi512_si256(register)) }
    }

    #[inline(always)]
    fn widen(self) -> __m512i {
        // SAFETY: as in `splat`.
        unsafe { _mm512_castsi256_si512(self.0) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
fn digest<W: Several, const N: usize>(messages: &[&[u8]; N], digests: &mut [B256; N]) {
    align_frame();
    let all = u8::MAX >> (8 - N);
    if messages.iter().all(|message| message.len() < RATE) {
        // Leaves, mostly: a way without a loop, on which the words need not leave their registers.
        let mut state = [W::splat(0); 25];
        state[..RATE_LANES].copy_from_slice(&last_block(messages));
        permute(&mut state);
        return squeeze(&state, digests, all);
    }
    let mut state = [W::splat(0); 25];
    let mut rests = *messages;
    // A bit for each lane whose digest is not written yet.
    let mut open = all;
    while open > 0 {
        let mut ends = 0;
        for (lane, rest) in rests.iter().enumerate() {
            ends |= u8::from(rest.len() < RATE) << lane;
        }
        // A lane whose message is over takes in a block of padding, and nobody looks. What is left of the message is the
        // empty slice at its end: a masked load that admits nothing is quick only where memory is mapped.
        let block = if ends == 0 { whole_block(&rests) } else { last_block(&rests) };
        for (word, added) in state.iter_mut().zip(block) {
            *word = word.xor(added);
        }
        permute(&mut state);
        squeeze(&state, digests, ends & open);
        open &= !ends;
        for rest in &mut rests {
            *rest = &rest[rest.len().min(RATE)..];
        }
    }
}

/// Writes the digests of the lanes that have a bit in `ends`.
///
/// Lanes 0 to 3 of states a to h come to lie by states, a digest a half:
/// ```text
/// a0 b0│c0 d0│e0 f0│g0 h0      a0 a1│c0 c1│e0 e1│g0 g1      a0 a1 a2 a3│c0 c1 c2 c3
/// a1 b1│c1 d1│e1 f1│g1 h1  ->  b0 b1│d0 d1│f0 f1│h0 h1  ->  b0 b1 b2 b3│d0 d1 d2 d3
/// a2 b2│c2 d2│e2 f2│g2 h2      a2 a3│c2 c3│e2 e3│g2 g3      e0 e1 e2 e3│g0 g1 g2 g3
/// a3 b3│c3 d3│e3 f3│g3 h3      b2 b3│d2 d3│f2 f3│h2 h3      f0 f1 f2 f3│h0 h1 h2 h3
/// ```
#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
#[inline]
fn squeeze<W: Several, const N: usize>(state: &[W; 25], digests: &mut [B256; N], ends: u8) {
    if ends == 0 {
        return;
    }
    let [w0, w1, w2, w3] = [state[0].widen(), state[1].widen(), state[2].widen(), state[3].widen()];
    let (aceg01, bdfh01) = (_mm512_unpacklo_epi64(w0, w1), _mm512_unpackhi_epi64(w0, w1));
    let (aceg23, bdfh23) = (_mm512_unpacklo_epi64(w2, w3), _mm512_unpackhi_epi64(w2, w3));
    let front = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
    let back = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
    let ac = _mm512_permutex2var_epi64(aceg01, front, aceg23);
    let bd = _mm512_permutex2var_epi64(bdfh01, front, bdfh23);
    let eg = _mm512_permutex2var_epi64(aceg01, back, aceg23);
    let fh = _mm512_permutex2var_epi64(bdfh01, back, bdfh23);
    let [a, b] = [_mm512_castsi512_si256(ac), _mm512_castsi512_si256(bd)];
    let [c, d] = [_mm512_extracti64x4_epi64::<1>(ac), _mm512_extracti64x4_epi64::<1>(bd)];
    let [e, f] = [_mm512_castsi512_si256(eg), _mm512_castsi512_si256(fh)];
    let [g, h] = [_mm512_extracti64x4_epi64::<1>(eg), _mm512_extracti64x4_epi64::<1>(fh)];
    for (lane, (digest, bytes)) in digests.iter_mut().zip([a, b, c, d, e, f, g, h]).enumerate() {
        if ends >> lane & 1 == 1 {
            // SAFETY: a digest has 32 bytes, and a store of 32 bytes that needs no alignment goes there.
            unsafe { _mm256_storeu_si256(digest.as_mut_ptr().cast(), bytes) }
        }
    }
}

/// The next block of each message, none of which ends in it.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
#[inline]
fn whole_block<W: Several, const N: usize>(rests: &[&[u8]; N]) -> [W; RATE_LANES] {
    let mut squares = [[_mm512_setzero_si512(); 8]; 2];
    for (rows, at) in squares.iter_mut().zip([0, 64]) {
        for (row, rest) in rows.iter_mut().zip(rests) {
            let bytes = &rest[at..at + 64];
            // SAFETY: 64 bytes are read, without alignment, from a slice of that length.
            *row = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
        }
    }
    let lane = |rest: &&[u8]| rest[RATE - 8..RATE].try_into().map_or(0, u64::from_le_bytes);
    words_of(squares, array::from_fn(|at| rests.get(at).map_or(0, lane)))
}

/// The next block of each message, some of which end in it and are padded.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
#[inline]
fn last_block<W: Several, const N: usize>(rests: &[&[u8]; N]) -> [W; RATE_LANES] {
    let mut squares = [[_mm512_setzero_si512(); 8]; 2];
    for (rows, at) in squares.iter_mut().zip([0, 64]) {
        for (row, rest) in rows.iter_mut().zip(rests) {
            *row = sixty_four_of_last(rest, at);
        }
    }
    words_of(squares, array::from_fn(|at| rests.get(at).map_or(0, |rest| last_lane(rest))))
}

/// The 64 bytes from `at` on of what is left of a message, padded if it ends among them.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
#[inline]
fn sixty_four_of_last(rest: &[u8], at: usize) -> __m512i {
    let admitted = below(rest.len().saturating_sub(at));
    // SAFETY: the mask admits bytes of the slice only; what it shuts out is not touched.
    let read = unsafe { _mm512_maskz_loadu_epi8(admitted, rest.as_ptr().wrapping_add(at).cast()) };
    let end = bit(rest.len().wrapping_sub(at));
    _mm512_mask_mov_epi8(read, end, _mm512_set1_epi8(PAD_FIRST.cast_signed()))
}

/// A block of each message: twice eight lanes, a message a row, and the lane that no square of eight covers.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
#[inline]
fn words_of<W: Several>(squares: [[__m512i; 8]; 2], seventeenth: [u64; 8]) -> [W; RATE_LANES] {
    let [a, b, c, d, e, f, g, h] = seventeenth.map(u64::cast_signed);
    let mut words = [W::narrow(_mm512_set_epi64(h, g, f, e, d, c, b, a)); RATE_LANES];
    for (words, rows) in words.chunks_exact_mut(8).zip(squares) {
        for (word, column) in words.iter_mut().zip(transpose(rows)) {
            *word = W::narrow(column);
        }
    }
    words
}

/// The lowest `count` bits, all of them from 64 on.
#[inline]
fn below(count: usize) -> u64 {
    bit(count).wrapping_sub(1)
}

/// The bit number `at`, none from 64 on.
#[inline]
fn bit(at: usize) -> u64 {
    if at < 64 { 1 << at } else { 0 }
}

/// Eight lanes of each of eight messages, turned into eight words: `rows[i]` has message i's.
///
/// Messages a to h, lanes 0 to 7; a pair is a quarter of a register, which the last two steps move as a whole:
/// ```text
/// a0 a1 a2 a3 a4 a5 a6 a7      a0 b0│a2 b2│a4 b4│a6 b6      a0 b0│a4 b4│c0 d0│c4 d4      a0 b0│c0 d0│e0 f0│g0 h0
/// b0 b1 b2 b3 b4 b5 b6 b7  ->  a1 b1│a3 b3│a5 b5│a7 b7  ->  e0 f0│e4 f4│g0 h0│g4 h4  ->  a4 b4│c4 d4│e4 f4│g4 h4
/// ...                          ...                          ...                          ...
/// ```
#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
#[inline]
fn transpose(rows: [__m512i; 8]) -> [__m512i; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    let even = four_words([
        _mm512_unpacklo_epi64(a, b),
        _mm512_unpacklo_epi64(c, d),
        _mm512_unpacklo_epi64(e, f),
        _mm512_unpacklo_epi64(g, h),
    ]);
    let odd = four_words([
        _mm512_unpackhi_epi64(a, b),
        _mm512_unpackhi_epi64(c, d),
        _mm512_unpackhi_epi64(e, f),
        _mm512_unpackhi_epi64(g, h),
    ]);
    [even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3]]
}

/// The last two steps of [`transpose`], for every other word.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
#[inline]
fn four_words([ab, cd, ef, gh]: [__m512i; 4]) -> [__m512i; 4] {
    const FIRST_AND_THIRD: i32 = 0b10_00_10_00;
    const SECOND_AND_FOURTH: i32 = 0b11_01_11_01;
    let left = _mm512_shuffle_i64x2::<FIRST_AND_THIRD>(ab, cd);
    let right = _mm512_shuffle_i64x2::<FIRST_AND_THIRD>(ef, gh);
    let left_later = _mm512_shuffle_i64x2::<SECOND_AND_FOURTH>(ab, cd);
    let right_later = _mm512_shuffle_i64x2::<SECOND_AND_FOURTH>(ef, gh);
    [
        _mm512_shuffle_i64x2::<FIRST_AND_THIRD>(left, right),
        _mm512_shuffle_i64x2::<FIRST_AND_THIRD>(left_later, right_later),
        _mm512_shuffle_i64x2::<SECOND_AND_FOURTH>(left, right),
        _mm512_shuffle_i64x2::<SECOND_AND_FOURTH>(left_later, right_later),
    ]
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
fn absorb(state: &mut State, blocks: &[u8]) {
    let mut words = state.map(|lane| One(_mm_cvtsi64_si128(lane.cast_signed())));
    for block in blocks.as_chunks().0 {
        absorb_block(&mut words, block);
    }
    *state = words.map(|word| _mm_cvtsi128_si64(word.0).cast_unsigned());
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
#[inline]
fn absorb_block(words: &mut [One; 25], block: &[u8; RATE]) {
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        *word = word.xor(One(_mm_cvtsi64_si128(i64::from_le_bytes(*bytes))));
    }
    permute(words);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
fn permute_one(state: &mut State) {
    let mut words = state.map(|lane| One(_mm_cvtsi64_si128(lane.cast_signed())));
    permute(&mut words);
    *state = words.map(|word| _mm_cvtsi128_si64(word.0).cast_unsigned());
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
fn digest_one(message: &[u8]) -> B256 {
    let mut words = [One::splat(0); 25];
    let (whole, rest) = message.as_chunks();
    for block in whole {
        absorb_block(&mut words, block);
    }
    let mut last = [0; RATE];
    for at in [0, 64] {
        let bytes = sixty_four_of_last(rest, at);
        // SAFETY: 64 bytes are written, without alignment, to a slice of that length.
        unsafe { _mm512_storeu_si512(last[at..at + 64].as_mut_ptr().cast(), bytes) }
    }
    last[RATE - 8..].copy_from_slice(&last_lane(rest).to_le_bytes());
    absorb_block(&mut words, &last);
    let [a, b, c, d] = [words[0].0, words[1].0, words[2].0, words[3].0];
    let halves = [_mm_unpacklo_epi64(a, b), _mm_unpacklo_epi64(c, d)];
    let mut digest = B256::ZERO;
    for (bytes, half) in digest.chunks_exact_mut(16).zip(halves) {
        // SAFETY: 16 bytes are written, without alignment, to a slice of that length.
        unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), half) }
    }
    digest
}
