//! What each version takes, and the two checks that always run.

use alloy_primitives::B256;
use serde_json::{Value, json};
use snapsync_execute::Fork;

use crate::{chain, host::Host};

async fn status(host: &Host, method: &str, params: &Value) -> String {
    let told = host.client().await.result(method, params).await;
    assert_eq!(told["latestValidHash"], Value::Null, "{told}");
    told["status"].as_str().unwrap().to_owned()
}

async fn code(host: &Host, method: &str, params: &Value) -> i64 {
    host.client().await.code(method, params).await
}

// ROW: F61
#[tokio::test(flavor = "multi_thread")]
async fn payload_of_each_fork_becomes_the_block_that_alloy_hashed() {
    let host = Host::start().await;
    for made in chain::blocks() {
        assert_eq!(status(&host, made.method(), &made.params()).await, "SYNCING", "{:?}", made.fork);
        let given = host.node.given.lock().unwrap().pop().unwrap();
        assert_eq!(given.header.raw().as_ref(), alloy_rlp::encode(&made.block.header));
        let mut body = Vec::new();
        alloy_rlp::Encodable::encode(&made.block.body, &mut body);
        assert_eq!(given.body.raw().as_ref(), body);
        let list = (made.fork >= Fork::Amsterdam).then(|| chain::LIST.parse().unwrap());
        assert_eq!(given.list, list);
    }
}

