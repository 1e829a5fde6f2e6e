//! geth's own tester, `evm t8n`: what it makes of a case.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use alloy_primitives::{B256, Bloom, U256, hex};
use serde_json::{Map, Value, json};
use snapsync_e2e::cache::Tools;
use snapsync_execute::Fork;

use super::{
    CHAIN_ID,
    case::{CALLER_ADDRESS, Case},
    transactions,
};

/// Of the object format of EVM code (EOF), which no fork took.
const NO_OPCODES: [&str; 16] = [
    "DATALOAD",
    "DATALOADN",
    "DATASIZE",
    "DATACOPY",
    "RJUMP",
    "RJUMPI",
    "RJUMPV",
    "CALLF",
    "RETF",
    "JUMPF",
    "EOFCREATE",
    "RETURNCONTRACT",
    "RETURNDATALOAD",
    "EXTCALL",
    "EXTDELEGATECALL",
    "EXTSTATICCALL",
];

/// What the tester says of a block.
pub(crate) struct Told {
    pub(crate) state_root: B256,
    pub(crate) receipts_root: B256,
    pub(crate) bloom: Bloom,
    pub(crate) gas_used: u64,
    pub(crate) blob_gas_used: Option<u64>,
    pub(crate) requests_hash: Option<B256>,
    pub(crate) list_hash: Option<B256>,
    /// The opcodes that were executed, by name.
    pub(crate) opcodes: BTreeSet<String>,
    /// What the caller has stored, under hashes of what it gave to precompiles.
    pub(crate) calls: BTreeMap<B256, U256>,
    /// How many transactions failed and were taken all the same.
    pub(crate) failed: usize,
    /// Places of those that were not taken, and why.
    pub(crate) rejected: Vec<(usize, String)>,
}

/// What the protocol pays for a block before the merge, in wei.
fn reward(fork: Fork) -> i64 {
    const ETHER: i64 = 1_000_000_000_000_000_000;
    match fork {
        _ if fork >= Fork::Paris => -1,
        _ if fork >= Fork::Petersburg => 2 * ETHER,
        Fork::Byzantium => 3 * ETHER,
        _ => 5 * ETHER,
    }
}

/// Runs a case; its files are left in `folder`.
pub(crate) fn run(tools: &Tools, folder: &Path, case: &Case, parent: B256) -> Told {
    let payload: Vec<u8> = case.transactions.iter().flat_map(transactions::listed).collect();
    let mut list = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut list);
    list.extend(payload);
    for (name, value) in [
        ("alloc.json", case.genesis["alloc"].clone()),
        ("env.json", environment(case, parent)),
        ("txs.rlp", hex::encode_prefixed(list).into()),
    ] {
        fs::write(folder.join(name), value.to_string()).unwrap();
    }
    let file = |name: &str| folder.join(name).into_os_string();
    let output = Command::new(&tools.evm)
        .arg("t8n")
        .args(["--state.fork", case.tester, "--state.chainid", &CHAIN_ID.to_string()])
        .args(["--state.reward", &reward(case.fork).to_string()])
        .arg("--input.alloc")
        .arg(file("alloc.json"))
        .arg("--input.env")
        .arg(file("env.json"))
        .arg("--input.txs")
        .arg(file("txs.rlp"))
        .arg("--output.basedir")
        .arg(folder)
        .args([
            "--output.result",
            "result.json",
            "--output.alloc",
            "post.json",
            "--opcode.count",
            "opcodes.json",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", case.tester, String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| -> Map<String, Value> {
        serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
    };
    // geth has names for some that no fork has.
    let defined = |name: &String| !name.contains("not defined") && !NO_OPCODES.contains(&name.as_str());
    let opcodes = read("opcodes.json").into_iter().map(|(name, _)| name).filter(defined).collect();
    let post = read("post.json");
    let caller = post.iter().find(|(address, _)| address.parse() == Ok(CALLER_ADDRESS)).map(|(_, held)| held);
    let stored = caller.and_then(|held| held["storage"].as_object());
    let word = |(slot, value): (&String, &Value)| {
        let value: B256 = value.as_str().unwrap().parse().unwrap();
        (slot.parse().unwrap(), value.into())
    };
    let calls = stored.map(|stored| stored.iter().map(word).collect()).unwrap_or_default();
    Told { opcodes, calls, ..told(&read("result.json")) }
}

fn environment(case: &Case, parent: B256) -> Value {
    let number = |number: u64| Value::from(format!("{number:#x}"));
    let mut env = json!({
        "currentCoinbase": case.beneficiary.to_string(),
        "currentGasLimit": number(Case::GAS_LIMIT),
        "currentNumber": "0x1",
        "currentTimestamp": number(Case::TIME),
        "blockHashes": {"0": parent.to_string()},
    });
    if case.fork >= Fork::Paris {
        env["currentRandom"] = case.mix.to_string().into();
    } else {
        env["currentDifficulty"] = number(Case::DIFFICULTY);
    }
    if case.fork >= Fork::London {
        env["currentBaseFee"] = number(Case::BASE_FEE);
    }
    if case.fork >= Fork::Shanghai {
        let paid = case.withdrawals.iter().map(|one| {
            json!({
                "index": number(one.index), "validatorIndex": number(one.validator_index),
                "address": one.address.to_string(), "amount": number(one.amount),
            })
        });
        env["withdrawals"] = paid.collect();
    }
    if case.fork >= Fork::Cancun {
        env["parentBeaconBlockRoot"] = Case::BEACON_ROOT.to_string().into();
        env["currentExcessBlobGas"] = number(case.excess_blob_gas);
    }
    if case.fork >= Fork::Amsterdam {
        env["slotNumber"] = number(Case::SLOT);
    }
    env
}

fn told(result: &Map<String, Value>) -> Told {
    let text = |name: &str| result.get(name).and_then(Value::as_str);
    let hash = |name: &str| text(name).map(|text| text.parse::<B256>().unwrap());
    let number = |name: &str| text(name).map(|text| text.parse::<U256>().unwrap().to::<u64>());
    let all = |name: &str| result.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let rejected = all("rejected").into_iter().map(|one| {
        (one["index"].as_u64().unwrap() as usize, one["error"].as_str().unwrap_or_default().to_owned())
    });
    Told {
        state_root: hash("stateRoot").unwrap(),
        receipts_root: hash("receiptsRoot").unwrap(),
        bloom: text("logsBloom").unwrap().parse().unwrap(),
        gas_used: number("gasUsed").unwrap(),
        blob_gas_used: number("blobGasUsed"),
        requests_hash: hash("requestsHash"),
        list_hash: hash("blockAccessListHash"),
        failed: all("receipts").iter().filter(|receipt| receipt["status"] == "0x0").count(),
        rejected: rejected.collect(),
        opcodes: BTreeSet::new(),
        calls: BTreeMap::new(),
    }
}
