//! A block header: its bytes as received, and the fields that somebody here needs.
//!
//! The bytes are what is hashed and stored. Fields are read by hand, so that a header of a fork that we
//! have never heard of is read as far as it is known; what follows is kept, unread.

use std::ops::Deref;

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::{error::Error, limits, rlp::Reader};

/// A header as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    raw: Bytes,
    fields: HeaderFields,
}

/// What a header says. Fields that came with a fork are `None` before it.
///
/// The logs bloom, the mix hash and the nonce are in the bytes only: nothing here asks for them.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A field that a later fork has added at the end.
fn optional<'a, T>(
    list: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    if list.is_empty() { Ok(None) } else { read(list).map(Some) }
}
