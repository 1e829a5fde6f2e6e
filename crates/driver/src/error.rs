//! What can end a sync, sorted by what the host does about it.

use std::path::PathBuf;

use alloy_primitives::B256;
use snapsync_sync::Fatal;

/// Why a sync could not start or could not go on. What is on the disk stays there and is consistent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine cannot go on: a mismatch, or nobody has the target.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The disk failed, or holds something else.
    #[error(transparent)]
    Storage(#[from] snapsync_storage::Error),
    /// The network could not be started.
    #[error(transparent)]
    Network(#[from] snapsync_p2p::Error),
    /// A peer's address is not an enode.
    #[error(transparent)]
    Enode(#[from] snapsync_p2p::EnodeError),
    /// The trace file could not be written.
    #[error("trace file {path}: {source}")]
    Trace {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread or a runtime could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// Peers name different blocks at one height; only a hash would be trustless.
    #[error("peers do not agree on block {number}: {one} or {other}; name the target by its hash")]
    PeersDisagree {
        /// The height.
        number: u64,
        /// What one peer says.
        one: B256,
        /// What another says.
        other: B256,
    },
    /// No peer answered which block is meant.
    #[error("no peer has block {number}")]
    NoSuchBlock {
        /// The height.
        number: u64,
    },
    /// No peer could be reached in time to ask which block is meant.
    #[error("no peer could be reached within {seconds} s")]
    NoPeers {
        /// How long was waited.
        seconds: u64,
    },
    /// The sync was shut down.
    #[error("shut down")]
    ShutDown,
}
