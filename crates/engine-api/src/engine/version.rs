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

/// The fork of a block that was not mined.
pub(super) fn fork_of(forks: &Forks, number: u64, time: u64) -> Fork {
    forks.rules(number, time, U256::ZERO).fork
}
