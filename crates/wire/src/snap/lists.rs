//! Block access lists over snap (snap/2 only).
//!
//! The answer has the form of eth/71's and is shared with it; the request is its own, for it names a size.

use alloy_primitives::B256;

use crate::{
    error::Error,
    rlp::{self, Reader},
};

/// 0x08: asks for block access lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBlockAccessLists {
    /// Comes back in the answer.
    pub id: u64,
    /// The blocks' hashes.
    pub hashes: Vec<B256>,
    /// Where the answer should stop, softly. Servers clamp it.
    pub response_bytes: u64,
}

impl GetBlockAccessLists {
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
