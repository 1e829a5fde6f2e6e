//! A session that is led by hand: for strangers that break the rules, in `tests/siege`, and for nobody else.
//!
//! It comes in as an honest peer does, and from then on sends what it is told to, whether that is allowed or not. It keeps no
//! rule of ours: nothing is counted, metered or queued.

use std::sync::Arc;

use alloy_primitives::{B512, Bytes};
use secp256k1::SecretKey;
use snapsync_wire::{
    Capability, EthVersion, Hello, Protocol, Routed, Shared, SnapVersion, eth,
    p2p::{Message as Base, P2P_VERSION},
    snap as states,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::{
    Enode, Error, Limits, LocalChain, Message, NodeId, Wait,
    frame::Packing,
    greeting::disconnect_reason,
    handshake::{Form, Fresh, Initiation},
    line::{FrameReader, FrameWriter},
    metrics::Metrics,
    room::Buffers,
};

const ETH: EthVersion = EthVersion::Eth70;
const SNAP: SnapVersion = SnapVersion::Snap1;

/// A session after both Hellos and our Status.
pub struct RawSession {
    /// What comes.
    pub ears: Ears,
    /// What goes.
    pub mouth: Mouth,
}

/// Takes messages.
pub struct Ears {
    reader: FrameReader<OwnedReadHalf>,
    shared: Shared,
}

/// Sends anything.
pub struct Mouth {
    writer: FrameWriter<OwnedWriteHalf>,
    shared: Shared,
}

impl RawSession {
    /// Comes in as a node of this key, on this chain.
    ///
    /// # Errors
    /// Whatever an honest peer may meet as well.
    pub async fn open(to: &Enode, key: SecretKey, chain: &LocalChain) -> Result<Self, Error> {
        let mut socket = TcpStream::connect(to.address).await.map_err(|error| Error::line(&error))?;
        let initiation = Initiation::new(key, &to.id.public_key()?, Fresh::draw());
        socket.write_all(initiation.auth()).await.map_err(|error| Error::line(&error))?;
        let mut ack = vec![0; 2];
        socket.read_exact(&mut ack).await.map_err(|error| Error::line(&error))?;
        let length = usize::from(u16::from_be_bytes([ack[0], ack[1]]));
        ack.resize(2 + length, 0);
        socket.read_exact(&mut ack[2..]).await.map_err(|error| Error::line(&error))?;
        let (sealer, opener) = initiation.finish(&ack, Form::Eip8)?.split();
        let (read, write) = socket.into_split();
        let (metrics, limits) = (Arc::new(Metrics::default()), Limits::mainnet());
        let buffers = Buffers::new(&limits);
        let capabilities: [Capability; 2] = [ETH.into(), SNAP.into()];
        let shared = Shared::negotiate(&capabilities, &capabilities);
        let mut session = Self {
            ears: Ears {
                reader: FrameReader::new(read, opener, &limits, &buffers, Arc::clone(&metrics)),
                shared,
            },
            mouth: Mouth { writer: FrameWriter::new(write, sealer, &limits, &buffers, metrics), shared },
        };
        session.greet(key, chain, capabilities.to_vec()).await?;
        Ok(session)
    }

    async fn greet(
        &mut self,
        key: SecretKey,
        chain: &LocalChain,
        capabilities: Vec<Capability>,
    ) -> Result<(), Error> {
        let hello = Hello {
            p2p_version: P2P_VERSION,
            client_id: "stranger".into(),
            capabilities,
            listen_port: 0,
            node_id: B512::from(*NodeId::from_secret_key(&key).as_bytes()),
        };
        let (id, body) = Base::Hello(hello).encode();
        self.mouth.put(u64::from(id), &body, Packing::Plain).await?;
        let first = self.ears.reader.next().await?;
        match first.code {
            0 => {}
            1 => return Err(Error::Disconnected(disconnect_reason(first.body))),
            id => return Err(Error::Unexpected { id, expected: Wait::Hello }),
        }
        let mut body = Vec::new();
        chain.status().encode(ETH, &mut body);
        let status = eth::Message::Status(chain.status());
        self.mouth.say(Protocol::Eth(ETH), status.id(), &body).await.map(drop)
    }
}

impl Ears {
    /// What the other side says next, its Status and the base protocol left out.
    ///
    /// # Errors
    /// When it hangs up, with the reason if it gave one.
    pub async fn next(&mut self) -> Result<Message, Error> {
        loop {
            let frame = self.reader.next().await?;
            let Routed { protocol, id } = self.shared.route(frame.code)?;
            let inflated = snap::raw::Decoder::new().decompress_vec(frame.body);
            let body = Bytes::from(inflated.map_err(|_| Error::Snappy)?);
            match protocol {
                Protocol::P2p if id == 1 => return Err(Error::Disconnected(disconnect_reason(&body))),
                Protocol::P2p => {}
                Protocol::Snap(version) => {
                    return Ok(Message::Snap(states::Message::decode(version, id, &body)?));
                }
                Protocol::Eth(version) => match eth::Message::decode(version, id, &body)? {
                    eth::Message::Status(_) => {}
                    message => return Ok(Message::Eth(message)),
                },
            }
        }
    }
}

impl Mouth {
    /// Sends a message, however many there were before. Gives its bytes on the wire.
    ///
    /// # Errors
    /// When the other side has hung up, or the message cannot be written.
    pub async fn send(&mut self, message: &Message) -> Result<usize, Error> {
        match message {
            Message::Eth(message) => {
                let (id, body) = message.encode(ETH)?;
                self.say(Protocol::Eth(ETH), id, &body).await
            }
            Message::Snap(message) => {
                let (id, body) = message.encode(SNAP)?;
                self.say(Protocol::Snap(SNAP), id, &body).await
            }
        }
    }

    /// Announces a frame of `length` bytes and sends `bytes` zeros of it.
    ///
    /// # Errors
    /// When the other side has hung up.
    pub async fn begin(&mut self, length: u32, bytes: usize) -> Result<(), Error> {
        self.writer.begin(length, bytes).await.map_err(|error| Error::line(&error))
    }

    async fn say(&mut self, protocol: Protocol, id: u8, body: &[u8]) -> Result<usize, Error> {
        let unspoken = Error::Unexpected { id: u64::from(id), expected: Wait::Message };
        self.put(self.shared.code(protocol, id).ok_or(unspoken)?, body, Packing::Snappy).await
    }

    async fn put(&mut self, code: u64, body: &[u8], packing: Packing) -> Result<usize, Error> {
        self.writer.put(code, body, packing)?;
        let bytes = self.writer.waiting();
        self.writer.flush().await.map(|()| bytes)
    }
}
