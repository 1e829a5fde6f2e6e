//! What the owner of a network hears, and in what words it speaks.
//!
//! What is inside a message was decoded and is within its limits; none of it is proved. Does not judge answers.

use std::{fmt, net::SocketAddr, sync::Arc};

use snapsync_wire::{EthVersion, SnapVersion, Status, eth, snap};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::{Contact, Error, NodeId, metrics::Counted};

/// One session with a peer. A node that comes back is another session, under a new number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {}", self.0)
    }
}

/// Who dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// They did.
    Inbound,
    /// We did.
    Outbound,
}

/// A message of one of the negotiated protocols; Status and the base protocol stay inside this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Of eth, in the session's version.
    Eth(eth::Message),
    /// Of snap, in the session's version.
    Snap(snap::Message),
}

impl Message {
    /// The answer of a node that has nothing of what is asked for; `None` if this is no request.
    pub fn empty_answer(&self) -> Option<Self> {
        match self {
            Self::Eth(message) => message.empty_answer().map(Self::Eth),
            Self::Snap(message) => message.empty_answer().map(Self::Snap),
        }
    }
}

/// Something that happened. Of one peer: one `Up`, its messages in the order of arrival, one `Down`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkEvent {
    /// A session is ready: both Hellos and both Statuses were exchanged and fit.
    Up(Box<PeerUp>),
    /// A session is over. What was in flight is lost.
    Down {
        /// The session.
        peer: PeerId,
        /// Why.
        reason: Error,
    },
    /// A peer said something.
    Message {
        /// Who.
        peer: PeerId,
        /// What.
        message: Message,
        /// Bytes that it took on the wire, compressed and framed.
        bytes_on_wire: usize,
        /// Bytes of its body after inflating; about what it holds in memory.
        bytes: usize,
        /// Its room in this crate's buffers; dropped with the event.
        hold: Hold,
    },
    /// A static peer could not be reached, or the handshakes failed. It will be tried again.
    DialFailed {
        /// Whom we dialled.
        contact: Contact,
        /// Why not.
        error: Error,
        /// Attempts in a row that failed, this one among them.
        attempts: u32,
    },
}

/// A new session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerUp {
    /// Its number.
    pub peer: PeerId,
    /// Who it is, proved by the handshake.
    pub node_id: NodeId,
    /// The other end of the connection. Of an inbound peer the port is not one that it listens on.
    pub address: SocketAddr,
    /// Who dialled.
    pub direction: Direction,
    /// The peer's name for itself; control characters were replaced.
    pub client: String,
    /// The version of eth that is spoken.
    pub eth: EthVersion,
    /// The version of snap that is spoken, if any.
    pub snap: Option<SnapVersion>,
    /// The versions of snap that it offers, of those that can be spoken here.
    pub snap_offered: Vec<SnapVersion>,
    /// What it says of its chain; fits ours, but is not proved.
    pub status: Status,
}

/// Room that a message takes in the network's buffers until this and all its copies are dropped. An owner that puts a message in a
/// queue of its own keeps it beside the message, or has it in its own books.
#[derive(Clone, Debug)]
pub struct Hold {
    _room: Option<Arc<(OwnedSemaphorePermit, Counted)>>,
}

impl Hold {
    pub(crate) fn of(room: OwnedSemaphorePermit, held: Counted) -> Self {
        Self { _room: Some(Arc::new((room, held))) }
    }

    /// A message so small that it is not counted.
    pub(crate) const fn nothing() -> Self {
        Self { _room: None }
    }
}

/// Events are compared by what they say.
impl PartialEq for Hold {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Hold {}

/// The owner's end of the events.
#[derive(Debug)]
pub struct Events {
    pub(crate) receiver: mpsc::Receiver<NetworkEvent>,
}

impl Events {
    /// The next event; `None` after the network was shut down.
    pub async fn recv(&mut self) -> Option<NetworkEvent> {
        self.receiver.recv().await
    }

    /// The next event, if one is there.
    pub fn try_recv(&mut self) -> Option<NetworkEvent> {
        self.receiver.try_recv().ok()
    }
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// As much waits to be written to this peer as is allowed; nothing was queued.
    #[error("write queue of {0} is full")]
    Full(PeerId),
    /// There is no such session (any more).
    #[error("{0} is gone")]
    Gone(PeerId),
    /// The session's versions do not have this message, or it is beyond the size of a message.
    #[error("not sendable: {0}")]
    NotSendable(#[source] Error),
}
