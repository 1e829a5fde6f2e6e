//! The tables of the history environment. Their bytes are drawn in `docs/storage.md`.

use alloy_primitives::B256;
use snapsync_wire::limits;

use crate::{
    env::Table,
    error::{Error, Result},
    record::SEAL_BYTES,
};

pub(crate) const ENV: &str = "history";

const NUMBER: usize = 8;
const HASH: usize = 32;

/// Whatever of a block came through the wire has room here: its bounds are those.
pub(crate) static TABLES: [Table; 8] = [
    Table::new(0, "Headers", NUMBER + HASH, limits::HEADER_BYTES_MAX),
    Table::new(1, "Canonical", NUMBER, HASH),
    Table::new(2, "Numbers", HASH, NUMBER),
    Table::new(3, "Bodies", NUMBER + HASH, limits::BODY_BYTES_MAX),
    Table::new(4, "Receipts", NUMBER + HASH, limits::RECEIPTS_BYTES_MAX),
    Table::new(5, "BodyGaps", NUMBER, NUMBER + SEAL_BYTES),
    Table::new(6, "ReceiptGaps", NUMBER, NUMBER + SEAL_BYTES),
    Table::new(7, "Progress", 1, 256),
];

pub(crate) static HEADERS: &Table = &TABLES[0];
pub(crate) static CANONICAL: &Table = &TABLES[1];
pub(crate) static NUMBERS: &Table = &TABLES[2];
pub(crate) static BODIES: &Table = &TABLES[3];
pub(crate) static RECEIPTS: &Table = &TABLES[4];
pub(crate) static BODY_GAPS: &Table = &TABLES[5];
pub(crate) static RECEIPT_GAPS: &Table = &TABLES[6];
pub(crate) static PROGRESS: &Table = &TABLES[7];

/// The key of a block: its number, so that blocks lie in order, then its hash, so that forks fit.
pub(crate) fn block_key(number: u64, hash: &B256) -> [u8; NUMBER + HASH] {
    let mut key = [0; NUMBER + HASH];
    key[..NUMBER].copy_from_slice(&number.to_be_bytes());
    key[NUMBER..].copy_from_slice(hash.as_slice());
    key
}

/// Reads a big-endian number at `key` of `table`.
pub(crate) fn number(table: &'static str, key: &[u8], bytes: &[u8]) -> Result<u64> {
    let bytes = bytes.try_into().map_err(|_| Error::corrupt(table, key, "a block number is not 8 bytes"))?;
    Ok(u64::from_be_bytes(bytes))
}
