//! Dials static peers.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{Enode, network::Node};

pub(crate) async fn run(node: Arc<Node>, _requests: mpsc::Receiver<Enode>) {
    node.stopped().await;
}
