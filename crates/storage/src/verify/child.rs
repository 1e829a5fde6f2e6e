//! The check in a process of its own.

use std::{
    ffi::OsStr,
    io::{self, Write},
    path::Path,
};

use crate::{
    child,
    error::Result,
    verify::{Report, VerifyConfig, verify},
};

/// In the child: checks `datadir` and writes the answer to `out`, which the parent reads.
///
/// # Errors
/// When nobody listens.
pub fn answer_parent(datadir: &Path, config: VerifyConfig, out: &mut impl Write) -> io::Result<()> {
    child::answer(verify(datadir, config), out)
}

/// In the parent: runs `program` with `args` and reads the answer. Its standard error passes through.
///
/// # Errors
/// [`crate::Error::CheckerDied`] when the child ended without an answer, [`crate::Error::CheckFailed`] when it could not read.
pub fn verify_in_child(program: &Path, args: &[impl AsRef<OsStr>]) -> Result<Report> {
    child::ask(program, args)
}
