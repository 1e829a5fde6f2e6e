//! What all connections have in common: who may come in, how many at a time, and what is answered.

use std::sync::Arc;

use http::Request;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use jsonrpsee::{
    core::BoxError,
    server::{
        BatchRequestConfig, ConnectionState, Methods, ServerConfig, StopHandle,
        http::call_with_service_builder, middleware::rpc::RpcServiceBuilder,
    },
};
use tokio::sync::Semaphore;

use crate::server::{guard::Guard, limits::Limits};

/// What all connections have in common.
pub(super) struct Hall {
    methods: Methods,
    pub(super) guard: Guard,
    limits: Limits,
    config: ServerConfig,
    /// Room for calls over HTTP.
    pub(super) calls: Arc<Semaphore>,
    /// Room for WebSockets.
    pub(super) websockets: Arc<Semaphore>,
    stop: StopHandle,
}

impl Hall {
    pub(super) fn new(methods: Methods, guard: Guard, limits: Limits, stop: StopHandle) -> Self {
        let config = ServerConfig::builder()
            .max_request_body_size(limits.body_bytes_max)
            .max_response_body_size(limits.answer_bytes_max)
            .set_batch_request_config(BatchRequestConfig::Limit(limits.batch_max))
            .build();
        Self {
            methods,
            guard,
            limits,
            config,
            calls: Arc::new(Semaphore::new(limits.calls)),
            websockets: Arc::new(Semaphore::new(limits.websockets)),
            stop,
        }
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Comes back when the server stops.
    pub(super) async fn stopped(&self) {
        self.stop.clone().shutdown().await;
    }

    /// Answers a request, or a message in the clothes of one: its status, and what it says.
    pub(super) async fn call<B>(&self, request: Request<B>, connection: u32) -> (http::response::Parts, Bytes)
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        // jsonrpsee would count connections by permits; here that is done elsewhere.
        let one = Arc::new(Semaphore::new(1));
        let permit = one.try_acquire_owned().expect("nobody else has this semaphore of one");
        let state = ConnectionState::new(self.stop.clone(), connection, permit);
        let (config, methods) = (self.config.clone(), self.methods.clone());
        let answer =
            call_with_service_builder(request, config, state, methods, RpcServiceBuilder::new()).await;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes());
        // It is in memory already: reading it cannot fail.
        (parts, body.unwrap_or_default())
    }
}
