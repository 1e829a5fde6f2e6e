//! The kernels that this machine can run, and what is asked of each.

use snapsync_bench::Goal;
use snapsync_keccak::Kernel;

/// All kernels of this machine, the fastest first.
pub(crate) fn available() -> impl Iterator<Item = Kernel> {
    Kernel::available().rev()
}

/// What is asked of `kernel` in a work, by what AVX-512 and AVX2 are to reach there. Of the portable one nothing is.
pub(crate) fn goal(kernel: Kernel, [avx512, avx2]: [Goal; 2]) -> Option<Goal> {
    match kernel {
        Kernel::Avx512 => Some(avx512),
        Kernel::Avx2 => Some(avx2),
        _ => None,
    }
}

/// The contender's name: the program's and the kernel's.
pub(crate) fn contender(kernel: Kernel) -> String {
    format!("snapsync {}", format!("{kernel:?}").to_lowercase())
}
