//! What is asked for and changes nothing.

use std::{collections::BTreeSet, time::Duration};

use alloy_primitives::B256;
use serde_json::{Value, json};
use snapsync_engine_api::Limits;
use snapsync_execute::Fork;

use crate::{chain, host::Host};

#[tokio::test(flavor = "multi_thread")]
async fn capabilities_are_all_methods_but_the_one_that_asks() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let told = client.result("engine_exchangeCapabilities", &json!([["engine_newPayloadV1", "other"]])).await;
    let told: BTreeSet<String> = serde_json::from_value(told).unwrap();
    let versions = |name: &str, count: u8| {
        (1..=count).map(|version| format!("engine_{name}V{version}")).collect::<Vec<_>>()
    };
    let wanted = [
        ("newPayload", 5),
        ("forkchoiceUpdated", 4),
        ("getPayload", 6),
        ("getPayloadBodiesByHash", 2),
        ("getPayloadBodiesByRange", 2),
        ("getBlobs", 4),
        ("getClientVersion", 1),
        ("exchangeTransitionConfiguration", 1),
    ];
    let wanted: BTreeSet<_> = wanted.into_iter().flat_map(|(name, count)| versions(name, count)).collect();
    assert_eq!(told, wanted);
    for method in &told {
        let answer = client.call(method, &json!([])).await;
        assert_eq!(answer["error"]["code"], -32602, "{method} is there, and wants parameters");
    }
    assert_eq!(client.code("engine_exchangeCapabilities", &json!([])).await, -32602);
    assert_eq!(client.code("engine_newPayloadV6", &json!([])).await, -32601);
}

