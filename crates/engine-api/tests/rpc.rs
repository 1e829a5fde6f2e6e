//! The methods over a chain in memory: what is told of it, what is not, and that no question costs more than its limit. Whether answers have geth's shape is
//! looked at in `tests/e2e/tests/rpc`.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

mod made;

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use snapsync_demo::Load;
use snapsync_engine_api::rpc::{Heads, Limits, Namespaces};

use made::Made;

const PARAMS: i64 = -32_602;
const OTHER: i64 = -32_000;
const NO_METHOD: i64 = -32_601;

fn hex(number: u64) -> String {
    format!("{number:#x}")
}

// ROW: F61
#[test]
fn an_empty_directory_answers_with_block_0_and_has_no_state() {
    let made = Made::empty();
    let methods = made.methods();
    let ask = |method, params| made.ask(&methods, method, params);
    assert_eq!(ask("eth_blockNumber", json!([])), "0x0");
    let genesis = json!(made.genesis.hash());
    for tag in ["latest", "earliest", "pending", "0x0"] {
        let block = ask("eth_getBlockByNumber", json!([tag, true]));
        assert_eq!((&block["hash"], &block["transactions"]), (&genesis, &json!([])), "{tag}");
    }
    assert_eq!(ask("eth_getBlockByHash", json!([genesis, false]))["number"], "0x0");
    assert_eq!(ask("eth_getBlockReceipts", json!(["0x0"])), json!([]));
    assert_eq!(ask("eth_getLogs", json!([{}])), json!([]));
    assert_eq!(ask("eth_getBlockByNumber", json!(["0x1", true])), Value::Null);
    for tag in ["safe", "finalized"] {
        assert_eq!(ask("eth_getBlockByNumber", json!([tag, true])), OTHER);
    }
    let nobody = format!("0x{}", "11".repeat(20));
    assert_eq!(ask("eth_getBalance", json!([nobody, "latest"])), OTHER);
    assert_eq!(ask("eth_call", json!([{ "to": nobody }])), OTHER);
    assert_eq!(ask("eth_getTransactionByHash", json!([genesis])), Value::Null);
}

// ROW: F61
#[test]
fn states_are_told_as_far_down_as_undo_rows_are_held() {
    let made = Made::of(Load::Small, 140);
    let methods = made.methods();
    let beneficiary = made.headers[1].beneficiary;
    let balance = |block: Value| made.ask(&methods, "eth_getBalance", json!([beneficiary, block]));
    assert_eq!(made.ask(&methods, "eth_blockNumber", json!([])), hex(140));
    let (latest, lowest) = (balance(json!("latest")), balance(json!(hex(12))));
    assert!(latest.is_string() && lowest.is_string() && latest != lowest, "{latest} {lowest}");
    for (number, header) in made.headers.iter().enumerate().skip(12) {
        let by_hash = balance(json!({ "blockHash": header.hash(), "requireCanonical": true }));
        assert_eq!(balance(json!(hex(number as u64))), by_hash);
        assert!(by_hash.is_string(), "{number}: {by_hash}");
    }
    for number in [0, 1, 11, 141] {
        assert_eq!(balance(json!(hex(number))), OTHER, "{number}");
    }
    // A code that tells the balance that it sees: PUSH20 BALANCE, and that as the contract's code.
    let code = format!("0x73{}3160005260206000f3", alloy_primitives::hex::encode(beneficiary));
    for number in [12, 77, 140] {
        let seen = made.ask(&methods, "eth_call", json!([{ "input": code }, hex(number)]));
        let told = balance(json!(hex(number)));
        let digits = |value: &Value| value.as_str().unwrap().trim_start_matches("0x").to_owned();
        assert_eq!(digits(&seen).trim_start_matches('0'), digits(&told), "{number}");
    }
}

// ROW: F61
#[test]
fn safe_and_final_blocks_are_those_that_were_named() {
    let made = Made::of(Load::Small, 4);
    let methods = made.methods();
    let [safe, finalized] = [2, 1].map(|number: usize| Some(made.headers[number].hash()));
    *made.host.heads.lock().unwrap() = Heads { safe, finalized };
    for (tag, number) in [("safe", "0x2"), ("finalized", "0x1"), ("latest", "0x4")] {
        assert_eq!(made.ask(&methods, "eth_getBlockByNumber", json!([tag, false]))["number"], number);
    }
}

