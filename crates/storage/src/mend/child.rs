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
    mend::{
        Mended,
        run::{mend, mend_history},
    },
    state::store::StateStore,
    store::Store,
};

/// What of a data directory is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damaged {
    /// The history alone: the state stays as it is, whole if it was.
    History,
    /// The state, and maybe the history.
    State,
}

/// In the child: mends what there is and writes the answer to `out`, which the parent reads.
///
/// # Errors
/// When nobody listens.
pub fn answer_mended(config: &Config, damaged: Damaged, phase: u8, out: &mut impl Write) -> io::Result<()> {
    child::answer(mend_datadir(config, damaged, phase), out)
}

/// In the parent: runs `program` with `args` and reads the answer. Its standard error passes through.
///
/// # Errors
/// [`crate::Error::CheckerDied`] when the child ended without an answer, [`crate::Error::CheckFailed`] when it could not mend.
pub fn mend_in_child(program: &Path, args: &[impl AsRef<OsStr>]) -> Result<Mended> {
    child::ask(program, args)
}

fn mend_datadir(config: &Config, damaged: Damaged, phase: u8) -> Result<Mended> {
    let chain = StateStore::open_read_only(&config.datadir)?.chain();
    let store = Store::open(config, chain)?;
    let mut mended = mend_history(&store.history)?;
    // One that was begun is brought to its end in any case.
    if damaged == Damaged::State || store.state.is_being_mended()? {
        mended.add(&mend(&store.state, phase)?);
    }
    Ok(mended)
}
