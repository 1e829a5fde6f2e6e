//! What can go wrong in the harness. Nothing here blames a peer: a failing harness is a failing machine.

use std::{io, path::PathBuf};

/// A fault of the harness or of what it drives.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, folder or process could not be handled.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A program ended with a failure.
    #[error("{program} ended with {status}; its last words:\n{tail}")]
    Program {
        /// The command line's head.
        program: String,
        /// Its exit status.
        status: String,
        /// The end of what it wrote.
        tail: String,
    },
    /// A JSON-RPC call failed.
    #[error("rpc {method}: {why}")]
    Rpc {
        /// The method that was called.
        method: String,
        /// The server's error, or what is wrong with its answer.
        why: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {seconds} s; {tail}")]
    Late {
        /// What was awaited.
        what: String,
        /// The deadline.
        seconds: u64,
        /// What may explain it.
        tail: String,
    },
    /// The chain that was made is not the chain that was wanted.
    #[error("test chain: {0}")]
    Chain(String),
    /// A tool is not on this machine.
    #[error("{0} is missing on this machine (cargo xtask geth installs it)")]
    Missing(&'static str),
}

impl Error {
    /// For `map_err`: names the deed and the path of an I/O error.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
