//! Task: reads one session and tells the owner.
//!
//! - inbox: the peer's frames
//! - outbox: the owner's events (bounded: when they are full, the socket is not read); pongs owed, to the writer
//! - owns: the read half, the session's admission, the writer task
//! - ends when: the peer or the line ends it, a limit is broken, the owner or the network ends it
//!
//! Does not write to the socket and does not judge what a message says.

use std::{net::SocketAddr, sync::Arc};

use alloy_primitives::Bytes;
use snapsync_wire::{DisconnectReason, Protocol, Routed, Shared, Status, eth, p2p::Message as Base, snap};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

use crate::{
    Direction, Error, Hold, Message, NetworkEvent, PeerId, PeerUp, Wait,
    frame::{self, Packing},
    greeting::{self, Greeted},
    ledger::Ledger,
    line::{Frame, FrameBound, FrameReader},
    node::Node,
    pool::booked,
    roster::{Ender, wanted},
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
    let Greeted {
        mut reader,
        writer,
        mut admission,
        node_id,
        client,
        shared,
        snap_offered,
        eth,
        ours,
        status,
    } = greeted;
    let limits = &node.config.limits;
    let ledger = Arc::new(Ledger::new(limits.gossip, limits.requests, Instant::now()));
    reader.bound = FrameBound::Asked(Arc::clone(&ledger));
    let (ender, mut ended) = Ender::new();
    let (peer, queue) = admission.open(shared, Arc::clone(&ledger), ender.clone());
    // One pong answers any number of pings, so one is all that can be owed.
    let (pongs, pongs_owed) = mpsc::channel(1);
    let outbox = session_writer::Inbox { queue, pongs_owed, ended: ended.clone() };
    let ping_interval = limits.ping_interval;
    let writer = tokio::spawn(session_writer::run(writer, outbox, ender.clone(), ping_interval));
    node.metrics.sessions.add(1);
    tracing::debug!(target: "p2p.session.up", %peer, %node_id, %address, ?direction, %client, %eth, snap = ?shared.snap());
    let snap = shared.snap();
    let up = PeerUp { peer, node_id, address, direction, client, eth, snap, snap_offered, status };
    let (ranges, newest) = watch::channel(None);
    let statuses = Some(Statuses { ours, theirs: status });
    let mut inbound = Inbound { node, peer, shared, reader: &mut reader, pongs, ledger, ranges, statuses };
    // An end that somebody wants comes before the peer's next word, and its words before the range that it told earlier: the
    // range comes when the reading waits.
    let reason = tokio::select! {
        biased;
        reason = wanted(&mut ended) => reason,
        () = node.stopped() => Error::Shutdown,
        error = inbound.read(up) => error,
        error = announce(node, newest) => error,
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

/// Tells the owner of the newest block range, and then of none for a while: of a flood of them it hears one in each interval.
async fn announce(node: &Node, mut newest: watch::Receiver<Option<NetworkEvent>>) -> Error {
    // The sender lives as long as the session reads.
    while newest.changed().await.is_ok() {
        let event = newest.borrow_and_update().clone();
        if let Some(event) = event
            && node.events.send(event).await.is_err()
        {
            break;
        }
        sleep(node.config.limits.range_interval).await;
    }
    Error::Shutdown
}

/// Both sides' words on their chains.
#[derive(Clone, Copy)]
struct Statuses {
    ours: Status,
    theirs: Status,
}

struct Inbound<'a, R> {
    node: &'a Node,
    peer: PeerId,
    shared: Shared,
    reader: &'a mut FrameReader<R>,
    pongs: mpsc::Sender<()>,
    ledger: Arc<Ledger>,
    ranges: watch::Sender<Option<NetworkEvent>>,
    /// Until the peer has said something: it may still refuse our Status.
    statuses: Option<Statuses>,
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
        let Node { config, buffers, events, .. } = self.node;
        let bytes_max = config.limits.message_bytes_max;
        let now = Instant::now();
        let bytes = match protocol {
            Protocol::P2p => {
                let refusal = self.statuses.take();
                self.ledger.on_heard(protocol, id, bytes_on_wire, now)?;
                return on_base(&self.pongs, id, code, body).map_err(|error| refused(error, refusal));
            }
            // A pool of transactions does not exist here: gossip is neither inflated nor read.
            Protocol::Eth(version) if eth::Gossip::is_known(version, id) => {
                self.statuses = None;
                return self.ledger.on_heard(protocol, id, bytes_on_wire, now);
            }
            Protocol::Eth(_) | Protocol::Snap(_) => frame::inflated_length(body, Packing::Snappy, bytes_max)?,
        };
        self.statuses = None;
        self.ledger.on_heard(protocol, id, bytes.max(bytes_on_wire), now)?;
        let room = buffers.rooms.message(booked(bytes)).await;
        let body = buffers.pool.inflate(body, bytes_max)?;
        self.reader.release();
        let held = buffers.gauge.hold(bytes);
        let message = decode(protocol, id, code, &body)?;
        let peer = self.peer;
        if let Message::Eth(eth::Message::BlockRangeUpdate(_)) = message {
            let hold = Hold::nothing();
            let event = NetworkEvent::Message { peer, message, bytes_on_wire, bytes, hold };
            self.ranges.send_replace(Some(event));
            return Ok(());
        }
        let event = NetworkEvent::Message { peer, message, bytes_on_wire, bytes, hold: Hold::of(room, held) };
        // Waits while the owner is behind; meanwhile the socket is not read, and TCP tells the peer.
        events.send(event).await.map_err(|_| Error::Shutdown)
    }
}

fn decode(protocol: Protocol, id: u8, code: u64, body: &Bytes) -> Result<Message, Error> {
    match protocol {
        Protocol::Eth(version) => match eth::Message::decode(version, id, body)? {
            eth::Message::Status(_) => Err(Error::Unexpected { id: code, expected: Wait::Message }),
            message => Ok(Message::Eth(message)),
        },
        Protocol::Snap(version) => Ok(Message::Snap(snap::Message::decode(version, id, body)?)),
        Protocol::P2p => unreachable!("the base protocol's messages were answered before"),
    }
}

/// What an end means before the peer has said anything of its own: geth looks at our Status after it has sent its own.
fn refused(error: Error, statuses: Option<Statuses>) -> Error {
    match (error, statuses) {
        (Error::Disconnected(DisconnectReason::Subprotocol), Some(Statuses { ours, theirs })) => {
            Error::StatusRefused { ours: (&ours).into(), theirs: Some((&theirs).into()) }
        }
        (error, _) => error,
    }
}

fn on_base(pongs: &mpsc::Sender<()>, id: u8, code: u64, body: &[u8]) -> Result<(), Error> {
    const DISCONNECT: u8 = 1;
    if id == DISCONNECT {
        return Err(Error::Disconnected(greeting::disconnect_reason(body)));
    }
    // Later versions of the base protocol may use them.
    if id > greeting::PONG {
        return Ok(());
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
