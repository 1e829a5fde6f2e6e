//! The demo's block 0, as a genesis file says it: whoever has the file and a target needs nothing else to sync.
//!
//! Every fork up to Prague is active from the start and nobody owns anything. It writes no file.

use alloy_primitives::hex;
use serde_json::{Value, json};
use snapsync_keccak::keccak256;

use super::blocks::{GAS_LIMIT, GENESIS_TIME, INITIAL_BASE_FEE, MadeBlock};
use crate::genesis::{Genesis, header_rlp};

/// The genesis file of a demo chain, which geth takes too. The seed is written into its extra data, so that other chains have
/// other geneses.
pub(crate) fn genesis(seed: u64, chain_id: u64) -> Value {
    let extra_data = [b"snapsync demo ".as_slice(), &seed.to_be_bytes()].concat();
    json!({
        "config": {
            "chainId": chain_id,
            "homesteadBlock": 0,
            "eip150Block": 0,
            "eip155Block": 0,
            "eip158Block": 0,
            "byzantiumBlock": 0,
            "constantinopleBlock": 0,
            "petersburgBlock": 0,
            "istanbulBlock": 0,
            "berlinBlock": 0,
            "londonBlock": 0,
            "shanghaiTime": 0,
            "cancunTime": 0,
            "pragueTime": 0,
            "terminalTotalDifficulty": 0,
            "blobSchedule": {
                "cancun": { "target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477 },
                "prague": { "target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716 },
            },
        },
        "timestamp": format!("{GENESIS_TIME:#x}"),
        "extraData": hex::encode_prefixed(extra_data),
        "gasLimit": format!("{GAS_LIMIT:#x}"),
        "difficulty": "0x0",
        "baseFeePerGas": format!("{INITIAL_BASE_FEE:#x}"),
        "alloc": {},
    })
}

/// The block that a genesis describes, by the same reading that `sync --genesis` does.
pub(crate) fn block_zero(genesis: &Value) -> MadeBlock {
    let header = header_rlp(&read(genesis));
    MadeBlock {
        number: 0,
        hash: keccak256(&header),
        header,
        transactions: Vec::new(),
        withdrawals: Vec::new(),
        receipts: Vec::new(),
    }
}

/// What the file says.
pub(crate) fn read(genesis: &Value) -> Genesis {
    Genesis::in_text(&genesis.to_string()).expect("our own file has every field that must be there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_describes_block_zero_and_nothing_but_the_seed_differs() {
        let made = genesis(7, 3366);
        let chain = crate::genesis::chain(&read(&made), None).expect("it has an id");
        assert_eq!(chain.genesis_hash, block_zero(&made).hash);
        assert_eq!((chain.chain_id, chain.genesis_time), (3366, GENESIS_TIME));
        assert!(chain.fork_blocks.is_empty() && chain.fork_times.is_empty());
        assert_ne!(chain.genesis_hash, block_zero(&genesis(8, 3366)).hash);
    }
}
