//! Whether what came of a block is what its header claims, whoever executed it.
//!
//! It trusts neither: they are compared. The state's root is not looked at here: storage derives it.

use snapsync_keccak::keccak256;
use snapsync_trie::ordered_root;
use snapsync_wire::limits::{CODE_BYTES_MAX, RECEIPTS_BYTES_MAX};

use crate::{
    bad::{BadBlock, Commitment},
    block::Block,
    body::commits,
    executor::Executed,
};

/// Bytes of a receipt as it is kept, without its logs, at most: a head of 9, the type, a root of 33 and the gas of 9.
const RECEIPT_REST_BYTES_MAX: usize = 64;

/// Compares what came of a block with its header, and with what is kept of a block.
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
    fits(executed)?;
    commits(Commitment::Receipts, header.receipts_root, ordered_root(&executed.consensus_receipts()))?;
    if executed.logs_bloom() != block.rest().logs_bloom {
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

/// That storage can hold it: whatever passes here is written.
fn fits(executed: &Executed) -> Result<(), BadBlock> {
    let receipts = executed.receipts.iter().map(|receipt| receipt.logs().len() + RECEIPT_REST_BYTES_MAX);
    let longest = executed.changes.codes.iter().map(|code| code.len()).max();
    let parts =
        [("receipts", receipts.sum(), RECEIPTS_BYTES_MAX), ("code", longest.unwrap_or(0), CODE_BYTES_MAX)];
    match parts.into_iter().find(|(_, found, max)| found > max) {
        Some((what, found, max)) => Err(BadBlock::TooLarge { what, found, max }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, Bytes};
    use snapsync_wire::{PostState, Receipt};

    use super::*;

    #[test]
    fn what_is_more_than_is_kept_is_the_blocks_fault() {
        let mut executed = Executed::default();
        assert_eq!(fits(&executed), Ok(()));
        // One log with a mebibyte of data, many times.
        let data = Bytes::from(vec![0; 1 << 20]);
        let mut payload = alloy_rlp::encode(Address::ZERO);
        payload.push(alloy_rlp::EMPTY_LIST_CODE);
        payload.extend(alloy_rlp::encode(&data));
        let list = |payload: &[u8]| {
            let mut out = Vec::new();
            alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
            out.extend_from_slice(payload);
            out
        };
        let logs = list(&list(&payload));
        let receipt = Receipt::new(0, PostState::Success, 1, logs.into()).expect("a receipt");
        let each = receipt.logs().len() + RECEIPT_REST_BYTES_MAX;
        executed.receipts = vec![receipt.clone(); RECEIPTS_BYTES_MAX / each];
        assert_eq!(fits(&executed), Ok(()));
        executed.receipts.push(receipt);
        let found = executed.receipts.len() * each;
        assert_eq!(
            fits(&executed),
            Err(BadBlock::TooLarge { what: "receipts", found, max: RECEIPTS_BYTES_MAX })
        );
        executed.receipts.clear();
        executed.changes.codes = vec![vec![0; CODE_BYTES_MAX].into(), vec![0; CODE_BYTES_MAX + 1].into()];
        let found = CODE_BYTES_MAX + 1;
        assert_eq!(fits(&executed), Err(BadBlock::TooLarge { what: "code", found, max: CODE_BYTES_MAX }));
    }
}
