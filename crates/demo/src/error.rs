//! Why there is no demo: its chain cannot be made, or its peers cannot start.

use snapsync_storage::{BlockError, BlockFault, StateRows};
use snapsync_trie::Fault;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk failed, or the directory holds something else.
    #[error(transparent)]
    Disk(#[from] snapsync_storage::Error),
    /// Our own rows do not prove themselves: a bug of the maker.
    #[error("the demo's state does not prove itself: {0}")]
    State(#[from] Fault),
    /// Our own blocks do not prove themselves: a bug of the maker.
    #[error("the demo's blocks do not prove themselves: {0}")]
    Block(#[from] BlockFault),
    /// Our own blocks cannot be read: a bug of the maker.
    #[error("the demo's blocks cannot be read: {0}")]
    Wire(#[from] snapsync_wire::Error),
    /// The rows are written and yet something is missing: a bug of the maker, or of the store.
    #[error(
        "the demo's state is not whole: {} ranges, {} storages, {} codes missing",
        rows.account_gaps,
        rows.storages_pending,
        rows.codes_pending
    )]
    NotWhole {
        /// What is there.
        rows: StateRows,
    },
    /// A block cannot be laid over its parent's state: a bug of the maker, or the disk failed.
    #[error("the demo's chain cannot go on: {0}")]
    Changes(#[from] BlockError),
    /// A block that was made cannot be executed: a bug of the maker, or the disk failed.
    #[error("the demo's blocks cannot be executed: {0}")]
    Executed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no whole state for a chain to go on from, or a block found another one than its parent's.
    #[error("the demo's chain has no head to go on from")]
    NoHead,
    /// A commit failed.
    #[error("the demo's chain cannot be written: {message}")]
    Writer {
        /// What the writer said.
        message: String,
    },
    /// A socket cannot be opened.
    #[error("a demo peer cannot listen: {0}")]
    Network(#[from] snapsync_p2p::Error),
    /// The chain cannot be read.
    #[error(transparent)]
    Serve(#[from] snapsync_serve::Error),
    /// A slow line cannot be opened.
    #[error("no slow line to a demo peer: {0}")]
    Line(#[source] std::io::Error),
    /// A thread cannot be started.
    #[error("a demo peer cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}
