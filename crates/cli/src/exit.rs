//! What the program says at the end: one error type, one exit code for each kind of trouble.
//!
//! The codes are part of the interface (README): scripts may depend on them.

pub(crate) use snapsync_driver::Exit;

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
