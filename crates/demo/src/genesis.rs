//! The demo's block 0, as a genesis file says it: whoever has the file and a target needs nothing else to sync.
//!
//! Every fork up to Prague is active from the start and nobody owns anything. It writes no file.

use alloy_primitives::{Address, B256, Bloom, U256, hex};
use serde_json::{Value, json};
use snapsync_keccak::keccak256;
use snapsync_trie::EMPTY_ROOT;

use crate::{
    blocks::{GAS_LIMIT, GENESIS_TIME, INITIAL_BASE_FEE, MadeBlock, NO_OMMERS, NO_REQUESTS},
    rlp::List,
};

/// The genesis file of a demo chain, which geth takes too. The seed is written into its extra data, so that other chains have
/// other geneses.
pub(crate) fn genesis(seed: u64, chain_id: u64) -> Value {
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
        "extraData": hex::encode_prefixed(extra_data(seed)),
        "gasLimit": format!("{GAS_LIMIT:#x}"),
        "difficulty": "0x0",
        "baseFeePerGas": format!("{INITIAL_BASE_FEE:#x}"),
        "alloc": {},
    })
}

/// The block that the file describes. Whoever reads the file must come to the same one.
pub(crate) fn block_zero(seed: u64) -> MadeBlock {
    let header = List::new()
        .item(&B256::ZERO)
        .item(&NO_OMMERS)
        .item(&Address::ZERO)
        .item(&EMPTY_ROOT)
        .item(&EMPTY_ROOT)
        .item(&EMPTY_ROOT)
        .item(&Bloom::ZERO)
        .item(&U256::ZERO)
        .item(&0u64)
        .item(&GAS_LIMIT)
        .item(&0u64)
        .item(&GENESIS_TIME)
        .bytes(&extra_data(seed))
        .item(&B256::ZERO)
        .bytes(&[0; 8])
        .item(&INITIAL_BASE_FEE)
        .item(&EMPTY_ROOT)
        .item(&0u64)
        .item(&0u64)
        .item(&B256::ZERO)
        .item(&NO_REQUESTS)
        .encode();
    MadeBlock {
        number: 0,
        hash: keccak256(&header),
        header,
        transactions: Vec::new(),
        withdrawals: Vec::new(),
        receipts: Vec::new(),
    }
}

/// Other chains have other geneses by it.
fn extra_data(seed: u64) -> Vec<u8> {
    [b"snapsync demo ".as_slice(), &seed.to_be_bytes()].concat()
}
