//! The check in a process of its own: a page that libmdbx stumbles over ends only that process.
//!
//! The parent runs the program again with the arguments that lead the child to [`answer_parent`]; the child writes one line
//! of JSON to its standard output. A child that ends without that line has died of the database, and that is an answer too.

use std::{
    ffi::OsStr,
    io::{self, Write},
    path::Path,
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    verify::{Report, VerifyConfig, verify},
};

/// The one line of the child.
#[derive(Serialize, Deserialize)]
enum Answer {
    /// The check ran to its end.
    Report(Report),
    /// The databases could not be read.
    Failed {
        /// [`Error::kind`].
        kind: String,
        /// What was wrong.
        message: String,
    },
}

/// In the child: checks `datadir` and writes the answer to `out`, which the parent reads.
///
/// # Errors
/// When nobody listens.
pub fn answer_parent(datadir: &Path, config: VerifyConfig, out: &mut impl Write) -> io::Result<()> {
    let answer = match verify(datadir, config) {
        Ok(report) => Answer::Report(report),
        Err(error) => Answer::Failed { kind: error.kind().to_owned(), message: error.to_string() },
    };
    serde_json::to_writer(&mut *out, &answer)?;
    writeln!(out)?;
    out.flush()
}

/// In the parent: runs `program` with `args` and reads the answer. Its standard error passes through.
///
/// # Errors
/// [`Error::CheckerDied`] when the child ended without an answer, [`Error::CheckFailed`] when it could not read.
pub fn verify_in_child(program: &Path, args: &[impl AsRef<OsStr>]) -> Result<Report> {
    let child = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let child = child.map_err(|source| Error::Io { what: "run", path: program.to_owned(), source })?;
    let answer = child
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"{"))
        .find_map(|line| serde_json::from_slice::<Answer>(line).ok());
    match answer {
        Some(Answer::Report(report)) => Ok(report),
        Some(Answer::Failed { kind, message }) => Err(Error::CheckFailed { kind, message }),
        None => Err(Error::CheckerDied { status: child.status.to_string() }),
    }
}
