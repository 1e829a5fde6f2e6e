//! Ranges of storage slots, of one account or of many.
//!
//! Sets are in the order received. An account that the peer has not got is silently left out of an answer,
//! so which set is whose is found by proving it, not here.

use alloy_primitives::{B256, Bytes};

use super::{
    accounts::read_proof,
    encoded::{Encoded, StorageRangesWriter},
    sets::RowSets,
};
use crate::{
    error::{Error, RlpFault},
    rlp::{self, Reader},
};

/// 0x02: asks for the slots of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetStorageRanges {
    /// Comes back in the answer.
    pub id: u64,
    /// The state's root.
    pub root: B256,
    /// The accounts' keys.
    pub accounts: Vec<B256>,
    /// The first slot of the first account, inclusive.
    pub origin: B256,
    /// The last slot of the last account, inclusive.
    pub limit: B256,
    /// Where the answer should stop, softly. Servers clamp it; at 0 nothing comes.
    pub response_bytes: u64,
}

impl GetStorageRanges {
    pub(crate) fn read(mut fields: Reader<'_>) -> Result<Self, Error> {
        let request = Self {
            id: fields.u64()?,
            root: fields.b256()?,
            accounts: fields.list()?.named("accounts").hashes()?,
            origin: read_bound(&mut fields, B256::ZERO)?,
            limit: read_bound(&mut fields, B256::repeat_byte(0xff))?,
            response_bytes: fields.u64()?,
        };
        fields.finish()?;
        Ok(request)
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_u64(out, self.id);
            rlp::put_string(out, self.root.as_slice());
            rlp::put_items(out, &self.accounts, |out, key| rlp::put_string(out, key.as_slice()));
            rlp::put_string(out, self.origin.as_slice());
            rlp::put_string(out, self.limit.as_slice());
            rlp::put_u64(out, self.response_bytes);
        });
    }
}

/// SPEC: geth sends an empty string for "no bound", and strings below 32 bytes mean numbers: they are
/// padded on the left.
fn read_bound(fields: &mut Reader<'_>, unbounded: B256) -> Result<B256, Error> {
    match fields.string()? {
        [] => Ok(unbounded),
        bytes if bytes.len() <= 32 => Ok(B256::left_padding_from(bytes)),
        bytes => Err(fields.fault(RlpFault::Length { expected: 32, found: bytes.len() })),
    }
}

/// 0x03: slots of the accounts asked for, and a proof for the last set if it is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRanges {
    /// The request's id.
    pub id: u64,
    /// For each account that the peer answers for, each slot's key and its value's RLP.
    pub sets: RowSets,
    /// The nodes on the paths to the first and the last key of the last set.
    pub proof: Vec<Bytes>,
}

impl StorageRanges {
    pub(crate) fn decode(body: &Bytes) -> Result<Self, Error> {
        let mut fields = Reader::message("StorageRanges", body)?;
        let id = fields.u64()?;
        let sets = RowSets::read(body, fields.list()?.named("storage sets"))?;
        let proof = read_proof(&mut fields)?;
        fields.finish()?;
        Ok(Self { id, sets, proof })
    }

    pub(crate) fn encode(&self) -> Encoded {
        let mut writer = StorageRangesWriter::new(self.id);
        for set in &self.sets {
            set.for_each(|(key, value)| writer.push(key, value));
            writer.end_set();
        }
        writer.finish(&self.proof)
    }
}
