//! Takes connections.

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::network::Node;

pub(crate) async fn run(node: Arc<Node>, _listener: TcpListener) {
    node.stopped().await;
}
