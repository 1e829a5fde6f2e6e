//! Where Prysm's programs are: a consensus client that drives execution clients, ours and geth.
//!
//! `cargo xtask devnet` builds them. The version is pinned, so that a failure is ours.

use std::path::PathBuf;

use crate::{Error, cache};

/// As Go's module client writes it, without the `v`.
pub const VERSION: &str = "7.0.0";

/// The programs that are used.
pub const PROGRAMS: [&str; 3] = ["prysmctl", "beacon-chain", "validator"];

/// The programs, all of them there.
#[derive(Clone, Debug)]
pub struct Prysm {
    folder: PathBuf,
}

impl Prysm {
    /// Where it is built.
    pub fn folder() -> PathBuf {
        cache::root().join(format!("prysm-{VERSION}"))
    }

    /// The programs, if each of them is there.
    pub fn locate() -> Result<Self, Error> {
        let folder = Self::folder().join("bin");
        let is_whole = PROGRAMS.iter().all(|program| folder.join(program).is_file());
        is_whole.then_some(Self { folder }).ok_or(Error::Missing("Prysm (cargo xtask devnet builds it)"))
    }

    /// One of [`PROGRAMS`].
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}
