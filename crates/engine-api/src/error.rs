//! What can go wrong before anything is served. What a caller did wrong is an answer ([`crate::engine`]), not an error.

use std::{io, net::SocketAddr, path::PathBuf};

/// What keeps the methods from being served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file with the secret can neither be read nor made.
    #[error("cannot read or make the JWT secret {path}: {source}")]
    Secret {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file with the secret says nothing.
    #[error(
        "{path} is empty, so it holds no JWT secret: delete it and one is made at the next start, or put the consensus client's there"
    )]
    EmptySecret {
        /// The file.
        path: PathBuf,
    },
    /// The file with the secret says something else.
    #[error("{path} is not a JWT secret: 64 digits of hex were looked for")]
    NotASecret {
        /// The file.
        path: PathBuf,
    },
    /// Nobody can be heard at the address.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// Where it was tried.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// What comes of it.
pub type Result<T, E = Error> = std::result::Result<T, E>;
