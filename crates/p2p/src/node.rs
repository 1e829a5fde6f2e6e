//! What the tasks of a network share: who we are, and what all of them count in.
//!
//! It starts nothing and stops nothing; the network does.

use std::sync::Arc;

use snapsync_wire::SnapVersion;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::{
    Config, NetworkEvent, NodeId, gate::Gate, metrics::Metrics, room::Buffers, roster::Roster, wanted::Wanted,
};

/// What the tasks of a network share.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) id: NodeId,
    pub(crate) roster: Arc<Roster>,
    pub(crate) events: mpsc::Sender<NetworkEvent>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) buffers: Buffers,
    pub(crate) gate: Arc<Gate>,
    /// The version of snap that is offered from now on.
    pub(crate) snap: watch::Receiver<Option<SnapVersion>>,
    /// Changes when everybody is to be dialled at once.
    pub(crate) redial: watch::Receiver<()>,
    /// Static peers that are still wanted.
    pub(crate) wanted: Arc<Wanted>,
    /// Closed when the network stops.
    pub(crate) stop: watch::Receiver<()>,
    /// One permit for each stranger in its handshake.
    pub(crate) handshakes: Arc<Semaphore>,
}

impl Node {
    /// Comes back when the network stops.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // Nothing is ever sent: the error of a dropped sender is the signal.
        while stop.changed().await.is_ok() {}
    }
}
