//! Whether what came of a block is what its header claims, whoever executed it.
//!
//! It trusts neither: they are compared. The state's root is not looked at here: storage derives it.

use alloy_primitives::Bloom;
use snapsync_keccak::keccak256;
use snapsync_trie::ordered_root;

use crate::{
    bad::{BadBlock, Commitment},
    block::Block,
    body::commits,
    executor::Executed,
};

/// Compares what came of a block with its header.
///
/// # Errors
/// The first thing that differs.
pub fn check_executed(block: &Block, executed: &Executed) -> Result<(), BadBlock> {
    let header = block.header();
    if executed.gas_used != header.gas_used {
        return Err(BadBlock::GasUsed { claimed: header.gas_used, found: executed.gas_used });
    }
    let claimed = header.blob_gas_used.unwrap_or(0);
    if executed.blob_gas_used != claimed {
        return Err(BadBlock::BlobGasUsed { claimed, found: executed.blob_gas_used });
    }
    let receipts: Vec<Vec<u8>> = executed
        .receipts
        .iter()
        .map(|receipt| {
            let mut bytes = Vec::new();
            receipt.encode_consensus(&mut bytes);
            bytes
        })
        .collect();
    commits(Commitment::Receipts, header.receipts_root, ordered_root(&receipts))?;
    let mut bloom = Bloom::ZERO;
    executed.receipts.iter().for_each(|receipt| bloom |= *receipt.bloom());
    if bloom != block.rest().logs_bloom {
        return Err(BadBlock::Bloom);
    }
    if let Some(claimed) = header.requests_hash {
        commits(Commitment::Requests, claimed, executed.requests_hash.unwrap_or_default())?;
    }
    if let Some(claimed) = header.block_access_list_hash {
        let list = executed.access_list.as_deref().map_or(&[][..], |list| list.as_ref());
        commits(Commitment::AccessList, claimed, keccak256(list))?;
    }
    Ok(())
}
