//! Task: reads one session and tells the owner.
//!
//! - inbox: the peer's frames
//! - outbox: the owner's events (bounded: when they are full, the socket is not read); pongs owed, to the writer
//! - owns: the read half, the session's admission, the writer task
//! - ends when: the peer or the line ends it, a limit is broken, the owner or the network ends it
//!
//! Does not write to the socket and does not judge what a message says.

use std::{net::SocketAddr, sync::Arc};

use snapsync_wire::{Protocol, Routed, Shared, eth, p2p::Message as Base, snap};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, watch},
};

use crate::{
    Direction, Error, Message, NetworkEvent, PeerId, PeerUp, Wait,
    frame::{self, Packing},
    greeting::{self, Greeted},
    line::{Frame, FrameReader},
    network::Node,
    roster::Ender,
    session_writer,
};

/// Runs a session to its end and gives the reason.
pub(crate) async fn run<R, W>(
    node: &Arc<Node>,
    greeted: Greeted<R, W>,
    direction: Direction,
    address: SocketAddr,
) -> Error
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let Greeted { mut reader, writer, mut admission, node_id, client, shared, eth, status } = greeted;
    let (ender, mut ended) = Ender::new();
    let (peer, queue) = admission.open(shared, ender.clone());
    // One pong answers any number of pings, so one is all that can be owed.
    let (pongs, pongs_owed) = mpsc::channel(1);
    let outbox = session_writer::Inbox { queue, pongs_owed, ended: ended.clone() };
    let ping_interval = node.config.limits.ping_interval;
    let writer = tokio::spawn(session_writer::run(writer, outbox, ender.clone(), ping_interval));
    node.metrics.sessions.add(1);
    tracing::debug!(target: "p2p.session.up", %peer, %node_id, %address, ?direction, %client, %eth, snap = ?shared.snap());
    let snap = shared.snap();
    let up = PeerUp { peer, node_id, address, direction, client, eth, snap, status };
    let mut inbound = Inbound { node, peer, shared, reader: &mut reader, pongs };
    // An end that somebody wants comes before the peer's next word.
    let reason = tokio::select! {
        biased;
        reason = wanted(&mut ended) => reason,
        () = node.stopped() => Error::Shutdown,
        error = inbound.read(up) => error,
    };
    ender.end(reason);
    let reason = ender.reason().unwrap_or(Error::Shutdown);
    drop(inbound);
    admission.close();
    tracing::debug!(target: "p2p.session.down", %peer, %reason);
    // Told before the farewell, which a peer can draw out.
    tell(node, NetworkEvent::Down { peer, reason: reason.clone() }).await;
    drop(admission);
    // A panic of the writer is one of ours and goes up.
    if let Err(error) = writer.await
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
    if reason.disconnect_reason().is_some() {
        greeting::hang_up(&mut reader).await;
    }
    reason
}

/// Tells the owner; once the network stops, only if there is room.
pub(crate) async fn tell(node: &Node, event: NetworkEvent) {
    tokio::select! {
        biased;
        _ = node.events.send(event) => (),
        () = node.stopped() => (),
    }
}

/// Comes back when the session is to end, with the reason.
pub(crate) async fn wanted(ended: &mut watch::Receiver<Option<Error>>) -> Error {
    match ended.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or(Error::Shutdown),
        Err(_) => Error::Shutdown,
    }
}

struct Inbound<'a, R> {
    node: &'a Node,
    peer: PeerId,
    shared: Shared,
    reader: &'a mut FrameReader<R>,
    pongs: mpsc::Sender<()>,
}

impl<R: AsyncRead + Unpin> Inbound<'_, R> {
    async fn read(&mut self, up: PeerUp) -> Error {
        if self.node.events.send(NetworkEvent::Up(Box::new(up))).await.is_err() {
            return Error::Shutdown;
        }
        loop {
            if let Err(error) = self.read_one().await {
                return error;
            }
        }
    }

    async fn read_one(&mut self) -> Result<(), Error> {
        let Frame { code, body, bytes_on_wire } = self.reader.next().await?;
        let Routed { protocol, id } = self.shared.route(code)?;
        let bytes_max = self.node.config.limits.message_bytes_max;
        let message = match protocol {
            Protocol::P2p => return on_base(&self.pongs, id, code, body),
            Protocol::Eth(version) => {
                let body = self.node.pool.inflate(body, bytes_max)?;
                let message = eth::Message::decode(version, id, &body)?;
                match message {
                    eth::Message::Status(_) => {
                        return Err(Error::Unexpected { id: code, expected: Wait::Message });
                    }
                    // A pool of transactions does not exist here.
                    eth::Message::Gossip(_) => return Ok(()),
                    message => (Message::Eth(message), body.len()),
                }
            }
            Protocol::Snap(version) => {
                let body = self.node.pool.inflate(body, bytes_max)?;
                (Message::Snap(snap::Message::decode(version, id, &body)?), body.len())
            }
        };
        let (message, bytes) = message;
        let held = self.node.buffered.hold(bytes);
        let event = NetworkEvent::Message { peer: self.peer, message, bytes_on_wire, bytes };
        // Waits while the owner is behind; meanwhile the socket is not read, and TCP tells the peer.
        self.node.events.send(event).await.map_err(|_| Error::Shutdown)?;
        held.hand_over();
        Ok(())
    }
}

fn on_base(pongs: &mpsc::Sender<()>, id: u8, code: u64, body: &[u8]) -> Result<(), Error> {
    const DISCONNECT: u8 = 1;
    if id == DISCONNECT {
        return Err(Error::Disconnected(greeting::disconnect_reason(body)));
    }
    let body = frame::inflate(body, Packing::Snappy, snapsync_wire::limits::BASE_MESSAGE_BYTES_MAX)?;
    match Base::decode(id, &body)? {
        // Full: a pong is owed already.
        Base::Ping => drop(pongs.try_send(())),
        Base::Pong => (),
        Base::Hello(_) | Base::Disconnect(_) => {
            return Err(Error::Unexpected { id: code, expected: Wait::Message });
        }
    }
    Ok(())
}
