//! Work on a database in a process of its own: a page that libmdbx stumbles over ends only that process.
//!
//! The parent runs the program again with the arguments that lead the child to the work; the child writes one line of JSON to its
//! standard output. A child that ends without that line has died of the database, and that is an answer too. The parent holds the child's
//! standard input open for as long as it lives, so that a child can see when nobody waits for it any more.

use std::{
    ffi::OsStr,
    io::{self, Write},
    path::Path,
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};

/// The one line of the child.
#[derive(Serialize, Deserialize)]
enum Answer<T> {
    /// The work was done.
    Done(T),
    /// The databases could not be read, or not be written.
    Failed {
        /// [`Error::kind`].
        kind: String,
        /// What was wrong.
        message: String,
    },
}

/// In the child: says what came of the work.
pub(crate) fn answer<T: Serialize>(done: Result<T>, out: &mut impl Write) -> io::Result<()> {
    let answer = match done {
        Ok(done) => Answer::Done(done),
        Err(error) => Answer::Failed { kind: error.kind().to_owned(), message: error.to_string() },
    };
    serde_json::to_writer(&mut *out, &answer)?;
    writeln!(out)?;
    out.flush()
}

/// In the parent: runs `program` with `args` and reads the answer. Its standard error passes through.
pub(crate) fn ask<T: DeserializeOwned>(program: &Path, args: &[impl AsRef<OsStr>]) -> Result<T> {
    let failed = |source| Error::Io { what: "run", path: program.to_owned(), source };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().map_err(failed)?;
    let _held = child.stdin.take();
    let child = child.wait_with_output().map_err(failed)?;
    let answer = child
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"{"))
        .find_map(|line| serde_json::from_slice::<Answer<T>>(line).ok());
    match answer {
        Some(Answer::Done(done)) => Ok(done),
        Some(Answer::Failed { kind, message }) => Err(Error::CheckFailed { kind, message }),
        None => Err(Error::CheckerDied { status: child.status.to_string() }),
    }
}
