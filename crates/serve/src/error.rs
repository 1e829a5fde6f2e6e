//! What can go wrong while answering: only our own disk. A strange request is no error; it gets a short answer.

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Disk(#[from] snapsync_storage::Error),
    /// A stored block is not what was once received and checked.
    #[error("stored {what} cannot be read: {why}")]
    Stored {
        /// The noun.
        what: &'static str,
        /// What is wrong with it.
        why: snapsync_wire::Error,
    },
}
