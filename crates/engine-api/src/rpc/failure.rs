//! Why a question has no answer, with the code that geth gives for it.

use alloy_primitives::Bytes;
use jsonrpsee::types::{ErrorObjectOwned, error::INTERNAL_ERROR_CODE, error::INVALID_PARAMS_CODE};

/// What geth calls everything that has no code of its own.
const OTHER_CODE: i32 = -32_000;
/// A contract took back what it was asked to do.
const REVERTED_CODE: i32 = 3;

/// A question's result.
pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// What was asked cannot be read, or is more than is answered.
    #[error("{0}")]
    Question(String),
    /// It cannot be answered now, or never.
    #[error("{0}")]
    Other(String),
    /// A call was reverted.
    #[error("{why}")]
    Reverted {
        /// With the reason in words, if it is one.
        why: String,
        /// What the contract returned.
        output: Bytes,
    },
    /// Our disk failed, or holds what cannot be: the asker's question is right.
    #[error("{0}")]
    Ours(String),
}

impl Failure {
    /// What lies on our disk and cannot be read.
    pub(super) fn stored(what: &str, why: impl std::fmt::Display) -> Self {
        Self::Ours(format!("a stored {what} cannot be read: {why}"))
    }
}

impl From<snapsync_storage::Error> for Failure {
    fn from(error: snapsync_storage::Error) -> Self {
        Self::Ours(error.to_string())
    }
}

impl From<Failure> for ErrorObjectOwned {
    fn from(failure: Failure) -> Self {
        let (why, none) = (failure.to_string(), None::<()>);
        match failure {
            Failure::Question(_) => Self::owned(INVALID_PARAMS_CODE, why, none),
            Failure::Other(_) => Self::owned(OTHER_CODE, why, none),
            Failure::Reverted { output, .. } => Self::owned(REVERTED_CODE, why, Some(output)),
            Failure::Ours(_) => Self::owned(INTERNAL_ERROR_CODE, why, none),
        }
    }
}
