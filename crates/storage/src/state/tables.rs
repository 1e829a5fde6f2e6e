//! The tables of the state environment. Their bytes are drawn in `docs/storage.md`.

use crate::{env::Table, record::SEAL_BYTES};

pub(crate) const ENV: &str = "state";

const HASH: usize = 32;
/// A path is a byte a nibble.
const PATH_MAX: usize = 64;
/// Three masks and 16 references of at most 32 bytes.
const BRANCH_MAX: usize = 6 + 16 * 32;
/// Flags, lengths, nonce, balance, root, code hash.
const ACCOUNT_MAX: usize = 2 + 8 + 32 + 32 + 32;
/// Codes may be 64 KiB from Amsterdam on; a genesis may hold any, yet none over 1 MiB is known.
const CODE_MAX: usize = 1 << 20;
/// Up to 16,384 sub-gaps of one storage; a sync has one for each open range of it, some dozens.
const PENDING_MAX: usize = 1 << 20;

pub(crate) static TABLES: [Table; 10] = [
    Table::single(0, "Accounts", HASH, ACCOUNT_MAX),
    Table::dups(1, "Storages", HASH, HASH + 32),
    Table::single(2, "Codes", HASH, CODE_MAX),
    Table::single(3, "AccountNodes", PATH_MAX, BRANCH_MAX),
    Table::single(4, "StorageNodes", HASH + PATH_MAX, BRANCH_MAX),
    Table::single(5, "AccountGaps", HASH, HASH + 4 + SEAL_BYTES),
    Table::single(6, "PendingStorages", HASH, PENDING_MAX),
    Table::single(7, "PendingCodes", HASH, SEAL_BYTES),
    Table::single(8, "Targets", 4, 73 + SEAL_BYTES),
    Table::single(9, "Progress", 1, 256),
];

pub(crate) static ACCOUNTS: &Table = &TABLES[0];
pub(crate) static STORAGES: &Table = &TABLES[1];
pub(crate) static CODES: &Table = &TABLES[2];
pub(crate) static ACCOUNT_NODES: &Table = &TABLES[3];
pub(crate) static STORAGE_NODES: &Table = &TABLES[4];
pub(crate) static ACCOUNT_GAPS: &Table = &TABLES[5];
pub(crate) static PENDING_STORAGES: &Table = &TABLES[6];
pub(crate) static PENDING_CODES: &Table = &TABLES[7];
pub(crate) static TARGETS: &Table = &TABLES[8];
pub(crate) static PROGRESS: &Table = &TABLES[9];
