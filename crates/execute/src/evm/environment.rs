//! What the EVM is told of a block: its fork, its fees, its surroundings.

use alloy_eips::eip7594::MAX_BLOBS_PER_TX_FUSAKA;
use alloy_evm::EvmEnv;
use alloy_primitives::U256;
use revm::{
    context::{BlockEnv, CfgEnv},
    context_interface::block::BlobExcessGasAndPrice,
    primitives::hardfork::SpecId,
};
use snapsync_wire::Header;

use crate::{
    bad::BadBlock,
    block::HeaderRest,
    forks::{Fork, Rules},
};

/// The fork by revm's name.
const fn spec(fork: Fork) -> SpecId {
    match fork {
        Fork::Frontier => SpecId::FRONTIER,
        Fork::Homestead => SpecId::HOMESTEAD,
        Fork::TangerineWhistle => SpecId::TANGERINE,
        Fork::SpuriousDragon => SpecId::SPURIOUS_DRAGON,
        Fork::Byzantium => SpecId::BYZANTIUM,
        Fork::Petersburg => SpecId::PETERSBURG,
        Fork::Istanbul => SpecId::ISTANBUL,
        Fork::Berlin => SpecId::BERLIN,
        Fork::London => SpecId::LONDON,
        Fork::Paris => SpecId::MERGE,
        Fork::Shanghai => SpecId::SHANGHAI,
        Fork::Cancun => SpecId::CANCUN,
        Fork::Prague => SpecId::PRAGUE,
        Fork::Osaka => SpecId::OSAKA,
        Fork::Amsterdam => SpecId::AMSTERDAM,
    }
}

/// The EVM's surroundings in a block.
///
/// # Errors
/// Where the base fee is higher than anybody could pay, and the EVM could count.
pub(super) fn of(rules: &Rules, header: &Header, rest: &HeaderRest) -> Result<EvmEnv, BadBlock> {
    let mut config = CfgEnv::new_with_spec(spec(rules.fork)).with_chain_id(rules.chain_id);
    if let Some(blobs) = rules.blobs {
        let max = if rules.fork >= Fork::Osaka { blobs.max.min(MAX_BLOBS_PER_TX_FUSAKA) } else { blobs.max };
        config.set_max_blobs_per_tx(max);
        config.blob_base_fee_update_fraction = Some(blobs.update_fraction);
    }
    let blob_fee = header.excess_blob_gas.map(|excess_blob_gas| {
        let blob_gasprice = rules.blobs.map_or(1, |blobs| blobs.fee(excess_blob_gas));
        BlobExcessGasAndPrice { excess_blob_gas, blob_gasprice }
    });
    let is_merged = rules.fork >= Fork::Paris;
    let base_fee = header.base_fee_per_gas.unwrap_or_default();
    let environment = BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: u64::try_from(base_fee)
            .map_err(|_| BadBlock::BaseFee { expected: U256::from(u64::MAX), found: base_fee })?,
        difficulty: if is_merged { U256::ZERO } else { header.difficulty },
        prevrandao: is_merged.then_some(rest.mix_hash),
        blob_excess_gas_and_price: blob_fee,
        slot_num: header.slot_number.unwrap_or(0),
    };
    Ok(EvmEnv::new(config, environment))
}
