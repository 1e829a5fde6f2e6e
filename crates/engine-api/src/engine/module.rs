//! Which methods there are.

use std::sync::Arc;

use jsonrpsee::{
    RpcModule,
    types::{ErrorObjectOwned, Params},
};
use serde::Serialize;
use snapsync_execute::Forks;
use snapsync_storage::HistoryStore;

use crate::{
    engine::{
        bodies,
        forkchoice::{self, Found},
        new_payload, params,
        queries::{self, ClientVersion},
        turns::Turns,
        version::Version,
    },
    node::Node,
};

use Version::{V1, V2, V3, V4, V5};

const NEW_PAYLOAD: [(&str, Version); 5] = [
    ("engine_newPayloadV1", V1),
    ("engine_newPayloadV2", V2),
    ("engine_newPayloadV3", V3),
    ("engine_newPayloadV4", V4),
    ("engine_newPayloadV5", V5),
];
const FORKCHOICE: [(&str, Version); 4] = [
    ("engine_forkchoiceUpdatedV1", V1),
    ("engine_forkchoiceUpdatedV2", V2),
    ("engine_forkchoiceUpdatedV3", V3),
    ("engine_forkchoiceUpdatedV4", V4),
];
const BODIES_BY_HASH: [(&str, Version); 2] =
    [("engine_getPayloadBodiesByHashV1", V1), ("engine_getPayloadBodiesByHashV2", V2)];
const BODIES_BY_RANGE: [(&str, Version); 2] =
    [("engine_getPayloadBodiesByRangeV1", V1), ("engine_getPayloadBodiesByRangeV2", V2)];
const GET_PAYLOAD: [&str; 6] = [
    "engine_getPayloadV1",
    "engine_getPayloadV2",
    "engine_getPayloadV3",
    "engine_getPayloadV4",
    "engine_getPayloadV5",
    "engine_getPayloadV6",
];
/// What is not told of when capabilities are exchanged.
const EXCHANGE: &str = "engine_exchangeCapabilities";

/// What the methods of the Engine API have.
pub struct EngineApi {
    node: Arc<dyn Node>,
    forks: Arc<Forks>,
    history: HistoryStore,
    client: ClientVersion,
    turns: Turns,
}

impl std::fmt::Debug for EngineApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineApi").field("client", &self.client).finish_non_exhaustive()
    }
}

impl EngineApi {
    /// An engine for this node, which follows a chain of these forks and keeps this history.
    pub fn new(node: Arc<dyn Node>, forks: Forks, history: HistoryStore, client: ClientVersion) -> Self {
        Self { node, forks: Arc::new(forks), history, client, turns: Turns::new() }
    }

    /// Its methods, to be merged with others of the same port. A node has one: two would have two lines.
    pub fn into_module(self) -> RpcModule<Self> {
        let mut module = RpcModule::new(self);
        for (name, version) in NEW_PAYLOAD {
            let registered = module.register_async_method(name, move |params, engine, _| async move {
                new_payload::answer(version, &engine.forks, &engine.turns, &engine.node, params).await
            });
            registered.expect(ONCE);
        }
        for (name, version) in FORKCHOICE {
            let registered = module.register_async_method(name, move |params, engine, _| async move {
                forkchoice::answer(version, engine.found(), params).await
            });
            registered.expect(ONCE);
        }
        for (name, version) in BODIES_BY_HASH {
            reads(&mut module, name, move |engine, params| bodies::by_hash(version, &engine.history, params));
        }
        for (name, version) in BODIES_BY_RANGE {
            reads(&mut module, name, move |engine, params| {
                bodies::by_range(version, &engine.history, params)
            });
        }
        reads(&mut module, "engine_getBlobsV1", |engine, params| {
            queries::blobs_one_by_one(&engine.forks, &engine.history, params)
        });
        for name in GET_PAYLOAD {
            says(&mut module, name, |_, params| queries::payload(params));
        }
        for name in ["engine_getBlobsV2", "engine_getBlobsV3"] {
            says(&mut module, name, |_, params| queries::blobs_all_or_nothing(params));
        }
        says(&mut module, "engine_getBlobsV4", |_, params| queries::cells(params));
        says(&mut module, "engine_getClientVersionV1", |engine, params| {
            queries::client_version(&engine.client, params)
        });
        says(&mut module, "engine_exchangeTransitionConfigurationV1", |engine, params| {
            queries::transition(&engine.forks, params)
        });
        let mut capabilities: Vec<_> = module.method_names().collect();
        capabilities.sort_unstable();
        says(&mut module, EXCHANGE, move |_, params| {
            // What the other side can do changes nothing here.
            params::only::<Vec<String>>(params).map(|_| capabilities.clone())
        });
        module
    }

    fn found(&self) -> Found<'_> {
        Found { forks: &self.forks, turns: &self.turns, node: &self.node, history: &self.history }
    }
}

/// Why registering does not fail.
const ONCE: &str = "each name is registered once";

/// A method that answers out of memory.
fn says<T: Serialize + Clone + 'static>(
    module: &mut RpcModule<EngineApi>,
    name: &'static str,
    answer: impl Fn(&EngineApi, &Params<'_>) -> Result<T, ErrorObjectOwned> + Send + Sync + 'static,
) {
    module.register_method(name, move |params, engine, _| answer(engine, &params)).expect(ONCE);
}

/// A method that reads the disk, on a thread where that may take its time.
fn reads<T: Serialize + Clone + Send + 'static>(
    module: &mut RpcModule<EngineApi>,
    name: &'static str,
    answer: impl Fn(&EngineApi, &Params<'_>) -> Result<T, ErrorObjectOwned> + Clone + Send + Sync + 'static,
) {
    let registered = module.register_blocking_method(name, move |params, engine, _| answer(&engine, &params));
    registered.expect(ONCE);
}
