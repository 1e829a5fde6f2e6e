//! Ranges of accounts.
//!
//! Proof nodes and accounts are as received; no order, root or limit is checked here.

use alloy_primitives::{B256, Bytes};

use super::{
    encoded::{AccountRangeWriter, Encoded},
    rows::{Rows, RowsReader, Value},
};
use crate::{
    error::Error,
    limits,
    rlp::{self, Reader},
};

/// 0x00: asks for the accounts of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetAccountRange {
    /// Comes back in the answer.
    pub id: u64,
    /// The state's root.
    pub root: B256,
    /// The first key, inclusive.
    pub origin: B256,
    /// The last key, inclusive; the answer may hold one account beyond it.
    pub limit: B256,
    /// Where the answer should stop, softly. Servers clamp it.
    pub response_bytes: u64,
}

impl GetAccountRange {
    pub(crate) fn read(mut fields: Reader<'_>) -> Result<Self, Error> {
        let request = Self {
            id: fields.u64()?,
            root: fields.b256()?,
            origin: fields.b256()?,
            limit: fields.b256()?,
            response_bytes: fields.u64()?,
        };
        fields.finish()?;
        Ok(request)
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_u64(out, self.id);
            rlp::put_string(out, self.root.as_slice());
            rlp::put_string(out, self.origin.as_slice());
            rlp::put_string(out, self.limit.as_slice());
            rlp::put_u64(out, self.response_bytes);
        });
    }
}

/// 0x01: accounts from the origin on, and the proof that none is missing.
///
/// Without accounts and proof: "I do not have this root".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRange {
    /// The request's id.
    pub id: u64,
    /// Each account's key and its RLP in slim form, in the shape that the trie's verifier takes.
    pub accounts: Rows,
    /// The nodes on the paths to the first and the last key.
    pub proof: Vec<Bytes>,
}

impl AccountRange {
    pub(crate) fn decode(body: &Bytes) -> Result<Self, Error> {
        let mut fields = Reader::message("AccountRange", body)?;
        let id = fields.u64()?;
        let list = fields.list()?.named("accounts");
        let mut rows = RowsReader::new(body, list.rest(), Value::Item, limits::ACCOUNTS_MAX);
        rows.read(list)?;
        let proof = read_proof(&mut fields)?;
        fields.finish()?;
        Ok(Self { id, accounts: rows.finish(), proof })
    }

    pub(crate) fn encode(&self) -> Encoded {
        let mut writer = AccountRangeWriter::new(self.id);
        self.accounts.iter().for_each(|(key, account)| writer.push(key, account));
        writer.finish(&self.proof)
    }
}

/// Reads the nodes of a range proof.
pub(super) fn read_proof(fields: &mut Reader<'_>) -> Result<Vec<Bytes>, Error> {
    fields.list()?.named("proof").collect(limits::PROOF_NODES_MAX, Reader::shared)
}
