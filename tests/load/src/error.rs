//! Why there is no chain, or why its import is not as it should be.

use std::{io, path::PathBuf};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line is not one of ours.
    #[error("{0}")]
    Usage(String),
    /// The chain cannot be made.
    #[error(transparent)]
    Chain(#[from] snapsync_demo::Error),
    /// The harness failed.
    #[error(transparent)]
    Harness(#[from] snapsync_e2e::Error),
    /// A file or a process could not be handled.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The import has ended before its chain, or not at its head.
    #[error("the import ended with {status}; its last words:\n{words}")]
    Ended {
        /// Its exit status.
        status: String,
        /// What it wrote.
        words: String,
    },
    /// The chain has too few blocks for anything to be compared.
    #[error("{0} blocks are no ten parts")]
    TooFew(u64),
    /// What should stay flat has grown.
    #[error("{what} has grown from {second} in the second tenth to {last} in the last; {most} are allowed")]
    Grown {
        /// What, and in which unit.
        what: &'static str,
        /// In the second tenth.
        second: f64,
        /// In the last.
        last: f64,
        /// What is still flat.
        most: f64,
    },
}

impl Error {
    /// For `map_err`: names the deed and the path of an I/O error.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
