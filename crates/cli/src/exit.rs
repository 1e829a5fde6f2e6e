//! What the program says at the end: one error type, one exit code for each kind of trouble.
//!
//! The codes are part of the interface (README): scripts may depend on them.

use std::process::ExitCode;

/// A kind of ending that a script may want to tell from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something that no other code names.
    Failure = 1,
    /// The command line or a file that it names is wrong.
    Usage = 2,
    /// The data directory is locked, of another chain, of another version, or of another unfinished target.
    DataDirectory = 3,
    /// No peer can be reached, none has the target, or peers do not agree which block it is.
    Target = 4,
    /// What was verified is false: a root, a checkpoint, a stored row.
    Verification = 5,
    /// The disk failed: full, read-only, torn.
    Disk = 6,
    /// The state is complete and verified, but nobody has some of the history.
    History = 7,
    /// Stopped by a signal; everything committed is kept.
    Interrupted = 130,
}

/// The error that `main` prints, with the code that it exits by.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// The kind of ending.
    pub(crate) exit: Exit,
    /// A sentence for a person: what happened, and what to do.
    pub(crate) message: String,
}

impl Failure {
    /// An ending of this kind with this sentence.
    pub(crate) fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
