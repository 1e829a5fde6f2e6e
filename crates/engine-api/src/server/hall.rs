//! What all connections have in common: who may come in, how many at a time, and what is answered.

use std::{sync::Arc, time::Duration};

use http::{Request, request::Parts};
use http_body_util::BodyExt;
use hyper::body::Bytes;
use jsonrpsee::{
    server::{
        BatchRequestConfig, ConnectionState, HttpBody, HttpResponse, MethodResponse, Methods, ServerConfig,
        StopHandle,
        http::{call_with_service_builder, response},
        middleware::rpc::RpcServiceBuilder,
    },
    types::{Id, error::reject_too_big_batch_request},
};
use tokio::sync::Semaphore;

use crate::server::{batch, guard::Guard, limits::Limits, places::Places};

/// How long a connection has to show who it is, once others want its place.
const GREETING: Duration = Duration::from_millis(250);

/// What all connections have in common.
pub(super) struct Hall {
    methods: Methods,
    pub(super) guard: Guard,
    limits: Limits,
    config: ServerConfig,
    /// Places for connections.
    pub(super) seats: Arc<Places>,
    /// Places for calls over HTTP.
    pub(super) calls: Arc<Places>,
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
            // Whoever has come has this time to show who it is, however many come.
            seats: Places::new(limits.connections, limits.patience.min(GREETING)),
            calls: Places::new(limits.calls, limits.patience),
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

    /// Answers what was said, by a request or by a message in the clothes of one: the answer's status, and what it says.
    pub(super) async fn call(
        &self,
        head: Parts,
        said: Vec<u8>,
        connection: u32,
    ) -> (http::response::Parts, Bytes) {
        let answer = if batch::is_longer_than(&said, self.limits.batch_max) {
            too_long(self.limits.batch_max)
        } else {
            // jsonrpsee would count connections by permits; here that is done elsewhere.
            let one = Arc::new(Semaphore::new(1));
            let permit = one.try_acquire_owned().expect("nobody else has this semaphore of one");
            let state = ConnectionState::new(self.stop.clone(), connection, permit);
            let (config, methods) = (self.config.clone(), self.methods.clone());
            let request = Request::from_parts(head, HttpBody::from(said));
            call_with_service_builder(request, config, state, methods, RpcServiceBuilder::new()).await
        };
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes());
        // It is in memory already: reading it cannot fail.
        (parts, body.unwrap_or_default())
    }
}

/// What jsonrpsee says of a batch that is too long.
fn too_long(items_max: u32) -> HttpResponse {
    let error = reject_too_big_batch_request(items_max as usize);
    response::from_method_response(MethodResponse::error(Id::Null, error))
}
