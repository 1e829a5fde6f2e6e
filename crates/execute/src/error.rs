//! What can go wrong, by who is to do something about it.

use alloy_primitives::B256;

use crate::bad::BadBlock;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a block was not executed, or its list not applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The block is bad, on whatever disk and by whichever executor.
    #[error("the block is bad: {0}")]
    Bad(Box<BadBlock>),
    /// The list that was given is not the block's: whoever sent it lied, and the block may be good.
    #[error(transparent)]
    List(#[from] snapsync_storage::ListFault),
    /// A block has a list, which alone it may be taken by, and nobody has given it yet.
    #[error("the access list of block {number} has not come")]
    ListAwaited {
        /// The block.
        number: u64,
    },
    /// The state is not the parent's: the caller's doing.
    #[error("the state is not that of {parent}")]
    NotTheParent {
        /// The block whose state is wanted.
        parent: B256,
    },
    /// A block asks for the hash of an older one that the reader does not know.
    #[error("the hash of block {number} is not known")]
    NoBlockHash {
        /// Its number.
        number: u64,
    },
    /// A row names a code that is not held: the disk is damaged.
    #[error("code {hash} is not held")]
    NoCode {
        /// Its hash.
        hash: B256,
    },
    /// The reader cannot tell a root, which blocks before Byzantium need after each transaction.
    #[error("this state cannot tell a root")]
    NoRoots,
    /// What an executor says has changed cannot be laid over the state: the executor's fault.
    #[error("the executor's changes do not fit the state: {0}")]
    Misfit(snapsync_storage::BlockError),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] snapsync_storage::Error),
    /// A host's own reader or executor failed.
    #[error("{0}")]
    Host(Box<dyn std::error::Error + Send + Sync>),
}

impl From<BadBlock> for Error {
    fn from(bad: BadBlock) -> Self {
        Self::Bad(Box::new(bad))
    }
}

impl Error {
    /// Why the block is bad, if it is the block's fault.
    pub fn bad_block(&self) -> Option<&BadBlock> {
        match self {
            Self::Bad(bad) => Some(bad),
            _ => None,
        }
    }

    /// Whether an executor failed, or what it reads by, and the block may be good and the disk too: another way may lead on.
    pub const fn is_of_executor(&self) -> bool {
        match self {
            Self::NoBlockHash { .. }
            | Self::NoCode { .. }
            | Self::NoRoots
            | Self::Misfit(_)
            | Self::Host(_) => true,
            Self::Bad(_)
            | Self::List(_)
            | Self::ListAwaited { .. }
            | Self::NotTheParent { .. }
            | Self::Disk(_) => false,
        }
    }
}