#[tokio::test(flavor = "multi_thread")]
async fn client_version_has_two_letters() {
    let host = Host::start().await;
    let beacon = json!([{"code": "PM", "name": "Prysm", "version": "v7", "commit": "0x00000000"}]);
    let told = host.client().await.result("engine_getClientVersionV1", &beacon).await;
    let ours = json!([{"code": "SN", "name": "snapsync", "version": "v0.1.0", "commit": "0xdeadbeef"}]);
    assert_eq!(told, ours);
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_builds_nothing_knows_no_payload() {
    let host = Host::start().await;
    let mut client = host.client().await;
    for version in 1..=6 {
        let method = format!("engine_getPayloadV{version}");
        assert_eq!(client.code(&method, &json!(["0x0102030405060708"])).await, -38001);
        assert_eq!(client.code(&method, &json!(["0x01"])).await, -32602);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn node_without_a_pool_has_no_blobs() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let hashes = |count: usize| Value::from(vec![json!(chain::blob(1)); count]);
    for method in ["engine_getBlobsV2", "engine_getBlobsV3"] {
        assert_eq!(client.result(method, &json!([hashes(128)])).await, Value::Null);
        assert_eq!(client.code(method, &json!([hashes(129)])).await, -38004);
        assert_eq!(client.code(method, &json!([["0x01"]])).await, -32602);
    }
    let cells = format!("0x{}", "01".repeat(16));
    assert_eq!(client.result("engine_getBlobsV4", &json!([hashes(3), cells])).await, Value::Null);
    assert_eq!(client.code("engine_getBlobsV4", &json!([hashes(129), cells])).await, -38004);
    assert_eq!(client.code("engine_getBlobsV4", &json!([hashes(3), "0x01"])).await, -32602);
    assert_eq!(
        client.code("engine_getBlobsV1", &json!([hashes(3)])).await,
        -38005,
        "the head is of Amsterdam"
    );
    let empty = snapsync_storage::MemoryDisk::default();
    let chain = snapsync_storage::Chain { id: 7, genesis: B256::ZERO };
    let empty = snapsync_storage::Store::open_memory(&empty, chain).unwrap();
    let host = Host::with(Limits::engine(), empty.history.clone()).await;
    let told = host.client().await.result("engine_getBlobsV1", &json!([hashes(3)])).await;
    assert_eq!(told, json!([null, null, null]));
    assert_eq!(host.client().await.code("engine_getBlobsV1", &json!([hashes(129)])).await, -38004);
}

#[tokio::test(flavor = "multi_thread")]
async fn transition_is_that_of_the_chain() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let with = |total: &str| json!([{"terminalTotalDifficulty": total, "terminalBlockHash": B256::ZERO, "terminalBlockNumber": "0x0"}]);
    let method = "engine_exchangeTransitionConfigurationV1";
    assert_eq!(client.result(method, &with("0x0")).await, with("0x0")[0]);
    assert_eq!(client.code(method, &with("0x1")).await, -32000);
}

/// The body of a block as it is told.
fn body(made: &chain::Made) -> Value {
    let transactions: Vec<_> = made.block.body.transactions.iter().map(chain::text_of).collect();
    let withdrawals = made.payload()["withdrawals"].clone();
    json!({"transactions": transactions, "withdrawals": withdrawals})
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_held_are_told_in_the_order_of_their_hashes() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let [old, new] = [Fork::Shanghai, Fork::Amsterdam].map(chain::of);
    let asked = json!([[new.hash, B256::ZERO, old.hash, new.hash]]);
    let told = client.result("engine_getPayloadBodiesByHashV1", &asked).await;
    assert_eq!(told, json!([body(new), null, body(old), body(new)]));
    assert!(told[0]["withdrawals"][0]["validatorIndex"].is_string(), "{told}");
    let told = client.result("engine_getPayloadBodiesByHashV2", &asked).await;
    let mut with_list = body(new);
    with_list["blockAccessList"] = Value::Null;
    assert_eq!(told[0], with_list, "nobody keeps lists");
    assert_eq!(told[1], Value::Null);
    assert_eq!(client.result("engine_getPayloadBodiesByHashV1", &json!([[]])).await, json!([]));
    let told = client.result("engine_getPayloadBodiesByHashV1", &json!([[chain::genesis().hash()]])).await;
    assert_eq!(told, json!([{"transactions": [], "withdrawals": null}]), "block 0 is known without its body");
    let many = |count: usize| json!([vec![B256::ZERO; count]]);
    assert_eq!(client.code("engine_getPayloadBodiesByHashV1", &many(1025)).await, -38004);
    let told = client.result("engine_getPayloadBodiesByHashV1", &many(1024)).await;
    assert_eq!(told, Value::from(vec![Value::Null; 1024]));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_thirty_two_large_blocks_are_given() {
    // A block full of what is not zero, at a gas limit of 75 million.
    let (held, large) = chain::history_of_large(75_000_000 / 40);
    // However slow the machine is, it is the answer that is looked at.
    let limits = Limits { call: Duration::from_secs(3600), ..Limits::engine() };
    let host = Host::with(limits, held.history.clone()).await;
    let mut client = host.client().await;
    let told = client.result("engine_getPayloadBodiesByHashV1", &json!([vec![large.hash; 32]])).await;
    assert_eq!(told.as_array().unwrap().len(), 32);
    assert_eq!(told[31], body(&large));
    let many = json!([vec![large.hash; 40]]);
    assert_eq!(client.code("engine_getPayloadBodiesByHashV1", &many).await, -38004, "an answer has an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_a_range_end_with_the_chain() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let blocks = chain::blocks();
    let method = "engine_getPayloadBodiesByRangeV1";
    let bodies = |range: std::ops::RangeInclusive<usize>| {
        Value::from(blocks[range].iter().map(body).collect::<Vec<_>>())
    };
    assert_eq!(client.result(method, &json!(["0x1", "0x2"])).await, bodies(1..=2));
    assert_eq!(client.result(method, &json!(["0x4", "0x400"])).await, bodies(4..=5));
    assert_eq!(client.result(method, &json!(["0x6", "0x1"])).await, json!([]));
    assert_eq!(client.result(method, &json!(["0xffffffffffffffff", "0x400"])).await, json!([]));
    for (params, code) in [
        (json!(["0x0", "0x1"]), -32602),
        (json!(["0x1", "0x0"]), -32602),
        (json!([1, 1]), -32602),
        (json!(["0x1"]), -32602),
        (json!(["0x1", "0x401"]), -38004),
    ] {
        assert_eq!(client.code(method, &params).await, code, "{params}");
        assert_eq!(client.code("engine_getPayloadBodiesByRangeV2", &params).await, code, "{params}");
    }
    let headers_only = chain::history(false);
    let host = Host::with(Limits::engine(), headers_only.history.clone()).await;
    let told = host.client().await.result(method, &json!(["0x1", "0x400"])).await;
    assert_eq!(told, Value::from(vec![Value::Null; 5]), "bodies that are not held yet are null");
}
