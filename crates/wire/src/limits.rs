//! How much is read at most: one bound for every list and item of every message.
//!
//! They protect memory, not manners: each is well above what an honest peer sends, and low enough that a
//! message of the largest size decodes into a small multiple of its own bytes. How much is *served* is the
//! server's matter; a request for more than that is legal and gets clamped there.

/// Bytes of a message of eth or snap, uncompressed: the hard limit of both specifications.
pub const MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Bytes of a message of the base protocol. A Hello with 20 capabilities takes about 250.
pub const BASE_MESSAGE_BYTES_MAX: usize = 2 * 1024;

/// Capabilities in a Hello; known nodes announce fewer than ten.
pub const CAPABILITIES_MAX: usize = 128;

/// Hashes in a request. 2^16 x 33 bytes is 2 MiB, beyond any request in use (1,024).
pub const REQUEST_HASHES_MAX: usize = 1 << 16;

/// Blocks in an answer (headers, bodies, receipts, lists); servers give at most 1,024.
pub const BLOCKS_MAX: usize = 1024;

/// Bytes of a header. Proof-of-authority chains keep signers in its extra data; else it is below 1 KiB.
pub const HEADER_BYTES_MAX: usize = 128 * 1024;

/// Transactions, or receipts, of one block: 2^16 x 21,000 gas is a block of 1.4 G gas.
pub const TRANSACTIONS_MAX: usize = 1 << 16;

/// Withdrawals of one block; the protocol makes 16.
pub const WITHDRAWALS_MAX: usize = 1 << 16;

/// Logs of one receipt. A log costs 375 gas: 2^22 of them are a transaction of 1.5 G gas.
pub const LOGS_MAX: usize = 1 << 22;

/// Topics of a log, as the EVM has it (LOG4).
pub const TOPICS_MAX: usize = 4;

/// Accounts in an answer: 2^18 x 40 bytes is the largest message.
pub const ACCOUNTS_MAX: usize = 1 << 18;

/// Slots in an answer, over all its sets: 2^18 x 36 bytes is the largest message.
pub const SLOTS_MAX: usize = 1 << 18;

/// Sets of slots in an answer; nobody asks for more than 1,024 accounts.
pub const SLOT_SETS_MAX: usize = 4096;

/// Nodes of a range proof: two paths of 64 nibbles and no more.
pub const PROOF_NODES_MAX: usize = 128;

/// Codes in an answer; servers give at most 1,024.
pub const CODES_MAX: usize = 4096;

/// Trie nodes in an answer; servers load at most 1,024.
pub const TRIE_NODES_MAX: usize = 4096;

/// Path sets in a request for trie nodes, and paths over all of them.
pub const TRIE_PATHS_MAX: usize = 1 << 14;

/// Bytes of a trie path: a whole key, or 33 bytes in compact encoding.
pub const TRIE_PATH_BYTES_MAX: usize = 33;