// ROW: F61
#[test]
fn a_sync_is_told_until_the_head_is_followed_and_never_again() {
    let made = Made::empty();
    let methods = made.methods();
    let syncing = || made.ask(&methods, "eth_syncing", json!([]));
    let told = syncing();
    assert_eq!(
        [&told["highestBlock"], &told["syncedAccounts"], &told["currentBlock"]],
        ["0x4d", "0x5", "0x0"]
    );
    made.host.follows.store(true, Ordering::Relaxed);
    assert_eq!(syncing(), false);
    made.host.follows.store(false, Ordering::Relaxed);
    assert_eq!(syncing(), false);
}

// ROW: F61
#[test]
fn whoever_hears_that_a_sync_is_over_finds_the_newest_block() {
    let (made, bodies, receipts) = Made::without_bodies(Load::Small, 3);
    let methods = made.methods();
    made.host.follows.store(true, Ordering::Relaxed);
    let latest = || made.ask(&methods, "eth_getBlockByNumber", json!(["latest", false]));
    let syncing = || made.ask(&methods, "eth_syncing", json!([]));
    assert_eq!(latest(), Value::Null, "its state is whole, and its body not here yet");
    assert_eq!([&syncing()["currentBlock"], &syncing()["highestBlock"]], ["0x3", "0x3"]);
    made.write_bodies(bodies, receipts);
    assert_eq!(latest()["number"], "0x3");
    assert_eq!(syncing(), false);
}

// ROW: F61
#[test]
fn only_the_namespaces_that_were_chosen_are_there() {
    let made = Made::empty();
    let methods = made.methods_of(Limits::node(), &Namespaces::public());
    assert_eq!(made.ask(&methods, "net_version", json!([])), "5");
    assert_eq!(made.ask(&methods, "web3_clientVersion", json!([])), "snapsync/test");
    for method in ["admin_peers", "admin_addPeer", "snapsync_status", "debug_setHead"] {
        assert_eq!(made.ask(&methods, method, json!([])), NO_METHOD, "{method}");
    }
    let methods = made.methods();
    assert_eq!(made.ask(&methods, "snapsync_status", json!([])), json!({ "phase": "idle" }));
}

// ROW: F61
#[test]
fn peers_are_told_added_and_removed() {
    let made = Made::empty();
    let methods = made.methods();
    let ask = |method, params| made.ask(&methods, method, params);
    let peer = &ask("admin_peers", json!([]))[0];
    let key = "07".repeat(64);
    assert_eq!(peer["enode"], format!("enode://{key}@10.0.0.1:30303"));
    assert_eq!(peer["network"]["inbound"], true);
    assert_eq!(peer["protocols"]["eth"]["version"], 69);
    assert_eq!(peer["id"].as_str().unwrap().len(), 64);
    let node = ask("admin_nodeInfo", json!([]));
    let key = "01".repeat(64);
    assert_eq!(node["enode"], format!("enode://{key}@127.0.0.1:30303?discport=30304"));
    assert_eq!(node["protocols"]["eth"]["head"], json!(made.genesis.hash()));
    assert_eq!(ask("net_peerCount", json!([])), "0x1");

    let address = peer["enode"].clone();
    assert_eq!(ask("admin_addPeer", json!([address])), true);
    assert_eq!(made.host.added.lock().unwrap().len(), 1);
    assert_eq!(ask("admin_removePeer", json!([address])), true);
    assert!(made.host.added.lock().unwrap().is_empty());
    assert_eq!(ask("admin_addPeer", json!(["http://x"])), OTHER);
    assert_eq!(ask("admin_addPeer", json!([format!("enode://{}", "0".repeat(5_000))])), OTHER);
    assert_eq!(ask("admin_addPeer", json!([])), PARAMS);
}

