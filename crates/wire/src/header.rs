//! A block header: its bytes as received, and the fields that somebody here needs.
//!
//! The bytes are what is hashed and stored. Fields are read by hand, so that a header of a fork that we
//! have never heard of is read as far as it is known; what follows is kept, unread.

use std::ops::Deref;

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::{
    error::Error,
    limits,
    rlp::{self, Reader},
};

/// A header as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    raw: Bytes,
    fields: HeaderFields,
}

/// What a header says. Fields that came with a fork are `None` before it.
///
/// The logs bloom, the mix hash and the nonce are in the bytes only: nothing here asks for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderFields {
    /// The hash of the block before.
    pub parent_hash: B256,
    /// Keccak of the body's ommers list.
    pub ommers_hash: B256,
    /// Who gets the fees.
    pub beneficiary: Address,
    /// The root of the state after the block.
    pub state_root: B256,
    /// The ordered root of the transactions.
    pub transactions_root: B256,
    /// The ordered root of the receipts.
    pub receipts_root: B256,
    /// Proof of work; 0 since the merge.
    pub difficulty: U256,
    /// The block's number.
    pub number: u64,
    /// The most gas that the block may use.
    pub gas_limit: u64,
    /// The gas it has used. From Amsterdam on it need not equal the last receipt's cumulative gas.
    pub gas_used: u64,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// London (EIP-1559).
    pub base_fee_per_gas: Option<U256>,
    /// Shanghai (EIP-4895): the ordered root of the withdrawals.
    pub withdrawals_root: Option<B256>,
    /// Cancun (EIP-4844).
    pub blob_gas_used: Option<u64>,
    /// Cancun (EIP-4844).
    pub excess_blob_gas: Option<u64>,
    /// Cancun (EIP-4788).
    pub parent_beacon_block_root: Option<B256>,
    /// Prague (EIP-7685). Nothing that peers send allows to check it.
    pub requests_hash: Option<B256>,
    /// Amsterdam (EIP-7928): Keccak of the block's access list.
    pub block_access_list_hash: Option<B256>,
    /// Amsterdam (EIP-7843).
    pub slot_number: Option<u64>,
}

// The fields are read-only behind the bytes they come from: `header.number` reads, and nothing can write.
impl Deref for Header {
    type Target = HeaderFields;

    fn deref(&self) -> &HeaderFields {
        &self.fields
    }
}

impl Header {
    /// Reads a header that is all of `raw`, its list header included.
    pub fn decode(raw: &Bytes) -> Result<Self, Error> {
        let mut outer = Reader::sharing("header", raw);
        let header = Self::read(&mut outer)?;
        outer.finish()?;
        Ok(header)
    }

    /// A header that says this, for whoever makes a chain: what is in the bytes alone is empty or zero. Fields of forks follow one
    /// another, so the first that is missing ends them.
    pub fn made(fields: &HeaderFields) -> Self {
        let mut raw = Vec::new();
        rlp::put_list(&mut raw, |out| fields.put(out));
        Self::decode(&raw.into()).expect("these bytes were written as a header by this crate")
    }

    /// The header's RLP as received.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The block's hash. Computed at each call.
    pub fn hash(&self) -> B256 {
        snapsync_keccak::keccak256(&self.raw)
    }

    /// The hashes of many headers, in one batch.
    pub fn hashes(headers: &[Self]) -> Vec<B256> {
        let messages: Vec<&[u8]> = headers.iter().map(|header| header.raw.as_ref()).collect();
        let mut hashes = vec![B256::ZERO; messages.len()];
        snapsync_keccak::keccak256_batch(&messages, &mut hashes);
        hashes
    }

    pub(crate) fn read(list: &mut Reader<'_>) -> Result<Self, Error> {
        let item = list.item()?;
        if item.raw.len() > limits::HEADER_BYTES_MAX {
            let max = limits::HEADER_BYTES_MAX;
            return Err(Error::TooLong { what: "header", length: item.raw.len(), max });
        }
        let fields = HeaderFields::read(list.inside(item)?.named("header"))?;
        Ok(Self { raw: list.share(item.raw), fields })
    }
}

impl HeaderFields {
    /// A block of Amsterdam that commits to this access list, for whoever makes a chain: what its forks have added before the list's hash is
    /// there and says little, all else is empty or zero.
    pub fn amsterdam(number: u64, parent_hash: B256, state_root: B256, list_hash: B256) -> Self {
        Self {
            parent_hash,
            state_root,
            number,
            base_fee_per_gas: Some(U256::from(7)),
            withdrawals_root: Some(B256::ZERO),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(B256::ZERO),
            block_access_list_hash: Some(list_hash),
            ..Self::default()
        }
    }

