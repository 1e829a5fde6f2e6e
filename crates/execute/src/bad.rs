//! Why a block is bad, each reason a type of its own with the values that show it.
//!
//! Who made a block, and who sent it, is told nothing else: the reasons are for logs, for people, and for a consensus client that is
//! answered INVALID. What is not the block's fault (a disk that fails, a state that is not the parent's) is [`crate::Error`].

use alloy_primitives::{Address, B256, U256};

use crate::forks::Fork;

/// What a header commits to by a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commitment {
    /// The ordered root of the transactions.
    Transactions,
    /// The hash of the list of ommers.
    Ommers,
    /// The ordered root of the withdrawals.
    Withdrawals,
    /// The ordered root of the receipts.
    Receipts,
    /// The hash over the requests (EIP-7685).
    Requests,
    /// The hash of the block's access list (EIP-7928).
    AccessList,
    /// The root of the state afterwards.
    State,
}

impl std::fmt::Display for Commitment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Transactions => "transactions root",
            Self::Ommers => "ommers hash",
            Self::Withdrawals => "withdrawals root",
            Self::Receipts => "receipts root",
            Self::Requests => "requests hash",
            Self::AccessList => "access list hash",
            Self::State => "state root",
        })
    }
}

/// Why a block is bad.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBlock {
    /// Bytes of it cannot be read.
    #[error("{part} cannot be read: {why}")]
    Malformed {
        /// "block", "header", "ommer", "withdrawal" or "access list".
        part: &'static str,
        /// Why.
        why: String,
    },
    /// It names another parent.
    #[error("its parent is {expected}, it names {found}")]
    Parent {
        /// The hash of the header that it should lie on.
        expected: B256,
        /// What it names.
        found: B256,
    },
    /// Numbers do not rise by one.
    #[error("it is number {found}, {expected} follows")]
    Number {
        /// What follows its parent.
        expected: u64,
        /// What it says.
        found: u64,
    },
    /// It is not younger than its parent.
    #[error("its time {found} is not after its parent's {parent}")]
    Time {
        /// The parent's time.
        parent: u64,
        /// Its time.
        found: u64,
    },
    /// The header has fields of another fork.
    #[error("its header has {found} fields, {fork:?} has {expected}")]
    Fields {
        /// The fork whose rules hold.
        fork: Fork,
        /// How many fields that fork's headers have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// The extra data is too long.
    #[error("its extra data has {found} bytes, {max} are allowed")]
    ExtraData {
        /// Bytes.
        found: usize,
        /// Bytes at most.
        max: usize,
    },
    /// The extra data puts it on the other side of the DAO's fork.
    #[error("its extra data is of the other side of the DAO's fork")]
    DaoSide,
    /// The gas limit is further from its parent's than a 1024th, or out of all bounds.
    #[error("its gas limit {found} may not follow {parent}")]
    GasLimit {
        /// The parent's, doubled in the first block of London.
        parent: u64,
        /// Its own.
        found: u64,
    },
    /// It claims more gas than its limit.
    #[error("it claims {used} gas of at most {limit}")]
    GasAboveLimit {
        /// What it claims.
        used: u64,
        /// Its limit.
        limit: u64,
    },
    /// The base fee does not follow.
    #[error("its base fee is {found}, {expected} follows")]
    BaseFee {
        /// What follows from its parent.
        expected: U256,
        /// What it says.
        found: U256,
    },
    /// The blob gas is above the limit, or no whole number of blobs.
    #[error("its blob gas {found} is not of whole blobs, {max} at most")]
    BlobGas {
        /// What it says.
        found: u64,
        /// At most.
        max: u64,
    },
    /// The excess blob gas does not follow.
    #[error("its excess blob gas is {found}, {expected} follows")]
    ExcessBlobGas {
        /// What follows from its parent.
        expected: u64,
        /// What it says.
        found: u64,
    },
    /// There is work where there may be none, or none where there must be.
    #[error("its difficulty is {found}, {}", if *.is_merged { "yet mining has ended" } else { "yet the chain is mined" })]
    Difficulty {
        /// What it says.
        found: U256,
        /// Whether mining has ended.
        is_merged: bool,
    },
    /// After the merge nonces are zero.
    #[error("its nonce is not zero, yet mining has ended")]
    Nonce,
    /// There are more ommers than may be: two, and none after the merge.
    #[error("it has {found} ommers, {max} are allowed")]
    Ommers {
        /// How many.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// An ommer is too old, or none.
    #[error("its ommer is number {found}")]
    OmmerNumber {
        /// What it says.
        found: u64,
    },
    /// Withdrawals are there or missing against the fork.
    #[error("withdrawals are there or missing against its fork {fork:?}")]
    NoWithdrawals {
        /// The fork whose rules hold.
        fork: Fork,
    },
    /// The block has more bytes than allowed (EIP-7934).
    #[error("it has {found} bytes, {max} are allowed")]
    Bytes {
        /// Its RLP.
        found: u64,
        /// At most.
        max: u64,
    },
    /// It is not what its header commits to.
    #[error("its {what} is {found}, its header says {claimed}")]
    Claim {
        /// What is committed to.
        what: Commitment,
        /// What the header says.
        claimed: B256,
        /// What was found.
        found: B256,
    },
    /// It has used other gas than its header says.
    #[error("it used {found} gas, its header says {claimed}")]
    GasUsed {
        /// What the header says.
        claimed: u64,
        /// What was found.
        found: u64,
    },
    /// Its blobs are of other gas than its header says.
    #[error("its blobs are {found} gas, its header says {claimed}")]
    BlobGasUsed {
        /// What the header says.
        claimed: u64,
        /// What was found.
        found: u64,
    },
    /// The bloom is not that of its logs.
    #[error("its bloom is not that of its logs")]
    Bloom,
    /// One of its transactions is not valid where it stands.
    #[error("transaction {index}: {reason}")]
    Transaction {
        /// Its place in the block, from 0.
        index: usize,
        /// What is wrong with it.
        reason: BadTransaction,
    },
    /// A contract of the protocol is not there, or failed.
    #[error("the protocol's call of {contract} failed: {why}")]
    SystemCall {
        /// The contract.
        contract: Address,
        /// What came of it.
        why: String,
    },
    /// A deposit's log cannot be read.
    #[error("a deposit cannot be read: {why}")]
    Deposit {
        /// Why.
        why: String,
    },
    /// The access list names more than its gas limit allows (EIP-7928).
    #[error("its access list has {found} items, {max} are allowed")]
    AccessListItems {
        /// Accounts and slots.
        found: u64,
        /// At most.
        max: u64,
    },
    /// There is more of it than is kept of any block: storage's bound, and far above what a public chain's gas pays for.
    #[error("its {what} take {found} bytes, {max} are kept")]
    TooLarge {
        /// "receipts" or "code".
        what: &'static str,
        /// Bytes.
        found: usize,
        /// Bytes at most.
        max: usize,
    },
    /// Anything else that an executor found.
    #[error("{why}")]
    Other {
        /// In its words.
        why: String,
    },
}

/// Why a transaction is not valid where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTransaction {
    /// Its bytes cannot be read, or are not the only way to say the same.
    #[error("it cannot be read: {why}")]
    Malformed {
        /// Why.
        why: String,
    },
    /// Its type came with a later fork.
    #[error("type {kind} came after {fork:?}")]
    TypeNotYet {
        /// The type.
        kind: u8,
        /// The fork whose rules hold.
        fork: Fork,
    },
    /// It names its chain before transactions could.
    #[error("it names its chain, which came later")]
    ReplayProtectionNotYet,
    /// Nobody has signed it.
    #[error("its signature is of nobody")]
    Signature,
    /// It is for another chain.
    #[error("it is for another chain")]
    ChainId,
    /// Its sender has sent more than that.
    #[error("its nonce is {found}, its sender's {expected}")]
    NonceTooLow {
        /// The sender's.
        expected: u64,
        /// Its own.
        found: u64,
    },
    /// Its sender has not sent so many.
    #[error("its nonce is {found}, its sender's only {expected}")]
    NonceTooHigh {
        /// The sender's.
        expected: u64,
        /// Its own.
        found: u64,
    },
    /// Its sender's nonce can rise no more (EIP-2681).
    #[error("its nonce is the last there is")]
    NonceLast,
    /// Its sender cannot pay for it.
    #[error("it may cost {needed} wei, its sender has {held}")]
    Balance {
        /// Value and fees at most.
        needed: U256,
        /// What is there.
        held: U256,
    },
    /// Its sender is a contract (EIP-3607).
    #[error("its sender is a contract")]
    SenderHasCode,
    /// Its gas does not pay for itself.
    #[error("it has {limit} gas, and costs {needed} before it does anything")]
    IntrinsicGas {
        /// What it costs.
        needed: u64,
        /// What it has.
        limit: u64,
    },
    /// It may use more gas than the block has left.
    #[error("it may use {limit} gas, {left} are left")]
    GasAboveBlock {
        /// What it may use.
        limit: u64,
        /// What is left.
        left: u64,
    },
    /// It may use more gas than any transaction (EIP-7825).
    #[error("it may use {limit} gas, {max} are allowed")]
    GasAboveCap {
        /// What it may use.
        limit: u64,
        /// At most.
        max: u64,
    },
    /// It pays less than the base fee.
    #[error("it pays less than the base fee")]
    FeeBelowBase,
    /// It tips more than it pays.
    #[error("it tips more than it pays at most")]
    TipAboveFee,
    /// Its costs overflow.
    #[error("its costs overflow")]
    Overflow,
    /// Its initcode is too long (EIP-3860).
    #[error("its initcode is too long")]
    InitcodeTooLong,
    /// It pays less than blobs cost.
    #[error("it pays {offered} for blob gas, {needed} is the fee")]
    BlobFee {
        /// The fee.
        needed: u128,
        /// What it pays at most.
        offered: u128,
    },
    /// It is for blobs and has none.
    #[error("it has no blobs")]
    NoBlobs,
    /// It has too many blobs.
    #[error("it has {found} blobs, {max} are allowed")]
    TooManyBlobs {
        /// How many.
        found: u64,
        /// At most.
        max: u64,
    },
    /// A blob's hash is of an unknown version.
    #[error("a blob's hash is of an unknown version")]
    BlobVersion,
    /// It is for authorizations and has none.
    #[error("it has no authorizations")]
    NoAuthorizations,
    /// It logs more than is kept of any transaction: storage's bound, and far above what a public chain's gas pays for.
    #[error("it logs {found} times, {max} are kept")]
    TooManyLogs {
        /// How many.
        found: usize,
        /// How many are kept.
        max: usize,
    },
    /// Anything else that an executor found.
    #[error("{why}")]
    Other {
        /// In its words.
        why: String,
    },
}
