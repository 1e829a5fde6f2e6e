//! From a fresh connection to a session: encrypted handshake, Hello, Status.
//!
//! Each step has its time limit. Whoever fails is told why, as far as it can understand us by then. Trusts what the
//! handshake proves (who is there) and nothing that Hello and Status say. Does not keep anything running.

use std::{sync::Arc, time::Duration};

use alloy_primitives::B512;
use snapsync_wire::{
    Capability, Disconnect, DisconnectReason, EthVersion, Hello, Protocol, Routed, Shared, SnapVersion,
    Status, eth,
    p2p::{Message as Base, P2P_VERSION},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use crate::{
    Direction, Enode, Error, LocalChain, NodeId, Wait,
    frame::{self, Packing, Secrets},
    handshake::{self, Form, Fresh, Initiation},
    line::{Frame, FrameBound, FrameReader, FrameWriter},
    node::Node,
    roster::Admission,
};

/// Codes of the base protocol.
const HELLO: u64 = 0;
const DISCONNECT: u64 = 1;
/// The last code of the base protocol that means something; those up to 0x0f are reserved.
pub(crate) const PONG: u8 = 3;

/// Bytes of a frame before the peer is known; a Hello has at most 2 KiB.
const GREETING_FRAME_MAX: usize = 4096;

/// How long a peer that was told to go may take to hang up.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that became a session.
pub(crate) struct Greeted<R, W> {
    pub(crate) reader: FrameReader<R>,
    pub(crate) writer: FrameWriter<W>,
    pub(crate) admission: Admission,
    pub(crate) node_id: NodeId,
    pub(crate) client: String,
    pub(crate) shared: Shared,
    /// The versions of snap that the peer offers.
    pub(crate) snap_offered: Vec<SnapVersion>,
    pub(crate) eth: EthVersion,
    /// What we said of our chain.
    pub(crate) ours: Status,
    pub(crate) status: Status,
}

/// Greets whom we have dialled.
pub(crate) async fn outbound<R, W>(
    node: &Node,
    to: &Enode,
    mut read: R,
    mut write: W,
) -> Result<Greeted<R, W>, Error>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let secrets = in_time(node, Wait::Handshake, initiate(node, to, &mut read, &mut write)).await?;
    greet(node, to.id, Direction::Outbound, secrets, read, write).await
}

/// Greets whoever has dialled us.
pub(crate) async fn inbound<R, W>(node: &Node, mut read: R, mut write: W) -> Result<Greeted<R, W>, Error>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (from, secrets) = in_time(node, Wait::Handshake, answer(node, &mut read, &mut write)).await?;
    greet(node, from, Direction::Inbound, secrets, read, write).await
}

async fn in_time<T>(
    node: &Node,
    what: Wait,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let limit = node.config.limits.handshake_time;
    timeout(limit, step).await.unwrap_or(Err(Error::TooSlow { what, limit }))
}

async fn initiate<R, W>(node: &Node, to: &Enode, read: &mut R, write: &mut W) -> Result<Secrets, Error>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let initiation = Initiation::new(node.config.key, &to.id.public_key()?, Fresh::draw());
    write.write_all(initiation.auth()).await.map_err(|error| Error::line(&error))?;
    let mut packet = Packet::begin(read).await?;
    if packet.may_be_old() {
        packet.read_to(read, handshake::OLD_ACK_BYTES).await?;
        let opened = initiation.finish(&packet.bytes, Form::Old);
        if opened.is_ok() {
            return opened;
        }
    }
    packet.read_rest(read).await?;
    initiation.finish(&packet.bytes, Form::Eip8)
}

async fn answer<R, W>(node: &Node, read: &mut R, write: &mut W) -> Result<(NodeId, Secrets), Error>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let fresh = Fresh::draw();
    let limit = node.config.limits.first_byte_time;
    let begun = timeout(limit, Packet::begin(read)).await;
    let mut packet = begun.unwrap_or(Err(Error::TooSlow { what: Wait::Handshake, limit }))?;
    let mut response = Err(Error::HandshakeTag);
    if packet.may_be_old() {
        packet.read_to(read, handshake::OLD_AUTH_BYTES).await?;
        response = handshake::respond(&node.config.key, &packet.bytes, Form::Old, &fresh);
    }
    if response.is_err() {
        packet.read_rest(read).await?;
        response = handshake::respond(&node.config.key, &packet.bytes, Form::Eip8, &fresh);
    }
    let response = response?;
    write.write_all(&response.ack).await.map_err(|error| Error::line(&error))?;
    Ok((response.from, response.secrets))
}

/// A handshake packet as it arrives. Nothing behind it is read: what follows is a frame already.
struct Packet {
    bytes: Vec<u8>,
}

