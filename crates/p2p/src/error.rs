//! What can go wrong between two nodes, with the values in it.
//!
//! Nearly all of it is the peer's doing or the line's, and ends one session; only [`Error::Listen`] ends a start.
//! [`Error::disconnect_reason`] is the one place where a fault becomes what the peer is told.

use std::{fmt, io, net::SocketAddr, time::Duration};

use alloy_primitives::{B256, hex};
use snapsync_wire::{DisconnectReason, ForkId, Status, StatusFault};

use crate::NodeId;

/// Why a node could not be reached, or a session could not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The listening socket cannot be had.
    #[error("cannot listen on {address}: {kind}")]
    Listen {
        /// Where it was to be.
        address: SocketAddr,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// Nothing answers at the address.
    #[error("cannot connect to {address}: {kind}")]
    Connect {
        /// Where nobody is.
        address: SocketAddr,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// The name of the host leads to no address, for now.
    #[error("the name `{host}` cannot be resolved: {why}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the system's resolver said.
        why: String,
    },
    /// The connection broke.
    #[error("connection broke: {kind}")]
    Line {
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// The connection was closed without a word.
    #[error("connection closed without a disconnect message")]
    Closed,
    /// A step took longer than its limit.
    #[error("no {what} within {limit:?}")]
    TooSlow {
        /// What was waited for.
        what: Wait,
        /// The limit.
        limit: Duration,
    },
    /// 64 or 65 bytes that are not a point on secp256k1.
    #[error("not a public key")]
    PublicKey,
    /// A handshake packet too short to hold anything.
    #[error("handshake packet of {length} bytes")]
    HandshakeShort {
        /// Its length.
        length: usize,
    },
    /// A handshake packet that announces more than a handshake takes.
    #[error("handshake packet of {length} bytes, at most {max} are taken")]
    HandshakeLong {
        /// The length announced.
        length: usize,
        /// The bound.
        max: usize,
    },
    /// A handshake packet that was not made for our key, or was changed on the way.
    #[error("handshake packet with a wrong tag")]
    HandshakeTag,
    /// A handshake packet whose contents make no sense.
    #[error("malformed handshake: {what}")]
    Handshake {
        /// The field that is wrong.
        what: &'static str,
    },
    /// A frame header with a wrong MAC.
    #[error("frame header with a wrong mac")]
    HeaderMac,
    /// A frame body with a wrong MAC.
    #[error("frame with a wrong mac")]
    FrameMac,
    /// A frame that announces more than a message can have.
    #[error("frame of {length} bytes, at most {max} are taken")]
    FrameLong {
        /// The length announced.
        length: usize,
        /// The bound.
        max: usize,
    },
    /// A frame without a message id.
    #[error("frame without a message id")]
    FrameEmpty,
    /// A frame whose message id is not the shortest form of a small number.
    #[error("frame with a malformed message id")]
    FrameCode,
    /// A message that claims to inflate beyond the limit; it was not inflated.
    #[error("message of {length} bytes after inflating, at most {max} are taken")]
    MessageLong {
        /// The length that the compressed data announce.
        length: usize,
        /// The bound.
        max: usize,
    },
    /// A message that cannot be inflated.
    #[error("message is not snappy")]
    Snappy,
    /// A message that is not what its id says.
    #[error(transparent)]
    Wire(#[from] snapsync_wire::Error),
    /// A message that has no place at this point.
    #[error("message {id:#04x} instead of {expected}")]
    Unexpected {
        /// The id as it came.
        id: u64,
        /// What was waited for.
        expected: Wait,
    },
    /// The peer speaks an old base protocol, without compression.
    #[error("base protocol version {version}, 5 is needed")]
    BaseVersion {
        /// Its version.
        version: u64,
    },
    /// The peer's Hello names another identity than its handshake proved.
    #[error("hello names another node ({told}) than the handshake ({proved})")]
    Identity {
        /// In the Hello. Boxed, since two keys would make every error large.
        told: Box<NodeId>,
        /// In the handshake.
        proved: NodeId,
    },
    /// The node at the other end is ourselves.
    #[error("connected to ourselves")]
    Ourselves,
    /// There is a session with this node.
    #[error("already connected to {node}")]
    AlreadyConnected {
        /// The node.
        node: NodeId,
    },
    /// There are as many peers as the limits allow.
    #[error("too many peers, at most {max}")]
    TooManyPeers {
        /// The bound that is reached.
        max: usize,
    },
    /// No version of eth is spoken by both.
    #[error("no common eth version; the peer ({client}) offers {offered}")]
    NothingInCommon {
        /// The peer's name for itself.
        client: String,
        /// What it offers.
        offered: String,
    },
    /// The peer's Status is not of our chain.
    #[error("{fault}; theirs: {theirs}; ours: {ours}")]
    Status {
        /// What does not fit.
        fault: StatusFault,
        /// What we said. Boxed, as the other, since two of them would make every error large.
        ours: Box<ChainSide>,
        /// What it said.
        theirs: Box<ChainSide>,
    },
    /// The peer hung up over our Status.
    #[error(
        "peer refused our status: it is of another network, genesis or fork; ours: {ours}; theirs: {}",
        theirs.as_ref().map_or_else(|| "not told".to_owned(), ToString::to_string)
    )]
    StatusRefused {
        /// What we said.
        ours: Box<ChainSide>,
        /// What it said, if it did before it went.
        theirs: Option<Box<ChainSide>>,
    },
    /// The peer sends more than it may of what nobody asked for.
    #[error("too much {what} that nobody asked for")]
    Flood {
        /// Of what.
        what: Unasked,
    },
    /// A large frame that came slowly, or not at all, while others waited for its room.
    #[error("{arrived} of {length} bytes of a frame in {took:?}, while others wait for its room")]
    Hogging {
        /// Bytes that came.
        arrived: usize,
        /// Bytes of the frame.
        length: usize,
        /// Since there was room for it.
        took: Duration,
    },
    /// There was no room for a large frame of this peer; other peers had it.
    #[error("no room for a frame of {length} bytes within {limit:?}")]
    NoRoom {
        /// Bytes of the frame.
        length: usize,
        /// The limit.
        limit: Duration,
    },
    /// The owner sent a message that the session's version does not have.
    #[error("not sent: {0}")]
    NotSendable(snapsync_wire::Error),
    /// The peer ended the connection.
    #[error("peer disconnected: {0}")]
    Disconnected(DisconnectReason),
    /// We ended the connection, for this reason, because the owner wanted it.
    #[error("disconnected by us: {0}")]
    Dismissed(DisconnectReason),
    /// The network was shut down.
    #[error("shut down")]
    Shutdown,
}

