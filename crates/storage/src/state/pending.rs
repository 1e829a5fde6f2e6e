//! Storages that are not settled, a row each.
//!
//! ```text
//! key      keccak(address)               32 bytes
//! value    target                         4 bytes
//!          expected root                 32 bytes
//!          held                           1 byte: 0 nothing, 1 all but the sub-gaps that follow, 2 all rows, no trie yet
//!          sub-gaps, if held is 1        32 ++ 32 bytes each: first and last key, rising, disjoint, not touching
//!          seal                           4 bytes
//! ```

use alloy_primitives::B256;
use snapsync_trie::{Gaps, HashRange, StorageClaim};

use crate::{
    env::WriteTxn,
    error::Result,
    record::{Reader, push_seal, seal},
    state::{
        accounts::hash_key,
        journal::{Held, PendingStorage},
        tables::{PENDING_CODES, PENDING_STORAGES},
    },
};

const HELD_NOTHING: u8 = 0;
const HELD_ALL_BUT: u8 = 1;
const HELD_ROWS: u8 = 2;

/// Reads the row at `key`.
pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<PendingStorage> {
    let account = hash_key(PENDING_STORAGES.name, key)?;
    let mut reader = Reader::sealed(PENDING_STORAGES.name, key, value)?;
    let (target, root) = (reader.u32()?, reader.hash()?);
    let held = match reader.u8()? {
        HELD_NOTHING => Held::Nothing,
        HELD_ALL_BUT => Held::AllBut(sub_gaps(&mut reader)?),
        HELD_ROWS => Held::Rows,
        _ => return Err(reader.wrong("the byte that says what is held is unknown")),
    };
    reader.end()?;
    Ok(PendingStorage { claim: StorageClaim { account, root }, target, held })
}

fn sub_gaps(reader: &mut Reader<'_>) -> Result<Gaps> {
    let mut gaps = Gaps::none();
    let mut count = 0;
    while !reader.is_empty() {
        let (start, last) = (reader.hash()?, reader.hash()?);
        let Some(gap) = HashRange::new(start, last) else {
            return Err(reader.wrong("a sub-gap ends before it starts"));
        };
        gaps.insert(gap);
        count += 1;
    }
    if count == 0 || gaps.len() != count {
        return Err(reader.wrong("sub-gaps are none or touch each other"));
    }
    Ok(gaps)
}

/// The row of a storage of which nothing is held.
pub(crate) fn untouched(target: u32, claim: &StorageClaim) -> [u8; 41] {
    let mut row = [0; 41];
    row[..4].copy_from_slice(&target.to_be_bytes());
    row[4..36].copy_from_slice(claim.root.as_slice());
    row[36] = HELD_NOTHING;
    let sum = seal(claim.account.as_slice(), &row[..37]);
    row[37..].copy_from_slice(&sum);
    row
}

/// Writes the row of a pending storage; `scratch` is used again from call to call.
pub(crate) fn put(txn: &WriteTxn<'_>, pending: &PendingStorage, scratch: &mut Vec<u8>) -> Result<()> {
    scratch.clear();
    scratch.extend_from_slice(&pending.target.to_be_bytes());
    scratch.extend_from_slice(pending.claim.root.as_slice());
    match &pending.held {
        Held::Nothing => scratch.push(HELD_NOTHING),
        Held::Rows => scratch.push(HELD_ROWS),
        Held::AllBut(gaps) => {
            scratch.push(HELD_ALL_BUT);
            for gap in gaps.iter() {
                scratch.extend_from_slice(gap.start().as_slice());
                scratch.extend_from_slice(gap.last().as_slice());
            }
        }
    }
    push_seal(pending.claim.account.as_slice(), scratch);
    txn.put(PENDING_STORAGES, pending.claim.account.as_slice(), scratch)
}

/// Reads a key of `PendingCodes`, whose value is a seal alone.
pub(crate) fn decode_code(key: &[u8], value: &[u8]) -> Result<B256> {
    Reader::sealed(PENDING_CODES.name, key, value)?.end()?;
    hash_key(PENDING_CODES.name, key)
}

/// The pending storage of `account`, as the transaction sees it.
pub(crate) fn get(txn: &WriteTxn<'_>, account: &B256) -> Result<Option<PendingStorage>> {
    txn.get(PENDING_STORAGES, account.as_slice())?.map(|value| decode(account.as_slice(), &value)).transpose()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), held in 0..4u8) {
            let mut bytes = bytes;
            if let Some(tag) = bytes.get_mut(36) {
                *tag = held;
            }
            let _ = decode(&[1; 32], &bytes);
            push_seal(&[1; 32], &mut bytes);
            let _ = decode(&[1; 32], &bytes);
        }
    }
}