impl Packet {
    async fn begin<R: AsyncRead + Unpin>(read: &mut R) -> Result<Self, Error> {
        let mut packet = Self { bytes: Vec::new() };
        packet.read_to(read, 2).await?;
        Ok(packet)
    }

    /// The packets from before EIP-8 start with an uncompressed point, whose first byte is 4. A packet of EIP-8
    /// starts so too when it has 1,024 to 1,279 bytes; then the old form does not open.
    fn may_be_old(&self) -> bool {
        self.bytes[0] == 4
    }

    async fn read_to<R: AsyncRead + Unpin>(&mut self, read: &mut R, length: usize) -> Result<(), Error> {
        let there = self.bytes.len();
        self.bytes.resize(length, 0);
        read.read_exact(&mut self.bytes[there..]).await.map_err(|error| Error::line(&error))?;
        Ok(())
    }

    async fn read_rest<R: AsyncRead + Unpin>(&mut self, read: &mut R) -> Result<(), Error> {
        let length = 2 + usize::from(u16::from_be_bytes([self.bytes[0], self.bytes[1]]));
        if length > handshake::PACKET_BYTES_MAX {
            return Err(Error::HandshakeLong { length, max: handshake::PACKET_BYTES_MAX });
        }
        if length < self.bytes.len() {
            return Err(Error::HandshakeShort { length });
        }
        self.read_to(read, length).await
    }
}

async fn greet<R, W>(
    node: &Node,
    node_id: NodeId,
    direction: Direction,
    secrets: Secrets,
    read: R,
    write: W,
) -> Result<Greeted<R, W>, Error>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (sealer, opener) = secrets.split();
    let limits = &node.config.limits;
    let mut reader = FrameReader::new(read, opener, limits, &node.buffers, Arc::clone(&node.metrics));
    let mut writer = FrameWriter::new(write, sealer, limits, &node.buffers, Arc::clone(&node.metrics));
    reader.bound = FrameBound::Fixed(GREETING_FRAME_MAX);
    let mut packing = Packing::Plain;
    // What is offered may change meanwhile; what was said counts.
    let offered = capabilities(node);
    let greeted = async {
        let hello =
            in_time(node, Wait::Hello, exchange_hello(node, &offered, node_id, &mut reader, &mut writer))
                .await?;
        packing = Packing::Snappy;
        let (shared, eth) = agree(node, &offered, node_id, &hello)?;
        let admission = node.roster.admit(node_id, direction)?;
        let chain = node.config.chain.borrow().clone();
        let exchange = exchange_status(&chain, &shared, eth, &mut reader, &mut writer);
        let status = in_time(node, Wait::Status, exchange).await?;
        Ok::<_, Error>((hello, shared, eth, admission, chain.status(), status))
    }
    .await;
    let (hello, shared, eth, admission, ours, status) = match greeted {
        Ok(greeted) => greeted,
        Err(error) => {
            if let Some(reason) = error.disconnect_reason() {
                farewell(&mut writer, reason, packing).await;
                reader.drain(FAREWELL).await;
            }
            return Err(error);
        }
    };
    let client = printable(&hello.client_id);
    let is_offered = |version: &SnapVersion| hello.capabilities.contains(&Capability::from(*version));
    let snap_offered = SnapVersion::ALL.into_iter().filter(is_offered).collect();
    Ok(Greeted { reader, writer, admission, node_id, client, shared, snap_offered, eth, ours, status })
}

/// Says why, and closes our half.
pub(crate) async fn farewell<W>(writer: &mut FrameWriter<W>, reason: DisconnectReason, packing: Packing)
where
    W: AsyncWrite + Unpin,
{
    let (id, body) = Base::Disconnect(Disconnect { reason }).encode();
    if writer.put(u64::from(id), &body, packing).is_ok() {
        // A peer that does not listen to a farewell misses it.
        let _ = timeout(FAREWELL, writer.flush()).await;
    }
    writer.close().await;
}

/// Waits for the peer to hang up after a farewell.
pub(crate) async fn hang_up<R: AsyncRead + Unpin>(reader: &mut FrameReader<R>) {
    reader.drain(FAREWELL).await;
}