/// What one side says of its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainSide {
    /// The network's number.
    pub network_id: u64,
    /// The hash of the first block.
    pub genesis: B256,
    /// The forks passed and expected.
    pub fork_id: ForkId,
}

impl From<&Status> for Box<ChainSide> {
    fn from(status: &Status) -> Self {
        let Status { network_id, genesis, fork_id, .. } = *status;
        Self::new(ChainSide { network_id, genesis, fork_id })
    }
}

impl fmt::Display for ChainSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network_id, genesis, fork_id: ForkId { hash, next } } = self;
        write!(f, "network {network_id}, genesis {genesis}, fork {} (next {next})", hex::encode(hash))
    }
}

/// What nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// Transactions, block ranges, pings, answers without a request.
    Gossip,
    /// Requests that we have not answered, or with nothing.
    Requests,
}

impl fmt::Display for Unasked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gossip => "gossip",
            Self::Requests => "requests",
        })
    }
}

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The address of a host that is given by name.
    Resolver,
    /// A TCP connection.
    Connection,
    /// The encrypted handshake.
    Handshake,
    /// The Hello message.
    Hello,
    /// The Status message.
    Status,
    /// Any sign of life in a session.
    Traffic,
    /// The rest of a frame that has begun.
    Frame,
    /// The peer to take what we send.
    Reading,
    /// A message of the negotiated protocols.
    Message,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolver => "the host's address",
            Self::Connection => "connection",
            Self::Handshake => "handshake",
            Self::Hello => "hello",
            Self::Status => "status",
            Self::Traffic => "sign of life",
            Self::Frame => "end of a frame",
            Self::Reading => "room to write (the peer does not read)",
            Self::Message => "a message of the negotiated protocols",
        })
    }
}

