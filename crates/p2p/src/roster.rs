//! Who is connected: one row a session, with the way into its write queue and the way to end it.
//!
//! The only thing that tasks and the owner's handle share. A lock guards it for a few map operations at a time and
//! is never held across an await. Does not touch sockets.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use alloy_primitives::Bytes;
use snapsync_wire::{DisconnectReason, Protocol, Shared};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    time::Instant,
};

use crate::{
    Direction, Error, Limits, Message, NodeId, PeerId, SendError,
    frame::{self, Packing},
    ledger::Ledger,
    metrics::{Counted, Gauge},
    parts::FREE_QUEUE,
    pool::booked,
    room::{Buffers, Rooms},
};

/// A message on its way to the socket: its code, its body, and the books it stands in until it is written.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) code: u64,
    pub(crate) body: Bytes,
    waiting: Arc<AtomicUsize>,
    _room: WriteRoom,
    _held: Counted,
}

/// Where a message that waits has its room.
#[derive(Debug)]
enum WriteRoom {
    /// In what every session may always have.
    Free { bytes: usize, free: Arc<AtomicUsize> },
    /// In what all sessions share.
    Shared { _permit: OwnedSemaphorePermit },
}

impl Drop for WriteRoom {
    fn drop(&mut self) {
        if let Self::Free { bytes, free } = self {
            free.fetch_sub(*bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.body.len(), Ordering::Relaxed);
    }
}

/// Ends a session, for the first reason given.
#[derive(Clone, Debug)]
pub(crate) struct Ender(Arc<watch::Sender<Option<Error>>>);

impl Ender {
    pub(crate) fn new() -> (Self, watch::Receiver<Option<Error>>) {
        let (sender, receiver) = watch::channel(None);
        (Self(Arc::new(sender)), receiver)
    }

    pub(crate) fn end(&self, reason: Error) {
        self.0.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                *end = Some(reason);
            }
            first
        });
    }

    pub(crate) fn reason(&self) -> Option<Error> {
        self.0.borrow().clone()
    }
}

/// Comes back when the session is to end, with the reason.
pub(crate) async fn wanted(ended: &mut watch::Receiver<Option<Error>>) -> Error {
    match ended.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or(Error::Shutdown),
        Err(_) => Error::Shutdown,
    }
}

/// The way to a session.
#[derive(Clone, Debug)]
struct Row {
    shared: Shared,
    queue: mpsc::Sender<Outgoing>,
    waiting: Arc<AtomicUsize>,
    /// Bytes that wait in the room that is the session's own.
    free: Arc<AtomicUsize>,
    ledger: Arc<Ledger>,
    ender: Ender,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    /// Nodes that are connected, or past their Hello and about to be.
    nodes: BTreeMap<NodeId, Direction>,
    rows: BTreeMap<PeerId, Row>,
}

/// The table of sessions.
#[derive(Debug)]
pub(crate) struct Roster {
    limits: Limits,
    gauge: Gauge,
    rooms: Arc<Rooms>,
    table: Mutex<Table>,
}

impl Roster {
    pub(crate) fn new(limits: Limits, buffers: &Buffers) -> Self {
        let (gauge, rooms) = (buffers.gauge.clone(), Arc::clone(&buffers.rooms));
        Self { limits, gauge, rooms, table: Mutex::default() }
    }

