//! What can go wrong in the harness, or with the program under siege.

/// A siege that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The harness of the program's tests failed.
    #[error(transparent)]
    Harness(#[from] snapsync_e2e::Error),
    /// A process of ours said something else than it should have.
    #[error("{what} is not what it should be: {text}")]
    Unreadable {
        /// What was read.
        what: &'static str,
        /// What was there.
        text: String,
    },
    /// A sync did not end with the verified root.
    #[error("a sync ended with code {code:?}, or without the root {root}:\n{text}")]
    NotSynced {
        /// The exit code.
        code: Option<i32>,
        /// The root of the target.
        root: String,
        /// All that it wrote.
        text: String,
    },
    /// It was synced, and it cost more than it may.
    #[error("{0}")]
    Dear(String),
}

impl Error {
    /// For `map_err` and `ok_or_else`.
    pub(crate) fn unreadable(what: &'static str, text: impl Into<String>) -> Self {
        Self::Unreadable { what, text: text.into() }
    }
}
