//! Requests for receipts and their answers, in the forms of eth/68, eth/69 and eth/70.
//!
//! Receipts stay as they came; [`crate::BlockReceipts`] tells how to look into them.

use alloy_primitives::B256;

use crate::{
    error::Error,
    limits,
    receipt::BlockReceipts,
    rlp::{self, Reader},
    version::{EthVersion, Protocol},
};

/// 0x0f: asks for the receipts of blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetReceipts {
    /// Comes back in the answer.
    pub id: u64,
    /// How many receipts of the first block the asker has already (eth/70; before, always 0).
    pub first_receipt_index: u64,
    /// The blocks' hashes.
    pub hashes: Vec<B256>,
}

/// Whether the last block of an answer is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// All receipts of each block are there.
    Whole,
    /// Receipts are missing at the end of the last block (eth/70).
    Cut,
}

/// 0x10: receipts of the blocks asked for, in that order; fewer blocks if they get too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipts {
    /// The request's id.
    pub id: u64,
    /// Whether the last block is whole.
    pub last_block: Completeness,
    /// Each block's receipts.
    pub blocks: Vec<BlockReceipts>,
}

impl GetReceipts {
    pub(crate) fn read(version: EthVersion, mut fields: Reader<'_>) -> Result<Self, Error> {
        let id = fields.u64()?;
        let first_receipt_index = if cuts_blocks(version) { fields.u64()? } else { 0 };
        let hashes = fields.list()?.hashes()?;
        fields.finish()?;
        Ok(Self { id, first_receipt_index, hashes })
    }

    pub(crate) fn put(&self, version: EthVersion, out: &mut Vec<u8>) -> Result<(), Error> {
        if !cuts_blocks(version) && self.first_receipt_index != 0 {
            return Err(not_in(version, "request inside a block's receipts"));
        }
        rlp::put_list(out, |out| {
            rlp::put_u64(out, self.id);
            if cuts_blocks(version) {
                rlp::put_u64(out, self.first_receipt_index);
            }
            rlp::put_items(out, &self.hashes, |out, hash| rlp::put_string(out, hash.as_slice()));
        });
        Ok(())
    }
}

impl Receipts {
    pub(crate) fn read(version: EthVersion, mut fields: Reader<'_>) -> Result<Self, Error> {
        let id = fields.u64()?;
        let is_cut = cuts_blocks(version) && fields.flag()?;
        let last_block = if is_cut { Completeness::Cut } else { Completeness::Whole };
        let form = version.into();
        let blocks = fields.list()?.named("receipts");
        let blocks = blocks.collect(limits::BLOCKS_MAX, |list| BlockReceipts::read(form, list))?;
        fields.finish()?;
        Ok(Self { id, last_block, blocks })
    }

    pub(crate) fn put(&self, version: EthVersion, out: &mut Vec<u8>) -> Result<(), Error> {
        if !cuts_blocks(version) && self.last_block == Completeness::Cut {
            return Err(not_in(version, "answer that ends inside a block's receipts"));
        }
        let form = version.into();
        let blocks: Vec<_> = self.blocks.iter().map(|block| block.to_form(form)).collect::<Result<_, _>>()?;
        rlp::put_list(out, |out| {
            rlp::put_u64(out, self.id);
            if cuts_blocks(version) {
                rlp::put_u64(out, u64::from(self.last_block == Completeness::Cut));
            }
            rlp::put_items(out, &blocks, |out, block| out.extend_from_slice(block.raw()));
        });
        Ok(())
    }
}

fn cuts_blocks(version: EthVersion) -> bool {
    version >= EthVersion::Eth70
}

const fn not_in(version: EthVersion, what: &'static str) -> Error {
    Error::NotInVersion { protocol: Protocol::Eth(version), what }
}
