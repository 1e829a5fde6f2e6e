//! What an answer turned out to be, and which lie it was.

use alloy_primitives::B256;
use snapsync_trie::Fault as RangeFault;

/// A peer's wrongdoing, with the values that show it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Accounts, slots or codes do not prove.
    #[error(transparent)]
    Range(#[from] RangeFault),
    /// A header has another hash than the one that it must have.
    #[error("header {found} stands where {expected} must")]
    WrongHeader {
        /// The hash that it must have.
        expected: B256,
        /// The hash that it has.
        found: B256,
    },
    /// A header's parent hash is not the hash of the header that follows.
    #[error("header {number} does not link to the one below")]
    HeaderLink {
        /// The upper header's number.
        number: u64,
    },
    /// A header's number is not one less than that of the header above.
    #[error("header number {found} where {expected} must be")]
    HeaderNumber {
        /// The number that it must have.
        expected: u64,
        /// The number that it has.
        found: u64,
    },
    /// A body does not match its header's roots.
    #[error("body of block {number} does not match its header")]
    WrongBody {
        /// The block.
        number: u64,
    },
    /// Receipts do not match their header's root.
    #[error("receipts of block {number} do not match their header")]
    WrongReceipts {
        /// The block.
        number: u64,
    },
    /// An access list is not the one that its block's header commits to.
    #[error("access list of block {number} does not match its header")]
    WrongList {
        /// The block.
        number: u64,
    },
    /// More items came than were asked for.
    #[error("{found} items came, {asked} were asked for")]
    TooMany {
        /// How many were asked for.
        asked: u64,
        /// How many came.
        found: u64,
    },
    /// The answer is far larger than any limit allows.
    #[error("answer of {bytes} bytes, the limit is {limit}")]
    Oversized {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The message cannot be decoded.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// The answer has the request's id and another kind.
    #[error("answer of another kind than its request")]
    WrongKind,
    /// Nobody asked this peer for it.
    #[error("unsolicited answer {id}")]
    Unsolicited {
        /// The id that it carries.
        id: u64,
    },
    /// The request was answered before.
    #[error("second answer to request {id}")]
    Duplicate {
        /// The id that it carries.
        id: u64,
    },
    /// The receipts of a block came in parts that are far too small, or for far too long.
    #[error("receipts of block {number} come drop by drop")]
    Dripping {
        /// The block.
        number: u64,
    },
    /// No answer came, again and again.
    #[error("silent: {timeouts} requests in a row ran out of time")]
    Silent {
        /// How many in a row.
        timeouts: u32,
    },
}

impl Fault {
    /// Every kind, for counters.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        RangeFault::KINDS.iter().copied().chain(Self::OWN_KINDS.iter().copied())
    }

    /// The kinds that are not about proofs of state.
    pub const OWN_KINDS: &'static [&'static str] = &[
        "wrong_header",
        "header_link",
        "header_number",
        "wrong_body",
        "wrong_receipts",
        "wrong_list",
        "too_many",
        "oversized",
        "malformed",
        "wrong_kind",
        "unsolicited",
        "duplicate",
        "dripping",
        "silent",
    ];

    /// Whether it is a proven lie or a breach of the protocol, which no line and no load can cause: whoever does that once
    /// is not to be spoken to again.
    pub fn is_proven(&self) -> bool {
        match self {
            Self::Silent { .. }
            | Self::Dripping { .. }
            | Self::Unsolicited { .. }
            | Self::Duplicate { .. }
            | Self::TooMany { .. } => false,
            Self::Range(_)
            | Self::WrongHeader { .. }
            | Self::HeaderLink { .. }
            | Self::HeaderNumber { .. }
            | Self::WrongBody { .. }
            | Self::WrongReceipts { .. }
            | Self::WrongList { .. }
            | Self::Oversized { .. }
            | Self::Malformed(_)
            | Self::WrongKind => true,
        }
    }

    /// Whether an honest server may send it that imports a block while it reads the state: rows and proof, or rows and rows, are
    /// then of two states. Each part of such an answer is well-formed; what is not has no such excuse.
    pub fn may_be_a_race(&self) -> bool {
        match self {
            Self::Range(
                RangeFault::RootMismatch { .. }
                | RangeFault::EdgeMismatch { .. }
                | RangeFault::NotEmpty { .. }
                | RangeFault::ProofForAnotherRoot { .. }
                | RangeFault::MissingNode { .. }
                | RangeFault::OmittedStorageSet { .. },
            ) => true,
            // Whoever finds the end of a trie at its first key has all of it, and sees nothing to prove.
            Self::Range(RangeFault::Unproven { origin }) => origin.is_zero(),
            _ => false,
        }
    }

    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Range(fault) => fault.kind(),
            Self::WrongHeader { .. } => "wrong_header",
            Self::HeaderLink { .. } => "header_link",
            Self::HeaderNumber { .. } => "header_number",
            Self::WrongBody { .. } => "wrong_body",
            Self::WrongReceipts { .. } => "wrong_receipts",
            Self::WrongList { .. } => "wrong_list",
            Self::TooMany { .. } => "too_many",
            Self::Oversized { .. } => "oversized",
            Self::Malformed(_) => "malformed",
            Self::WrongKind => "wrong_kind",
            Self::Unsolicited { .. } => "unsolicited",
            Self::Duplicate { .. } => "duplicate",
            Self::Dripping { .. } => "dripping",
            Self::Silent { .. } => "silent",
        }
    }
}

/// What one answer turned out to be. It is decided once, where the answer is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All that was asked for.
    Complete,
    /// A part of it; the rest is asked for again, of anybody.
    Partial,
    /// This peer does not have it. Nobody is blamed.
    Unavailable,
    /// A lie, or rubbish.
    Invalid(Fault),
}
