//! What the planner listens to.

use alloy_primitives::B256;
use crossbeam_channel::Receiver;
use snapsync_p2p::NetworkEvent;

use crate::{naming::Naming, notifications::Listener, stores::Notice, work::Report};

/// What the handle asks of the planner.
#[derive(Debug)]
pub(crate) enum Command {
    /// Sync to this.
    Target(Naming),
    /// The chain's newest block is this.
    Head(B256),
    /// The chain never leaves this block any more.
    Final(B256),
    /// This was named as the newest block, and is no block's hash.
    NoBlock(B256),
    /// Somebody listens to notices of commits from now on.
    Listen(Listener),
}

/// What the planner listens to.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) commands: Receiver<Command>,
    pub(crate) reports: Receiver<Report>,
    pub(crate) notices: Receiver<Notice>,
    pub(crate) network: Receiver<NetworkEvent>,
}
