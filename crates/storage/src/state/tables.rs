//! The tables of the state environment. Their bytes are drawn in `docs/storage.md`.

use crate::{env::Table, record::SEAL_BYTES, state::pack::PACK_MAX};

pub(crate) const ENV: &str = "state";

const HASH: usize = 32;
/// A path is a byte a nibble.
const PATH_MAX: usize = 64;
/// Whatever code came through the wire has room here.
const CODE_MAX: usize = snapsync_wire::limits::CODE_BYTES_MAX;
/// Up to 28,339 parts of one storage; a sync has two for each open range of it, some dozens.
const PENDING_MAX: usize = 1 << 20;

/// Bytes of a standing: what it is, and the target.
pub(crate) const STANDING_BYTES: usize = 5;
/// A part of the list of a block's rows.
const UNDO_PART_MAX: usize = 40 << 10;

pub(crate) static TABLES: [Table; 14] = [
    Table::new(0, "Accounts", HASH, PACK_MAX),
    Table::new(1, "Storages", 2 * HASH, PACK_MAX),
    Table::new(2, "Codes", HASH, CODE_MAX),
    Table::new(3, "AccountNodes", PATH_MAX, PACK_MAX),
    Table::new(4, "StorageNodes", HASH + PATH_MAX, PACK_MAX),
    Table::new(5, "AccountRanges", HASH, STANDING_BYTES + SEAL_BYTES),
    Table::new(6, "PendingStorages", HASH, PENDING_MAX),
    Table::new(7, "PendingCodes", HASH, SEAL_BYTES),
    Table::new(8, "Targets", 4, 146 + SEAL_BYTES),
    Table::new(9, "Progress", 1, 256),
    Table::new(10, "Undo", 2 + HASH + PATH_MAX + 8, 1 + PACK_MAX + SEAL_BYTES),
    Table::new(11, "UndoBlocks", 12, UNDO_PART_MAX),
    Table::new(12, "DirtyAccounts", HASH, 8 + SEAL_BYTES),
    Table::new(13, "DirtySlots", 2 * HASH, 8 + SEAL_BYTES),
];

pub(crate) static ACCOUNTS: &Table = &TABLES[0];
pub(crate) static STORAGES: &Table = &TABLES[1];
pub(crate) static CODES: &Table = &TABLES[2];
pub(crate) static ACCOUNT_NODES: &Table = &TABLES[3];
pub(crate) static STORAGE_NODES: &Table = &TABLES[4];
pub(crate) static ACCOUNT_RANGES: &Table = &TABLES[5];
pub(crate) static PENDING_STORAGES: &Table = &TABLES[6];
pub(crate) static PENDING_CODES: &Table = &TABLES[7];
pub(crate) static TARGETS: &Table = &TABLES[8];
pub(crate) static PROGRESS: &Table = &TABLES[9];
pub(crate) static UNDO: &Table = &TABLES[10];
pub(crate) static UNDO_BLOCKS: &Table = &TABLES[11];
pub(crate) static DIRTY_ACCOUNTS: &Table = &TABLES[12];
pub(crate) static DIRTY_SLOTS: &Table = &TABLES[13];
