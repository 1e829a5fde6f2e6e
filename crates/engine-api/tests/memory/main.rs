//! What callers who mean ill cost: the memory of this whole program while they are at it, and whether an honest one is answered meanwhile.
//!
//! A program of its own, since it looks at the memory of all that runs in it.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "../served/chain.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod chain;
#[path = "../served/client.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod client;
#[path = "../served/host.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod host;

use std::{
    fs,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
};

use futures::future::join_all;
use snapsync_engine_api::Limits;
use snapsync_execute::Fork;

use crate::{
    client::{Answer, Client, head},
    host::Host,
};

const MIB: usize = 1 << 20;
const BODY: usize = Limits::engine().body_bytes_max as usize;
/// A call's body while it is read and while it is worked on: [`Limits`] says four times its bytes.
const CALL: usize = 4 * BODY;
/// What runs in this program beside calls: threads, the history, the callers themselves, and what an allocator keeps.
const REST: usize = 128 * MIB;

/// Bytes of memory that are in no file.
fn anonymous() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Looks at memory until it is told to end.
struct Watch {
    is_over: Arc<AtomicBool>,
    looking: JoinHandle<usize>,
}

impl Watch {
    fn begin() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let looking = thread::spawn(move || {
            let mut most = anonymous();
            while !over.load(SeqCst) {
                most = most.max(anonymous());
                // One of two cores is not for looking.
                thread::yield_now();
            }
            most
        });
        Self { is_over, looking }
    }

    fn end(self) -> usize {
        self.is_over.store(true, SeqCst);
        self.looking.join().unwrap()
    }
}

/// Runs a story, in which an honest caller is answered again and again, and looks at memory all the while.
async fn within(most: usize, what: &str, host: &Host, story: impl Future<Output = ()>) {
    let (watch, is_over) = (Watch::begin(), AtomicBool::new(false));
    let honest = async {
        let made = chain::of(Fork::Amsterdam);
        let mut answers = 0;
        // To the end of the story, and once more.
        loop {
            let is_last = is_over.load(SeqCst);
            let told = host.client().await.result(made.method(), &made.params()).await;
            assert_eq!(told["status"], "SYNCING", "{what}");
            answers += 1;
            if is_last {
                return answers;
            }
        }
    };
    let told = async {
        story.await;
        is_over.store(true, SeqCst);
    };
    let ((), answers) = futures::join!(told, honest);
    let peak = watch.end();
    println!("{what}: {} MiB of {}, {answers} honest answers", peak / MIB, most / MIB);
    assert!(peak <= most, "{what}: {} MiB, {} are allowed", peak / MIB, most / MIB);
}

/// Sends a body that is made of a beginning, so much of a filling, and an end.
async fn post(host: &Host, begin: &str, filling: &str, bytes: usize, end: &str) -> Option<Answer> {
    let mut client = host.client().await;
    let bytes = bytes / filling.len() * filling.len();
    let filling = filling.repeat(64 * 1024 / filling.len());
    let length = begin.len() + bytes + end.len();
    client.send(head(client.bearer().as_deref(), length).as_bytes()).await;
    client.send(begin.as_bytes()).await;
    for _ in 0..bytes / filling.len() {
        client.send(filling.as_bytes()).await;
    }
    client.send(&filling.as_bytes()[..bytes % filling.len()]).await;
    client.send(end.as_bytes()).await;
    client.answer().await
}

async fn code(host: &Host, begin: &str, filling: &str, bytes: usize, end: &str) -> i64 {
    let answer = post(host, begin, filling, bytes, end).await.unwrap();
    assert_eq!(answer.status, 200, "{:.200}", answer.text);
    answer.json()["error"]["code"].as_i64().unwrap()
}

// ROW: F61
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_whatever_callers_send_and_an_honest_one_is_answered_meanwhile() {
    let host = Host::start().await;
    let room = BODY - MIB;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"engine_newPayloadV4","params":["#;

    // First those who cost least: what an allocator keeps of large bodies is not theirs.
    let heads = Limits::engine().connections * 2 * Limits::HEAD_BYTES_MAX;
    within(heads + REST, "callers without a token", &host, strangers(&host)).await;
    within(CALL + REST, "batches of tiny items", &host, async {
        for (items, bytes) in [("0,", 2 * 10_000), ("0,", 2 * MIB), ("0,", room), ("{},", room)] {
            assert_eq!(code(&host, "[", items, bytes, "0]").await, -32010, "{items} {bytes}");
        }
    })
    .await;
    within(CALL + REST, "nesting without end", &host, async {
        for (begin, filling) in [("", "["), ("", "{\"a\":"), (call, "["), (call, "{\"a\":")] {
            assert!(code(&host, begin, filling, room, "").await < 0, "{begin}{filling}");
        }
    })
    .await;
    within(CALL + REST, "hex that is none", &host, async {
        for (field, end) in [("extraData", "zz\"}]}"), ("logsBloom", "\"}]}"), ("withdrawals", "\"}]}")] {
            let begin = format!("{call}{{\"{field}\":\"0x");
            assert_eq!(code(&host, &begin, "00", room, end).await, -32602, "{field}");
        }
        let strings = r#"{"jsonrpc":"2.0","id":1,"method":"engine_exchangeCapabilities","params":[["#;
        assert_eq!(code(&host, strings, "\"\",", room, "\"\"]]}").await, -32602);
    })
    .await;
    within(4 * CALL + REST, "large bodies", &host, async {
        let begin = format!("{call}\"");
        let bodies = (0..4).map(|_| code(&host, &begin, "0", room, "\"]}"));
        assert!(join_all(bodies).await.iter().all(|code| *code == -32602));
    })
    .await;
}

/// More of them than there are places, who say nothing, a part of a head, or offer large bodies.
async fn strangers(host: &Host) {
    let addr = host.running.addr();
    let line = format!("X-Long: {}\r\n", "a".repeat(1000));
    let mut open = Vec::new();
    for number in 0..Limits::engine().connections + 100 {
        let mut stranger = Client::connect(addr, None).await;
        match number % 4 {
            0 => true,
            1 => stranger.send(b"POST / HTTP/1.1\r\n").await,
            2 => stranger.send(format!("POST / HTTP/1.1\r\n{}", line.repeat(50)).as_bytes()).await,
            _ => {
                stranger.send(head(None, 1 << 40).as_bytes()).await;
                stranger.answer().await.is_some_and(|answer| answer.status == 401)
            }
        };
        open.push(stranger);
    }
    let made = chain::of(Fork::Amsterdam);
    let told = host.client().await.result(made.method(), &made.params()).await;
    assert_eq!(told["status"], "SYNCING");
}
