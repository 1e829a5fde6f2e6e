//! What is answered in each phase of a node, to the letter.

use alloy_primitives::B256;
use serde_json::{Value, json};
use snapsync_execute::{Fork, ForkchoiceVerdict, PayloadVerdict};

use crate::{
    chain,
    client::call,
    host::{Asked, Host},
};

const OTHER: B256 = B256::repeat_byte(0xaa);

fn forkchoice(head: B256) -> Value {
    json!([{"headBlockHash": head, "safeBlockHash": B256::ZERO, "finalizedBlockHash": B256::ZERO}, null])
}

/// The answer as its bytes.
async fn answer(host: &Host, method: &str, params: &Value) -> String {
    host.client().await.post(&call(method, params)).await.text
}

fn result(text: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":{text}}}"#)
}

// ROW: F61, F1
#[tokio::test(flavor = "multi_thread")]
async fn node_that_syncs_says_so_to_payload_and_forkchoice() {
    let host = Host::start().await;
    let made = chain::of(Fork::Osaka);
    let syncing = r#"{"status":"SYNCING","latestValidHash":null,"validationError":null}"#;
    assert_eq!(answer(&host, made.method(), &made.params()).await, result(syncing));
    let told = answer(&host, "engine_forkchoiceUpdatedV3", &forkchoice(made.hash)).await;
    assert_eq!(told, result(&format!(r#"{{"payloadStatus":{syncing},"payloadId":null}}"#)));
    let asked = host.node.asked();
    assert_eq!(asked[0], Asked::Payload(4, made.hash));
    assert!(matches!(asked[1], Asked::Choose(chosen) if chosen.head == made.hash), "{asked:?}");
}

// ROW: F61
#[tokio::test(flavor = "multi_thread")]
async fn payload_that_is_valid_names_itself() {
    let host = Host::start().await;
    let made = chain::of(Fork::Amsterdam);
    let hash = made.hash;
    let valid = format!(r#"{{"status":"VALID","latestValidHash":"{hash}","validationError":null}}"#);
    host.node.says(PayloadVerdict::Valid);
    assert_eq!(answer(&host, made.method(), &made.params()).await, result(&valid));
    host.node.says_of_head(ForkchoiceVerdict::Valid);
    let told = answer(&host, "engine_forkchoiceUpdatedV4", &forkchoice(hash)).await;
    assert_eq!(told, result(&format!(r#"{{"payloadStatus":{valid},"payloadId":null}}"#)));
}

// ROW: F10
#[tokio::test(flavor = "multi_thread")]
async fn bad_ancestor_is_told_with_the_newest_good_one() {
    let host = Host::start().await;
    let made = chain::of(Fork::Prague);
    for (latest_valid, text) in [(Some(OTHER), format!("\"{OTHER}\"")), (None, "null".to_owned())] {
        let reason = "block 3: its state root is another".to_owned();
        let invalid =
            format!(r#"{{"status":"INVALID","latestValidHash":{text},"validationError":"{reason}"}}"#);
        host.node.says(PayloadVerdict::Invalid { latest_valid, reason: reason.clone() });
        assert_eq!(answer(&host, made.method(), &made.params()).await, result(&invalid));
        host.node.says_of_head(ForkchoiceVerdict::Invalid { latest_valid, reason });
        let told = answer(&host, "engine_forkchoiceUpdatedV3", &forkchoice(made.hash)).await;
        assert_eq!(told, result(&format!(r#"{{"payloadStatus":{invalid},"payloadId":null}}"#)));
    }
}

// ROW: F61
#[tokio::test(flavor = "multi_thread")]
async fn payload_beside_the_chain_is_accepted() {
    let host = Host::start().await;
    let made = chain::of(Fork::Shanghai);
    host.node.says(PayloadVerdict::Accepted);
    let accepted = r#"{"status":"ACCEPTED","latestValidHash":null,"validationError":null}"#;
    assert_eq!(answer(&host, made.method(), &made.params()).await, result(accepted));
}

#[tokio::test(flavor = "multi_thread")]
async fn forkchoice_that_does_not_go_together_is_an_error() {
    let host = Host::start().await;
    let mut client = host.client().await;
    host.node.says_of_head(ForkchoiceVerdict::Inconsistent);
    assert_eq!(client.code("engine_forkchoiceUpdatedV3", &forkchoice(OTHER)).await, -38002);
    assert_eq!(host.node.asked().len(), 1);
    assert_eq!(client.code("engine_forkchoiceUpdatedV3", &forkchoice(B256::ZERO)).await, -38002);
    assert_eq!(host.node.asked().len(), 1, "a head of zero names nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_stops_is_an_error_and_not_a_verdict() {
    let host = Host::start().await;
    host.node.is_stopped.store(true, std::sync::atomic::Ordering::SeqCst);
    let made = chain::of(Fork::Osaka);
    let mut client = host.client().await;
    let told = client.call(made.method(), &made.params()).await;
    assert_eq!(
        told["error"],
        json!({"code": -32000, "message": "Server error", "data": {"err": "the node is shutting down"}})
    );
    assert_eq!(client.code("engine_forkchoiceUpdatedV3", &forkchoice(OTHER)).await, -32000);
}

#[tokio::test(flavor = "multi_thread")]
async fn safe_and_finalized_reach_the_node_as_they_are() {
    let host = Host::start().await;
    let [head, safe, finalized] = [1, 2, 3].map(B256::repeat_byte);
    let state = json!([{"headBlockHash": head, "safeBlockHash": safe, "finalizedBlockHash": finalized}]);
    host.client().await.result("engine_forkchoiceUpdatedV1", &state).await;
    let asked = host.node.asked();
    assert_eq!(asked, [Asked::Choose(snapsync_execute::Forkchoice { head, safe, finalized })]);
}

fn attributes(timestamp: u64) -> Value {
    json!({
        "timestamp": format!("{timestamp:#x}"),
        "prevRandao": OTHER,
        "suggestedFeeRecipient": "0x0101010101010101010101010101010101010101",
        "withdrawals": [],
        "parentBeaconBlockRoot": OTHER,
        "somethingElse": 7,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_are_looked_at_when_the_head_is_valid() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let head = chain::of(Fork::Prague);
    let with = |attributes: Value| {
        let mut params = forkchoice(head.hash);
        params[1] = attributes;
        params
    };
    let method = "engine_forkchoiceUpdatedV3";
    let bad = json!({"timestamp": "nonsense"});
    let told = client.result(method, &with(bad.clone())).await;
    assert_eq!(told["payloadStatus"]["status"], "SYNCING", "nothing is looked at while it syncs");
    let time = head.block.header.timestamp;
    let listed = json!([
        format!("{:#x}", time + 1),
        OTHER,
        attributes(0)["suggestedFeeRecipient"],
        [],
        OTHER,
        null,
        null
    ]);
    let mut without = attributes(time + 1);
    without["withdrawals"] = Value::Null;
    for (attributes, code) in [
        (bad, -38003),
        (listed, -38003),
        (attributes(time), -38003),
        (without, -38003),
        (attributes(600), -38005),
        (attributes(299), -38005),
    ] {
        host.node.says_of_head(ForkchoiceVerdict::Valid);
        assert_eq!(client.code(method, &with(attributes)).await, code);
    }
    assert_eq!(host.node.asked().len(), 7, "the head was chosen each time");
    host.node.says_of_head(ForkchoiceVerdict::Valid);
    let told = client.result(method, &with(attributes(time + 1))).await;
    assert_eq!((&told["payloadStatus"]["status"], &told["payloadId"]), (&json!("VALID"), &Value::Null));
    // Block 0 is a head like any other, and nobody holds it.
    let genesis = &chain::blocks()[0];
    for (seconds, code) in [(0, Some(-38003)), (1, None)] {
        let mut params = forkchoice(genesis.hash);
        params[1] = attributes(genesis.block.header.timestamp + seconds);
        params[1]["withdrawals"] = Value::Null;
        params[1]["parentBeaconBlockRoot"] = Value::Null;
        host.node.says_of_head(ForkchoiceVerdict::Valid);
        let told = client.call("engine_forkchoiceUpdatedV2", &params).await;
        assert_eq!(told.pointer("/error/code").and_then(Value::as_i64), code, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_have_the_form_of_their_version() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let plain = |timestamp: u64| {
        let mut plain = attributes(timestamp);
        plain["withdrawals"] = Value::Null;
        plain["parentBeaconBlockRoot"] = Value::Null;
        plain
    };
    let mut of_shanghai = plain(250);
    of_shanghai["withdrawals"] = json!([]);
    let mut of_cancun = plain(350);
    of_cancun["withdrawals"] = json!([]);
    let mut of_amsterdam = attributes(700);
    of_amsterdam["slotNumber"] = json!("0x9");
    let half = of_amsterdam.clone();
    of_amsterdam["targetGasLimit"] = json!("0x1c9c380");
    // A head of which nothing is known: the time is not compared.
    let cases = [
        ("V1", plain(150), Ok(())),
        ("V1", of_shanghai.clone(), Err(-32602)),
        ("V1", plain(250), Ok(())),
        ("V1", plain(350), Err(-38005)),
        ("V2", plain(150), Ok(())),
        ("V2", of_shanghai.clone(), Ok(())),
        ("V2", plain(250), Err(-38003)),
        ("V2", attributes(250), Err(-38003)),
        // cancun.md: of a later fork, whether there are withdrawals or not; a field of a later version comes first, as in geth.
        ("V2", plain(350), Err(-38005)),
        ("V2", of_cancun, Err(-38005)),
        ("V2", attributes(350), Err(-38003)),
        ("V3", of_shanghai, Err(-38003)),
        ("V3", attributes(450), Ok(())),
        ("V3", of_amsterdam.clone(), Err(-38003)),
        ("V3", attributes(700), Err(-38005)),
        ("V4", half, Err(-38003)),
        ("V4", of_amsterdam, Ok(())),
    ];
    for (version, attributes, wanted) in cases {
        host.node.says_of_head(ForkchoiceVerdict::Valid);
        let mut params = forkchoice(OTHER);
        params[1] = attributes;
        let told = client.call(&format!("engine_forkchoiceUpdated{version}"), &params).await;
        let code = told.pointer("/error/code").and_then(Value::as_i64);
        assert_eq!(code, wanted.err(), "{version} {params} {told}");
    }
}
