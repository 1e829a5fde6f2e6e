//! The rules of one block as alloy-evm asks for them: what the protocol itself calls and pays.

use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::Address;

use crate::forks::{Fork, Rules};

/// The rules of one block: a fork holds in it from zero on, or not at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct System(pub(super) Rules);

impl EthereumHardforks for System {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        let by_block = |first: Fork| (first, ForkCondition::ZERO_BLOCK);
        let by_time = |first: Fork| (first, ForkCondition::ZERO_TIMESTAMP);
        let (first, held) = match fork {
            EthereumHardfork::Frontier => by_block(Fork::Frontier),
            EthereumHardfork::Homestead => by_block(Fork::Homestead),
            EthereumHardfork::Tangerine => by_block(Fork::TangerineWhistle),
            EthereumHardfork::SpuriousDragon => by_block(Fork::SpuriousDragon),
            EthereumHardfork::Byzantium => by_block(Fork::Byzantium),
            EthereumHardfork::Constantinople | EthereumHardfork::Petersburg => by_block(Fork::Petersburg),
            EthereumHardfork::Istanbul | EthereumHardfork::MuirGlacier => by_block(Fork::Istanbul),
            EthereumHardfork::Berlin => by_block(Fork::Berlin),
            EthereumHardfork::London | EthereumHardfork::ArrowGlacier | EthereumHardfork::GrayGlacier => {
                by_block(Fork::London)
            }
            EthereumHardfork::Paris => by_block(Fork::Paris),
            EthereumHardfork::Shanghai => by_time(Fork::Shanghai),
            EthereumHardfork::Cancun => by_time(Fork::Cancun),
            EthereumHardfork::Prague => by_time(Fork::Prague),
            EthereumHardfork::Osaka => by_time(Fork::Osaka),
            EthereumHardfork::Amsterdam => by_time(Fork::Amsterdam),
            // The DAO's ether is moved by us, before the first transaction; sizes of blobs are in the rules.
            _ => return ForkCondition::Never,
        };
        if self.0.fork >= first { held } else { ForkCondition::Never }
    }
}

impl EthExecutorSpec for System {
    fn deposit_contract_address(&self) -> Option<Address> {
        Some(self.0.deposit_contract)
    }
}
