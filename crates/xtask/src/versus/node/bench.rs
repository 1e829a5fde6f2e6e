//! What the turns are given: the programs, and what is wanted.

use std::path::PathBuf;

use snapsync_e2e::cache::Tools;

use crate::versus::node::arguments::Arguments;

/// Where everything is.
pub(super) struct Bench {
    pub(super) tools: Tools,
    /// The folder of our programs.
    pub(super) programs: PathBuf,
    pub(super) program: PathBuf,
    pub(super) arguments: Arguments,
}
