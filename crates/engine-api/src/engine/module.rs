//! Which methods there are.

use std::sync::Arc;

use jsonrpsee::{
    RpcModule,
    types::{ErrorObjectOwned, Params},
};
use serde::Serialize;
use snapsync_execute::Forks;
use snapsync_storage::HistoryStore;
use snapsync_wire::Header;

use crate::{
    engine::{
        bodies,
        context::Context,
        forkchoice,
        json::Few,
        new_payload, params,
        queries::{self, ClientVersion},
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
/// What a client can say that it can do: far more than there are methods.
const CAPABILITIES_MAX: usize = 1024;

/// The methods of the Engine API.
pub struct EngineApi {
    context: Context,
    client: ClientVersion,
}

impl std::fmt::Debug for EngineApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineApi").field("client", &self.client).finish_non_exhaustive()
    }
}

impl EngineApi {
    /// Those of this node, which follows a chain of these forks above this block 0 and keeps this history.
    pub fn new(
        node: Arc<dyn Node>,
        forks: Forks,
        genesis: Header,
        history: HistoryStore,
        client: ClientVersion,
    ) -> Self {
        Self { context: Context::new(node, forks, genesis, history), client }
    }

    /// Its methods, to be merged with others of the same port. A node has one: two would have two lines.
    pub fn into_module(self) -> RpcModule<Self> {
        let mut module = RpcModule::new(self);
        for (name, version) in NEW_PAYLOAD {
            let registered = module.register_async_method(name, move |params, engine, _| async move {
                new_payload::answer(version, &engine.context, params).await
            });
            registered.expect(ONCE);
        }
        for (name, version) in FORKCHOICE {
            let registered = module.register_async_method(name, move |params, engine, _| async move {
                forkchoice::answer(version, &engine.context, params).await
            });
            registered.expect(ONCE);
        }
        for (name, version) in BODIES_BY_HASH {
            reads(&mut module, name, move |context, params| bodies::by_hash(version, context, params));
        }
        for (name, version) in BODIES_BY_RANGE {
            reads(&mut module, name, move |context, params| bodies::by_range(version, context, params));
        }
        reads(&mut module, "engine_getBlobsV1", queries::blobs_one_by_one);
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
            queries::transition(&engine.context.forks, params)
        });
        let mut capabilities: Vec<_> = module.method_names().collect();
        capabilities.sort_unstable();
        says(&mut module, EXCHANGE, move |_, params| {
            // What the other side can do changes nothing here.
            params::only::<Few<String, CAPABILITIES_MAX>>(params).map(|_| capabilities.clone())
        });
        module
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

/// A method that reads the disk, where that may take its time.
fn reads<T: Serialize + Clone + Send + 'static>(
    module: &mut RpcModule<EngineApi>,
    name: &'static str,
    answer: impl Fn(&Context, &Params<'_>) -> Result<T, ErrorObjectOwned> + Copy + Send + Sync + 'static,
) {
    let registered = module.register_async_method(name, move |params, engine, _| async move {
        let inside = engine.clone();
        engine.context.apart(move || answer(&inside.context, &params)).await?
    });
    registered.expect(ONCE);
}
