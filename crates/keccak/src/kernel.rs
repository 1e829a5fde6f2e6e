//! Which kernel hashes: found out once by asking the processor, or forced. It hashes nothing itself.

use std::sync::{
    OnceLock,
    atomic::{AtomicU8, Ordering},
};

use alloy_primitives::B256;

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
use crate::neon::Neon;
#[cfg(target_arch = "x86_64")]
use crate::{avx2::Avx2, avx512::Avx512};
use crate::{
    permutation::State,
    portable,
    sponge::{RATE, pad, squeeze},
};

/// Lanes of the widest kernel.
pub(crate) const LANES_MAX: usize = 8;

/// A way to compute Keccak-256. All give the same digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// One message at a time, on any processor.
    Portable,
    /// Two messages at a time, on AArch64 with the SHA-3 instructions.
    Neon,
    /// Four messages at a time, on x86-64 with AVX2, BMI1 and BMI2.
    Avx2,
    /// Eight messages at a time, on x86-64 with AVX-512 F, BW and VL, BMI1 and BMI2.
    Avx512,
}

impl Kernel {
    /// All kernels, from the slowest up.
    const ALL: [Self; 4] = [Self::Portable, Self::Neon, Self::Avx2, Self::Avx512];

    /// The kernels that this machine can run, the fastest last; [`Kernel::Portable`] is always the first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        Self::ALL.into_iter().filter(|kernel| kernel.active().is_some())
    }

    /// The kernel with its proof, where this machine can run it.
    pub(crate) fn active(self) -> Option<Active> {
        FOUND.get_or_init(|| Self::ALL.map(Self::find))[self as usize]
    }

    fn find(self) -> Option<Active> {
        match self {
            Self::Portable => Some(Active::Portable),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::detect().map(Active::Avx2),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::detect().map(Active::Avx512),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Neon => Neon::detect().map(Active::Neon),
            // A kernel of another architecture.
            #[allow(unreachable_patterns, reason = "on some architecture every kernel might have its arm")]
            _ => None,
        }
    }
}

/// The index in `Kernel::ALL` of the kernel in use; beyond it while nobody has asked.
static IN_USE: AtomicU8 = AtomicU8::new(u8::MAX);

/// What the processor answered, kernel by kernel.
static FOUND: OnceLock<[Option<Active>; Kernel::ALL.len()]> = OnceLock::new();

/// The kernel in use: the fastest available one, unless another was [forced](force).
pub fn kernel() -> Kernel {
    Kernel::ALL.get(usize::from(IN_USE.load(Ordering::Relaxed))).copied().unwrap_or_else(choose)
}

#[cold]
fn choose() -> Kernel {
    let fastest = Kernel::available().next_back().expect("the portable kernel is always there");
    force(fastest);
    fastest
}

/// Makes the whole process use `kernel` from now on, for benches and tests.
///
/// # Panics
/// When this machine cannot run it.
pub fn force(kernel: Kernel) {
    assert!(kernel.active().is_some(), "{kernel:?} needs a processor that this machine has not");
    IN_USE.store(kernel as u8, Ordering::Relaxed);
}

/// A kernel with the proof that this machine can run it: only `detect` makes what the variants hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Active {
    Portable,
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    Neon(Neon),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Active {
    /// The kernel in use.
    pub(crate) fn now() -> Self {
        kernel().active().unwrap_or(Self::Portable)
    }

    /// Takes whole blocks into one state.
    pub(crate) fn absorb(self, state: &mut State, blocks: &[u8]) {
        match self {
            Self::Portable => portable::absorb(state, blocks),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Neon(_) => portable::absorb(state, blocks),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(kernel) => kernel.absorb(state, blocks),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(kernel) => kernel.absorb(state, blocks),
        }
    }

    /// One permutation of one state.
    pub(crate) fn permute(self, state: &mut State) {
        match self {
            Self::Portable => portable::permute(state),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Neon(_) => portable::permute(state),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(kernel) => kernel.permute(state),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(kernel) => kernel.permute(state),
        }
    }

    /// The digest of one message.
    pub(crate) fn digest(self, message: &[u8]) -> B256 {
        #[cfg(target_arch = "x86_64")]
        if let Self::Avx512(kernel) = self {
            return kernel.one(message);
        }
        let mut state = [0; 25];
        let (whole, rest) = message.split_at(message.len() - message.len() % RATE);
        if !whole.is_empty() {
            self.absorb(&mut state, whole);
        }
        let mut last = [0; RATE];
        pad(&mut last, rest);
        self.absorb(&mut state, &last);
        squeeze(&state)
    }

    /// How many of the next messages go together, when `equal` of them cost equally much and the others less.
    ///
    /// A lane that would stand idle takes one of the shorter messages for nothing.
    pub(crate) fn lanes(self, equal: usize) -> usize {
        match (self, equal) {
            (Self::Portable, _) => 1,
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            (Self::Neon(_), _) => 2,
            // Four lanes in half registers cost half of what eight in whole ones do.
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512(_), 5..) => 8,
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2(_) | Self::Avx512(_), _) => 4,
        }
    }

    /// The digests of at most [`lanes`](Self::lanes) messages, side by side.
    pub(crate) fn digests(self, messages: &[&[u8]], out: &mut [B256]) {
        match self {
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Neon(kernel) if messages.len() > 1 => {
                side_by_side(messages, out, |messages, out| kernel.two(messages, out));
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(kernel) if messages.len() > 4 => {
                side_by_side(messages, out, |messages, out| kernel.eight(messages, out));
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(kernel) if messages.len() > 1 => {
                side_by_side(messages, out, |messages, out| kernel.four(messages, out));
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(kernel) if messages.len() > 1 => {
                side_by_side(messages, out, |messages, out| kernel.four(messages, out));
            }
            _ => {
                for (message, digest) in messages.iter().zip(out) {
                    *digest = self.digest(message);
                }
            }
        }
    }
}

/// Fills the lanes that have no message with the first one again: an empty slice might point to where reading, even of nothing
/// under a mask, is slow.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn side_by_side<const N: usize>(
    messages: &[&[u8]],
    out: &mut [B256],
    digest: impl Fn(&[&[u8]; N], &mut [B256; N]),
) {
    if let (Some(messages), Some(out)) = (messages.as_array(), out.as_mut_array()) {
        return digest(messages, out);
    }
    let mut all = [messages[0]; N];
    all[..messages.len()].copy_from_slice(messages);
    let mut digests = [B256::ZERO; N];
    digest(&all, &mut digests);
    out.copy_from_slice(&digests[..out.len()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_kernel_is_always_there_and_any_available_one_can_be_forced() {
        assert_eq!(Kernel::available().next(), Some(Kernel::Portable));
        // Digests are the same whatever other tests see in between.
        for forced in Kernel::available() {
            force(forced);
            assert_eq!(kernel(), forced);
        }
        assert_eq!(Kernel::available().next_back(), Some(kernel()));
    }

    #[test]
    fn a_kernel_that_the_environment_promises_is_there() {
        // Where a test run stands for a machine, `cargo xtask stories` says so, or it might be green by leaving a kernel out.
        if let Ok(promised) = std::env::var("SNAPSYNC_KERNEL_PROMISED") {
            let names: Vec<String> = Kernel::available().map(|kernel| format!("{kernel:?}")).collect();
            assert!(names.contains(&promised), "{promised} is not among {names:?}");
        }
    }

    #[test]
    fn kernels_are_found_again_by_their_numbers() {
        for (number, kernel) in Kernel::ALL.into_iter().enumerate() {
            assert_eq!(kernel as usize, number);
        }
    }
}
