//! How bytes are hashed: the one seam to Keccak-256, in batches.
//!
//! Everything in this workspace that needs a Keccak-256 digest asks here. The permutation is written once
//! (`permutation`); a kernel says what its processor can do with a lane of several states at a time:
//!
//! | kernel | file | states at a time | chosen where |
//! | --- | --- | --- | --- |
//! | [`Kernel::Avx512`] | `avx512` | 8, 4 or 1 | x86-64 with AVX-512 F, BW and VL, BMI1 and BMI2 |
//! | [`Kernel::Avx2`] | `avx2` | 4 or 1 | x86-64 with AVX2, BMI1 and BMI2 |
//! | [`Kernel::Neon`] | `neon` | 2 | AArch64 with the SHA-3 instructions |
//! | [`Kernel::Portable`] | `portable` | 1 | everywhere |
//!
//! Tests compare every kernel that the machine has with the others and with somebody else's Keccak; the one for AArch64 is run so by
//! `cargo xtask stories`, under an emulator.
//!
//! The choice is made at run time; [`force`] overrides it for benches and tests. This crate trusts nobody and keeps no state
//! but two counters and that choice; it knows nothing of tries, frames or blocks.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod batch;
mod kernel;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
mod permutation;
mod portable;
mod sponge;
mod stream;

pub use batch::{hashes_done, keccak256, keccak256_batch, permutations_done};
pub use kernel::{Kernel, force, kernel};
pub use sponge::blocks;
pub use stream::Stream;
