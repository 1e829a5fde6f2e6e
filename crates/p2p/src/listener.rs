//! Task: takes connections.
//!
//! - inbox: the listening socket
//! - outbox: none of its own; its sessions tell the owner
//! - owns: the listening socket and the inbound sessions
//! - ends when: the network stops, after its sessions
//!
//! Does not choose among strangers but by where they come from: whoever comes while too many are in their handshake, in all or
//! from one place, is closed unheard.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::OwnedSemaphorePermit,
    task::JoinSet,
    time::Instant,
};

use crate::{Direction, gate::Visit, greeting, node::Node, session};

/// Wait after a failed accept: out of file handles, mostly, which takes others to close some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Runs until the network stops.
pub(crate) async fn run(node: Arc<Node>, listener: TcpListener) {
    let mut sessions = JoinSet::new();
    loop {
        // The stop first; then the ended sessions, so that their number cannot grow under a flood.
        tokio::select! {
            biased;
            () = node.stopped() => break,
            Some(ended) = sessions.join_next() => reraise(ended),
            accepted = listener.accept() => match accepted {
                Ok((socket, address)) => match let_in(&node, address) {
                    Some(place) => drop(sessions.spawn(receive(Arc::clone(&node), socket, address, place))),
                    None => node.metrics.unheard_connections.add(1),
                },
                Err(error) => {
                    tracing::debug!(target: "p2p.listener.accept", %error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while let Some(ended) = sessions.join_next().await {
        reraise(ended);
    }
}

/// What a stranger takes up: a place among the handshakes, and one among those of its address.
struct Place {
    handshake: OwnedSemaphorePermit,
    visit: Visit,
}

fn let_in(node: &Node, address: SocketAddr) -> Option<Place> {
    let handshake = Arc::clone(&node.handshakes).try_acquire_owned().ok()?;
    let visit = node.gate.enter(address.ip(), Instant::now())?;
    Some(Place { handshake, visit })
}

/// A panic in a task is one of ours: it goes up.
pub(crate) fn reraise(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

async fn receive(node: Arc<Node>, socket: TcpStream, address: SocketAddr, place: Place) {
    let Place { handshake, mut visit } = place;
    // Only makes answers slower if it fails.
    let _ = socket.set_nodelay(true);
    let (read, write) = socket.into_split();
    let greeted = tokio::select! {
        biased;
        () = node.stopped() => return,
        greeted = greeting::inbound(&node, read, write) => greeted,
    };
    drop(handshake);
    visit.greeted();
    match greeted {
        Ok(greeted) => drop(session::run(&node, greeted, Direction::Inbound, address).await),
        Err(error) => {
            node.metrics.refused_handshakes.add(1);
            tracing::debug!(target: "p2p.listener.refused", %address, %error);
        }
    }
}