    fn read(mut list: Reader<'_>) -> Result<Self, Error> {
        let parent_hash = list.b256()?;
        let ommers_hash = list.b256()?;
        let beneficiary = Address::from(list.fixed::<20>()?);
        let state_root = list.b256()?;
        let transactions_root = list.b256()?;
        let receipts_root = list.b256()?;
        // The logs bloom.
        list.fixed::<256>()?;
        let difficulty = list.u256()?;
        let number = list.u64()?;
        let gas_limit = list.u64()?;
        let gas_used = list.u64()?;
        let timestamp = list.u64()?;
        // Extra data, mix hash and nonce.
        list.string()?;
        list.fixed::<32>()?;
        list.fixed::<8>()?;
        Ok(Self {
            parent_hash,
            ommers_hash,
            beneficiary,
            state_root,
            transactions_root,
            receipts_root,
            difficulty,
            number,
            gas_limit,
            gas_used,
            timestamp,
            base_fee_per_gas: optional(&mut list, Reader::u256)?,
            withdrawals_root: optional(&mut list, Reader::b256)?,
            blob_gas_used: optional(&mut list, Reader::u64)?,
            excess_blob_gas: optional(&mut list, Reader::u64)?,
            parent_beacon_block_root: optional(&mut list, Reader::b256)?,
            requests_hash: optional(&mut list, Reader::b256)?,
            block_access_list_hash: optional(&mut list, Reader::b256)?,
            slot_number: optional(&mut list, Reader::u64)?,
        })
    }
}

impl HeaderFields {
    fn put(&self, out: &mut Vec<u8>) {
        for hash in [self.parent_hash, self.ommers_hash] {
            rlp::put_string(out, hash.as_slice());
        }
        rlp::put_string(out, self.beneficiary.as_slice());
        for hash in [self.state_root, self.transactions_root, self.receipts_root] {
            rlp::put_string(out, hash.as_slice());
        }
        rlp::put_string(out, &[0; 256]);
        rlp::put_string(out, &self.difficulty.to_be_bytes_trimmed_vec());
        for value in [self.number, self.gas_limit, self.gas_used, self.timestamp] {
            rlp::put_u64(out, value);
        }
        for filler in [&[][..], &[0; 32], &[0; 8]] {
            rlp::put_string(out, filler);
        }
        let number = |value: Option<u64>| value.map(|value| U256::from(value).to_be_bytes_trimmed_vec());
        let hash = |value: Option<B256>| value.map(|value| value.to_vec());
        let of_forks = [
            self.base_fee_per_gas.map(|value| value.to_be_bytes_trimmed_vec()),
            hash(self.withdrawals_root),
            number(self.blob_gas_used),
            number(self.excess_blob_gas),
            hash(self.parent_beacon_block_root),
            hash(self.requests_hash),
            hash(self.block_access_list_hash),
            number(self.slot_number),
        ];
        of_forks.iter().map_while(Option::as_deref).for_each(|field| rlp::put_string(out, field));
    }
}

/// A field that a later fork has added at the end.
fn optional<'a, T>(
    list: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    if list.is_empty() { Ok(None) } else { read(list).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_header_says_what_it_is_made_of() {
        let full = HeaderFields {
            parent_hash: B256::repeat_byte(1),
            ommers_hash: B256::repeat_byte(2),
            beneficiary: Address::repeat_byte(3),
            state_root: B256::repeat_byte(4),
            transactions_root: B256::repeat_byte(5),
            receipts_root: B256::repeat_byte(6),
            difficulty: U256::from(1 << 20),
            number: 7,
            gas_limit: 30_000_000,
            gas_used: 0,
            timestamp: 9,
            base_fee_per_gas: Some(U256::ZERO),
            withdrawals_root: Some(B256::repeat_byte(7)),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(300),
            parent_beacon_block_root: Some(B256::repeat_byte(8)),
            requests_hash: Some(B256::repeat_byte(9)),
            block_access_list_hash: Some(B256::repeat_byte(10)),
            slot_number: Some(11),
        };
        assert_eq!(*Header::made(&full), full);
        let cut = Header::made(&HeaderFields { withdrawals_root: None, ..full.clone() });
        assert_eq!(
            (cut.base_fee_per_gas, cut.withdrawals_root, cut.slot_number),
            (Some(U256::ZERO), None, None)
        );
        assert_eq!(*Header::made(&HeaderFields::default()), HeaderFields::default());
        let [parent, root, list] = [11, 12, 13].map(B256::repeat_byte);
        let listed = Header::made(&HeaderFields::amsterdam(7, parent, root, list));
        assert_eq!((listed.number, listed.parent_hash, listed.state_root), (7, parent, root));
        assert_eq!(listed.block_access_list_hash, Some(list), "no field before it is missing");
    }
}
