//! The base protocol of devp2p, version 5: Hello, Disconnect, Ping, Pong (ids 0x00..0x03).
//!
//! Messages arrive here decrypted and, except the Hello, already inflated. Following EIP-8, elements after
//! the known ones are ignored. It keeps no clock: who pings when is the session's matter.

use std::fmt;

use alloy_primitives::B512;

use crate::{
    capability::Capability,
    error::{Error, RlpFault},
    limits,
    rlp::{self, Kind, Reader},
    version::Protocol,
};

/// The version of the base protocol that is announced; 5 means that messages are compressed.
pub const P2P_VERSION: u64 = 5;

const HELLO: u8 = 0x00;
const DISCONNECT: u8 = 0x01;
const PING: u8 = 0x02;
const PONG: u8 = 0x03;

/// A message of the base protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// 0x00: who speaks, and what.
    Hello(Hello),
    /// 0x01: the last message of a connection.
    Disconnect(Disconnect),
    /// 0x02: asks for a sign of life.
    Ping,
    /// 0x03: the sign of life.
    Pong,
}

impl Message {
    /// Reads the message of this id.
    pub fn decode(id: u8, body: &[u8]) -> Result<Self, Error> {
        check_length(body)?;
        match id {
            HELLO => Hello::decode(body).map(Self::Hello),
            DISCONNECT => Disconnect::decode(body).map(Self::Disconnect),
            // Whatever they carry has no meaning.
            PING => Ok(Self::Ping),
            PONG => Ok(Self::Pong),
            _ => Err(Error::UnknownMessage { protocol: Protocol::P2p, id: u64::from(id) }),
        }
    }

    /// The message's id and body.
    pub fn encode(&self) -> (u8, Vec<u8>) {
        let mut body = Vec::new();
        match self {
            Self::Hello(hello) => hello.encode(&mut body),
            Self::Disconnect(disconnect) => disconnect.encode(&mut body),
            Self::Ping | Self::Pong => rlp::put_list(&mut body, |_| ()),
        }
        (self.id(), body)
    }

    /// The message's id.
    pub const fn id(&self) -> u8 {
        match self {
            Self::Hello(_) => HELLO,
            Self::Disconnect(_) => DISCONNECT,
            Self::Ping => PING,
            Self::Pong => PONG,
        }
    }
}

/// Who is at the other end and what it speaks: the first message in each direction, uncompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The sender's version of the base protocol; below 5 it cannot decompress.
    pub p2p_version: u64,
    /// The sender's name for itself. Any text: not fit for a log line without escaping.
    pub client_id: String,
    /// The protocols it offers, in its own order.
    pub capabilities: Vec<Capability>,
    /// Obsolete, mostly 0.
    pub listen_port: u64,
    /// The sender's public key; must be the one of the handshake.
    pub node_id: B512,
}

impl Hello {
    /// Reads the body of message 0x00.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        check_length(body)?;
        let mut fields = Reader::borrowed("Hello", body).list()?;
        Ok(Self {
            p2p_version: fields.u64()?,
            client_id: String::from_utf8_lossy(fields.string()?).into_owned(),
            capabilities: fields.list()?.collect(limits::CAPABILITIES_MAX, Capability::read)?,
            listen_port: fields.u64()?,
            node_id: B512::from(fields.fixed::<64>()?),
        })
    }

    /// Appends the body of message 0x00.
    pub fn encode(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_u64(out, self.p2p_version);
            rlp::put_string(out, self.client_id.as_bytes());
            rlp::put_items(out, &self.capabilities, |out, capability| capability.put(out));
            rlp::put_u64(out, self.listen_port);
            rlp::put_string(out, self.node_id.as_slice());
        });
    }
}

/// Why the sender ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// The reason it gives.
    pub reason: DisconnectReason,
}

