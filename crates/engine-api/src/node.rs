//! What the methods ask of the node that they speak for.

use futures::future::BoxFuture;
use snapsync_execute::{Forkchoice, ForkchoiceVerdict, NewPayload, PayloadVerdict};

/// The node has stopped, or is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node is shutting down")]
pub struct Stopped;

/// A node that a consensus client drives. Each answer comes within the time that the client waits (8 s).
pub trait Node: Send + Sync + 'static {
    /// Takes a payload, as far as it can be.
    fn new_payload(&self, payload: NewPayload) -> BoxFuture<'_, Result<PayloadVerdict, Stopped>>;

    /// Makes this block the head, as far as it is known, and begins to fetch what is missing.
    fn choose(&self, forkchoice: Forkchoice) -> BoxFuture<'_, Result<ForkchoiceVerdict, Stopped>>;
}
