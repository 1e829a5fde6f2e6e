//! A running sync from afar: what servers beside the host ask of it. Clones keep nothing running; once it has ended they say so.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crossbeam_channel::{Sender, TrySendError};
use snapsync_execute::{Forkchoice, ForkchoiceVerdict, NewPayload, PayloadVerdict};
use snapsync_p2p::{Contact, Direction, Enode, Handle, Network, NodeId, PeerUp};
use snapsync_peers::{Head, PeerId};
use snapsync_storage::{HistoryStore, StateStore};
use snapsync_wire::DisconnectReason;
use tokio::sync::{oneshot, watch};

use crate::{Error, Progress, calls::Call, naming::check_hash};

/// A peer that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectedPeer {
    /// Who it is, and where. Of one that dialled us the port is not one that it listens on.
    pub enode: Enode,
    /// What it calls itself.
    pub client: String,
    /// The version of eth that is spoken.
    pub eth: u32,
    /// The version of snap that is spoken, if any.
    pub snap: Option<u32>,
    /// Who dialled.
    pub direction: Direction,
    /// Whether it was named by whoever runs this.
    pub is_static: bool,
    /// Its newest block, by its own word.
    pub head: Head,
}

/// Who is connected now. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connected(Arc<Mutex<BTreeMap<PeerId, ConnectedPeer>>>);

impl Connected {
    pub(crate) fn join(&self, up: &PeerUp, is_static: bool, head: Head) {
        let version = |version: u64| u32::try_from(version).unwrap_or(u32::MAX);
        let peer = ConnectedPeer {
            enode: Enode { id: up.node_id, address: up.address },
            client: up.client.clone(),
            eth: version(up.eth.number()),
            snap: up.snap.map(|snap| version(snap.number())),
            direction: up.direction,
            is_static,
            head,
        };
        self.lock().insert(PeerId(up.peer.0), peer);
    }

    pub(crate) fn leave(&self, peer: PeerId) {
        self.lock().remove(&peer);
    }

    pub(crate) fn moved(&self, peer: PeerId, head: Head) {
        if let Some(peer) = self.lock().get_mut(&peer) {
            peer.head = head;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PeerId, ConnectedPeer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running sync from afar ([`SnapSync::remote`](crate::SnapSync::remote)).
#[derive(Clone, Debug)]
pub struct Remote {
    calls: Option<Sender<Call>>,
    stores: (StateStore, HistoryStore),
    progress: watch::Receiver<Progress>,
    connected: Connected,
    network: Handle,
    listens_at: Enode,
}

impl Remote {
    pub(crate) fn new(
        calls: Option<Sender<Call>>,
        stores: (StateStore, HistoryStore),
        progress: &watch::Receiver<Progress>,
        connected: &Connected,
        network: &Network,
    ) -> Self {
        let (progress, connected) = (progress.clone(), connected.clone());
        let (network, listens_at) = (network.handle(), network.local_enode());
        Self { calls, stores, progress, connected, network, listens_at }
    }

    /// Gives a block, as the Engine API's `newPayload` does. Over a state that is here it is executed at once, or brought by its list, beside
    /// what is on the disk; it is written when it is named. Else it is kept for a while, and no peer is asked for it when it is named.
    ///
    /// Where no blocks are followed ([`SnapSync::start`](crate::SnapSync::start)) nothing is executed: [`PayloadVerdict::Syncing`].
    ///
    /// # Errors
    /// [`Error::ShutDown`] if the sync has ended.
    pub fn new_payload(
        &self,
        payload: NewPayload,
    ) -> impl Future<Output = Result<PayloadVerdict, Error>> + Send + use<> {
        let asked = self.ask(|reply| Call::Payload(Box::new(payload), reply));
        async move { Ok(answered(asked).await?.unwrap_or(PayloadVerdict::Syncing)) }
    }

    /// Names the head, and says what is known of it, as the Engine API's `forkchoiceUpdated` does. A head that leads on from what is held is
    /// waited for, a few seconds at most: it is [`ForkchoiceVerdict::Valid`] once it is on the disk.
    ///
    /// Where no blocks are followed nothing is named: [`ForkchoiceVerdict::Syncing`].
    ///
    /// # Errors
    /// [`Error::NoBlock`] for a zero hash; [`Error::ShutDown`] if the sync has ended.
    pub fn choose(
        &self,
        forkchoice: Forkchoice,
    ) -> impl Future<Output = Result<ForkchoiceVerdict, Error>> + Send + use<> {
        let asked =
            check_hash(forkchoice.head).and_then(|()| self.ask(|reply| Call::Choose(forkchoice, reply)));
        async move { Ok(answered(asked).await?.unwrap_or(ForkchoiceVerdict::Syncing)) }
    }

    /// The newest figures.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// What is on the disk.
    pub const fn stores(&self) -> &(StateStore, HistoryStore) {
        &self.stores
    }

    /// Who is connected now.
    pub fn peers(&self) -> Vec<ConnectedPeer> {
        self.connected.lock().values().cloned().collect()
    }

    /// By which key peers know us, and where we listen; port 0 if we do not.
    pub const fn listens_at(&self) -> Enode {
        self.listens_at
    }

    /// Dials this node, and again whenever it is away. `false` if the network is gone, or many such wait.
    pub fn add_peer(&self, contact: Contact) -> bool {
        self.network.add_static_peer(contact)
    }

    /// Hangs up on this node, and dials it no more. Whether it was dialled or connected.
    pub fn remove_peer(&self, node: NodeId) -> bool {
        let was_static = self.network.remove_static_peer(node);
        let connected: Vec<PeerId> = {
            let peers = self.connected.lock();
            peers.iter().filter(|(_, peer)| peer.enode.id == node).map(|(peer, _)| *peer).collect()
        };
        for peer in &connected {
            self.network.disconnect(snapsync_p2p::PeerId(peer.0), DisconnectReason::Requested);
        }
        was_static || !connected.is_empty()
    }

    /// Asks the worker that takes blocks; nothing, if there is none, or more calls wait for it than a consensus client has reason to make.
    fn ask<T>(
        &self,
        call: impl FnOnce(oneshot::Sender<T>) -> Call,
    ) -> Result<Option<oneshot::Receiver<T>>, Error> {
        let Some(calls) = &self.calls else { return Ok(None) };
        let (reply, answer) = oneshot::channel();
        match calls.try_send(call(reply)) {
            Ok(()) => Ok(Some(answer)),
            Err(TrySendError::Full(_)) => Ok(None),
            Err(TrySendError::Disconnected(_)) => Err(Error::ShutDown),
        }
    }
}

/// What the worker has said; nothing, if it was not asked. A call that ends without an answer has met its end.
async fn answered<T>(asked: Result<Option<oneshot::Receiver<T>>, Error>) -> Result<Option<T>, Error> {
    match asked? {
        Some(answer) => answer.await.map(Some).map_err(|_| Error::ShutDown),
        None => Ok(None),
    }
}
