//! Why a command failed.

use std::{io, path::PathBuf};

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line is not one of ours.
    #[error("no such command\n\n{0}")]
    Usage(&'static str),
    /// A program could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// A program ended with a failure.
    #[error("`{program}` failed ({status})")]
    Program {
        /// The command line.
        program: String,
        /// Its exit status.
        status: String,
    },
    /// A file could not be handled.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A tool is missing and the run may not go on without it.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Output of a program could not be understood.
    #[error("cannot read the output of {0}")]
    Output(&'static str),
    /// A program answered something else than it should.
    #[error("{what} was answered {answer}")]
    Unexpected {
        /// What was asked.
        what: String,
        /// The answer.
        answer: String,
    },
    /// A check found something.
    #[error("{check}: {}", findings.join("\n  "))]
    Findings {
        /// The check's name.
        check: &'static str,
        /// What it found, one line each.
        findings: Vec<String>,
    },
    /// The harness failed.
    #[error(transparent)]
    Harness(#[from] snapsync_e2e::Error),
}

impl Error {
    /// For `map_err`: names the deed and the path of an I/O error.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
