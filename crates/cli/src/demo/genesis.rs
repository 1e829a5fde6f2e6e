//! The demo's block 0, as a genesis file says it: whoever has the file and a target needs nothing else to sync.
//!
//! Every fork up to Prague is active from the start and nobody owns anything. It writes no file.

use alloy_genesis::{ChainConfig, Genesis};
use alloy_primitives::U256;
use snapsync_keccak::keccak256;

use super::blocks::{GAS_LIMIT, GENESIS_TIME, INITIAL_BASE_FEE, MadeBlock};

/// The genesis of a demo chain. The seed is written into its extra data, so that other chains have other geneses.
pub(crate) fn genesis(seed: u64, chain_id: u64) -> Genesis {
    let config = ChainConfig {
        chain_id,
        homestead_block: Some(0),
        eip150_block: Some(0),
        eip155_block: Some(0),
        eip158_block: Some(0),
        byzantium_block: Some(0),
        constantinople_block: Some(0),
        petersburg_block: Some(0),
        istanbul_block: Some(0),
        berlin_block: Some(0),
        london_block: Some(0),
        shanghai_time: Some(0),
        cancun_time: Some(0),
        prague_time: Some(0),
        terminal_total_difficulty: Some(U256::ZERO),
        terminal_total_difficulty_passed: true,
        ..ChainConfig::default()
    };
    Genesis {
        config,
        timestamp: GENESIS_TIME,
        gas_limit: GAS_LIMIT,
        base_fee_per_gas: Some(INITIAL_BASE_FEE.into()),
        extra_data: [b"snapsync demo ".as_slice(), &seed.to_be_bytes()].concat().into(),
        ..Genesis::default()
    }
}

/// The block that a genesis describes, by the same reading that `sync --genesis` does.
pub(crate) fn block_zero(genesis: &Genesis) -> MadeBlock {
    let header = crate::genesis::header_rlp(genesis);
    MadeBlock {
        number: 0,
        hash: keccak256(&header),
        header,
        transactions: Vec::new(),
        withdrawals: Vec::new(),
        receipts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_describes_block_zero_and_nothing_but_the_seed_differs() {
        let made = genesis(7, 3366);
        let text = serde_json::to_string(&made).expect("plain data");
        let read: Genesis = serde_json::from_str(&text).expect("our own text");
        let chain = crate::genesis::chain(&read, None);
        assert_eq!(chain.genesis_hash, block_zero(&made).hash);
        assert_eq!((chain.chain_id, chain.genesis_time), (3366, GENESIS_TIME));
        assert!(chain.fork_blocks.is_empty() && chain.fork_times.is_empty());
        assert_ne!(chain.genesis_hash, block_zero(&genesis(8, 3366)).hash);
    }
}