impl Disconnect {
    /// Reads the body of message 0x01: `[reason]`, or the bare reason that some clients send.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        check_length(body)?;
        // An empty body and an empty list are said in the wild; both mean "no reason given".
        if body.is_empty() {
            return Ok(Self { reason: DisconnectReason::Requested });
        }
        let mut reader = Reader::borrowed("Disconnect", body);
        let mut ahead = reader;
        let number = match ahead.item()? {
            item if item.kind == Kind::String => reader.u64()?,
            item if item.payload.is_empty() => 0,
            item => reader.inside(item)?.u64()?,
        };
        let number = u8::try_from(number).map_err(|_| reader.fault(RlpFault::Overflow))?;
        Ok(Self { reason: DisconnectReason::from_number(number) })
    }

    /// Appends the body of message 0x01, in the form of the specification.
    pub fn encode(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| rlp::put_u64(out, u64::from(self.reason.number())));
    }
}

/// The reasons of devp2p, and any other number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DisconnectReason {
    /// 0x00: asked for by its operator, or no reason given.
    Requested,
    /// 0x01: the connection failed below.
    TcpError,
    /// 0x02: a malformed or unknown message, a bad answer.
    BreachOfProtocol,
    /// 0x03: nothing in common, or nothing to gain.
    UselessPeer,
    /// 0x04: no room.
    TooManyPeers,
    /// 0x05: there is a connection already.
    AlreadyConnected,
    /// 0x06: the base protocols differ.
    IncompatibleVersion,
    /// 0x07: no identity was given.
    NullIdentity,
    /// 0x08: the sender shuts down.
    ClientQuitting,
    /// 0x09: the identity is not the expected one.
    UnexpectedIdentity,
    /// 0x0a: the sender has connected to itself.
    ConnectedToSelf,
    /// 0x0b: pings were not answered in time.
    PingTimeout,
    /// 0x10: a reason of a protocol above, such as another network or genesis.
    Subprotocol,
    /// Any other number.
    Unknown(u8),
}

impl DisconnectReason {
    /// The reason of a number.
    pub const fn from_number(number: u8) -> Self {
        match number {
            0x00 => Self::Requested,
            0x01 => Self::TcpError,
            0x02 => Self::BreachOfProtocol,
            0x03 => Self::UselessPeer,
            0x04 => Self::TooManyPeers,
            0x05 => Self::AlreadyConnected,
            0x06 => Self::IncompatibleVersion,
            0x07 => Self::NullIdentity,
            0x08 => Self::ClientQuitting,
            0x09 => Self::UnexpectedIdentity,
            0x0a => Self::ConnectedToSelf,
            0x0b => Self::PingTimeout,
            0x10 => Self::Subprotocol,
            other => Self::Unknown(other),
        }
    }

    /// The number of the reason.
    pub const fn number(self) -> u8 {
        match self {
            Self::Requested => 0x00,
            Self::TcpError => 0x01,
            Self::BreachOfProtocol => 0x02,
            Self::UselessPeer => 0x03,
            Self::TooManyPeers => 0x04,
            Self::AlreadyConnected => 0x05,
            Self::IncompatibleVersion => 0x06,
            Self::NullIdentity => 0x07,
            Self::ClientQuitting => 0x08,
            Self::UnexpectedIdentity => 0x09,
            Self::ConnectedToSelf => 0x0a,
            Self::PingTimeout => 0x0b,
            Self::Subprotocol => 0x10,
            Self::Unknown(number) => number,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "requested",
            Self::TcpError => "tcp error",
            Self::BreachOfProtocol => "breach of protocol",
            Self::UselessPeer => "useless peer",
            Self::TooManyPeers => "too many peers",
            Self::AlreadyConnected => "already connected",
            Self::IncompatibleVersion => "incompatible version",
            Self::NullIdentity => "null identity",
            Self::ClientQuitting => "client quitting",
            Self::UnexpectedIdentity => "unexpected identity",
            Self::ConnectedToSelf => "connected to self",
            Self::PingTimeout => "ping timeout",
            Self::Subprotocol => "subprotocol reason",
            Self::Unknown(number) => return write!(f, "unknown reason {number:#04x}"),
        })
    }
}

const fn check_length(body: &[u8]) -> Result<(), Error> {
    if body.len() > limits::BASE_MESSAGE_BYTES_MAX {
        let max = limits::BASE_MESSAGE_BYTES_MAX;
        return Err(Error::TooLong { what: "base message", length: body.len(), max });
    }
    Ok(())
}
