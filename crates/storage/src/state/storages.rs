//! A slot on the disk: one of the sorted values under its account, its key in front of what it holds.
//!
//! ```text
//! key      keccak(address)                     32 bytes
//! value    keccak(slot) ++ value               32 bytes ++ 1..32 bytes, big-endian without leading zeros, never zero
//! ```

use alloy_primitives::{B256, U256};
use snapsync_trie::SlotRow;

use crate::{
    error::{Error, Result},
    state::tables::STORAGES,
};

/// Room for the longest value.
pub(crate) const VALUE_MAX: usize = 64;

/// Writes a slot's value into `out` and returns its length.
pub(crate) fn encode(slot: &SlotRow, out: &mut [u8; VALUE_MAX]) -> usize {
    let digits: [u8; 32] = slot.value.to_be_bytes();
    let digits = &digits[slot.value.leading_zeros() / 8..];
    out[..32].copy_from_slice(slot.key.as_slice());
    out[32..32 + digits.len()].copy_from_slice(digits);
    32 + digits.len()
}

/// Reads one value under `account`.
pub(crate) fn decode(account: &[u8], value: &[u8]) -> Result<SlotRow> {
    let wrong = |why| Error::corrupt(STORAGES.name, &[account, value].concat(), why);
    let Some((key, digits)) = value.split_at_checked(32) else {
        return Err(wrong("the value is shorter than a slot's key"));
    };
    match digits.first() {
        None => Err(wrong("the slot has no value")),
        Some(0) => Err(wrong("the slot's value has leading zeros")),
        Some(_) if digits.len() > 32 => Err(wrong("the slot's value is longer than 32 bytes")),
        Some(_) => Ok(SlotRow { key: B256::from_slice(key), value: U256::from_be_slice(digits) }),
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

    proptest! {
        #[test]
        fn a_slot_reads_back(key: [u8; 32], value in prop::collection::vec(any::<u8>(), 1..=32)) {
            let slot = SlotRow { key: B256::new(key), value: U256::from_be_slice(&value) };
            prop_assume!(slot.value != U256::ZERO);
            let mut out = [0; VALUE_MAX];
            let len = encode(&slot, &mut out);
            prop_assert_eq!(decode(&[], &out[..len]).unwrap(), slot);
        }

        #[test]
        fn only_one_encoding_is_read(bytes in prop::collection::vec(any::<u8>(), 0..70)) {
            if let Ok(slot) = decode(&[], &bytes) {
                let mut out = [0; VALUE_MAX];
                let len = encode(&slot, &mut out);
                prop_assert_eq!(&out[..len], &bytes[..]);
            }
        }
    }
}
