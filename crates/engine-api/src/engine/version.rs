//! Which version of a method was called, and which forks it is for.

use snapsync_execute::{Fork, Forks};

use alloy_primitives::U256;

/// The version of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    V1,
    V2,
    V3,
    V4,
    V5,
}

impl Version {
    /// Whether withdrawals stand in what a method of this version is given; nothing, if that is open.
    pub(super) fn has_withdrawals(self, fork: Fork) -> Option<bool> {
        match self {
            Self::V1 => Some(false),
            // It took over from the first version before it was time, and what it is not for has no form in it.
            Self::V2 => (fork <= Fork::Shanghai).then_some(fork == Fork::Shanghai),
            _ => Some(true),
        }
    }
}

/// The fork of a block that was not mined.
pub(super) fn fork_of(forks: &Forks, number: u64, time: u64) -> Fork {
    forks.rules(number, time, U256::ZERO).fork
}
