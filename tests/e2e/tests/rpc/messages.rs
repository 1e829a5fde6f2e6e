//! Messages for `eth_call` and `eth_estimateGas`: to contracts of the chain, and codes that tell what a contract sees.

use serde_json::{Value, json};

use crate::both::Both;

/// Asks both what messages come to.
pub(crate) fn ask(both: &mut Both, addresses: &[String]) {
    let blocks = [json!("latest"), json!(format!("{:#x}", both.head - 100))];
    let inputs = ["0x", "0x01", &format!("0x{}", "00".repeat(32)), &format!("0x{}", "ff".repeat(68))];
    for address in addresses {
        let code = both.ours("eth_getCode", &json!([address]));
        if code["result"] == "0x" {
            continue;
        }
        for input in inputs {
            both.ask("eth_call", json!([{ "to": address, "input": input }, blocks[0]]));
            both.ask("eth_estimateGas", json!([{ "to": address, "input": input }]));
        }
        both.ask("eth_call", json!([{ "from": address, "to": address, "data": "0x02" }, blocks[1]]));
    }
    for block in &blocks {
        for code in codes() {
            both.ask("eth_call", json!([{ "input": code }, block]));
            both.ask("eth_estimateGas", json!([{ "input": code }, block]));
        }
    }
    for message in odd(addresses) {
        both.ask("eth_call", json!([message, "latest"]));
        both.ask("eth_estimateGas", json!([message, "latest"]));
    }
}

/// Makers of contracts whose code is what an instruction gives, and others that fail.
fn codes() -> Vec<String> {
    // The value on the stack becomes the code: PUSH0 MSTORE, PUSH1 32 PUSH0 RETURN.
    let told = |instruction: &str| format!("0x{instruction}60005260206000f3");
    let seen = [
        "30",
        "32",
        "33",
        "34",
        "36",
        "38",
        "3a",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "47",
        "48",
        "4a",
        "5a",
        "3031",
        // BLOCKHASH of the block before, of the 200th before it, and of one that is too old.
        "6001430340",
        "60c8430340",
        "610101430340",
    ];
    let mut codes: Vec<String> = seen.into_iter().map(told).collect();
    let reason = "08c379a0".to_owned()
        + &"00".repeat(31)
        + "20"
        + &"00".repeat(31)
        + "05"
        + &hex_of(b"wrong")
        + &"00".repeat(27);
    let panic = "4e487b71".to_owned() + &"00".repeat(31) + "11";
    codes.push(reverting(&reason));
    codes.push(reverting(&panic));
    codes.push(reverting(""));
    codes.push(reverting("abcdef"));
    for failing in
        ["fe", "0c", "50", "6001600055", "600456", "5b600056", "60ef60005360016000f3", "6000600020"]
    {
        codes.push(format!("0x{failing}"));
    }
    codes
}

/// Code that reverts with these bytes, which stand behind it.
fn reverting(output: &str) -> String {
    let length = output.len() / 2;
    // PUSH1 length PUSH1 12 PUSH1 0 CODECOPY, PUSH1 length PUSH1 0 REVERT.
    format!("0x60{length:02x}600c60003960{length:02x}6000fd{output}")
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Messages with prices, values and gas that are odd.
fn odd(addresses: &[String]) -> Vec<Value> {
    let nobody = format!("0x{}", "5a".repeat(20));
    let rich = addresses.first().cloned().unwrap_or_default();
    let huge = format!("0x{}", "f".repeat(64));
    let identity = format!("0x{}04", "0".repeat(38));
    vec![
        json!({}),
        json!({ "from": nobody, "to": rich, "value": "0x1" }),
        json!({ "from": nobody, "to": rich, "value": huge }),
        json!({ "from": nobody, "to": rich, "gasPrice": "0x1" }),
        json!({ "from": nobody, "to": rich, "gasPrice": "0xffffffffff" }),
        json!({ "from": nobody, "to": rich, "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2" }),
        json!({ "from": nobody, "to": rich, "maxFeePerGas": "0x0", "maxPriorityFeePerGas": "0x0" }),
        json!({ "from": nobody, "to": rich, "gasPrice": "0x1", "maxFeePerGas": "0x1" }),
        json!({ "to": identity, "input": "0x010203", "data": "0x04" }),
        json!({ "to": identity, "data": "0x04", "gas": "0x5208" }),
        json!({ "to": identity, "data": "0x04", "gas": "0x1" }),
        json!({ "to": identity, "data": "0x04", "gas": "0xffffffffffffffff" }),
        json!({ "to": identity, "data": "0x04", "nonce": "0x7" }),
        json!({ "to": identity, "data": "0x04", "chainId": "0x7" }),
        json!({ "to": identity, "data": "0x04", "accessList": [{ "address": identity, "storageKeys": [] }] }),
        json!({ "to": identity, "maxFeePerBlobGas": "0x1" }),
        json!({ "to": identity, "blobVersionedHashes": [] }),
        json!({ "to": identity, "blobVersionedHashes": [format!("0x01{}", "00".repeat(31))] }),
        json!({ "to": identity, "blobVersionedHashes": [format!("0x02{}", "00".repeat(31))] }),
        json!({ "blobVersionedHashes": [format!("0x01{}", "00".repeat(31))] }),
        json!({ "to": identity, "unknown": [1, 2, 3] }),
    ]
}