// ROW: F61
#[test]
fn logs_and_hashes_are_looked_for_within_their_bounds() {
    let made = Made::of(Load::Tokens, 4);
    let limits = Limits { log_blocks_max: 3, logs_max: 700, transaction_blocks_max: 2, ..Limits::node() };
    let (wide, narrow) = (made.methods(), made.methods_within(limits));
    let all = made.ask(&wide, "eth_getLogs", json!([{ "fromBlock": "0x0" }]));
    assert!(all.as_array().unwrap().len() > 700);
    let logs = |from: u64, to: u64| {
        made.ask(&narrow, "eth_getLogs", json!([{ "fromBlock": hex(from), "toBlock": hex(to) }]))
    };
    assert!(logs(1, 3).is_array(), "three blocks and fewer logs than the bound");
    assert_eq!(logs(1, 4), PARAMS, "four blocks");
    let few = Limits { logs_max: 10, ..Limits::node() };
    let few = made.methods_within(few);
    assert_eq!(made.ask(&few, "eth_getLogs", json!([{ "fromBlock": "0x1" }])), OTHER);

    for number in 1..=4 {
        let first = json!([hex(number), "0x0"]);
        let transaction = made.ask(&wide, "eth_getTransactionByBlockNumberAndIndex", first);
        let hash = json!([transaction["hash"]]);
        // Once before it was seen and once after.
        for _ in 0..2 {
            assert_eq!(made.ask(&wide, "eth_getTransactionByHash", hash.clone()), transaction);
            let found = made.ask(&narrow, "eth_getTransactionByHash", hash.clone());
            assert_eq!(found, if number > 2 { transaction.clone() } else { Value::Null }, "{number}");
        }
    }
}

