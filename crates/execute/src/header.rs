//! Whether a header may follow its parent, by the rules of its fork.
//!
//! It trusts the parent, which was checked before or named by somebody who is trusted. It checks no work: before the merge neither the
//! difficulty nor the seal is looked at, since such headers are reached by the hashes that their children name.

use alloy_primitives::{B64, U256};
use snapsync_wire::Header;

use crate::{
    bad::BadBlock,
    block::{Block, HeaderRest},
    forks::{BlobParams, Fork, Forks, Rules},
};

/// Bytes of extra data at most (Yellow Paper 4.4.4).
const EXTRA_DATA_MAX: usize = 32;
/// What the extra data of the DAO's fork says.
const DAO_EXTRA_DATA: &[u8] = b"dao-hard-fork";
/// The least gas limit (Yellow Paper 4.4.4).
const GAS_LIMIT_MIN: u64 = 5_000;
/// The highest gas limit, by which sums of two fit.
const GAS_LIMIT_MAX: u64 = u64::MAX >> 1;
/// A gas limit moves by less than this part of its parent's.
const GAS_LIMIT_PARTS: u64 = 1_024;
/// EIP-1559: the first base fee, how much of the limit is the target, how slowly the fee moves.
const INITIAL_BASE_FEE: u64 = 1_000_000_000;
const ELASTICITY: u64 = 2;
const BASE_FEE_PARTS: u64 = 8;
/// EIP-7918: execution gas that a unit of blob gas is worth at least.
const BLOB_BASE_COST: u64 = 1 << 13;

/// Checks the header of a block against its parent's.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_header(forks: &Forks, block: &Block, parent: &Header) -> Result<Rules, BadBlock> {
    let (header, rest) = (block.header(), block.rest());
    let rules = forks.rules(header.number, header.timestamp, header.difficulty);
    links(header, parent)?;
    extra_data(&rules, rest)?;
    fields(&rules, rest)?;
    work(forks, &rules, header, parent, rest)?;
    gas_limit(&rules, header, parent)?;
    base_fee(&rules, header, parent)?;
    blob_gas(&rules, header, parent)?;
    Ok(rules)
}

fn links(header: &Header, parent: &Header) -> Result<(), BadBlock> {
    let hash = parent.hash();
    if header.parent_hash != hash {
        return Err(BadBlock::Parent { expected: hash, found: header.parent_hash });
    }
    // A parent with the last number there is has no child: then no number is one more.
    let expected = parent.number.saturating_add(1);
    if header.number != expected || header.number == parent.number {
        return Err(BadBlock::Number { expected, found: header.number });
    }
    if header.timestamp <= parent.timestamp {
        return Err(BadBlock::Time { parent: parent.timestamp, found: header.timestamp });
    }
    Ok(())
}

fn extra_data(rules: &Rules, rest: &HeaderRest) -> Result<(), BadBlock> {
    let found = rest.extra_data.len();
    if found > EXTRA_DATA_MAX {
        return Err(BadBlock::ExtraData { found, max: EXTRA_DATA_MAX });
    }
    let says_dao = rest.extra_data.as_ref() == DAO_EXTRA_DATA;
    match rules.says_dao {
        Some(must) if must != says_dao => Err(BadBlock::DaoSide),
        _ => Ok(()),
    }
}

/// Each fork has its number of fields, and they follow one another: those of other forks are missing or too many.
fn fields(rules: &Rules, rest: &HeaderRest) -> Result<(), BadBlock> {
    let expected = match rules.fork {
        Fork::Amsterdam => 23,
        Fork::Prague | Fork::Osaka => 21,
        Fork::Cancun => 20,
        Fork::Shanghai => 17,
        Fork::London | Fork::Paris => 16,
        _ => 15,
    };
    if rest.fields == expected {
        Ok(())
    } else {
        Err(BadBlock::Fields { fork: rules.fork, expected, found: rest.fields })
    }
}

