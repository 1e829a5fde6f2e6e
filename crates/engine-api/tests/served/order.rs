//! In which order calls reach the node: as they came, one at a time.

use std::sync::atomic::Ordering::SeqCst;

use alloy_primitives::B256;
use futures::{StreamExt, future::join_all, stream::FuturesUnordered};
use serde_json::{Value, json};
use snapsync_engine_api::Limits;

use crate::{
    chain,
    client::{Socket, call, now_s},
    host::{Asked, Host},
};

fn choose(head: B256) -> Value {
    json!([{"headBlockHash": head, "safeBlockHash": B256::ZERO, "finalizedBlockHash": B256::ZERO}, null])
}

/// A payload and the choice of it, for each block.
fn calls() -> Vec<(&'static str, Value)> {
    let of_block = |made: &'static chain::Made| {
        [(made.method(), made.params()), ("engine_forkchoiceUpdatedV3", choose(made.hash))]
    };
    chain::blocks().iter().flat_map(of_block).collect()
}

/// The same calls as a node is asked.
fn wanted() -> Vec<Asked> {
    let of_block = |made: &chain::Made| {
        let chosen = snapsync_execute::Forkchoice::head(made.hash);
        [Asked::Payload(made.block.header.number, made.hash), Asked::Choose(chosen)]
    };
    chain::blocks().iter().flat_map(of_block).collect()
}

// ROW: F61
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_of_a_websocket_keep_their_order() {
    let host = Host::start().await;
    let bearer = format!("Bearer {}", host.secret.token(now_s()));
    let mut socket = Socket::connect(host.running.addr(), Some(&bearer)).await.unwrap();
    const ROUNDS: usize = 20;
    let mut id = 0;
    for _ in 0..ROUNDS {
        for (method, params) in calls() {
            let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
            assert!(socket.send(&message.to_string()).await);
            id += 1;
        }
    }
    for id in 0..id {
        let answer = socket.hear().await.unwrap();
        assert_eq!(answer["id"], id, "answers come in the order of the calls");
        assert!(answer.get("result").is_some(), "{answer}");
    }
    let wanted: Vec<_> = std::iter::repeat_with(wanted).take(ROUNDS).flatten().collect();
    assert_eq!(host.node.asked(), wanted);
}

// ROW: F61
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_of_a_batch_keep_their_order() {
    let host = Host::start().await;
    let mut batch: Vec<Value> = (0..)
        .zip(calls())
        .map(|(id, (method, params))| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
        .collect();
    batch.push(json!({"jsonrpc": "2.0", "id": "chain", "method": "eth_chainId"}));
    batch.push(json!({"jsonrpc": "2.0", "id": "none", "method": "eth_noSuchMethod"}));
    let answers = host.client().await.post(&Value::from(batch.clone()).to_string()).await.json();
    let ids: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, batch.iter().map(|call| call["id"].clone()).collect::<Vec<_>>());
    assert_eq!(answers[batch.len() - 2]["result"], "0x7");
    assert_eq!(answers[batch.len() - 1]["error"]["code"], -32601);
    assert_eq!(host.node.asked(), wanted());
}

// ROW: F61
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn node_is_asked_one_thing_at_a_time() {
    let host = Host::with_limits(Limits { calls: 32, ..Limits::engine() }).await;
    let callers = (0..24).map(|_| async {
        let mut client = host.client().await;
        for (method, params) in calls() {
            client.result(method, &params).await;
        }
    });
    join_all(callers).await;
    assert_eq!(host.node.asked().len(), 24 * calls().len());
    assert_eq!(host.node.inside_max.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn line_before_a_node_that_does_not_answer_has_an_end() {
    const CALLS: usize = 70;
    const PLACES: usize = 64;
    let limits = Limits { calls: CALLS, connections: CALLS, ..Limits::engine() };
    let host = Host::with_limits(limits).await;
    host.node.hold();
    let call = |_| async {
        host.client().await.call("engine_forkchoiceUpdatedV3", &choose(B256::repeat_byte(1))).await
    };
    let mut answers: FuturesUnordered<_> = (0..CALLS).map(call).collect();
    for _ in PLACES..CALLS {
        let answer = answers.next().await.unwrap();
        assert_eq!(answer["error"]["data"]["err"], "64 calls are waiting");
    }
    host.node.answers.add_permits(PLACES);
    while let Some(answer) = answers.next().await {
        assert_eq!(answer["result"]["payloadStatus"]["status"], "SYNCING");
    }
    assert_eq!(host.node.asked().len(), PLACES);
}

#[tokio::test(flavor = "multi_thread")]
async fn payload_whose_caller_has_gone_is_still_taken_before_the_next() {
    let host = Host::start().await;
    host.node.hold();
    let made = chain::of(snapsync_execute::Fork::Osaka);
    let mut gone = host.client().await;
    let text = call(made.method(), &made.params());
    let head = crate::client::head(gone.bearer().as_deref(), text.len());
    gone.send(head.as_bytes()).await;
    gone.send(text.as_bytes()).await;
    while host.node.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(gone);
    let mut next = host.client().await;
    let params = choose(made.hash);
    let (told, ()) = futures::join!(next.result("engine_forkchoiceUpdatedV3", &params), async {
        host.node.answers.add_permits(2);
    });
    assert_eq!(told["payloadStatus"]["status"], "SYNCING");
    assert_eq!(host.node.asked().len(), 2);
    assert_eq!(host.node.inside_max.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_stops_answers_what_it_has_begun() {
    let host = Host::start().await;
    host.node.hold();
    let addr = host.running.addr();
    let mut idle = host.client().await;
    assert_eq!(idle.result("eth_chainId", &json!([])).await, "0x7");
    let mut busy = host.client().await;
    let params = choose(B256::repeat_byte(1));
    let call = tokio::spawn(async move { busy.result("engine_forkchoiceUpdatedV3", &params).await });
    while host.node.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    let stop = tokio::spawn(host.running.stop());
    assert!(idle.answer().await.is_none(), "whoever asks nothing is closed");
    host.node.answers.add_permits(1);
    assert_eq!(call.await.unwrap()["payloadStatus"]["status"], "SYNCING");
    stop.await.unwrap();
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "nobody listens any more");
}
