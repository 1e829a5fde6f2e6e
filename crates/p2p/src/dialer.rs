//! Task: keeps us connected to the static peers; under it, one task a peer.
//!
//! - inbox: more static peers
//! - outbox: the owner's events, for dials that failed
//! - owns: the outbound sessions
//! - ends when: the network stops, after its sessions
//!
//! Never gives a static peer up: a node that is away comes back, and whether it is worth having is the owner's
//! matter. It only waits longer; for a node that is there and has no room for us yet, not much longer.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use tokio::{
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    Contact, Direction, Enode, Error, NetworkEvent, Wait, backoff::Backoff, greeting, listener::reraise,
    node::Node, session,
};

/// Runs until the network stops.
pub(crate) async fn run(node: Arc<Node>, mut requests: mpsc::Receiver<Contact>) {
    let mut known = BTreeSet::new();
    let mut peers = JoinSet::new();
    let mut wanted = node.config.static_peers.clone();
    loop {
        for contact in wanted.drain(..) {
            if known.insert(contact.clone()) {
                peers.spawn(stay_connected(Arc::clone(&node), contact));
            }
        }
        // The stop first; then whoever is not wanted any more, before somebody wants it again.
        tokio::select! {
            biased;
            () = node.stopped() => break,
            Some(ended) = peers.join_next() => {
                let Ok(contact) = ended else { return reraise(ended.map(drop)) };
                known.remove(&contact);
                if node.wanted.has(&contact) {
                    wanted.push(contact);
                }
            }
            Some(contact) = requests.recv() => wanted.push(contact),
        }
    }
    while let Some(ended) = peers.join_next().await {
        reraise(ended.map(drop));
    }
}

/// Until the network stops, or nobody wants that peer there any more.
async fn stay_connected(node: Arc<Node>, contact: Contact) -> Contact {
    let limits = &node.config.limits;
    let own_part =
        contact.id.as_bytes().iter().fold(0, |all: u64, byte| all.rotate_left(8) ^ u64::from(*byte));
    let mut backoff = Backoff::new(limits.redial_first, node.config.seed ^ own_part);
    let mut attempts = 0;
    let mut passing_since: Option<Instant> = None;
    let mut redial = node.redial.clone();
    while node.wanted.has(&contact) {
        let mut wait_max = limits.redial_last;
        if node.roster.is_connected(&contact.id) {
            // It came to us. When it leaves, we notice within the shortest wait.
            backoff.reset();
        } else {
            let started = Instant::now();
            match dial(&node, &contact).await {
                Ok(()) => (attempts, passing_since) = (0, None),
                Err(Error::Shutdown) => break,
                // It was quicker than we were.
                Err(Error::AlreadyConnected { .. }) => (),
                Err(error) => {
                    attempts += 1;
                    passing_since = if error.may_pass() { passing_since.or(Some(started)) } else { None };
                    if passing_since.is_some_and(|since| since.elapsed() < limits.redial_soon_for) {
                        wait_max = limits.redial_soon;
                    }
                    node.metrics.refused_handshakes.add(1);
                    tracing::debug!(target: "p2p.dialer.failed", %contact, %error, attempts);
                    let contact = contact.clone();
                    session::tell(&node, NetworkEvent::DialFailed { contact, error, attempts }).await;
                }
            }
            // A session that ends at once is no better than none: only a long one starts anew.
            if started.elapsed() > limits.redial_last {
                backoff.reset();
            }
        }
        tokio::select! {
            biased;
            () = node.stopped() => break,
            Ok(()) = redial.changed() => {
                backoff.reset();
                passing_since = None;
            }
            () = sleep(backoff.next(wait_max)) => (),
        }
    }
    contact
}

/// Dials once; a session that came up is run to its end.
async fn dial(node: &Arc<Node>, contact: &Contact) -> Result<(), Error> {
    node.metrics.dials.add(1);
    let (greeted, address) = tokio::select! {
        biased;
        () = node.stopped() => return Err(Error::Shutdown),
        greeted = greet(node, contact) => greeted?,
    };
    match session::run(node, greeted, Direction::Outbound, address).await {
        Error::Shutdown => Err(Error::Shutdown),
        _ => Ok(()),
    }
}

type Greeted = greeting::Greeted<tokio::net::tcp::OwnedReadHalf, tokio::net::tcp::OwnedWriteHalf>;

/// Finds the node, and lets it come from there, too.
async fn greet(node: &Node, contact: &Contact) -> Result<(Greeted, SocketAddr), Error> {
    let limit = node.config.limits.connect_time;
    let enode = timeout(limit, contact.locate())
        .await
        .map_err(|_| Error::TooSlow { what: Wait::Resolver, limit })??;
    node.gate.trust(enode.address.ip());
    Ok((connect(node, &enode).await?, enode.address))
}

async fn connect(node: &Node, enode: &Enode) -> Result<Greeted, Error> {
    let address = enode.address;
    let limit = node.config.limits.connect_time;
    let socket = timeout(limit, TcpStream::connect(address))
        .await
        .map_err(|_| Error::TooSlow { what: Wait::Connection, limit })?
        .map_err(|error| Error::Connect { address, kind: error.kind() })?;
    // Only makes answers slower if it fails.
    let _ = socket.set_nodelay(true);
    let (read, write) = socket.into_split();
    greeting::outbound(node, enode, read, write).await
}