fn work(
    forks: &Forks,
    rules: &Rules,
    header: &Header,
    parent: &Header,
    rest: &HeaderRest,
) -> Result<(), BadBlock> {
    let found = header.difficulty;
    let is_merged = rules.fork >= Fork::Paris;
    // Mining ends once. A chain whose end of mining is at zero was never mined above its genesis, and none with forks by time is mined.
    let parent_is_merged = forks.merges() && parent.difficulty.is_zero() && parent.number > 0;
    let never_mined = forks.terminal_total_difficulty == Some(U256::ZERO);
    let has_forks_by_time = forks.times.get(&Fork::Shanghai).is_some_and(|time| *time <= header.timestamp);
    if !is_merged && (parent_is_merged || never_mined || has_forks_by_time) {
        return Err(BadBlock::Difficulty { found, is_merged: true });
    }
    if !is_merged && found.is_zero() {
        return Err(BadBlock::Difficulty { found, is_merged: false });
    }
    if is_merged && rest.nonce != B64::ZERO {
        return Err(BadBlock::Nonce);
    }
    Ok(())
}

fn gas_limit(rules: &Rules, header: &Header, parent: &Header) -> Result<(), BadBlock> {
    // London's limit is what its target was before.
    let elasticity = if rules.is_first_of_london { ELASTICITY } else { 1 };
    let before = parent.gas_limit.saturating_mul(elasticity);
    let found = header.gas_limit;
    let is_near = found.abs_diff(before) < before / GAS_LIMIT_PARTS;
    if !is_near || !(GAS_LIMIT_MIN..=GAS_LIMIT_MAX).contains(&found) {
        return Err(BadBlock::GasLimit { parent: before, found });
    }
    if header.gas_used > found {
        return Err(BadBlock::GasAboveLimit { used: header.gas_used, limit: found });
    }
    Ok(())
}

fn base_fee(rules: &Rules, header: &Header, parent: &Header) -> Result<(), BadBlock> {
    // Without London there is none: fields are counted.
    let Some(found) = header.base_fee_per_gas else { return Ok(()) };
    let expected = next_base_fee(rules, parent);
    if found == expected { Ok(()) } else { Err(BadBlock::BaseFee { expected, found }) }
}

/// EIP-1559: what follows from the parent's fee, and from how far its gas is off the target.
fn next_base_fee(rules: &Rules, parent: &Header) -> U256 {
    let fee = match parent.base_fee_per_gas {
        Some(fee) if !rules.is_first_of_london => fee,
        _ => return U256::from(INITIAL_BASE_FEE),
    };
    let target = parent.gas_limit / ELASTICITY;
    if target == 0 {
        return fee;
    }
    let off = U256::from(parent.gas_used.abs_diff(target));
    // Saturates for fees that nobody could pay.
    let change = fee.saturating_mul(off) / U256::from(target) / U256::from(BASE_FEE_PARTS);
    if parent.gas_used > target {
        fee.saturating_add(change.max(U256::ONE))
    } else {
        fee.saturating_sub(change)
    }
}

fn blob_gas(rules: &Rules, header: &Header, parent: &Header) -> Result<(), BadBlock> {
    let (Some(used), Some(excess)) = (header.blob_gas_used, header.excess_blob_gas) else {
        return Ok(());
    };
    // A chain file without a schedule has no blobs.
    let none = BlobParams { target: 0, max: 0, update_fraction: 1 };
    let blobs = rules.blobs.unwrap_or(none);
    let max = blobs.gas_max();
    if used > max || !used.is_multiple_of(BlobParams::GAS_PER_BLOB) {
        return Err(BadBlock::BlobGas { found: used, max });
    }
    let expected = next_excess_blob_gas(rules, &blobs, parent);
    if excess == expected { Ok(()) } else { Err(BadBlock::ExcessBlobGas { expected, found: excess }) }
}

/// EIP-4844, and from Osaka on EIP-7918: where blobs are far cheaper than execution, the target does not count.
fn next_excess_blob_gas(rules: &Rules, blobs: &BlobParams, parent: &Header) -> u64 {
    let (excess, used) = (parent.excess_blob_gas.unwrap_or(0), parent.blob_gas_used.unwrap_or(0));
    let (all, target) = (excess.saturating_add(used), blobs.target.saturating_mul(BlobParams::GAS_PER_BLOB));
    if all < target {
        return 0;
    }
    if rules.fork >= Fork::Osaka {
        let reserve = parent.base_fee_per_gas.unwrap_or_default().saturating_mul(U256::from(BLOB_BASE_COST));
        let price = U256::from(blobs.fee(excess)).saturating_mul(U256::from(BlobParams::GAS_PER_BLOB));
        if reserve > price {
            let above_target = blobs.max.saturating_sub(blobs.target);
            return excess.saturating_add(used.saturating_mul(above_target) / blobs.max.max(1));
        }
    }
    all - target
}
