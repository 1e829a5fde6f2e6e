//! Who may come in: with which token, by which name, over which protocol.

use std::time::{Duration, Instant};

use jsonrpsee::RpcModule;
use serde_json::json;
use snapsync_engine_api::{Guard, JwtSecret, Limits, serve};

use crate::{
    client::{Client, Socket, call, head, now_s},
    host::Host,
};

const HEAD: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Tokens that are not good, and what is said of them.
fn bad(secret: &JwtSecret) -> Vec<(Option<String>, &'static str)> {
    let now = now_s();
    let bearer = |token: String| Some(format!("Bearer {token}"));
    vec![
        (None, "missing token"),
        (Some("Bearer ".to_owned()), "missing token"),
        (Some(format!("Basic {}", secret.token(now))), "missing token"),
        (bearer("nonsense".to_owned()), "token is malformed: no signature"),
        (bearer(secret.token(now - 90)), "stale token"),
        (bearer(secret.token(now + 90)), "future token"),
        (bearer(secret.sign(HEAD, "{}")), "missing issued-at"),
        (
            bearer(secret.sign(r#"{"alg":"none"}"#, &format!(r#"{{"iat":{now}}}"#))),
            "token is not signed with HS256",
        ),
        (
            bearer(secret.sign(r#"{"alg":"HS512"}"#, &format!(r#"{{"iat":{now}}}"#))),
            "token is not signed with HS256",
        ),
        (bearer(JwtSecret::new([1; 32]).token(now)), "token signature is invalid"),
    ]
}

// ROW: F61
#[tokio::test(flavor = "multi_thread")]
async fn request_without_a_good_token_is_refused_with_a_reason() {
    let host = Host::start().await;
    let body = call("eth_chainId", &json!([]));
    for (authorization, reason) in bad(&host.secret) {
        let mut client = Client::connect(host.running.addr(), None).await;
        let answer = client.post_under(&head(authorization.as_deref(), body.len()), &body).await;
        assert_eq!((answer.status, answer.text.trim()), (401, reason));
        assert!(client.answer().await.is_none(), "and the connection is closed");
    }
    let mut client = host.client().await;
    for _ in 0..3 {
        assert_eq!(client.result("eth_chainId", &json!([])).await, "0x7", "each request has its own token");
    }
    let now = now_s();
    for issued in [now - 50, now + 50] {
        let authorization = format!("bearer {}", host.secret.token(issued));
        let answer = client.post_under(&head(Some(&authorization), body.len()), &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

// ROW: F61
#[tokio::test(flavor = "multi_thread")]
async fn websocket_is_opened_with_a_token_and_then_needs_none() {
    let host = Host::start().await;
    for (authorization, _) in bad(&host.secret) {
        let told = Socket::connect(host.running.addr(), authorization.as_deref()).await;
        assert_eq!(told.err(), Some(401));
    }
    let bearer = format!("Bearer {}", host.secret.token(now_s()));
    let mut socket = Socket::connect(host.running.addr(), Some(&bearer)).await.unwrap();
    for _ in 0..3 {
        assert!(socket.send(&call("eth_chainId", &json!([]))).await);
        assert_eq!(socket.hear().await.unwrap(), json!({"jsonrpc": "2.0", "id": 1, "result": "0x7"}));
    }
    // What cannot be read is an answer too, and a notification has none.
    for (text, code) in [("", -32700), ("nonsense", -32700), ("[]", -32600), (r#"{"id":1}"#, -32600)] {
        assert!(socket.send(r#"{"jsonrpc":"2.0","method":"eth_chainId"}"#).await);
        assert!(socket.send(text).await);
        assert_eq!(socket.hear().await.unwrap()["error"]["code"], code, "{text}");
    }
    let addr = host.running.addr();
    host.running.stop().await;
    assert!(socket.hear().await.is_none(), "it is closed when the server stops");
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_that_pings_stays_open_and_one_that_is_silent_does_not() {
    let idle = Duration::from_secs(3);
    let host = Host::with_limits(Limits { idle, ..Limits::engine() }).await;
    let bearer = format!("Bearer {}", host.secret.token(now_s()));
    let connect = || Socket::connect(host.running.addr(), Some(&bearer));
    let (mut pings, mut silent) = (connect().await.unwrap(), connect().await.unwrap());
    let pinging = async {
        let began = Instant::now();
        while began.elapsed() < idle + idle / 2 {
            assert!(pings.ping().await && pings.is_ponged().await, "after {:?}", began.elapsed());
        }
    };
    let (heard, ()) = futures::join!(silent.hear(), pinging);
    assert_eq!(heard, None, "its silence was too long");
    assert!(pings.send(&call("eth_chainId", &json!([]))).await);
    assert_eq!(pings.hear().await.unwrap()["result"], "0x7");
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_have_a_number_of_their_own() {
    let host = Host::with_limits(Limits { websockets: 2, ..Limits::engine() }).await;
    let bearer = format!("Bearer {}", host.secret.token(now_s()));
    let connect = || Socket::connect(host.running.addr(), Some(&bearer));
    let _open = [connect().await.unwrap(), connect().await.unwrap()];
    assert_eq!(connect().await.err(), Some(429));
    assert_eq!(host.client().await.result("eth_chainId", &json!([])).await, "0x7");
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_for_everybody_are_served_to_those_who_call_us_by_our_name() {
    let mut methods = RpcModule::new(());
    methods.register_method("eth_chainId", |_, (), _| "0x7").unwrap();
    let addr = "127.0.0.1:0".parse().unwrap();
    let running = serve(methods, addr, Guard::local(), Limits::public()).await.unwrap();
    let body = call("eth_chainId", &json!([]));
    let mut client = Client::connect(running.addr(), None).await;
    assert_eq!(client.post(&body).await.json()["result"], "0x7");
    let mut socket = Socket::connect(running.addr(), None).await.unwrap();
    assert!(socket.send(&body).await);
    assert_eq!(socket.hear().await.unwrap()["result"], "0x7");
    let elsewhere = head(None, body.len()).replace("localhost", "rebound.example");
    let answer = client.post_under(&elsewhere, &body).await;
    assert_eq!((answer.status, answer.text.trim()), (403, "invalid host specified"));
    let taken = serve(RpcModule::new(()), running.addr(), Guard::local(), Limits::public()).await;
    assert!(matches!(taken, Err(snapsync_engine_api::Error::Listen { .. })));
    running.stop().await;
}
