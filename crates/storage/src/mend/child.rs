//! The mending of a data directory in a process of its own.

use std::{
    ffi::OsStr,
    io::{self, Write},
    path::Path,
};

use crate::{
    child,
    config::Config,
    error::Result,
    mend::{Mended, run::mend},
    state::store::StateStore,
    store::Store,
};

/// In the child: mends what there is and writes the answer to `out`, which the parent reads.
///
/// # Errors
/// When nobody listens.
pub fn answer_mended(config: &Config, phase: u8, out: &mut impl Write) -> io::Result<()> {
    child::answer(mend_datadir(config, phase), out)
}

/// In the parent: runs `program` with `args` and reads the answer. Its standard error passes through.
///
/// # Errors
/// [`crate::Error::CheckerDied`] when the child ended without an answer, [`crate::Error::CheckFailed`] when it could not mend.
pub fn mend_in_child(program: &Path, args: &[impl AsRef<OsStr>]) -> Result<Mended> {
    child::ask(program, args)
}

fn mend_datadir(config: &Config, phase: u8) -> Result<Mended> {
    let chain = StateStore::open_read_only(&config.datadir)?.chain();
    mend(&Store::open(config, chain)?.state, phase)
}