impl Error {
    /// A connection that broke, from what the system said.
    pub(crate) fn line(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            kind => Self::Line { kind },
        }
    }

    /// Whether the peer broke the protocol in a session: what came over its own encrypted line was no message. One that is too long
    /// is none: a block may have receipts that no message carries, and not every server says so.
    pub fn is_breach(&self) -> bool {
        self.disconnect_reason() == Some(DisconnectReason::BreachOfProtocol)
            && !matches!(self, Self::Dismissed(_) | Self::FrameLong { .. } | Self::MessageLong { .. })
    }

    /// Whether the same dial may succeed a little later: its name is not known yet, or the node is there, but full, connected to us still, about to restart, or
    /// it hung up before it said who it is. geth does that to an address that came within the last 30 seconds; a key that is not
    /// its own looks the same, so whoever waits needs a bound.
    pub fn may_pass(&self) -> bool {
        use DisconnectReason as Reason;
        match self {
            Self::Unresolved { .. }
            | Self::Closed
            | Self::Line { .. }
            | Self::AlreadyConnected { .. }
            | Self::TooManyPeers { .. } => true,
            Self::Disconnected(reason) => {
                matches!(reason, Reason::TooManyPeers | Reason::AlreadyConnected | Reason::ClientQuitting)
            }
            _ => false,
        }
    }

    /// What the peer is told, if there is anybody left to be told.
    pub fn disconnect_reason(&self) -> Option<DisconnectReason> {
        use DisconnectReason as Reason;
        match self {
            Self::Listen { .. }
            | Self::Connect { .. }
            | Self::Unresolved { .. }
            | Self::Line { .. }
            | Self::Closed
            | Self::PublicKey
            | Self::HandshakeShort { .. }
            | Self::HandshakeLong { .. }
            | Self::HandshakeTag
            | Self::Handshake { .. }
            | Self::StatusRefused { .. }
            | Self::Disconnected(_)
            | Self::NotSendable(_) => None,
            Self::TooSlow { .. } => Some(Reason::PingTimeout),
            Self::HeaderMac
            | Self::FrameMac
            | Self::FrameLong { .. }
            | Self::FrameEmpty
            | Self::FrameCode
            | Self::MessageLong { .. }
            | Self::Snappy
            | Self::Wire(_)
            | Self::Unexpected { .. } => Some(Reason::BreachOfProtocol),
            Self::BaseVersion { .. } => Some(Reason::IncompatibleVersion),
            Self::Identity { .. } => Some(Reason::UnexpectedIdentity),
            Self::Ourselves => Some(Reason::ConnectedToSelf),
            Self::AlreadyConnected { .. } => Some(Reason::AlreadyConnected),
            Self::TooManyPeers { .. } | Self::NoRoom { .. } => Some(Reason::TooManyPeers),
            Self::NothingInCommon { .. } | Self::Flood { .. } | Self::Hogging { .. } => {
                Some(Reason::UselessPeer)
            }
            // What other clients say when eth's own handshake fails.
            Self::Status { .. } => Some(Reason::Subprotocol),
            Self::Dismissed(reason) => Some(*reason),
            Self::Shutdown => Some(Reason::ClientQuitting),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        let line = |kind| Error::line(&io::Error::from(kind));
        let passing = [
            Error::Disconnected(DisconnectReason::TooManyPeers),
            Error::Disconnected(DisconnectReason::AlreadyConnected),
            line(io::ErrorKind::ConnectionReset),
            line(io::ErrorKind::UnexpectedEof),
        ];
        for error in passing {
            assert!(error.may_pass(), "{error}");
        }
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let lasting = [
            Error::Connect { address, kind: io::ErrorKind::ConnectionRefused },
            Error::Disconnected(DisconnectReason::UselessPeer),
            Error::Ourselves,
            Error::HandshakeTag,
        ];
        for error in lasting {
            assert!(!error.may_pass(), "{error}");
        }
    }

    #[test]
    fn nonsense_in_a_session_is_a_breach_and_a_long_message_or_a_lost_line_is_not() {
        let nonsense = [Error::FrameMac, Error::Snappy, Error::FrameCode];
        assert!(nonsense.iter().all(Error::is_breach));
        let excused = [
            Error::MessageLong { length: 12 << 20, max: 10 << 20 },
            Error::FrameLong { length: 12 << 20, max: 10 << 20 },
            Error::Closed,
            Error::Dismissed(DisconnectReason::BreachOfProtocol),
            Error::TooSlow { what: Wait::Traffic, limit: Duration::from_secs(40) },
        ];
        assert!(!excused.iter().any(Error::is_breach));
    }
}
