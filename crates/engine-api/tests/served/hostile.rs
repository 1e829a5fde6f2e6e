//! Callers who mean ill, with the secret and without. Honest ones are answered meanwhile.

use std::time::Duration;

use futures::future::join_all;
use jsonrpsee::RpcModule;
use serde_json::{Value, json};
use snapsync_engine_api::{Guard, Limits, serve};
use snapsync_execute::Fork;

use crate::{
    chain,
    client::{Client, Socket, call, head, now_s},
    host::Host,
};

/// Longer than anything here takes: what ends earlier ends for another reason.
const HOURS: Duration = Duration::from_secs(3600);

async fn is_answered(host: &Host) {
    let made = chain::of(Fork::Amsterdam);
    let told = host.client().await.result(made.method(), &made.params()).await;
    assert_eq!(told["status"], "SYNCING");
}

// ROW: F61
#[tokio::test(flavor = "multi_thread")]
async fn body_that_is_too_large_is_not_read() {
    let host = Host::start().await;
    let huge = 1 << 40;
    let mut stranger = Client::connect(host.running.addr(), None).await;
    stranger.send(head(None, huge).as_bytes()).await;
    assert_eq!(stranger.answer().await.unwrap().status, 401);
    let mut known = host.client().await;
    known.send(head(known.bearer().as_deref(), huge).as_bytes()).await;
    assert_eq!(known.answer().await.unwrap().status, 413);
    // One whose length is not said is read up to the limit.
    let host = Host::with_limits(Limits { body_bytes_max: 1 << 16, ..Limits::engine() }).await;
    let mut known = host.client().await;
    let chunked =
        head(known.bearer().as_deref(), 0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
    known.send(chunked.as_bytes()).await;
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 12, "[".repeat(1 << 12));
    for _ in 0..17 {
        known.send(chunk.as_bytes()).await;
    }
    assert_eq!(known.answer().await.unwrap().status, 413);
    let bearer = format!("Bearer {}", host.secret.token(now_s()));
    let mut socket = Socket::connect(host.running.addr(), Some(&bearer)).await.unwrap();
    socket.send(&"[".repeat((1 << 16) + 1)).await;
    assert!(socket.hear().await.is_none(), "a message that is too large ends a WebSocket");
    is_answered(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nesting_without_end_is_an_error() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let deep = 1 << 20;
    for text in ["[".repeat(deep), "{\"a\":".repeat(deep)] {
        let answer = client.post(&text).await;
        assert!(answer.json()["error"]["code"].is_number(), "{answer:?}");
    }
    let nested = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"engine_newPayloadV4","params":[{nested}]}}"#);
    let answer = client.post(&text).await;
    assert_eq!(answer.json()["error"]["code"], -32602, "{answer:?}");
    // In a field that nobody reads it is passed over.
    let payload = chain::of(Fork::Paris).payload().to_string();
    let payload = payload.replacen('{', &format!(r#"{{"unknown":{nested},"#), 1);
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"engine_newPayloadV1","params":[{payload}]}}"#);
    let answer = client.post(&text).await;
    assert!(answer.json().get("result").is_some() || answer.json()["error"]["code"] == -32602, "{answer:?}");
    is_answered(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_nothing_and_hex_that_is_none_are_refused() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let made = chain::of(Fork::Osaka);
    let with = |field: &str, value: Value| {
        let mut payload = made.payload();
        payload[field] = value;
        made.params_with(payload)
    };
    let zeros = "00".repeat(4 << 20);
    for (field, value) in [
        ("transactions", Value::from(vec!["0x"; 200_000])),
        ("transactions", json!([format!("0x{zeros}zz")])),
        ("extraData", json!(format!("0x{zeros}0"))),
        ("logsBloom", json!(format!("0x{zeros}"))),
        ("baseFeePerGas", json!(format!("0x1{zeros}"))),
        ("withdrawals", json!(zeros)),
    ] {
        assert_eq!(client.code(made.method(), &with(field, value)).await, -32602, "{field}");
    }
    let told = client.call(made.method(), &with("withdrawals", json!(zeros))).await;
    assert!(told.to_string().len() < 1024, "what was sent is not told back");
    // As many as a block may have are read, and found to be none.
    let told = client.result(made.method(), &with("transactions", Value::from(vec!["0x"; 100_000]))).await;
    assert_eq!(told["status"], "INVALID");
    assert_eq!(host.node.asked(), []);
    is_answered(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_that_is_too_long_is_refused_whole() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"});
    let answer = client.post(&Value::from(vec![one.clone(); 10_000]).to_string()).await.json();
    assert_eq!(answer["error"]["code"], -32010, "{answer}");
    let answer = client.post(&Value::from(vec![one; 1000]).to_string()).await.json();
    assert_eq!(answer.as_array().map(Vec::len), Some(1000));
    let tiny = format!("[{}0]", "0,".repeat(1_000_000));
    assert_eq!(client.post(&tiny).await.json()["error"]["code"], -32010);
    let bearer = format!("Bearer {}", host.secret.token(now_s()));
    let mut socket = Socket::connect(host.running.addr(), Some(&bearer)).await.unwrap();
    assert!(socket.send(&tiny).await);
    assert_eq!(socket.hear().await.unwrap()["error"]["code"], -32010);
    let nonsense = client.post(&Value::from(vec![json!(7); 1000]).to_string()).await.json();
    assert!(nonsense.as_array().unwrap().iter().all(|answer| answer["error"]["code"] == -32600));
    is_answered(&host).await;
}

// ROW: F61
#[tokio::test(flavor = "multi_thread")]
async fn slow_callers_do_not_keep_others_waiting() {
    let host = Host::start().await;
    let addr = host.running.addr();
    let slow = (0..40).map(|number| async move {
        let mut slow = Client::connect(addr, None).await;
        slow.send(&head(None, 100).as_bytes()[..number + 1]).await;
        slow
    });
    let _heads = join_all(slow).await;
    let bodies = (0..Limits::engine().calls).map(|_| async {
        let mut slow = host.client().await;
        slow.send(head(slow.bearer().as_deref(), 1 << 20).as_bytes()).await;
        // So much that it needs a place.
        slow.send(&[b' '; Limits::HEAD_BYTES_MAX + 1]).await;
        slow
    });
    let _bodies = join_all(bodies).await;
    is_answered(&host).await;
}

// ROW: F61
#[tokio::test(flavor = "multi_thread")]
async fn callers_without_a_token_do_not_keep_out_the_one_who_has_it() {
    let limits = Limits { connections: 4, idle: HOURS, ..Limits::engine() };
    let host = Host::with_limits(limits).await;
    let mut known = host.client().await;
    assert_eq!(known.result("eth_chainId", &json!([])).await, "0x7");
    let mut strangers = Vec::new();
    for number in 0..40 {
        let mut stranger = Client::connect(host.running.addr(), None).await;
        stranger.send(&head(None, 100).as_bytes()[..number]).await;
        strangers.push(stranger);
    }
    // Who comes last gets in, and who has shown a token stays.
    assert_eq!(host.client().await.result("eth_chainId", &json!([])).await, "0x7");
    assert_eq!(known.result("eth_chainId", &json!([])).await, "0x7");
    assert!(strangers[0].answer().await.is_none(), "it has made room");
}

// ROW: F61
#[tokio::test(flavor = "multi_thread")]
async fn silent_callers_do_not_keep_others_off_the_port_for_everybody() {
    let mut methods = RpcModule::new(());
    methods.register_method("small", |_, (), _| "0x7").unwrap();
    methods.register_method("large", |_, (), _| "0".repeat(48 << 20)).unwrap();
    let addr = "127.0.0.1:0".parse().unwrap();
    let limits = Limits {
        connections: 12,
        calls: 2,
        patience: Duration::ZERO,
        idle: HOURS,
        call: HOURS,
        answer_bytes_max: 64 << 20,
        ..Limits::public()
    };
    let running = serve(methods, addr, Guard::local(), limits).await.unwrap();
    let (small, large) = (call("small", &json!([])), call("large", &json!([])));
    let mut rude = Vec::new();
    for number in 0..40 {
        let mut one = Client::connect(running.addr(), None).await;
        match number % 4 {
            // Silent, with a part of a head, of a short body, of a long one; then some that read no answer.
            0 => one.send(b"POST / HTTP/1.1\r\n").await,
            1 => one.send(format!("{}{}", head(None, 100), "{").as_bytes()).await,
            2 => one.send((head(None, 1 << 20) + &" ".repeat(100 * 1024)).as_bytes()).await,
            _ => one.send(format!("{}{large}", head(None, large.len())).as_bytes()).await,
        };
        rude.push(one);
        let honest = Client::connect(running.addr(), None).await.post(&small).await;
        assert_eq!(honest.json()["result"], "0x7");
    }
    // A call that nobody ends is finished before the server is.
    drop(rude);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_that_slow_callers_hold_become_free() {
    let limits = Limits {
        connections: 4,
        calls: 1,
        idle: Duration::from_secs(2),
        call: Duration::from_secs(2),
        ..Limits::engine()
    };
    let host = Host::with_limits(limits).await;
    for _ in 0..2 {
        // A body that does not come to its end takes the only place for a call, and heads that do not come all for connections.
        let mut body = host.client().await;
        body.send(head(body.bearer().as_deref(), 1 << 20).as_bytes()).await;
        body.send(&[b' '; Limits::HEAD_BYTES_MAX + 1]).await;
        let mut heads = Vec::new();
        for _ in 0..3 {
            let mut slow = Client::connect(host.running.addr(), None).await;
            slow.send(b"POST / HTTP/1.1\r\n").await;
            heads.push(slow);
        }
        assert!(body.answer().await.is_none(), "a call that is overdue is closed");
        for mut slow in heads {
            slow.answer().await;
        }
        assert_eq!(host.client().await.result("eth_chainId", &json!([])).await, "0x7");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_that_nobody_reads_gives_its_room_back() {
    let mut methods = RpcModule::new(());
    // More than the system keeps of it between the two.
    methods.register_method("large", |_, (), _| "0".repeat(48 << 20)).unwrap();
    methods.register_method("small", |_, (), _| "0x7").unwrap();
    let limits = Limits { calls: 1, websockets: 1, call: Duration::from_millis(300), ..Limits::engine() };
    let addr = "127.0.0.1:0".parse().unwrap();
    let running = serve(methods, addr, Guard::local(), limits).await.unwrap();
    let (large, small) = (call("large", &json!([])), call("small", &json!([])));
    let mut deaf = Client::connect(running.addr(), None).await;
    deaf.send(head(None, large.len()).as_bytes()).await;
    deaf.send(large.as_bytes()).await;
    let mut socket = Socket::connect(running.addr(), None).await.unwrap();
    assert!(socket.send(&large).await);
    let honest = Client::connect(running.addr(), None).await.post(&small).await;
    assert_eq!(honest.json()["result"], "0x7");
    // The place of the WebSocket becomes free as well: whoever asks often enough gets it.
    while Socket::connect(running.addr(), None).await.is_err() {
        tokio::task::yield_now().await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_http_end_their_connection_alone() {
    let host = Host::start().await;
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\0\0\n\n"]
    {
        let mut rude = Client::connect(host.running.addr(), None).await;
        rude.send(bytes).await;
        while rude.answer().await.is_some() {}
    }
    let mut long = Client::connect(host.running.addr(), None).await;
    let line = format!("X-Long: {}\r\n", "a".repeat(1000));
    long.send(b"POST / HTTP/1.1\r\n").await;
    for _ in 0..100 {
        long.send(line.as_bytes()).await;
    }
    assert!(long.answer().await.is_none_or(|answer| answer.status == 431), "a head has an end");
    is_answered(&host).await;
}
