//! A first block of a chain of one fork: its genesis, its surroundings and its transactions, all from a seed.

use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bytes, U256, address, hex, keccak256};
use serde_json::{Map, Value, json};
use snapsync_e2e::genesis as protocol;
use snapsync_execute::Fork;

use super::{
    CHAIN_ID,
    chance::Chance,
    code::Coder,
    transactions::{Maker, SENDERS, SIGNERS, account},
};

/// The gas limit, which no case comes near.
const GAS_LIMIT: u64 = 2_000_000_000;
/// Whose logs are deposits, as geth's tester has it for Prague and later.
const DEPOSITS: Address = address!("00000000219ab540356cbb839cbe05303d7705fa");

/// Forks by geth's tester's names.
pub(crate) const FORKS: [(Fork, &str); 15] = [
    (Fork::Frontier, "Frontier"),
    (Fork::Homestead, "Homestead"),
    (Fork::TangerineWhistle, "EIP150"),
    (Fork::SpuriousDragon, "EIP158"),
    (Fork::Byzantium, "Byzantium"),
    (Fork::Petersburg, "ConstantinopleFix"),
    (Fork::Istanbul, "Istanbul"),
    (Fork::Berlin, "Berlin"),
    (Fork::London, "London"),
    (Fork::Paris, "Paris"),
    (Fork::Shanghai, "Shanghai"),
    (Fork::Cancun, "Cancun"),
    (Fork::Prague, "Prague"),
    (Fork::Osaka, "Osaka"),
    (Fork::Amsterdam, "Amsterdam"),
];

/// Where the contract is that calls precompiles.
pub(crate) const CALLER_ADDRESS: Address = Address::repeat_byte(0xca);
/// Calls the address in the first word of its input with the rest, and stores whether that went well and a hash of what came back.
const CALLER: &[u8] = &hex!(
    // The rest of the input to memory, and the call, whose gas leaves some for what follows.
    "602036038060206000376102006120008260006000600035"
    "5a62030d409003f1"
    // Under the hash of the input: one more than what the call said. Under its inverse: the hash of what came back.
    "60010181600020556102006120002081600020195500"
);

/// Where things are.
pub(crate) struct Places {
    pub(crate) contracts: Vec<Address>,
    /// All that may be called, nobodies and precompiles among them.
    pub(crate) known: Vec<Address>,
    /// Contracts of the protocol, and how long the input is that each takes.
    pub(crate) protocol: Vec<(Address, usize)>,
}

/// A case.
pub(crate) struct Case {
    pub(crate) fork: Fork,
    pub(crate) tester: &'static str,
    /// The genesis file.
    pub(crate) genesis: Value,
    pub(crate) beneficiary: Address,
    pub(crate) mix: B256,
    pub(crate) excess_blob_gas: u64,
    pub(crate) withdrawals: Vec<Withdrawal>,
    pub(crate) transactions: Vec<Bytes>,
}

impl Case {
    pub(crate) const GAS_LIMIT: u64 = GAS_LIMIT;
    pub(crate) const TIME: u64 = 112;
    pub(crate) const BASE_FEE: u64 = 7;
    pub(crate) const DIFFICULTY: u64 = 0x20000;
    pub(crate) const BEACON_ROOT: B256 = B256::repeat_byte(4);
    pub(crate) const SLOT: u64 = 77;