    /// A poisoned lock guards maps that are whole at each step: it is taken all the same.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_connected(&self, node: &NodeId) -> bool {
        self.table().nodes.contains_key(node)
    }

    pub(crate) fn peers(&self) -> usize {
        self.table().rows.len()
    }

    /// A place for this node, unless it has one or there is none. It is kept until the admission is dropped.
    pub(crate) fn admit(self: &Arc<Self>, node: NodeId, direction: Direction) -> Result<Admission, Error> {
        let mut table = self.table();
        if table.nodes.contains_key(&node) {
            return Err(Error::AlreadyConnected { node });
        }
        let Limits { peers_max, inbound_max, .. } = self.limits;
        if table.nodes.len() >= peers_max {
            return Err(Error::TooManyPeers { max: peers_max });
        }
        let inbound = table.nodes.values().filter(|other| **other == Direction::Inbound).count();
        if direction == Direction::Inbound && inbound >= inbound_max {
            return Err(Error::TooManyPeers { max: inbound_max });
        }
        table.nodes.insert(node, direction);
        Ok(Admission { roster: Arc::clone(self), node, peer: None })
    }

    /// Queues a message; never waits.
    pub(crate) fn send(&self, peer: PeerId, message: &Message) -> Result<(), SendError> {
        let row = self.table().rows.get(&peer).cloned().ok_or(SendError::Gone(peer))?;
        let Coded { protocol, id, code, body } =
            encode(&row.shared, message).map_err(SendError::NotSendable)?;
        if body.len() > self.limits.message_bytes_max {
            let max = self.limits.message_bytes_max;
            return Err(SendError::NotSendable(Error::MessageLong { length: body.len(), max }));
        }
        let room = self.write_room(peer, &row, body.len())?;
        let before = row.waiting.fetch_add(body.len(), Ordering::Relaxed);
        let held = self.gauge.hold(body.len());
        let outgoing = Outgoing { code, waiting: row.waiting, _room: room, _held: held, body };
        if before > 0 && before + outgoing.body.len() > self.limits.write_queue_bytes {
            return Err(SendError::Full(peer));
        }
        // Before it is on its way: the answer may be quick.
        let (ledger, now) = (row.ledger, Instant::now());
        let bytes = outgoing.body.len();
        let place = row.queue.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => SendError::Full(peer),
            mpsc::error::TrySendError::Closed(()) => SendError::Gone(peer),
        })?;
        ledger.on_sent(protocol, id, bytes, now);
        place.send(outgoing);
        Ok(())
    }

    /// Room for a message until it is written: for its body, and beyond what is free for its frame too.
    fn write_room(&self, peer: PeerId, row: &Row, bytes: usize) -> Result<WriteRoom, SendError> {
        if row.free.fetch_add(bytes, Ordering::Relaxed) + bytes <= FREE_QUEUE {
            return Ok(WriteRoom::Free { bytes, free: Arc::clone(&row.free) });
        }
        row.free.fetch_sub(bytes, Ordering::Relaxed);
        let both = bytes + booked(frame::sealed_bytes_max(bytes, Packing::Snappy));
        let max = self.rooms.write_max();
        if both > max {
            return Err(SendError::NotSendable(Error::MessageLong { length: bytes, max: max * 2 / 5 }));
        }
        let permit = self.rooms.try_write(both).ok_or(SendError::Full(peer))?;
        Ok(WriteRoom::Shared { _permit: permit })
    }

    /// Ends a session; a session that is gone already is what was wanted.
    pub(crate) fn disconnect(&self, peer: PeerId, reason: DisconnectReason) {
        if let Some(row) = self.table().rows.get(&peer) {
            row.ender.end(Error::Dismissed(reason));
        }
    }
}

/// A message as it is sent.
struct Coded {
    protocol: Protocol,
    id: u8,
    code: u64,
    body: Bytes,
}

fn encode(shared: &Shared, message: &Message) -> Result<Coded, Error> {
    let not_spoken = |what| {
        let protocol = Protocol::P2p;
        Error::NotSendable(snapsync_wire::Error::NotInVersion { protocol, what })
    };
    let (protocol, (id, body)) = match message {
        Message::Eth(message) => {
            let version = shared.eth().ok_or_else(|| not_spoken("eth"))?;
            (Protocol::Eth(version), message.encode(version).map_err(Error::NotSendable)?)
        }
        Message::Snap(message) => {
            let version = shared.snap().ok_or_else(|| not_spoken("snap"))?;
            (Protocol::Snap(version), message.encode(version).map_err(Error::NotSendable)?)
        }
    };
    let code = shared.code(protocol, id).ok_or_else(|| not_spoken("such message"))?;
    Ok(Coded { protocol, id, code, body })
}

/// A node's place among the peers, given back when dropped.
#[derive(Debug)]
pub(crate) struct Admission {
    roster: Arc<Roster>,
    node: NodeId,
    peer: Option<PeerId>,
}

impl Admission {
    /// The session begins: from here on it can be sent to. Gives its number and the end of its queue.
    pub(crate) fn open(
        &mut self,
        shared: Shared,
        ledger: Arc<Ledger>,
        ender: Ender,
    ) -> (PeerId, mpsc::Receiver<Outgoing>) {
        let (queue, receiver) = mpsc::channel(self.roster.limits.write_queue.max(1));
        let mut table = self.roster.table();
        table.last += 1;
        let peer = PeerId(table.last);
        table.rows.insert(
            peer,
            Row { shared, queue, waiting: Arc::default(), free: Arc::default(), ledger, ender },
        );
        drop(table);
        self.peer = Some(peer);
        (peer, receiver)
    }
}

impl Admission {
    /// Nobody can send to the session any more; the node's place is kept, so that its next session cannot be told
    /// of before this one's end.
    pub(crate) fn close(&self) {
        if let Some(peer) = self.peer {
            self.roster.table().rows.remove(&peer);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.close();
        self.roster.table().nodes.remove(&self.node);
    }
}
