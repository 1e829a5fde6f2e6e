//! The same questions to a real geth and to our methods, of the same chains: 600 blocks, and a fork every few of them. The answers are the same, but for
//! what is listed here and in docs/RPC.md:
//!
//! - errors have geth's codes, and their own words, but for a contract's reasons;
//! - `pending` is the newest block here, since nobody makes one;
//! - the state of blocks that lie deeper than 128 is not held here, whatever geth still has.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

mod both;
mod messages;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use snapsync_e2e::{chain::Forks, presence::geth_or_report};

use both::Both;

fn hex(number: u64) -> Value {
    json!(format!("{number:#x}"))
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

// ROW: F61
#[test]
fn blocks_receipts_transactions_and_logs_are_told_as_geth_tells_them() {
    let name = "blocks_receipts_transactions_and_logs_are_told_as_geth_tells_them";
    let Some(tools) = geth_or_report(name) else { return };
    for forks in Forks::ALL {
        let mut both = Both::of(&tools, forks);
        for number in 0..=both.head {
            ask_of_block(&mut both, number);
        }
        ask_of_chain(&mut both);
        ask_of_logs(&mut both);
        both.finish();
    }
}

fn ask_of_block(both: &mut Both, number: u64) {
    let block = both.ask("eth_getBlockByNumber", json!([hex(number), true]));
    let hash = &block["result"]["hash"];
    both.ask("eth_getBlockByHash", json!([hash, false]));
    both.ask("eth_getBlockReceipts", json!([hex(number)]));
    let transactions = list(&block["result"]["transactions"]);
    for transaction in &transactions {
        both.ask("eth_getTransactionByHash", json!([transaction["hash"]]));
        both.ask("eth_getTransactionReceipt", json!([transaction["hash"]]));
    }
    // By place: a few are like all.
    if !number.is_multiple_of(16) {
        return;
    }
    both.ask("eth_getBlockTransactionCountByHash", json!([hash]));
    both.ask("eth_getBlockTransactionCountByNumber", json!([hex(number)]));
    for index in 0..=transactions.len() {
        both.ask("eth_getTransactionByBlockHashAndIndex", json!([hash, hex(index as u64)]));
        both.ask("eth_getTransactionByBlockNumberAndIndex", json!([hex(number), hex(index as u64)]));
    }
}

fn ask_of_chain(both: &mut Both) {
    for method in
        ["eth_blockNumber", "eth_chainId", "eth_syncing", "net_version", "net_listening", "net_peerCount"]
    {
        both.ask(method, json!([]));
    }
    let unknown = json!(format!("0x{}", "5a".repeat(32)));
    for tag in ["latest", "earliest", "safe", "finalized"] {
        both.ask("eth_getBlockByNumber", json!([tag, false]));
        both.ask("eth_getBlockReceipts", json!([tag]));
        both.ask("eth_getBlockTransactionCountByNumber", json!([tag]));
    }
    both.ask("eth_getBlockByNumber", json!([hex(both.head + 1), true]));
    both.ask("eth_getBlockByHash", json!([unknown, true]));
    both.ask("eth_getBlockReceipts", json!([unknown]));
    both.ask("eth_getBlockReceipts", json!([{ "blockHash": unknown }]));
    both.ask("eth_getBlockReceipts", json!([{ "blockNumber": hex(both.head), "requireCanonical": true }]));
    both.ask("eth_getBlockTransactionCountByHash", json!([unknown]));
    both.ask("eth_getTransactionByHash", json!([unknown]));
    both.ask("eth_getTransactionReceipt", json!([unknown]));
    both.ask("eth_getTransactionByBlockHashAndIndex", json!([unknown, "0x0"]));
    let pending = both.ours("eth_getBlockByNumber", &json!(["pending", false]));
    assert_eq!(pending, both.ours("eth_getBlockByNumber", &json!(["latest", false])));
}

fn ask_of_logs(both: &mut Both) {
    let head = both.head;
    let whole = json!({ "fromBlock": "0x0", "toBlock": hex(head) });
    let answer = both.ask("eth_getLogs", json!([whole]));
    let logs = list(&answer["result"]);
    assert!(logs.len() > 50, "{} logs", logs.len());
    let mut filters = vec![json!({}), json!({ "fromBlock": "earliest", "toBlock": "latest", "topics": [] })];
    for log in logs.iter().step_by(logs.len() / 20) {
        let (address, topics) = (&log["address"], list(&log["topics"]));
        filters.push(json!({ "blockHash": log["blockHash"] }));
        filters.push(json!({ "blockHash": log["blockHash"], "topics": [null, null] }));
        filters.push(json!({ "fromBlock": log["blockNumber"], "toBlock": "latest", "address": address }));
        filters.push(json!({ "fromBlock": "0x1", "address": [address], "topics": topics }));
        if let Some(first) = topics.first() {
            let (zero, twice) = (json!(format!("0x{}", "00".repeat(32))), json!([first, first]));
            filters.push(json!({ "fromBlock": "0x1", "topics": [[first, zero]] }));
            filters.push(json!({ "fromBlock": "0x1", "topics": [[null, first]] }));
            filters.push(json!({ "fromBlock": "0x1", "topics": [null, twice] }));
        }
    }
    // What cannot be asked.
    filters.extend([
        json!({ "fromBlock": "0x2", "toBlock": "0x1" }),
        json!({ "fromBlock": "latest", "toBlock": "0x1" }),
        json!({ "fromBlock": "0x1", "toBlock": hex(head + 1) }),
        json!({ "fromBlock": "pending" }),
        json!({ "fromBlock": "finalized" }),
        json!({ "fromBlock": "newest" }),
        json!({ "blockHash": format!("0x{}", "5a".repeat(32)) }),
        json!({ "blockHash": format!("0x{}", "5a".repeat(32)), "fromBlock": "0x1" }),
        json!({ "topics": [null, null, null, null, null] }),
        json!({ "topics": ["0x01"] }),
        json!({ "address": "0x01" }),
        json!({ "address": 7 }),
    ]);
    for filter in filters {
        both.ask("eth_getLogs", json!([filter]));
    }
}

// ROW: F61
#[test]
fn accounts_proofs_and_calls_are_told_as_geth_tells_them() {
    let name = "accounts_proofs_and_calls_are_told_as_geth_tells_them";
    let Some(tools) = geth_or_report(name) else { return };
    for forks in Forks::ALL {
        let mut both = Both::of(&tools, forks);
        let addresses = addresses(&both);
        assert!(addresses.len() > 20, "{} addresses", addresses.len());
        for (index, address) in addresses.iter().enumerate() {
            ask_of_account(&mut both, address, &json!("latest"));
            if index.is_multiple_of(4) {
                let older = hex(both.head - 100);
                ask_of_account(&mut both, address, &older);
            }
        }
        messages::ask(&mut both, &addresses);
        both.finish();
    }
}

/// The accounts of the genesis and those that blocks name.
fn addresses(both: &Both) -> Vec<String> {
    let mut found = BTreeSet::from([format!("0x{}", "5a".repeat(20))]);
    if let Some(alloc) = both.genesis["alloc"].as_object() {
        found.extend(alloc.keys().map(|key| format!("0x{}", key.trim_start_matches("0x"))));
    }
    for number in 1..=both.head {
        let block = both.ours("eth_getBlockByNumber", &json!([hex(number), true]));
        let receipts = both.ours("eth_getBlockReceipts", &json!([hex(number)]));
        let mut values = vec![block["result"]["miner"].clone()];
        for transaction in list(&block["result"]["transactions"]) {
            values.extend([transaction["from"].clone(), transaction["to"].clone()]);
        }
        for receipt in list(&receipts["result"]) {
            values.push(receipt["contractAddress"].clone());
        }
        values.extend(list(&block["result"]["withdrawals"]).iter().map(|one| one["address"].clone()));
        found.extend(values.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    // A chain may have thousands: each part of them is like the others.
    let step = found.len().div_ceil(400).max(1);
    found.into_iter().step_by(step).collect()
}

fn ask_of_account(both: &mut Both, address: &str, block: &Value) {
    both.ask("eth_getBalance", json!([address, block]));
    both.ask("eth_getTransactionCount", json!([address, block]));
    both.ask("eth_getCode", json!([address, block]));
    both.ask("eth_getStorageAt", json!([address, "0x0", block]));
    let whole = format!("0x{}", "00".repeat(31) + "01");
    both.ask("eth_getStorageAt", json!([address, whole, block]));
    both.ask("eth_getProof", json!([address, ["0x0", whole, "0xff", "2"], block]));
}

// ROW: F61
#[test]
fn questions_that_are_wrong_get_geths_codes() {
    let Some(tools) = geth_or_report("questions_that_are_wrong_get_geths_codes") else { return };
    let mut both = Both::of(&tools, Forks::ToAmsterdam);
    let address = format!("0x{}", "11".repeat(20));
    let unknown = format!("0x{}", "5a".repeat(32));
    for (method, params) in [
        ("eth_getBlockByNumber", json!([])),
        ("eth_getBlockByNumber", json!(["latest"])),
        ("eth_getBlockByNumber", json!(["newest", false])),
        ("eth_getBlockByNumber", json!(["0x01", false])),
        ("eth_getBlockByNumber", json!(["1", false])),
        ("eth_getBlockByNumber", json!([1, false])),
        ("eth_getBlockByNumber", json!(["0x10000000000000000", false])),
        ("eth_getBlockByNumber", json!(["0xffffffffffffffff", false])),
        ("eth_getBlockByNumber", json!(["0x7fffffffffffffff", false])),
        ("eth_getBlockByNumber", json!(["latest", "yes"])),
        ("eth_getBlockByNumber", json!(["latest", false, false])),
        ("eth_getBlockByNumber", json!({ "block": "latest" })),
        ("eth_getBlockByHash", json!(["0x5a", false])),
        ("eth_getBlockByHash", json!([unknown.trim_start_matches("0x"), false])),
        ("eth_getBlockReceipts", json!([])),
        ("eth_getBlockReceipts", json!([{}])),
        ("eth_getBlockReceipts", json!([{ "blockHash": unknown, "blockNumber": "0x1" }])),
        ("eth_getTransactionByHash", json!(["0x5a"])),
        ("eth_getTransactionByHash", json!([null])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["latest", "0xffffffffffffffff"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["latest", 0])),
        ("eth_getBalance", json!([])),
        ("eth_getBalance", json!(["0x11", "latest"])),
        ("eth_getBalance", json!([address, "0x7fffffff"])),
        ("eth_getBalance", json!([address, unknown])),
        ("eth_getBalance", json!([address, { "blockHash": unknown }])),
        ("eth_getBalance", json!([address])),
        ("eth_getBalance", json!([address, null])),
        ("eth_getBalance", json!([address, "safe"])),
        ("eth_getStorageAt", json!([address, "0xg", "latest"])),
        ("eth_getStorageAt", json!([address, format!("0x{}", "0".repeat(65)), "latest"])),
        ("eth_getProof", json!([address, ["0xg"], "latest"])),
        ("eth_getProof", json!([address, vec!["0x0"; 1_025], "latest"])),
        ("eth_getProof", json!([address, "0x0", "latest"])),
        ("eth_call", json!([])),
        ("eth_call", json!(["0x11"])),
        ("eth_call", json!([{ "to": "0x11" }])),
        ("eth_call", json!([{ "to": address, "gas": "0x01" }])),
        ("eth_call", json!([{ "to": address, "data": "0x1" }])),
        ("eth_call", json!([{ "to": address }, "0x7fffffff"])),
        ("eth_nothing", json!([])),
    ] {
        both.ask(method, params);
    }
    both.finish();
}
