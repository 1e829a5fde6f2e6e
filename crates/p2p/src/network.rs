//! The network as its owner sees it: start, verbs, shutdown.
//!
//! Owns the tasks and joins them. Decides nothing about what is asked of whom.

use std::{net::SocketAddr, sync::Arc};

use snapsync_wire::{DisconnectReason, SnapVersion};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
};

use crate::{
    Config, Contact, Enode, Error, Events, Message, NodeId, PeerId, SendError, dialer,
    gate::Gate,
    listener,
    metrics::{Gauge, Metrics},
    node::Node,
    room::Buffers,
    roster::Roster,
    wanted::Wanted,
};

/// Contacts that may wait for the dialler; it takes them at once, so this is never met but in a burst.
const DIAL_REQUESTS: usize = 256;

/// A running network.
#[derive(Debug)]
pub struct Network {
    handle: Handle,
    local: Enode,
    stop: watch::Sender<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Network {
    /// Opens the listening socket, if one is asked for, and begins to dial the static peers.
    ///
    /// # Errors
    /// [`Error::Listen`] only: what happens later is told as events.
    pub async fn start(config: Config) -> Result<(Self, Events), Error> {
        let (events, receiver) = mpsc::channel(config.limits.events.max(1));
        let (stop, stopped) = watch::channel(());
        let (dial, dial_requests) = mpsc::channel(DIAL_REQUESTS);
        let (offer, offered) = watch::channel(config.snap);
        let (redial, redials) = watch::channel(());
        let wanted: Arc<Wanted> = Arc::default();
        config.static_peers.iter().for_each(|contact| wanted.insert(contact.clone()));
        let (listener, address) = match config.listen {
            Some(address) => bind(address).await?,
            None => (None, SocketAddr::from(([0, 0, 0, 0], 0))),
        };
        let buffers = Buffers::new(&config.limits);
        let buffered = buffers.gauge.clone();
        let node = Arc::new(Node {
            id: NodeId::from_secret_key(&config.key),
            roster: Arc::new(Roster::new(config.limits.clone(), &buffers)),
            events,
            metrics: Arc::default(),
            buffers,
            gate: Arc::new(Gate::new(config.limits.origins)),
            snap: offered,
            redial: redials,
            wanted: Arc::clone(&wanted),
            stop: stopped,
            handshakes: Arc::new(Semaphore::new(config.limits.handshakes_max)),
            config,
        });
        let (roster, metrics) = (Arc::clone(&node.roster), Arc::clone(&node.metrics));
        let handle = Handle { roster, metrics, buffered, dial, offer, redial, wanted };
        let local = Enode { id: node.id, address };
        let mut tasks = vec![tokio::spawn(dialer::run(Arc::clone(&node), dial_requests))];
        if let Some(listener) = listener {
            tasks.push(tokio::spawn(listener::run(Arc::clone(&node), listener)));
        }
        Ok((Self { handle, local, stop, tasks }, Events { receiver }))
    }

    /// Who we are and where we listen; port 0 if we do not.
    pub const fn local_enode(&self) -> Enode {
        self.local
    }

    /// A handle for others than the owner; it does not keep the network running.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// See [`Handle::send`].
    pub fn send(&self, peer: PeerId, message: &Message) -> Result<(), SendError> {
        self.handle.send(peer, message)
    }

    /// See [`Handle::disconnect`].
    pub fn disconnect(&self, peer: PeerId, reason: DisconnectReason) {
        self.handle.disconnect(peer, reason);
    }

    /// See [`Handle::offer_snap`].
    pub fn offer_snap(&self, version: SnapVersion) {
        self.handle.offer_snap(version);
    }

    /// See [`Handle::redial`].
    pub fn redial(&self) {
        self.handle.redial();
    }

    /// Says farewell to all peers and comes back when every task has ended. Events that nobody takes are dropped.
    pub async fn shutdown(self) {
        let Self { stop, tasks, handle, .. } = self;
        drop((stop, handle));
        for task in tasks {
            // BLOCKING: for as long as the farewells may take, see Limits::handshake_time.
            if let Err(error) = task.await
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }
}

async fn bind(address: SocketAddr) -> Result<(Option<TcpListener>, SocketAddr), Error> {
    let refused = |error: std::io::Error| Error::Listen { address, kind: error.kind() };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((Some(listener), bound))
}

/// Verbs on a running network. Cheap to clone; useless but harmless once the network is gone.
#[derive(Clone, Debug)]
pub struct Handle {
    roster: Arc<Roster>,
    metrics: Arc<Metrics>,
    buffered: Gauge,
    dial: mpsc::Sender<Contact>,
    offer: watch::Sender<Option<SnapVersion>>,
    redial: watch::Sender<()>,
    wanted: Arc<Wanted>,
}

impl Handle {
    /// Queues a message for a peer. Never waits: the message is encoded here, on the caller's thread, and
    /// compressed and encrypted by the session.
    ///
    /// # Errors
    /// [`SendError::Full`] if as much waits for this peer as is allowed; nothing was queued then.
    pub fn send(&self, peer: PeerId, message: &Message) -> Result<(), SendError> {
        self.roster.send(peer, message)
    }

    /// Ends a session; its `Down` event follows. Does nothing if it is over.
    pub fn disconnect(&self, peer: PeerId, reason: DisconnectReason) {
        self.roster.disconnect(peer, reason);
    }

    /// One more static peer, or another place for one. `false` if the network is gone or more than a burst of them waits.
    pub fn add_static_peer(&self, contact: impl Into<Contact>) -> bool {
        let contact = contact.into();
        // First the room in the queue: nothing has to be taken back then.
        let Ok(dial) = self.dial.try_reserve() else { return false };
        self.wanted.insert(contact.clone());
        dial.send(contact);
        true
    }

    /// Dials this node no more; a session with it goes on. Whether it was a static peer.
    pub fn remove_static_peer(&self, node: NodeId) -> bool {
        let was_static = self.wanted.remove(&node);
        self.redial();
        was_static
    }

    /// Offers this version of snap to whoever connects from now on. A session that is open, or about to be, keeps its own: whoever wants one
    /// version alone ends those of another.
    pub fn offer_snap(&self, version: SnapVersion) {
        self.offer.send_replace(Some(version));
    }

    /// Dials every static peer that is not connected at once, however often that was in vain.
    pub fn redial(&self) {
        self.redial.send_replace(());
    }

    /// Sessions now.
    pub fn peers(&self) -> usize {
        self.roster.peers()
    }

    /// Bytes held now in read buffers, on the way to the owner, and in write queues: p2p's part of the budget.
    pub fn buffered_bytes(&self) -> usize {
        self.buffered.now()
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}