async fn exchange_hello<R, W>(
    node: &Node,
    offered: &[Capability],
    proved: NodeId,
    reader: &mut FrameReader<R>,
    writer: &mut FrameWriter<W>,
) -> Result<Hello, Error>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let hello = Hello {
        p2p_version: P2P_VERSION,
        client_id: node.config.client_name.clone(),
        capabilities: offered.to_vec(),
        listen_port: 0,
        node_id: B512::from(*node.id.as_bytes()),
    };
    let (id, body) = Base::Hello(hello).encode();
    writer.put(u64::from(id), &body, Packing::Plain)?;
    writer.flush().await?;
    let Frame { code, body, .. } = reader.next().await?;
    let hello = match code {
        HELLO => Hello::decode(body)?,
        DISCONNECT => return Err(Error::Disconnected(disconnect_reason(body))),
        id => return Err(Error::Unexpected { id, expected: Wait::Hello }),
    };
    let told = NodeId::from_bytes(&hello.node_id.0)?;
    if told != proved {
        return Err(Error::Identity { told: Box::new(told), proved });
    }
    if hello.p2p_version < P2P_VERSION {
        return Err(Error::BaseVersion { version: hello.p2p_version });
    }
    Ok(hello)
}

fn capabilities(node: &Node) -> Vec<Capability> {
    let eth = node.config.eth.iter().map(|version| Capability::from(*version));
    let snap = *node.snap.borrow();
    eth.chain(snap.map(Capability::from)).collect()
}

fn agree(
    node: &Node,
    ours: &[Capability],
    peer: NodeId,
    hello: &Hello,
) -> Result<(Shared, EthVersion), Error> {
    if peer == node.id {
        return Err(Error::Ourselves);
    }
    let shared = Shared::negotiate(ours, &hello.capabilities);
    match shared.eth() {
        Some(eth) => Ok((shared, eth)),
        None => {
            let offered: Vec<String> =
                hello.capabilities.iter().map(|one| format!("{}/{}", one.name, one.version)).collect();
            let offered = printable(&offered.join(" "));
            Err(Error::NothingInCommon { client: printable(&hello.client_id), offered })
        }
    }
}

async fn exchange_status<R, W>(
    chain: &LocalChain,
    shared: &Shared,
    eth: EthVersion,
    reader: &mut FrameReader<R>,
    writer: &mut FrameWriter<W>,
) -> Result<Status, Error>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let ours = chain.status();
    let unspoken = Error::Unexpected { id: 0, expected: Wait::Status };
    let message = eth::Message::Status(ours);
    let code = shared.code(Protocol::Eth(eth), message.id()).ok_or(unspoken)?;
    let mut body = Vec::new();
    ours.encode(eth, &mut body);
    writer.put(code, &body, Packing::Snappy)?;
    writer.flush().await?;
    loop {
        let Frame { code, body, .. } = reader.next().await?;
        let Routed { protocol, id } = shared.route(code)?;
        match protocol {
            Protocol::P2p if code == DISCONNECT => return Err(refused(disconnect_reason(body), &ours)),
            // Later versions of the base protocol may use them.
            Protocol::P2p if id > PONG => (),
            Protocol::P2p => {
                let body = frame::inflate(body, Packing::Snappy, GREETING_FRAME_MAX)?;
                if Base::decode(id, &body)? == Base::Ping {
                    let (id, body) = Base::Pong.encode();
                    writer.put(u64::from(id), &body, Packing::Snappy)?;
                    writer.flush().await?;
                }
            }
            Protocol::Eth(_) if id == message.id() => {
                let body = frame::inflate(body, Packing::Snappy, GREETING_FRAME_MAX)?;
                let theirs = Status::decode(eth, &body)?;
                ours.check(&theirs, &chain.forks, chain.head).map_err(|fault| Error::Status {
                    fault,
                    ours: (&ours).into(),
                    theirs: (&theirs).into(),
                })?;
                return Ok(theirs);
            }
            _ => return Err(Error::Unexpected { id: code, expected: Wait::Status }),
        }
    }
}

/// What a disconnect instead of a Status means. geth may hang up over ours before it has sent its own.
fn refused(reason: DisconnectReason, ours: &Status) -> Error {
    match reason {
        DisconnectReason::Subprotocol => Error::StatusRefused { ours: ours.into(), theirs: None },
        reason => Error::Disconnected(reason),
    }
}

/// The reason in a Disconnect. Whether it was compressed is not certain around the Hello: both are tried, and one
/// that makes no sense is still a disconnect.
pub(crate) fn disconnect_reason(body: &[u8]) -> DisconnectReason {
    let inflated = frame::inflate(body, Packing::Snappy, GREETING_FRAME_MAX).ok();
    inflated
        .and_then(|body| Disconnect::decode(&body).ok())
        .or_else(|| Disconnect::decode(body).ok())
        .map_or(DisconnectReason::Requested, |disconnect| disconnect.reason)
}

/// A stranger's text, fit for a log line.
fn printable(text: &str) -> String {
    const CHARS: usize = 128;
    text.chars().take(CHARS).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
