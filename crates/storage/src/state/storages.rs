//! A slot on the disk: a row of the packs under its account, the digits of its value without leading zeros.
//!
//! There is one encoding of each slot, and reading refuses all others.

use alloy_primitives::{B256, U256};
use snapsync_trie::SlotRow;

use crate::{
    error::{Error, Result},
    state::tables::STORAGES,
};

/// Calls `put` with the body of a slot's row.
pub(crate) fn encode(slot: &SlotRow, put: impl FnOnce(&[u8])) {
    let digits: [u8; 32] = slot.value.to_be_bytes();
    put(&digits[slot.value.leading_zeros() / 8..]);
}

/// Reads one row under `account`.
pub(crate) fn decode(account: &[u8], key: &[u8], digits: &[u8]) -> Result<SlotRow> {
    let wrong = |why| Error::corrupt(STORAGES.name, &[account, key].concat(), why);
    let Ok(hash) = B256::try_from(key) else { return Err(wrong("the slot's key is not 32 bytes")) };
    match digits.first() {
        None => Err(wrong("the slot has no value")),
        Some(0) => Err(wrong("the slot's value has leading zeros")),
        Some(_) if digits.len() > 32 => Err(wrong("the slot's value is longer than 32 bytes")),
        Some(_) => Ok(SlotRow { key: hash, value: U256::from_be_slice(digits) }),
    }
}

/// Appends the leaf's value as the trie hashes it: the RLP of the number.
pub(crate) fn write_leaf(value: &U256, out: &mut Vec<u8>) {
    alloy_rlp::Encodable::encode(value, out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(slot: &SlotRow) -> Vec<u8> {
        let mut body = Vec::new();
        encode(slot, |digits| body.extend_from_slice(digits));
        body
    }

    proptest! {
        #[test]
        fn a_slot_reads_back(key: [u8; 32], value in prop::collection::vec(any::<u8>(), 1..=32)) {
            let slot = SlotRow { key: B256::new(key), value: U256::from_be_slice(&value) };
            prop_assume!(slot.value != U256::ZERO);
            prop_assert_eq!(decode(&[], &key, &body(&slot)).unwrap(), slot);
        }

        #[test]
        fn only_one_encoding_is_read(
            key in prop::collection::vec(any::<u8>(), 31..34),
            digits in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            if let Ok(slot) = decode(&[], &key, &digits) {
                prop_assert_eq!((slot.key.as_slice(), body(&slot)), (&key[..], digits));
            }
        }
    }
}