// ROW: F61
#[test]
fn a_call_ends_when_its_time_or_its_gas_is_used_up() {
    let made = Made::of(Load::Small, 1);
    let methods = made.methods_within(Limits { gas_max: 1_000_000, ..Limits::node() });
    // GAS, told as the code: what was asked for was not given.
    let seen =
        made.ask(&methods, "eth_call", json!([{ "input": "0x5a60005260206000f3", "gas": "0xffffffffff" }]));
    let gas = u64::from_str_radix(seen.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    assert!((900_000..1_000_000).contains(&gas), "{gas}");
    // Round and round.
    assert_eq!(made.ask(&methods, "eth_call", json!([{ "input": "0x5b600056" }])), OTHER);
    // Memory that nobody pays for.
    assert_eq!(made.ask(&methods, "eth_call", json!([{ "input": "0x6001690fffffffffffffffffff52" }])), OTHER);
    let methods = made.methods_within(Limits { call_time_max: Duration::ZERO, ..Limits::node() });
    assert_eq!(made.ask(&methods, "eth_call", json!([{ "input": "0x00" }])), OTHER);
}

// ROW: F61
#[test]
fn a_proof_and_what_it_proves_are_of_one_state() {
    let made = Made::of(Load::Tokens, 3);
    let methods = made.methods();
    let token = "0x70ce700000000000000000000000000000000001";
    let proofs: Vec<Value> = (1..=3)
        .map(|number| made.ask(&methods, "eth_getProof", json!([token, ["0x0"], hex(number)])))
        .collect();
    for (proof, header) in proofs.iter().zip(&made.headers[1..]) {
        let top: alloy_primitives::Bytes = serde_json::from_value(proof["accountProof"][0].clone()).unwrap();
        assert_eq!(snapsync_keccak::keccak256(&top), header.state_root);
        let top: alloy_primitives::Bytes =
            serde_json::from_value(proof["storageProof"][0]["proof"][0].clone()).unwrap();
        assert_eq!(json!(snapsync_keccak::keccak256(&top)), proof["storageHash"]);
    }
    assert_ne!(proofs[0]["storageHash"], proofs[2]["storageHash"]);
}

// ROW: F61
#[test]
fn what_has_named_fields_is_no_list_of_their_values() {
    let made = Made::of(Load::Small, 1);
    let methods = made.methods();
    let (address, zeros) = (format!("0x{}", "11".repeat(20)), format!("0x{}", "00".repeat(32)));
    let access = |access: Value| json!([{ "to": address, "accessList": access }]);
    let authorization = |one: Value| json!([{ "to": address, "authorizationList": [one] }]);
    for (method, named, listed) in [
        ("eth_call", json!([{ "to": address }]), json!([[address, address]])),
        ("eth_getLogs", json!([{ "fromBlock": "0x1" }]), json!([[null, "0x1", null, null, null]])),
        (
            "eth_call",
            access(json!([{ "address": address, "storageKeys": [zeros] }])),
            access(json!([[address, [zeros]]])),
        ),
        (
            "eth_call",
            authorization(json!({
                "chainId": "0x1", "address": address, "nonce": "0x0", "yParity": "0x0", "r": "0x1", "s": "0x1"
            })),
            authorization(json!(["0x1", address, "0x0", "0x0", "0x1", "0x1"])),
        ),
    ] {
        assert_ne!(made.ask(&methods, method, named), -32602, "{method}");
        assert_eq!(made.ask(&methods, method, listed.clone()), -32602, "{method} {listed}");
    }
}

/// What somebody may send in an argument's place.
fn hostile() -> Vec<String> {
    let huge = "f".repeat(1 << 20);
    let mut all: Vec<String> = [
        "null",
        "true",
        "0",
        "-1",
        "18446744073709551616",
        "1e400",
        "\"\"",
        "\"0x\"",
        "\"0x0\"",
        "\"latest\"",
        "\"0xffffffffffffffff\"",
        "\"0x7fffffffffffffff\"",
        "\"0x10000000000000000\"",
        "\"\\u0000\"",
        "\"0x\\ud83d\\ude00\"",
        "\"ü\"",
        "{}",
        "[]",
        "{\"fromBlock\":\"0x0\",\"toBlock\":\"0xffffffffffffffff\"}",
        "{\"fromBlock\":\"0x7fffffffffffffff\",\"toBlock\":\"0x7fffffffffffffff\"}",
        "{\"blockHash\":null,\"fromBlock\":null}",
        "{\"gas\":\"0xffffffffffffffff\",\"input\":\"0x5b600056\"}",
    ]
    .map(str::to_owned)
    .into();
    all.push(format!("\"0x{huge}\""));
    all.push(format!("[{}0]", "0,".repeat(500_000)));
    all.push(format!("[{}\"0x0\"]", "\"0x0\",".repeat(100_000)));
    all.push(format!("{{\"topics\":[{}null]}}", "null,".repeat(200_000)));
    all.push(format!("{{\"topics\":[[{}null]]}}", "null,".repeat(200_000)));
    all.push(format!(
        "{{\"address\":[{0}\"0x{1}\"]}}",
        format!("\"0x{}\",", "11".repeat(20)).repeat(5_000),
        "11".repeat(20)
    ));
    all.push(format!("{{\"x\":{}1{}}}", "[".repeat(100), "]".repeat(100)));
    all.push(format!("{{\"x\":[{}0]}}", "0,".repeat(500_000)));
    all.push(format!("{{\"value\":\"0x{}\",\"gasPrice\":\"0x{}\"}}", "f".repeat(64), "f".repeat(64)));
    all.push(format!("{{\"maxFeePerGas\":\"0x{0}\",\"maxPriorityFeePerGas\":\"0x{0}\"}}", "f".repeat(32)));
    all.push(format!("{{\"authorizationList\":[{{}}],\"blobVersionedHashes\":[\"0x{}\"]}}", "00".repeat(32)));
    all.push(format!("\"0x{}\"", "11".repeat(20)));
    all.push(format!("\"0x{}\"", "22".repeat(32)));
    all
}

// ROW: F61
#[test]
fn hostile_questions_are_answered_in_time_and_nothing_panics() {
    let made = Made::of(Load::Small, 2);
    let methods = made.methods_within(Limits { gas_max: 100_000, ..Limits::node() });
    let names: Vec<&str> = methods.method_names().collect();
    assert!(names.len() > 25, "{names:?}");
    let began = Instant::now();
    for name in names {
        for one in hostile() {
            let address = format!("\"0x{}\"", "11".repeat(20));
            let all =
                [format!("[{one}]"), format!("[{address},{one}]"), format!("[{address},[],{one}]"), one];
            for params in all {
                let answer = made.ask_raw(&methods, name, &params);
                // A task that panics is told as one of our own faults.
                assert_ne!(answer, -32_603, "{name} {params:.200}");
            }
        }
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}
