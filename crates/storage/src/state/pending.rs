//! Storages that are not settled, a row each.
//!
//! ```text
//! key      keccak(address)               32 bytes
//! value    target of the claim            4 bytes
//!          commit that made it pending    8 bytes
//!          expected root                 33 bytes: 1 and the root; or a byte 0, if it is owed
//!          parts                         37 bytes each: where one begins, and its standing (see `coverage`); none at all if nothing is held
//!          seal                           4 bytes
//! ```

use std::collections::BTreeSet;

use alloy_primitives::B256;
use snapsync_trie::{Coverage, PendingStorage, StorageClaim, TargetId};

use crate::{
    env::WriteTxn,
    error::Result,
    record::{Reader, push_seal, put_option_hash, seal},
    state::{
        accounts::hash_key,
        coverage::{push_standing, standing},
        progress::CommitNumber,
        tables::{PENDING_CODES, PENDING_STORAGES},
    },
};

/// Bytes of a row of which nothing is held.
const UNTOUCHED: usize = 4 + 8 + 1 + 32;

/// A storage that is not settled, as its row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingRow {
    pub(crate) storage: PendingStorage,
    /// The commit that made it pending: what was derived from rows before it is of another storage, and counts for nothing.
    pub(crate) since: CommitNumber,
}

/// Reads the row at `key`.
pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<PendingRow> {
    let account = hash_key(PENDING_STORAGES.name, key)?;
    let mut reader = Reader::sealed(PENDING_STORAGES.name, key, value)?;
    let (target, since) = (TargetId(reader.u32()?), CommitNumber(reader.u64()?));
    let expected = reader.option(Reader::hash)?;
    let mut marks = Vec::new();
    while !reader.is_empty() {
        marks.push((reader.hash()?, standing(&mut reader)?));
    }
    let parts = if marks.is_empty() { Some(Coverage::missing()) } else { Coverage::from_marks(marks) };
    let parts = parts
        .ok_or_else(|| reader.wrong("the parts do not begin at the first slot, or neighbours are one"))?;
    reader.end()?;
    Ok(PendingRow { storage: PendingStorage { account, expected, target, parts }, since })
}

/// The row of a storage of which nothing is held.
pub(crate) fn untouched(target: TargetId, since: CommitNumber, claim: &StorageClaim) -> [u8; UNTOUCHED + 4] {
    let mut row = [0; UNTOUCHED + 4];
    row[..4].copy_from_slice(&target.0.to_be_bytes());
    row[4..12].copy_from_slice(&since.0.to_be_bytes());
    row[12] = 1;
    row[13..UNTOUCHED].copy_from_slice(claim.root.as_slice());
    let sum = seal(claim.account.as_slice(), &row[..UNTOUCHED]);
    row[UNTOUCHED..].copy_from_slice(&sum);
    row
}

/// Writes the row of a pending storage; `scratch` is used again from call to call.
pub(crate) fn put(txn: &WriteTxn<'_>, row: &PendingRow, scratch: &mut Vec<u8>) -> Result<()> {
    let pending = &row.storage;
    scratch.clear();
    scratch.extend_from_slice(&pending.target.0.to_be_bytes());
    scratch.extend_from_slice(&row.since.0.to_be_bytes());
    put_option_hash(scratch, pending.expected);
    if !pending.parts.is_missing() {
        for (start, standing) in pending.parts.marks() {
            scratch.extend_from_slice(start.as_slice());
            push_standing(*standing, scratch);
        }
    }
    push_seal(pending.account.as_slice(), scratch);
    txn.put(PENDING_STORAGES, pending.account.as_slice(), scratch)
}

/// What is pending as of some targets is as of another from now on. Looks at all that is pending.
pub(crate) fn rename(txn: &WriteTxn<'_>, older: &BTreeSet<TargetId>, newest: TargetId) -> Result<()> {
    let (mut from, mut scratch) = (Vec::new(), Vec::new());
    let mut cursor = txn.cursor(PENDING_STORAGES)?;
    let mut next = cursor.seek(&from)?;
    while let Some((key, value)) = next {
        let mut row = decode(&key, &value)?;
        let before = row.clone();
        for target in older {
            row.storage.parts.rename(*target, newest);
        }
        if older.contains(&row.storage.target) {
            row.storage.target = newest;
        }
        from.clear();
        from.extend_from_slice(&key);
        from.push(0);
        if row != before {
            put(txn, &row, &mut scratch)?;
            cursor = txn.cursor(PENDING_STORAGES)?;
        }
        next = cursor.seek(&from)?;
    }
    Ok(())
}

/// Reads a key of `PendingCodes`, whose value is a seal alone.
pub(crate) fn decode_code(key: &[u8], value: &[u8]) -> Result<B256> {
    Reader::sealed(PENDING_CODES.name, key, value)?.end()?;
    hash_key(PENDING_CODES.name, key)
}

/// The pending storage of `account`, as the transaction sees it.
pub(crate) fn get(txn: &WriteTxn<'_>, account: &B256) -> Result<Option<PendingRow>> {
    txn.get(PENDING_STORAGES, account.as_slice())?.map(|value| decode(account.as_slice(), &value)).transpose()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), expected in 0..3u8) {
            let mut bytes = bytes;
            if let Some(presence) = bytes.get_mut(12) {
                *presence = expected;
            }
            let _ = decode(&[1; 32], &bytes);
            push_seal(&[1; 32], &mut bytes);
            let _ = decode(&[1; 32], &bytes);
        }
    }
}
