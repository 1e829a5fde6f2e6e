//! What the host asks of the worker that takes blocks, each with the way back of the answer.

use std::time::Duration;

use snapsync_execute::{Forkchoice, ForkchoiceVerdict, NewPayload, PayloadVerdict};
use tokio::sync::oneshot;

/// Calls that wait: a consensus client waits for one answer before it asks again, as a rule.
pub(crate) const CALLS: usize = 64;

/// What the host asks.
#[derive(Debug)]
pub(crate) enum Call {
    /// What is to be said of this payload.
    Payload(Box<NewPayload>, oneshot::Sender<PayloadVerdict>),
    /// Whether this is the head now.
    Choose(Forkchoice, oneshot::Sender<ForkchoiceVerdict>),
}

/// A head that was named, and whoever waits for it.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) forkchoice: Forkchoice,
    pub(crate) reply: oneshot::Sender<ForkchoiceVerdict>,
    pub(crate) until: Duration,
}
