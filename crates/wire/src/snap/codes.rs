//! Contract codes by their hashes.
//!
//! Whether a code has the hash that was asked for is checked elsewhere.

use alloy_primitives::{B256, Bytes};

use crate::{
    error::Error,
    limits,
    rlp::{self, Reader},
};

/// 0x04: asks for codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetByteCodes {
    /// Comes back in the answer.
    pub id: u64,
    /// The codes' hashes.
    pub hashes: Vec<B256>,
    /// Where the answer should stop, softly. Servers clamp it.
    pub response_bytes: u64,
}

impl GetByteCodes {
    pub(crate) fn read(mut fields: Reader<'_>) -> Result<Self, Error> {
        let request =
            Self { id: fields.u64()?, hashes: fields.list()?.hashes()?, response_bytes: fields.u64()? };
        fields.finish()?;
        Ok(request)
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_u64(out, self.id);
            rlp::put_items(out, &self.hashes, |out, hash| rlp::put_string(out, hash.as_slice()));
            rlp::put_u64(out, self.response_bytes);
        });
    }
}

/// 0x05: the codes that the peer has of those asked for, in that order; the others are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteCodes {
    /// The request's id.
    pub id: u64,
    /// The codes.
    pub codes: Vec<Bytes>,
}

impl ByteCodes {
    pub(crate) fn read(mut fields: Reader<'_>) -> Result<Self, Error> {
        let id = fields.u64()?;
        let codes = fields.list()?.named("codes").collect(limits::CODES_MAX, Reader::shared)?;
        fields.finish()?;
        Ok(Self { id, codes })
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_u64(out, self.id);
            rlp::put_items(out, &self.codes, |out, code| rlp::put_string(out, code));
        });
    }
}
