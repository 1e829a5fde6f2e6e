//! Why bytes are not a message: the one error of this crate.
//!
//! All of it is a peer's doing, except [`Error::NotInVersion`], which is ours. It does not say what the
//! peer shall be charged with; that is decided where outcomes are made.

use alloy_primitives::B256;

use crate::version::Protocol;

/// Why bytes could not be read as what they claim to be, or a message not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes break a rule of RLP or of the field's type.
    #[error("{what}: {fault}")]
    Malformed {
        /// The message or part that was being read.
        what: &'static str,
        /// The rule that was broken.
        fault: RlpFault,
    },
    /// A list holds more items than anybody has a reason to send.
    #[error("{what}: more than {max} items")]
    TooMany {
        /// The list that was being read.
        what: &'static str,
        /// The bound it breaks.
        max: usize,
    },
    /// An item is longer than anybody has a reason to send.
    #[error("{what}: {length} bytes, at most {max} are taken")]
    TooLong {
        /// The item that was being read.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The bound it breaks.
        max: usize,
    },
    /// The negotiated version of the protocol has no message of this id.
    #[error("unknown {protocol} message {id:#04x}")]
    UnknownMessage {
        /// The capability the id belongs to.
        protocol: Protocol,
        /// The id relative to the capability's base.
        id: u64,
    },
    /// A message was to be sent that the negotiated version of the protocol does not have.
    #[error("{protocol} has no {what}")]
    NotInVersion {
        /// The negotiated version.
        protocol: Protocol,
        /// The message or field that does not exist in it.
        what: &'static str,
    },
    /// A transaction, receipt or disconnect type outside what its specification allows.
    #[error("{what}: type byte {byte:#04x} is not allowed")]
    TypeByte {
        /// The item that was being read.
        what: &'static str,
        /// The offending byte.
        byte: u8,
    },
    /// A Status that names another version than the one that was negotiated.
    #[error("status speaks of eth/{told}, but eth/{negotiated} was negotiated")]
    StatusVersion {
        /// The version that both sides have agreed on.
        negotiated: u64,
        /// The version in the message.
        told: u64,
    },
    /// A block range that cannot be: it ends before it starts, or its last hash is zero.
    #[error("impossible block range {earliest}..={latest} ending in {latest_hash}")]
    BlockRange {
        /// The first block that is claimed.
        earliest: u64,
        /// The last block that is claimed.
        latest: u64,
        /// The hash of the last block.
        latest_hash: B256,
    },
}

/// The rule of RLP, or of a field's type, that the bytes break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RlpFault {
    /// An item claims more bytes than there are, or a field is missing.
    #[error("the input ends early")]
    Truncated,
    /// A string stands where a list belongs.
    #[error("a list was expected, a string found")]
    ExpectedList,
    /// A list stands where a string belongs.
    #[error("a string was expected, a list found")]
    ExpectedString,
    /// A length or an integer is written with more bytes than it needs.
    #[error("not the shortest encoding")]
    NotCanonical,
    /// An integer does not fit into its type.
    #[error("the integer does not fit its type")]
    Overflow,
    /// A string of fixed length has another one.
    #[error("a string of {expected} bytes was expected, {found} found")]
    Length {
        /// The length that the field has.
        expected: usize,
        /// The length that was found.
        found: usize,
    },
    /// Bytes or items follow where nothing more may follow.
    #[error("something follows after the last field")]
    Trailing,
    /// A flag is neither 0 nor 1.
    #[error("a flag is neither 0 nor 1")]
    Flag,
}