// ROW: F61
#[tokio::test(flavor = "multi_thread")]
async fn payload_with_another_hash_never_reaches_the_node() {
    let host = Host::start().await;
    for made in chain::blocks() {
        let mut payload = made.payload();
        payload["gasUsed"] = json!("0x1");
        let word = if made.fork == Fork::Paris { "INVALID_BLOCK_HASH" } else { "INVALID" };
        assert_eq!(status(&host, made.method(), &made.params_with(payload)).await, word, "{:?}", made.fork);
    }
    let made = chain::of(Fork::Amsterdam);
    for (index, other) in [(2, json!(B256::ZERO)), (3, json!(["0x0011"]))] {
        let mut params = made.params();
        params[index] = other;
        assert_eq!(status(&host, made.method(), &params).await, "INVALID");
    }
    for (field, other) in [("blockAccessList", "0xc1c0"), ("slotNumber", "0x1"), ("extraData", "0x")] {
        let mut payload = made.payload();
        payload[field] = json!(other);
        assert_eq!(status(&host, made.method(), &made.params_with(payload)).await, "INVALID", "{field}");
    }
    assert_eq!(host.node.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_nobody_can_read_never_reach_the_node() {
    let host = Host::start().await;
    for made in [chain::of(Fork::Paris), chain::of(Fork::Osaka)] {
        let good = chain::text_of(&made.block.body.transactions[1]);
        // Empty, cut, with something behind, of no known type, no list, a typed one in its string.
        for bad in
            ["0x", &good[..good.len() - 2], &format!("{good}00"), "0x7f00", "0x80", "0x83020102", "0xc0"]
        {
            let mut payload = made.payload();
            payload["transactions"][1] = json!(bad);
            assert_eq!(status(&host, made.method(), &made.params_with(payload)).await, "INVALID", "{bad}");
        }
    }
    assert_eq!(host.node.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_have_to_be_those_that_were_said() {
    let host = Host::start().await;
    let [one, two] = [1, 2].map(chain::blob);
    for made in chain::blocks().iter().filter(|made| made.fork >= Fork::Cancun) {
        for other in [json!([]), json!([one]), json!([two, one]), json!([one, two, two])] {
            let mut params = made.params();
            params[1] = other;
            assert_eq!(status(&host, made.method(), &params).await, "INVALID");
        }
    }
    assert_eq!(host.node.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn payload_of_another_fork_is_refused_by_its_version() {
    let host = Host::start().await;
    let params_of = |payload: &Value, count: usize| {
        let all = [payload.clone(), json!([]), json!(B256::ZERO), json!([])];
        Value::from(all[..count].to_vec())
    };
    for made in chain::blocks() {
        for (version, count) in [(2, 1), (3, 3), (4, 4), (5, 4)] {
            let method = format!("engine_newPayloadV{version}");
            if method == made.method() || (version == 2 && made.fork == Fork::Paris) {
                continue;
            }
            // The form of the version, at the time of the fork.
            let mut payload = chain::of(match version {
                2 => made.fork.min(Fork::Shanghai),
                3 => Fork::Cancun,
                4 => Fork::Prague,
                _ => Fork::Amsterdam,
            })
            .payload();
            payload["timestamp"] = json!(format!("{:#x}", made.block.header.timestamp));
            payload["blockNumber"] = json!(format!("{:#x}", made.block.header.number));
            let told = code(&host, &method, &params_of(&payload, count)).await;
            assert_eq!(told, -38005, "{method} {:?}", made.fork);
        }
    }
    assert_eq!(host.node.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_are_those_of_the_version() {
    let host = Host::start().await;
    let missing = |fork: Fork, field: &'static str| (fork, field, Value::Null);
    let cases = [
        (Fork::Paris, "withdrawals", json!([])),
        missing(Fork::Shanghai, "withdrawals"),
        (Fork::Shanghai, "blobGasUsed", json!("0x0")),
        (Fork::Shanghai, "excessBlobGas", json!("0x0")),
        missing(Fork::Cancun, "blobGasUsed"),
        missing(Fork::Cancun, "excessBlobGas"),
        missing(Fork::Cancun, "withdrawals"),
        (Fork::Osaka, "blockAccessList", json!("0xc0")),
        (Fork::Osaka, "slotNumber", json!("0x1")),
        missing(Fork::Amsterdam, "blockAccessList"),
        missing(Fork::Amsterdam, "slotNumber"),
        // Of all versions.
        missing(Fork::Amsterdam, "stateRoot"),
        (Fork::Amsterdam, "blockNumber", json!("0x06")),
        (Fork::Amsterdam, "blockNumber", json!(6)),
        (Fork::Amsterdam, "parentHash", json!("0x00")),
        (Fork::Amsterdam, "extraData", json!("0xf")),
        (Fork::Amsterdam, "transactions", json!(null)),
        (Fork::Amsterdam, "transactions", json!([null])),
        (Fork::Amsterdam, "withdrawals", json!([{}])),
    ];
    for (fork, field, value) in cases {
        let made = chain::of(fork);
        let mut payload = made.payload();
        payload[field] = value;
        let told = code(&host, made.method(), &made.params_with(payload)).await;
        assert_eq!(told, -32602, "{fork:?} {field}");
    }
    // A payload of Paris may come in the second version too; fields that nobody knows are passed over.
    let mut payload = chain::of(Fork::Paris).payload();
    payload["somethingElse"] = json!({"deep": [1, 2, {"er": null}]});
    payload["withdrawals"] = Value::Null;
    assert_eq!(status(&host, "engine_newPayloadV2", &json!([payload])).await, "SYNCING");
    assert_eq!(host.node.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_those_of_the_version() {
    let host = Host::start().await;
    let made = chain::of(Fork::Prague);
    let all = made.params();
    let mut cases = vec![json!([]), json!({}), json!("payload"), json!(null)];
    cases.push(Value::from(all.as_array().unwrap()[..3].to_vec()));
    let mut more = all.clone();
    more.as_array_mut().unwrap().push(json!(null));
    cases.push(more);
    for index in 0..4 {
        let mut without = all.clone();
        without[index] = Value::Null;
        cases.push(without);
    }
    // Requests: none is empty, and each type comes once and in its place.
    for requests in [json!(["0x"]), json!(["0x01"]), json!(["0x0101", "0x0102"]), json!(["0x0201", "0x0101"])]
    {
        let mut other = all.clone();
        other[3] = requests;
        cases.push(other);
    }
    for params in cases {
        assert_eq!(code(&host, made.method(), &params).await, -32602, "{params}");
    }
    // What has named fields is no list of their values.
    let mut listed = made.payload();
    let field_order = [
        "parentHash",
        "feeRecipient",
        "stateRoot",
        "receiptsRoot",
        "logsBloom",
        "prevRandao",
        "blockNumber",
        "gasLimit",
        "gasUsed",
        "timestamp",
        "extraData",
        "baseFeePerGas",
        "blockHash",
        "transactions",
        "withdrawals",
        "blobGasUsed",
        "excessBlobGas",
    ];
    let mut fields: Vec<Value> = field_order.iter().map(|field| listed[*field].clone()).collect();
    fields.extend([Value::Null, Value::Null]);
    assert_eq!(code(&host, made.method(), &made.params_with(Value::from(fields))).await, -32602);
    listed["withdrawals"] = json!([["0x0", "0x0", format!("0x{}", "06".repeat(20)), "0x1"]]);
    assert_eq!(code(&host, made.method(), &made.params_with(listed)).await, -32602);
    let state = json!([[made.hash, B256::ZERO, B256::ZERO], null]);
    assert_eq!(code(&host, "engine_forkchoiceUpdatedV3", &state).await, -32602);
    let transition = json!([["0x0", B256::ZERO, "0x0"]]);
    assert_eq!(code(&host, "engine_exchangeTransitionConfigurationV1", &transition).await, -32602);
    for params in
        [json!([]), json!([{}]), json!([{"headBlockHash": B256::ZERO}]), json!([null]), json!([1, 2, 3])]
    {
        assert_eq!(code(&host, "engine_forkchoiceUpdatedV3", &params).await, -32602, "{params}");
    }
    let state =
        json!({"headBlockHash": made.hash, "safeBlockHash": B256::ZERO, "finalizedBlockHash": B256::ZERO});
    let columns = format!("0x{}", "ff".repeat(16));
    assert_eq!(code(&host, "engine_forkchoiceUpdatedV4", &json!([state, null, "0xff"])).await, -32602);
    assert_eq!(code(&host, "engine_forkchoiceUpdatedV3", &json!([state, null, columns])).await, -32602);
    assert_eq!(host.node.asked(), []);
    host.client().await.result("engine_forkchoiceUpdatedV4", &json!([state, null, columns])).await;
    host.client().await.result("engine_forkchoiceUpdatedV4", &json!([state, null, null])).await;
    assert_eq!(host.node.asked().len(), 2);
}
