//! How much is read at most: one bound for every list and item of every message. What storage takes follows from
//! them, so that nothing passes here that ends a writer there.
//!
//! They protect memory, not manners. What is asked for by its hash or root may be as large as a message can carry: an
//! item's bound is the message's, and a list's is as many as fit into one in their least honest form. So none of them
//! refuses what an honest peer can send, and a message decodes into a small multiple of its own bytes.

/// Bytes of a message of eth or snap, uncompressed: the hard limit of both specifications.
pub const MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Bytes of a message of the base protocol. A Hello with 20 capabilities takes about 250.
pub const BASE_MESSAGE_BYTES_MAX: usize = 2 * 1024;

/// Capabilities in a Hello; known nodes announce fewer than ten.
pub const CAPABILITIES_MAX: usize = 128;

/// Hashes, accounts or paths of a request that are read, and that are looked up for it: what other servers grant. A
/// request may name more and is answered for the first ones.
pub const LOOKUPS_MAX: usize = 1024;

/// Blocks in an answer (headers, bodies, receipts, lists); nobody is asked for more.
pub const BLOCKS_MAX: usize = LOOKUPS_MAX;

/// Bytes of a header. Proof-of-authority chains keep signers in its extra data; else it is below 1 KiB.
pub const HEADER_BYTES_MAX: usize = 128 * 1024;

/// Bytes of a body: it comes whole in one message.
pub const BODY_BYTES_MAX: usize = MESSAGE_BYTES_MAX;

/// Bytes of all receipts of a block, be it that several messages bring them. A byte of a log costs 8 gas: this is a
/// block of 2 G gas.
pub const RECEIPTS_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Transactions of one block, and so its receipts. A signature alone takes 64 bytes: no body holds more.
pub const TRANSACTIONS_MAX: usize = BODY_BYTES_MAX / 64;

/// Withdrawals of one block; the protocol makes 16.
pub const WITHDRAWALS_MAX: usize = 1 << 16;

/// Logs of one receipt: a log takes 24 bytes at least, and a receipt comes in one message.
pub const LOGS_MAX: usize = MESSAGE_BYTES_MAX / 24;

/// Topics of a log, as the EVM has it (LOG4).
pub const TOPICS_MAX: usize = 4;

/// Accounts in an answer: the least one takes 1 + 33 + 5 bytes.
pub const ACCOUNTS_MAX: usize = MESSAGE_BYTES_MAX / 39;

/// Slots in an answer, over all its sets: the least one takes 1 + 33 + 1 bytes.
pub const SLOTS_MAX: usize = MESSAGE_BYTES_MAX / 35;

/// Sets of slots in an answer; nobody is asked for more than [`LOOKUPS_MAX`].
pub const SLOT_SETS_MAX: usize = 4096;

/// Accounts in a block's access list: the least one takes 1 + 21 + 5 bytes.
pub const LIST_ACCOUNTS_MAX: usize = MESSAGE_BYTES_MAX / 27;

/// Slots that one account of an access list writes: the least one takes 1 + 1 + 4 bytes.
pub const LIST_SLOTS_MAX: usize = MESSAGE_BYTES_MAX / 6;

/// Nodes of a range proof: two paths of 64 nibbles and no more.
pub const PROOF_NODES_MAX: usize = 128;

/// Codes in an answer; nobody is asked for more than [`LOOKUPS_MAX`].
pub const CODES_MAX: usize = 4096;

/// Bytes of a code: what one message carries. The chain's own limit is lower, but a genesis may hold any.
pub const CODE_BYTES_MAX: usize = MESSAGE_BYTES_MAX;

/// Trie nodes in an answer; nobody is asked for more than [`LOOKUPS_MAX`].
pub const TRIE_NODES_MAX: usize = 4096;

/// Bytes of a trie path: a whole key, or 33 bytes in compact encoding.
pub const TRIE_PATH_BYTES_MAX: usize = 33;
