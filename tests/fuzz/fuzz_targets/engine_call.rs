//! Any text as the parameters of a method of the Engine API: `[method, text..]`. It is answered, or refused with a code that there is.
#![no_main]

use std::sync::{Arc, LazyLock};

use alloy_primitives::B256;
use futures::FutureExt;
use futures::future::BoxFuture;
use jsonrpsee::RpcModule;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use snapsync_engine_api::{ClientVersion, EngineApi, Node, Stopped};
use snapsync_execute::{Fork, Forkchoice, ForkchoiceVerdict, Forks, NewPayload, PayloadVerdict};
use snapsync_storage::{Chain, MemoryDisk, Store};
use snapsync_wire::{Header, HeaderFields};
use tokio::runtime::Runtime;

/// All that a method may refuse with.
const CODES: [i64; 7] = [-32602, -32000, -38001, -38002, -38003, -38004, -38005];

/// A node that says yes to whatever gets past the checks.
struct Yes;

impl Node for Yes {
    fn new_payload(&self, _: NewPayload) -> BoxFuture<'_, Result<PayloadVerdict, Stopped>> {
        async { Ok(PayloadVerdict::Valid) }.boxed()
    }

    fn choose(&self, forkchoice: Forkchoice) -> BoxFuture<'_, Result<ForkchoiceVerdict, Stopped>> {
        assert_ne!(forkchoice.head, B256::ZERO);
        async { Ok(ForkchoiceVerdict::Valid) }.boxed()
    }
}

struct World {
    module: RpcModule<EngineApi>,
    methods: Vec<&'static str>,
    runtime: Runtime,
    _store: Store,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let times = [200, 300, 400, 500, 600];
    let times = Fork::BY_TIME.into_iter().zip(times).collect();
    let forks = Forks { times, ..Forks::since_genesis(7, Fork::Amsterdam) };
    let chain = Chain { id: 7, genesis: B256::ZERO };
    let store = Store::open_memory(&MemoryDisk::default(), chain).expect("it is memory");
    let client = ClientVersion { name: "fuzz".to_owned(), version: "v0".to_owned(), commit: [0; 4] };
    let genesis = Header::made(&HeaderFields::default());
    let module = EngineApi::new(Arc::new(Yes), forks, genesis, store.history.clone(), client).into_module();
    let mut methods: Vec<_> = module.method_names().collect();
    methods.sort_unstable();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    World { module, methods, runtime, _store: store }
});

fuzz_target!(|data: &[u8]| {
    let [method, text @ ..] = data else { return };
    let Ok(params) = std::str::from_utf8(text) else { return };
    // What is no JSON does not get as far as a method.
    if serde_json::from_str::<serde::de::IgnoredAny>(params).is_err() {
        return;
    }
    let method = WORLD.methods[usize::from(*method) % WORLD.methods.len()];
    let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let answer = WORLD.runtime.block_on(WORLD.module.raw_json_request(&call, 1));
    // Parameters that are neither a list nor an object.
    let Ok((answer, _)) = answer else { return };
    let answer: Value = serde_json::from_str(answer.get()).expect("an answer is JSON");
    match (answer.get("result"), answer.pointer("/error/code").and_then(Value::as_i64)) {
        (Some(_), None) => {}
        (None, Some(code)) => assert!(CODES.contains(&code), "{method}: {answer}"),
        _ => panic!("{method}: {answer}"),
    }
});
