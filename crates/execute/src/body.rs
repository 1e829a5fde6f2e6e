//! Whether a body is the one that its header commits to, and of a form that its fork allows.
//!
//! It trusts the header, which is checked in [`crate::header`]. It does not look into transactions: only execution can tell whether they
//! are valid.

use alloy_primitives::B256;
use snapsync_keccak::keccak256;
use snapsync_trie::ordered_root;

use crate::{
    bad::{BadBlock, Commitment},
    block::Block,
    forks::{Fork, Rules},
};

/// EIP-7934: bytes of a block at most, from Osaka on; 10 MiB less 2 MiB for the beacon chain's block around it.
const BLOCK_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Ommers of a block at most (Yellow Paper 11.1).
const OMMERS_MAX: usize = 2;
/// An ommer is at most so many blocks older than the block that pays it.
const OMMER_AGE_MAX: u64 = 6;

/// Checks a body against its header.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_body(rules: &Rules, block: &Block) -> Result<(), BadBlock> {
    let (header, body) = (block.header(), block.body());
    if rules.fork >= Fork::Osaka && block.bytes() > BLOCK_BYTES_MAX {
        return Err(BadBlock::Bytes { found: block.bytes(), max: BLOCK_BYTES_MAX });
    }
    ommers(rules, block)?;
    commits(Commitment::Ommers, header.ommers_hash, keccak256(body.ommers()))?;
    let transactions = ordered_root(&body.transaction_payloads());
    commits(Commitment::Transactions, header.transactions_root, transactions)?;
    match (header.withdrawals_root, body.withdrawal_payloads()) {
        (Some(root), Some(items)) => commits(Commitment::Withdrawals, root, ordered_root(&items)),
        (None, None) => Ok(()),
        _ => Err(BadBlock::NoWithdrawals { fork: rules.fork }),
    }
}

/// How many there are, and that what they are paid can be told. That they are siblings of ancestors, and paid for once, takes ancestors:
/// of a block that a trusted one descends from that is known already.
fn ommers(rules: &Rules, block: &Block) -> Result<(), BadBlock> {
    let max = if rules.fork >= Fork::Paris { 0 } else { OMMERS_MAX };
    let found = block.ommers().len();
    if found > max {
        return Err(BadBlock::Ommers { found, max });
    }
    let number = block.header().number;
    for ommer in block.ommers() {
        let age = number.checked_sub(ommer.number).filter(|age| (1..=OMMER_AGE_MAX).contains(age));
        age.ok_or(BadBlock::OmmerNumber { found: ommer.number })?;
    }
    Ok(())
}

/// That something is what the header says.
pub(crate) fn commits(what: Commitment, claimed: B256, found: B256) -> Result<(), BadBlock> {
    if claimed == found { Ok(()) } else { Err(BadBlock::Claim { what, claimed, found }) }
}
