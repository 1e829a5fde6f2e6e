//! The genesis of the test chain: every fork up to Prague at once, much gas, one rich account, the system contracts.
//!
//! Prague and not later: Osaka would limit a transaction to 2^24 gas, and one of ours makes ten thousand accounts.

use alloy_primitives::{Address, Bytes};
use serde_json::{Map, Value, json};

/// The chain's id, and its network's.
pub const CHAIN_ID: u64 = 735_117;

/// The gas limit of each block. geth must be started with the same as its target, or the limit drifts.
pub const GAS_LIMIT: u64 = 1_000_000_000;

/// The time of the genesis block, in Unix seconds: in the past, and fixed, so that the chain is the same each time.
pub const TIME: u64 = 1_700_000_000;

/// Seconds between blocks.
pub const BLOCK_SECONDS: u64 = 12;

/// EIP-4788: roots of the beacon chain.
const BEACON_ROOTS: (&str, &str) = (
    "0x000f3df6d732807ef1319fb7b8bb8522d0beac02",
    "0x\
     3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff\
     810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff0155\
     00",
);

/// EIP-2935: hashes of the last 8,191 blocks.
const BLOCK_HASHES: (&str, &str) = (
    "0x0000f90827f1c53a10cb7a02335b175320002935",
    "0x\
     3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81\
     430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500",
);

/// EIP-7002: withdrawal requests.
const WITHDRAWAL_REQUESTS: (&str, &str) = (
    "0x00000961ef480eb55e80d19ad83579a64c007002",
    "0x\
     3373fffffffffffffffffffffffffffffffffffffffe1460cb5760115f54807fffffffffffffffffffffffffffffffff\
     ffffffffffffffffffffffffffffffff146101f457600182026001905f5b5f8211156068578101908302848302900491\
     6001019190604d565b909390049250505036603814608857366101f457346101f4575f5260205ff35b34106101f45760\
     0154600101600155600354806003026004013381556001015f35815560010160203590553360601b5f5260385f601437\
     604c5fa0600101600355005b6003546002548082038060101160df575060105b5f5b8181146101835782810160030260\
     040181604c02815460601b8152601401816001015481526020019060020154807fffffffffffffffffffffffffffffff\
     ff00000000000000000000000000000000168252906010019060401c908160381c81600701538160301c816006015381\
     60281c81600501538160201c81600401538160181c81600301538160101c81600201538160081c816001015353600101\
     60e1565b910180921461019557906002556101a0565b90505f6002555f6003555b5f54807fffffffffffffffffffffff\
     ffffffffffffffffffffffffffffffffffffffffff14156101cd57505f5b6001546002828201116101e25750505f6101\
     e8565b01600290035b5f555f600155604c025ff35b5f5ffd",
);

/// EIP-7251: consolidation requests.
const CONSOLIDATION_REQUESTS: (&str, &str) = (
    "0x0000bbddc7ce488642fb579f8b00f3a590007251",
    "0x\
     3373fffffffffffffffffffffffffffffffffffffffe1460d35760115f54807fffffffffffffffffffffffffffffffff\
     ffffffffffffffffffffffffffffffff1461019a57600182026001905f5b5f8211156068578101908302848302900491\
     6001019190604d565b9093900492505050366060146088573661019a573461019a575f5260205ff35b341061019a5760\
     0154600101600155600354806004026004013381556001015f358155600101602035815560010160403590553360601b\
     5f5260605f60143760745fa0600101600355005b6003546002548082038060021160e7575060025b5f5b818114610129\
     5782810160040260040181607402815460601b8152601401816001015481526020018160020154815260200190600301\
     54905260010160e9565b910180921461013b5790600255610146565b90505f6002555f6003555b5f54807fffffffffff\
     ffffffffffffffffffffffffffffffffffffffffffffffffffffff141561017357505f5b600154600182820111610188\
     5750505f61018e565b01600190035b5f555f6001556074025ff35b5f5ffd",
);

/// EIP-8282: where the requests of builders are kept, of which there are none here: contracts that return nothing.
const BUILDER_REQUESTS: [&str; 2] =
    ["0x0000bff46984e3725691fa540a8c7589300d8282", "0x000064d678505ad48f8ccb093bc65613800e8282"];

/// Returns nothing.
const NOTHING: &str = "0x5f5ff3";

/// The contracts of the protocol, from Cancun to Amsterdam, and their codes.
pub fn contracts() -> Vec<(Address, Bytes)> {
    let builders = BUILDER_REQUESTS.map(|address| (address, NOTHING));
    let all = [BEACON_ROOTS, BLOCK_HASHES, WITHDRAWAL_REQUESTS, CONSOLIDATION_REQUESTS];
    let read = |(address, code): (&str, &str)| {
        let address = address.parse().expect("an address is written above");
        (address, code.parse().expect("its code is written above"))
    };
    all.into_iter().chain(builders).map(read).collect()
}

/// The genesis file of a chain as in [`file()`], on which the block `first` is of Amsterdam, and each later one: they have access lists
/// (EIP-7928).
pub fn with_lists_from(first: u64, rich: Address) -> Value {
    let mut genesis = file(rich);
    let config = &mut genesis["config"];
    for fork in ["osaka", "amsterdam"] {
        config[format!("{fork}Time")] = (TIME + first * BLOCK_SECONDS).into();
        let blobs = config["blobSchedule"]["prague"].clone();
        config["blobSchedule"][fork] = blobs;
    }
    for address in BUILDER_REQUESTS {
        genesis["alloc"][address] = json!({ "nonce": "0x1", "balance": "0x0", "code": NOTHING });
    }
    genesis
}

/// The genesis file of a chain on which `rich` has all the money.
pub fn file(rich: Address) -> Value {
    let mut config = Map::new();
    config.insert("chainId".into(), CHAIN_ID.into());
    for fork in [
        "homestead",
        "eip150",
        "eip155",
        "eip158",
        "byzantium",
        "constantinople",
        "petersburg",
        "istanbul",
        "muirGlacier",
        "berlin",
        "london",
        "arrowGlacier",
        "grayGlacier",
        "mergeNetsplit",
    ] {
        config.insert(format!("{fork}Block"), 0.into());
    }
    for fork in ["shanghai", "cancun", "prague"] {
        config.insert(format!("{fork}Time"), 0.into());
    }
    config.insert("terminalTotalDifficulty".into(), 0.into());
    config.insert("depositContractAddress".into(), json!(Address::ZERO.to_string()));
    config.insert(
        "blobSchedule".into(),
        json!({
            "cancun": { "target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477 },
            "prague": { "target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716 },
        }),
    );
    let mut alloc = Map::new();
    for (address, code) in [BEACON_ROOTS, BLOCK_HASHES, WITHDRAWAL_REQUESTS, CONSOLIDATION_REQUESTS] {
        alloc.insert(address.into(), json!({ "nonce": "0x1", "balance": "0x0", "code": code }));
    }
    // 2^100 wei: more than all the gas of the chain at its price, and far from any limit.
    alloc.insert(rich.to_string(), json!({ "balance": "0x10000000000000000000000000" }));
    json!({
        "config": config,
        "nonce": "0x0",
        "timestamp": format!("{TIME:#x}"),
        "extraData": "0x736e617073796e63",
        "gasLimit": format!("{GAS_LIMIT:#x}"),
        "difficulty": "0x0",
        "baseFeePerGas": "0x7",
        "alloc": alloc,
    })
}
