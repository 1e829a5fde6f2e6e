//! An account row on the disk: flags, lengths, then the fields that are there, each as short as it goes.
//!
//! ```text
//! byte 0   bits 0-3 length of the nonce (0..8), bit 4 has a storage root, bit 5 has a code hash, bits 6-7 zero
//! byte 1   length of the balance (0..32)
//! ...      nonce, balance: big-endian without leading zeros; storage root, code hash: 32 bytes each, if there
//! ```
//!
//! There is one encoding of each account, and reading refuses all others.

use alloy_primitives::{B256, U256};
use snapsync_trie::{Account, EMPTY_CODE, EMPTY_ROOT};

use crate::{
    error::{Error, Result},
    record::Reader,
    state::tables::ACCOUNTS,
};

const HAS_ROOT: u8 = 1 << 4;
const HAS_CODE: u8 = 1 << 5;
const NONCE_LEN: u8 = 0x0f;

/// Room for the longest row.
pub(crate) const ROW_MAX: usize = 2 + 8 + 32 + 32 + 32;

/// Writes the row into `out` and returns its length. No allocation: this runs once for each account of the chain.
pub(crate) fn encode(account: &Account, out: &mut [u8; ROW_MAX]) -> usize {
    let nonce = account.nonce.to_be_bytes();
    let nonce = &nonce[account.nonce.leading_zeros() as usize / 8..];
    let balance: [u8; 32] = account.balance.to_be_bytes();
    let balance = &balance[account.balance.leading_zeros() / 8..];
    let root: &[u8] = if account.has_storage() { account.storage_root.as_slice() } else { &[] };
    let code: &[u8] = if account.has_code() { account.code_hash.as_slice() } else { &[] };
    let flags =
        (if account.has_storage() { HAS_ROOT } else { 0 }) | (if account.has_code() { HAS_CODE } else { 0 });
    out[0] = nonce.len() as u8 | flags;
    out[1] = balance.len() as u8;
    let mut len = 2;
    for field in [nonce, balance, root, code] {
        out[len..len + field.len()].copy_from_slice(field);
        len += field.len();
    }
    len
}

/// Reads the row at `key`.
pub(crate) fn decode(key: &[u8], row: &[u8]) -> Result<Account> {
    let mut reader = Reader::new(ACCOUNTS.name, key, row);
    let (flags, balance_len) = (reader.u8()?, reader.u8()?);
    let nonce_len = flags & NONCE_LEN;
    if nonce_len > 8 || balance_len > 32 || flags & !(NONCE_LEN | HAS_ROOT | HAS_CODE) != 0 {
        return Err(reader.wrong("a length or a flag is out of range"));
    }
    let nonce = minimal(&mut reader, nonce_len)?;
    let balance = minimal(&mut reader, balance_len)?;
    let storage_root = hash(&mut reader, flags & HAS_ROOT != 0, EMPTY_ROOT)?;
    let code_hash = hash(&mut reader, flags & HAS_CODE != 0, EMPTY_CODE)?;
    reader.end()?;
    Ok(Account { nonce: nonce.to::<u64>(), balance, storage_root, code_hash })
}

fn minimal(reader: &mut Reader<'_>, len: u8) -> Result<U256> {
    let digits = reader.bytes(usize::from(len))?;
    if digits.first() == Some(&0) {
        return Err(reader.wrong("a number has leading zeros"));
    }
    Ok(U256::from_be_slice(digits))
}

fn hash(reader: &mut Reader<'_>, there: bool, empty: B256) -> Result<B256> {
    if !there {
        return Ok(empty);
    }
    match reader.hash()? {
        hash if hash == empty => Err(reader.wrong("an empty root or code is spelt out")),
        hash => Ok(hash),
    }
}

/// A key of 32 bytes in `table`.
pub(crate) fn hash_key(table: &'static str, key: &[u8]) -> Result<B256> {
    B256::try_from(key).map_err(|_| Error::corrupt(table, key, "the key is not a hash"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account() -> impl Strategy<Value = Account> {
        let hash = |empty| prop_oneof![Just(empty), any::<[u8; 32]>().prop_map(B256::new)];
        let balance = prop_oneof![Just(U256::ZERO), any::<u64>().prop_map(U256::from), Just(U256::MAX)];
        (any::<u64>(), balance, hash(EMPTY_ROOT), hash(EMPTY_CODE)).prop_map(
            |(nonce, balance, storage_root, code_hash)| Account { nonce, balance, storage_root, code_hash },
        )
    }

    proptest! {
        #[test]
        fn a_row_reads_back(account in account()) {
            let mut row = [0; ROW_MAX];
            let len = encode(&account, &mut row);
            prop_assert_eq!(decode(&[], &row[..len]).unwrap(), account);
            prop_assert!(decode(&[], &row[..len - 1]).is_err());
        }

        #[test]
        fn only_one_encoding_is_read(bytes in prop::collection::vec(any::<u8>(), 0..ROW_MAX + 2)) {
            if let Ok(account) = decode(&[], &bytes) {
                let mut row = [0; ROW_MAX];
                let len = encode(&account, &mut row);
                prop_assert_eq!(&row[..len], &bytes[..]);
            }
        }
    }

    #[test]
    fn the_row_is_pinned() {
        let account = Account {
            nonce: 0x0102,
            balance: U256::from(255),
            storage_root: EMPTY_ROOT,
            code_hash: B256::repeat_byte(7),
        };
        let mut row = [0; ROW_MAX];
        let len = encode(&account, &mut row);
        let mut expected = vec![0x22, 0x01, 0x01, 0x02, 0xff];
        expected.extend([7; 32]);
        assert_eq!(row[..len], expected);
    }
}