    /// The case of a seed.
    pub(crate) fn of(seed: u64, (fork, tester): (Fork, &'static str), count: usize) -> Self {
        let mut chance = Chance::new(seed);
        let places = places();
        let alloc = allocation(&mut chance, fork, &places);
        // The blobs of a genesis set what their fee is; it is never as low as the base fee makes it.
        let before = if fork >= Fork::Cancun { chance.below(80_000_000) } else { 0 };
        let target = match fork {
            Fork::Cancun => 3 << 17,
            Fork::Prague | Fork::Osaka => 6 << 17,
            _ => 14 << 17,
        };
        let genesis = genesis(fork, alloc, before);
        let nonces = [0; SIGNERS as usize];
        let mut maker = Maker { chance: &mut chance, fork, places: &places, nonces, blobs_left: 6 };
        let transactions = (0..count).map(|_| maker.next()).collect();
        let beneficiary = match chance.below(3) {
            0 => chance.pick(&places.known),
            _ => Address::from_word(keccak256(seed.to_be_bytes())),
        };
        let withdrawal = |index, chance: &mut Chance| Withdrawal {
            index,
            validator_index: chance.below(9),
            address: chance.pick(&places.known),
            amount: if chance.one_in(3) { 0 } else { chance.below(9) },
        };
        let withdrawals = (0..chance.below(5)).map(|index| withdrawal(index, &mut chance)).collect();
        Self {
            fork,
            tester,
            genesis,
            beneficiary,
            mix: B256::from_slice(&chance.bytes(32)),
            excess_blob_gas: before.saturating_sub(target),
            withdrawals: if fork >= Fork::Shanghai { withdrawals } else { Vec::new() },
            transactions,
        }
    }
}

fn places() -> Places {
    let contracts: Vec<Address> = (0..24).map(|n| Address::repeat_byte(0x40 + n)).collect();
    let precompile = |number: u64| Address::from_word(B256::from(U256::from(number)));
    let mut known = contracts.clone();
    known.extend((1..20).map(precompile));
    known.extend((0..SIGNERS).map(account));
    known.extend((0..6).map(|n| Address::repeat_byte(0x90 + n)));
    let mut protocol: Vec<(Address, usize)> = vec![(DEPOSITS, 576)];
    for (address, _) in protocol::contracts() {
        let length = match address.0[18..] {
            [0x70, 0x02] => 56,
            [0x72, 0x51] => 96,
            _ => 32,
        };
        protocol.push((address, length));
    }
    Places { contracts, known, protocol }
}

fn allocation(chance: &mut Chance, fork: Fork, places: &Places) -> Map<String, Value> {
    let mut alloc = Map::new();
    for of in 0..SENDERS {
        alloc.insert(account(of).to_string(), json!({"balance": "0xffffffffffffffffffffffff"}));
    }
    let with_code =
        |code: &[u8]| json!({"balance": "0x0", "nonce": "0x1", "code": hex::encode_prefixed(code)});
    for address in &places.contracts {
        let mut account = with_code(&Coder::new(chance, fork, &places.known).write());
        account["balance"] = format!("{:#x}", chance.below(9)).into();
        let slots = (0..chance.below(6)).map(|_| {
            let (slot, value) = (B256::from(U256::from(chance.below(12))), B256::from(chance.word()));
            (slot.to_string(), Value::from(value.to_string()))
        });
        account["storage"] = Value::Object(slots.collect());
        alloc.insert(address.to_string(), account);
    }
    alloc.insert(CALLER_ADDRESS.to_string(), with_code(CALLER));
    if fork >= Fork::Cancun {
        for (address, code) in protocol::contracts() {
            alloc.insert(address.to_string(), with_code(&code));
        }
        alloc.insert(DEPOSITS.to_string(), with_code(&deposits()));
    }
    alloc
}

/// Logs a deposit of whatever it is given: five fields of the lengths that EIP-6110 reads.
fn deposits() -> Vec<u8> {
    // The whole input, and over it the heads: offsets of the fields, and their lengths.
    let mut code = hex!("366000600037").to_vec();
    let words = [(0, 0xa0), (32, 0x100), (64, 0x140), (96, 0x180), (128, 0x200u16)];
    let lengths = [(0xa0, 48), (0x100, 32), (0x140, 8), (0x180, 96), (0x200, 8)];
    for (at, word) in words.into_iter().chain(lengths) {
        code.extend([0x61, (word >> 8) as u8, word as u8, 0x61, (at >> 8) as u8, at as u8, 0x52]);
    }
    code.push(0x7f);
    code.extend(hex!("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5"));
    code.extend(hex!("6102406000a100"));
    code
}

fn genesis(fork: Fork, alloc: Map<String, Value>, excess_blob_gas: u64) -> Value {
    let is_mined = fork < Fork::Paris;
    let mut config = json!({"chainId": CHAIN_ID, "depositContractAddress": DEPOSITS.to_string()});
    let by_block =
        ["homestead", "eip150", "eip158", "byzantium", "constantinople", "istanbul", "berlin", "london"];
    for (name, _) in by_block.iter().zip(Fork::BY_BLOCK).filter(|(_, since)| *since <= fork) {
        config[format!("{name}Block")] = 0.into();
    }
    if fork >= Fork::SpuriousDragon {
        config["eip155Block"] = 0.into();
    }
    let by_time = ["shanghai", "cancun", "prague", "osaka", "amsterdam"];
    for (name, _) in by_time.iter().zip(Fork::BY_TIME).filter(|(_, since)| *since <= fork) {
        config[format!("{name}Time")] = 0.into();
    }
    if !is_mined {
        config["terminalTotalDifficulty"] = 0.into();
    }
    // Those of the tester.
    let mut blobs = json!({
        "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477},
        "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716},
    });
    if fork >= Fork::Amsterdam {
        (config["bpo1Time"], config["bpo2Time"]) = (0.into(), 0.into());
        blobs["bpo1"] = json!({"target": 10, "max": 15, "baseFeeUpdateFraction": 8_346_193});
        blobs["bpo2"] = json!({"target": 14, "max": 21, "baseFeeUpdateFraction": 11_684_671});
    }
    config["blobSchedule"] = blobs;
    let mut file = json!({
        "config": config, "difficulty": if is_mined { "0x20000" } else { "0x0" }, "timestamp": "0x64",
        "gasLimit": format!("{GAS_LIMIT:#x}"), "alloc": alloc,
    });
    if fork >= Fork::London {
        file["baseFeePerGas"] = Case::BASE_FEE.into();
    }
    if fork >= Fork::Cancun {
        file["excessBlobGas"] = excess_blob_gas.into();
    }
    file
}
