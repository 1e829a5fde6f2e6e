//! `Keccak-f[1600]`, written once for every kernel: over words that are a lane of one state, or that lane of several.
//!
//! ```text
//! a state is 5 x 5 lanes of 64 bits            word a[x + 5y] of a kernel with n lanes
//!        x=0  1  2  3  4
//!   y=0   0  1  2  3  4                        ┌─────────┬─────────┬───┬───────────┐
//!     1   5  6  7  8  9          lane 7  ───►  │ state 0 │ state 1 │ … │ state n-1 │   one register
//!     2  10 11 12 13 14                        └─────────┴─────────┴───┴───────────┘
//!     3  15 16 17 18 19
//!     4  20 21 22 23 24
//! ```
//!
//! No lane of a state ever meets another state's, so n states cost what one costs. What a [`Word`] can do in one
//! instruction differs from processor to processor and is all that a kernel has to say. This file does not know how bytes
//! become words.
//!
//! SPEC: FIPS 202, chapter 3.

#[cfg(target_arch = "x86_64")]
use std::mem::MaybeUninit;

/// A state as bytes of one message see it: lane `x + 5y` at that index.
pub(crate) type State = [u64; 25];

/// One lane of one state or of several side by side.
pub(crate) trait Word: Copy {
    /// The same lane in every state.
    fn splat(lane: u64) -> Self;

    /// `self ^ other`.
    fn xor(self, other: Self) -> Self;

    /// `self ^ (!b & c)`: a lane of chi.
    fn chi(self, b: Self, c: Self) -> Self;

    /// Rotated to the left by `LEFT`, which is 64 - `RIGHT`.
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self;

    /// The parity of a column: a step of theta.
    fn parity(column: [Self; 5]) -> Self {
        column[0].xor(column[1]).xor(column[2]).xor(column[3].xor(column[4]))
    }

    /// What theta adds to a column between these two: `before ^ rotate(after, 1)`.
    fn tilt(before: Self, after: Self) -> Self {
        before.xor(after.rotate::<1, 63>())
    }

    /// The end of theta and rho together: `rotate(self ^ tilt)`.
    fn twist<const LEFT: i32, const RIGHT: i32>(self, tilt: Self) -> Self {
        self.xor(tilt).rotate::<LEFT, RIGHT>()
    }
}

/// What iota adds to lane 0, round by round.
#[rustfmt::skip]
const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001, 0x0000_0000_0000_8082, 0x8000_0000_0000_808a, 0x8000_0000_8000_8000,
    0x0000_0000_0000_808b, 0x0000_0000_8000_0001, 0x8000_0000_8000_8081, 0x8000_0000_0000_8009,
    0x0000_0000_0000_008a, 0x0000_0000_0000_0088, 0x0000_0000_8000_8009, 0x0000_0000_8000_000a,
    0x0000_0000_8000_808b, 0x8000_0000_0000_008b, 0x8000_0000_0000_8089, 0x8000_0000_0000_8003,
    0x8000_0000_0000_8002, 0x8000_0000_0000_0080, 0x0000_0000_0000_800a, 0x8000_0000_8000_000a,
    0x8000_0000_8000_8081, 0x8000_0000_0000_8080, 0x0000_0000_8000_0001, 0x8000_0000_8000_8008,
];

/// All 24 rounds. Inlined into each kernel, so that it is compiled with that kernel's instructions.
#[inline(always)]
pub(crate) fn permute<W: Word>(state: &mut [W; 25]) {
    let mut a = *state;
    for constant in &ROUNDS[..23] {
        a = round(a, *constant);
    }
    // Apart, so that where only a digest is wanted, the compiler leaves out most of the last round.
    *state = round(a, ROUNDS[23]);
}

/// A line of the first cache.
#[cfg(target_arch = "x86_64")]
#[repr(align(64))]
struct CacheLine {
    _bytes: [u8; 64],
}

/// Makes the compiler align the frame of the function that this is inlined into, by something that must lie in it.
///
/// Words that find no register go to the frame. Unaligned, some of them would lie across two lines of the cache, or half
/// of them, by the caller's depth: AVX2 was half as slow again.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn align_frame() {
    // Nobody reads it, so it is not filled.
    std::hint::black_box(&mut MaybeUninit::<CacheLine>::uninit());
}

/// Rho and pi are a walk: the lane that lands at (x, y) comes from (x + 3y, x), and is rotated on its way.
#[inline(always)]
fn round<W: Word>(a: [W; 25], constant: u64) -> [W; 25] {
    let parity = |x: usize| W::parity([a[x], a[x + 5], a[x + 10], a[x + 15], a[x + 20]]);
    let c = [parity(0), parity(1), parity(2), parity(3), parity(4)];
    let t = [
        W::tilt(c[4], c[1]),
        W::tilt(c[0], c[2]),
        W::tilt(c[1], c[3]),
        W::tilt(c[2], c[4]),
        W::tilt(c[3], c[0]),
    ];
    let [b0, b1, b2, b3, b4] = chi([
        a[0].xor(t[0]),
        a[6].twist::<44, 20>(t[1]),
        a[12].twist::<43, 21>(t[2]),
        a[18].twist::<21, 43>(t[3]),
        a[24].twist::<14, 50>(t[4]),
    ]);
    let b0 = b0.xor(W::splat(constant));
    let [b5, b6, b7, b8, b9] = chi([
        a[3].twist::<28, 36>(t[3]),
        a[9].twist::<20, 44>(t[4]),
        a[10].twist::<3, 61>(t[0]),
        a[16].twist::<45, 19>(t[1]),
        a[22].twist::<61, 3>(t[2]),
    ]);
    let [b10, b11, b12, b13, b14] = chi([
        a[1].twist::<1, 63>(t[1]),
        a[7].twist::<6, 58>(t[2]),
        a[13].twist::<25, 39>(t[3]),
        a[19].twist::<8, 56>(t[4]),
        a[20].twist::<18, 46>(t[0]),
    ]);
    let [b15, b16, b17, b18, b19] = chi([
        a[4].twist::<27, 37>(t[4]),
        a[5].twist::<36, 28>(t[0]),
        a[11].twist::<10, 54>(t[1]),
        a[17].twist::<15, 49>(t[2]),
        a[23].twist::<56, 8>(t[3]),
    ]);
    let [b20, b21, b22, b23, b24] = chi([
        a[2].twist::<62, 2>(t[2]),
        a[8].twist::<55, 9>(t[3]),
        a[14].twist::<39, 25>(t[4]),
        a[15].twist::<41, 23>(t[0]),
        a[21].twist::<2, 62>(t[1]),
    ]);
    [
        b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15, b16, b17, b18, b19, b20, b21,
        b22, b23, b24,
    ]
}

#[inline(always)]
fn chi<W: Word>(b: [W; 5]) -> [W; 5] {
    [
        b[0].chi(b[1], b[2]),
        b[1].chi(b[2], b[3]),
        b[2].chi(b[3], b[4]),
        b[3].chi(b[4], b[0]),
        b[4].chi(b[0], b[1]),
    ]
}
