//! Peers that lie, shout, stall and fall silent, each scripted by hand against a real network of ours.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use alloy_primitives::{B256, B512};
use secp256k1::SecretKey;
use snapsync_wire::{
    Capability, DisconnectReason, EthVersion, ForkFilter, Hello, SnapVersion, p2p::Message as Base,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::timeout,
};

use crate::{
    Config, Error, Events, Limits, LocalChain, Network, NetworkEvent, NodeId, PeerUp, Wait,
    frame::{Burst, Packing, Secrets},
    greeting,
    handshake::{Form, Fresh, Initiation},
    line::{FrameReader, FrameWriter},
    metrics::{Gauge, Metrics},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Short enough for a test to wait for. Nothing honest has to be done within it.
const SHORT: Duration = Duration::from_millis(400);

/// Long enough for an honest handshake on a loaded machine, short enough for a test to wait for.
const HANDSHAKE: Duration = Duration::from_secs(2);

fn chain() -> LocalChain {
    LocalChain::at_genesis(1337, ForkFilter::new(B256::repeat_byte(7), 0, &[], &[]), 0)
}

fn limits() -> Limits {
    Limits { handshake_time: PATIENCE, ..Limits::mainnet() }
}

/// For those who are silent in the handshake.
fn hasty(handshake_time: Duration) -> Limits {
    Limits { handshake_time, ..limits() }
}

async fn start(limits: Limits) -> (Network, Events) {
    let config = Config {
        key: SecretKey::from_byte_array([1; 32]).unwrap(),
        listen: Some((Ipv4Addr::LOCALHOST, 0).into()),
        static_peers: Vec::new(),
        client_name: "snapsync/test".into(),
        eth: vec![EthVersion::Eth70],
        snap: Some(SnapVersion::Snap1),
        chain: watch::channel(chain()).1,
        limits,
        seed: 1,
    };
    Network::start(config).await.unwrap()
}

async fn socket(network: &Network) -> TcpStream {
    TcpStream::connect(network.local_enode().address).await.unwrap()
}

/// A peer under the test's control, after its encrypted handshake.
struct Stranger {
    reader: FrameReader<OwnedReadHalf>,
    writer: FrameWriter<OwnedWriteHalf>,
    key: SecretKey,
}

impl Stranger {
    async fn arrive(network: &Network) -> Self {
        let (socket, secrets, key) = Self::shake_hands(network).await;
        let (sealer, opener) = secrets.split();
        let (read, write) = socket.into_split();
        let metrics = Arc::new(Metrics::default());
        Self {
            reader: FrameReader::new(
                read,
                opener,
                &Limits::mainnet(),
                &Gauge::default(),
                Arc::clone(&metrics),
            ),
            writer: FrameWriter::new(write, sealer, &Limits::mainnet(), &Gauge::default(), metrics),
            key,
        }
    }

    async fn shake_hands(network: &Network) -> (TcpStream, Secrets, SecretKey) {
        let key = SecretKey::from_byte_array([2; 32]).unwrap();
        let mut socket = socket(network).await;
        let to = network.local_enode().id.public_key().unwrap();
        let initiation = Initiation::new(key, &to, Fresh::draw());
        socket.write_all(initiation.auth()).await.unwrap();
        let mut ack = vec![0; 2];
        socket.read_exact(&mut ack).await.unwrap();
        let length = u16::from_be_bytes([ack[0], ack[1]]);
        ack.resize(2 + usize::from(length), 0);
        socket.read_exact(&mut ack[2..]).await.unwrap();
        let secrets = initiation.finish(&ack, Form::Eip8).unwrap();
        (socket, secrets, key)
    }

    fn hello(&self) -> Hello {
        Hello {
            p2p_version: 5,
            client_id: "stranger\u{1b}[31m".into(),
            capabilities: vec![EthVersion::Eth70.into(), SnapVersion::Snap1.into()],
            listen_port: 0,
            node_id: B512::from(*NodeId::from_secret_key(&self.key).as_bytes()),
        }
    }

    async fn say(&mut self, code: u64, body: &[u8], packing: Packing) {
        self.writer.put(code, body, packing).unwrap();
        self.writer.flush().await.unwrap();
    }

    async fn say_hello(&mut self, hello: Hello) {
        let (id, body) = Base::Hello(hello).encode();
        self.say(u64::from(id), &body, Packing::Plain).await;
        assert_eq!(self.reader.next().await.unwrap().code, 0, "the other Hello");
    }

    /// All steps of an honest peer.
    async fn come_in(network: &Network, events: &mut Events) -> (Self, PeerUp) {
        let mut stranger = Self::arrive(network).await;
        stranger.say_hello(stranger.hello()).await;
        let mut body = Vec::new();
        chain().status().encode(EthVersion::Eth70, &mut body);
        stranger.say(0x10, &body, Packing::Snappy).await;
        assert_eq!(stranger.reader.next().await.unwrap().code, 0x10, "the other Status");
        match next(events).await {
            NetworkEvent::Up(up) => (stranger, *up),
            other => panic!("{other:?}"),
        }
    }

    /// Why we were told to go.
    async fn farewell(&mut self) -> DisconnectReason {
        loop {
            let frame = timeout(PATIENCE, self.reader.next()).await.unwrap().unwrap();
            if frame.code == 1 {
                return greeting::disconnect_reason(frame.body);
            }
        }
    }
}

async fn next(events: &mut Events) -> NetworkEvent {
    timeout(PATIENCE, events.recv()).await.expect("an event").expect("a running network")
}

async fn down(events: &mut Events) -> Error {
    match next(events).await {
        NetworkEvent::Down { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

/// Whether the other side has hung up, whatever it said before.
async fn is_closed(mut socket: TcpStream) -> bool {
    let mut waste = [0; 1024];
    let read = async { while matches!(socket.read(&mut waste).await, Ok(1..)) {} };
    timeout(PATIENCE, read).await.is_ok()
}

#[tokio::test]
async fn silent_handshake_is_closed_in_time() {
    let (network, _events) = start(hasty(SHORT)).await;
    assert!(is_closed(socket(&network).await).await);
    assert_eq!(network.handle().metrics().refused_handshakes.count(), 1);
}

#[tokio::test]
async fn garbage_handshakes_are_closed() {
    let (network, _events) = start(hasty(SHORT)).await;
    for (size, first) in [(1000_usize, 1_u8), (1000, 4), (1100, 4), (70_000, 0xff), (2, 0), (40, 0)] {
        let mut socket = socket(&network).await;
        let mut garbage = vec![0xa5; size];
        garbage[0] = first;
        // The other side may hang up in the middle.
        let _ = socket.write_all(&garbage).await;
        assert!(is_closed(socket).await, "{size} bytes from {first:#x}");
    }
    assert_eq!(network.handle().peers(), 0);
}

#[tokio::test]
async fn silence_after_the_handshake_is_closed_in_time() {
    let (network, _events) = start(hasty(HANDSHAKE)).await;
    let mut stranger = Stranger::arrive(&network).await;
    assert_eq!(stranger.farewell().await, DisconnectReason::PingTimeout);
    let mut stranger = Stranger::arrive(&network).await;
    stranger.say_hello(stranger.hello()).await;
    assert_eq!(stranger.farewell().await, DisconnectReason::PingTimeout);
}

#[tokio::test]
async fn strangers_beyond_the_handshakes_allowed_are_closed_unheard() {
    let (network, _events) = start(Limits { handshakes_max: 2, ..limits() }).await;
    let waiting = [socket(&network).await, socket(&network).await];
    assert!(is_closed(socket(&network).await).await);
    assert_eq!(network.handle().metrics().unheard_connections.count(), 1);
    drop(waiting);
    network.shutdown().await;
}

#[tokio::test]
async fn hello_of_another_node_or_an_old_version_is_refused() {
    let (network, _events) = start(limits()).await;
    let mut stranger = Stranger::arrive(&network).await;
    let other = NodeId::from_secret_key(&SecretKey::from_byte_array([9; 32]).unwrap());
    stranger.say_hello(Hello { node_id: B512::from(*other.as_bytes()), ..stranger.hello() }).await;
    assert_eq!(stranger.farewell().await, DisconnectReason::UnexpectedIdentity);
    let mut stranger = Stranger::arrive(&network).await;
    stranger.say_hello(Hello { p2p_version: 4, ..stranger.hello() }).await;
    assert_eq!(stranger.farewell().await, DisconnectReason::IncompatibleVersion);
    let mut stranger = Stranger::arrive(&network).await;
    let capabilities = vec![Capability { name: "les".into(), version: 2 }, SnapVersion::Snap1.into()];
    stranger.say_hello(Hello { capabilities, ..stranger.hello() }).await;
    assert_eq!(stranger.farewell().await, DisconnectReason::UselessPeer);
    assert_eq!(network.handle().peers(), 0);
}

#[tokio::test]
async fn other_genesis_is_told_to_go() {
    let (network, _events) = start(limits()).await;
    let mut stranger = Stranger::arrive(&network).await;
    stranger.say_hello(stranger.hello()).await;
    let mut status = chain().status();
    status.genesis = B256::repeat_byte(8);
    let mut body = Vec::new();
    status.encode(EthVersion::Eth70, &mut body);
    stranger.say(0x10, &body, Packing::Snappy).await;
    assert_eq!(stranger.farewell().await, DisconnectReason::Subprotocol);
}

#[tokio::test]
async fn message_before_the_status_is_refused() {
    let (network, _events) = start(limits()).await;
    let mut stranger = Stranger::arrive(&network).await;
    stranger.say_hello(stranger.hello()).await;
    stranger.say(0x22, &[0xc0], Packing::Snappy).await;
    assert_eq!(stranger.farewell().await, DisconnectReason::BreachOfProtocol);
}

#[tokio::test]
async fn pings_are_answered_and_a_flood_of_them_costs_nothing() {
    let (network, mut events) = start(limits()).await;
    let (mut stranger, _) = Stranger::come_in(&network, &mut events).await;
    stranger.say(2, &[0xc0], Packing::Snappy).await;
    assert_eq!(stranger.reader.next().await.unwrap().code, 3);
    for _ in 0..10_000 {
        stranger.writer.put(2, &[0xc0], Packing::Snappy).unwrap();
    }
    stranger.writer.flush().await.unwrap();
    assert_eq!(stranger.reader.next().await.unwrap().code, 3);
    assert!(network.handle().buffered_bytes() < 1 << 20);
    assert_eq!(network.handle().peers(), 1);
}

#[tokio::test]
async fn we_ping_and_a_peer_without_a_word_is_gone() {
    let limits = Limits { ping_interval: SHORT / 8, idle_time: SHORT, ..limits() };
    let (network, mut events) = start(limits).await;
    let (mut stranger, _) = Stranger::come_in(&network, &mut events).await;
    assert_eq!(stranger.reader.next().await.unwrap().code, 2);
    assert!(matches!(down(&mut events).await, Error::TooSlow { what: Wait::Traffic, .. }));
    assert_eq!(stranger.farewell().await, DisconnectReason::PingTimeout);
}

#[tokio::test]
async fn name_of_a_peer_is_fit_for_a_log() {
    let (network, mut events) = start(limits()).await;
    let (_stranger, up) = Stranger::come_in(&network, &mut events).await;
    assert_eq!(up.client, "stranger\u{fffd}[31m");
}

/// Lets a peer come in, say this, and gives why it had to go.
async fn after(code: u64, body: &[u8], packing: Packing) -> Error {
    let (network, mut events) = start(limits()).await;
    let (mut stranger, _) = Stranger::come_in(&network, &mut events).await;
    stranger.say(code, body, packing).await;
    let reason = down(&mut events).await;
    if reason.disconnect_reason().is_some() {
        assert_eq!(stranger.farewell().await, DisconnectReason::BreachOfProtocol);
    }
    reason
}

#[tokio::test]
async fn snappy_bomb_ends_the_session_uninflated() {
    // 1 GiB announced in five bytes.
    let reason = after(0x22, &[0x80, 0x80, 0x80, 0x80, 0x04, 0], Packing::Plain).await;
    assert_eq!(reason, Error::MessageLong { length: 1 << 30, max: 10 << 20 });
    // Just above the limit.
    let reason = after(0x22, &vec![0; (10 << 20) + 1], Packing::Snappy).await;
    assert_eq!(reason, Error::MessageLong { length: (10 << 20) + 1, max: 10 << 20 });
    assert_eq!(after(0x22, &[0x05, 0xff], Packing::Plain).await, Error::Snappy);
}

#[tokio::test]
async fn unknown_and_misplaced_messages_end_the_session() {
    // Between the base protocol and eth, behind snap, a second Hello, a second Status.
    for code in [0x04, 0x0f, 0x2a, 0x7f, 0x1234] {
        let reason = after(code, &[0xc0], Packing::Snappy).await;
        assert!(matches!(reason, Error::Wire(_)), "{code:#x}: {reason}");
    }
    let reason = after(0, &[0xc0], Packing::Snappy).await;
    assert!(matches!(reason, Error::Wire(_)), "{reason}");
    let mut status = Vec::new();
    chain().status().encode(EthVersion::Eth70, &mut status);
    let reason = after(0x10, &status, Packing::Snappy).await;
    assert_eq!(reason, Error::Unexpected { id: 0x10, expected: Wait::Message });
    let reason = after(0x13, &[0xff; 40], Packing::Snappy).await;
    assert!(matches!(reason, Error::Wire(_)), "{reason}");
}

#[tokio::test]
async fn gossip_is_read_over() {
    let (network, mut events) = start(limits()).await;
    let (mut stranger, _) = Stranger::come_in(&network, &mut events).await;
    stranger.say(0x12, &[0xc0], Packing::Snappy).await;
    stranger.say(1, &[0x04], Packing::Snappy).await;
    assert_eq!(down(&mut events).await, Error::Disconnected(DisconnectReason::TooManyPeers));
    assert_eq!(network.handle().metrics().received_frames.count(), 4);
}

/// Lets a peer come in by raw bytes, which the test then spoils.
async fn spoiled(spoil: impl FnOnce(&mut Vec<u8>)) -> Error {
    let (network, mut events) = start(limits()).await;
    let (mut socket, secrets, key) = Stranger::shake_hands(&network).await;
    let (mut sealer, _) = secrets.split();
    let mut burst = Burst::default();
    let hello = Hello {
        p2p_version: 5,
        client_id: String::new(),
        capabilities: vec![EthVersion::Eth70.into()],
        listen_port: 0,
        node_id: B512::from(*NodeId::from_secret_key(&key).as_bytes()),
    };
    sealer.seal(0, &Base::Hello(hello).encode().1, Packing::Plain, &mut burst).unwrap();
    let mut body = Vec::new();
    chain().status().encode(EthVersion::Eth70, &mut body);
    sealer.seal(0x10, &body, Packing::Snappy, &mut burst).unwrap();
    let mut out = burst.frames().to_vec();
    let good = out.len();
    sealer.seal(2, &[0xc0; 100], Packing::Snappy, &mut burst).unwrap();
    let mut last = burst.frames()[good..].to_vec();
    spoil(&mut last);
    out.extend_from_slice(&last);
    socket.write_all(&out).await.unwrap();
    assert!(matches!(next(&mut events).await, NetworkEvent::Up(_)));
    let reason = down(&mut events).await;
    assert_eq!(reason.disconnect_reason(), Some(DisconnectReason::BreachOfProtocol));
    reason
}

#[tokio::test]
async fn wrong_macs_end_the_session() {
    assert_eq!(spoiled(|frame| frame[0] ^= 1).await, Error::HeaderMac);
    assert_eq!(spoiled(|frame| frame[20] ^= 1).await, Error::HeaderMac);
    assert_eq!(spoiled(|frame| frame[33] ^= 1).await, Error::FrameMac);
    assert_eq!(spoiled(|frame| *frame.last_mut().unwrap() ^= 1).await, Error::FrameMac);
}

#[tokio::test]
async fn oversize_frame_is_refused_by_its_header() {
    let limits = Limits { message_bytes_max: 1000, ..limits() };
    let max = limits.frame_bytes_max();
    let (network, mut events) = start(limits).await;
    let (mut stranger, _) = Stranger::come_in(&network, &mut events).await;
    stranger.say(0x22, &vec![0; max], Packing::Plain).await;
    assert_eq!(down(&mut events).await, Error::FrameLong { length: max + 1, max });
    assert_eq!(stranger.farewell().await, DisconnectReason::BreachOfProtocol);
}

#[tokio::test]
async fn announced_bytes_are_not_reserved_and_a_frame_must_end() {
    let limits = Limits { frame_time: SHORT, ..limits() };
    let (network, mut events) = start(limits).await;
    let (mut stranger, _) = Stranger::come_in(&network, &mut events).await;
    stranger.writer.put(0x22, &vec![0; 10 << 20], Packing::Plain).unwrap();
    stranger.writer.flush_only(100).await;
    tokio::time::sleep(SHORT / 4).await;
    let buffered = network.handle().buffered_bytes();
    assert!(buffered <= 1 << 18, "{buffered} bytes for a frame of which 100 arrived");
    assert!(matches!(down(&mut events).await, Error::TooSlow { what: Wait::Frame, .. }));
}
