//! Peers that lie, shout, stall and fall silent, each scripted by hand against a real network of ours.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{B256, B512, Bytes};
use secp256k1::SecretKey;
use snapsync_wire::{
    BlockRange, Capability, DisconnectReason, EthVersion, ForkFilter, Hello, SnapVersion, eth,
    p2p::Message as Base, snap,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::timeout,
};

use crate::{
    Allowance, Config, Error, Events, Exempt, Limits, LocalChain, Message, Network, NetworkEvent, NodeId,
    Origins, PeerUp, SendError, Unasked, Wait,
    frame::{Burst, Packing, Secrets},
    greeting,
    handshake::{Form, Fresh, Initiation},
    line::{FrameReader, FrameWriter},
    metrics::Metrics,
    room::Buffers,
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

/// From one of the many addresses of loopback.
async fn socket_from(address: [u8; 4], network: &Network) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((IpAddr::from(address), 0).into()).unwrap();
    socket.connect(network.local_enode().address).await.unwrap()
}

/// A request of ours, so that an answer is expected.
fn ask(network: &Network, up: &PeerUp) {
    let request = snap::GetByteCodes { id: 1, hashes: vec![B256::ZERO], response_bytes: 1 << 20 };
    network.send(up.peer, &Message::Snap(snap::Message::GetByteCodes(request))).unwrap();
}

/// The body of an answer to it: so many bytes, which do not compress.
fn codes(bytes: usize) -> Bytes {
    let mut state = 1_u64;
    let noise = (0..bytes).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let answer = snap::ByteCodes { id: 1, codes: vec![Bytes::from_iter(noise)] };
    snap::Message::ByteCodes(answer).encode(SnapVersion::Snap1).unwrap().1
}

/// The code of an answer with codes, behind eth/70.
const BYTE_CODES: u64 = 0x27;

/// A peer under the test's control, after its encrypted handshake.
struct Stranger {
    reader: FrameReader<OwnedReadHalf>,
    writer: FrameWriter<OwnedWriteHalf>,
    key: SecretKey,
}

impl Stranger {
    async fn arrive(network: &Network) -> Self {
        Self::arrive_as(2, socket(network).await, network).await
    }

    async fn arrive_as(key: u8, socket: TcpStream, network: &Network) -> Self {
        let (socket, secrets, key) = Self::shake_hands(key, socket, network).await;
        let (sealer, opener) = secrets.split();
        let (read, write) = socket.into_split();
        let (metrics, limits) = (Arc::new(Metrics::default()), Limits::mainnet());
        let buffers = Buffers::new(&limits);
        Self {
            reader: FrameReader::new(read, opener, &limits, &buffers, Arc::clone(&metrics)),
            writer: FrameWriter::new(write, sealer, &limits, &buffers, metrics),
            key,
        }
    }

    async fn shake_hands(
        key: u8,
        mut socket: TcpStream,
        network: &Network,
    ) -> (TcpStream, Secrets, SecretKey) {
        let key = SecretKey::from_byte_array([key; 32]).unwrap();
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
        Self::come_in_as(2, socket(network).await, network, events).await
    }

    async fn come_in_as(
        key: u8,
        socket: TcpStream,
        network: &Network,
        events: &mut Events,
    ) -> (Self, PeerUp) {
        let mut stranger = Self::arrive_as(key, socket, network).await;
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
async fn pings_are_answered_and_whoever_floods_us_with_them_goes() {
    let (network, mut events) = start(limits()).await;
    let (mut stranger, _) = Stranger::come_in(&network, &mut events).await;
    stranger.say(2, &[0xc0], Packing::Snappy).await;
    assert_eq!(stranger.reader.next().await.unwrap().code, 3);
    for _ in 0..10_000 {
        stranger.writer.put(2, &[0xc0], Packing::Snappy).unwrap();
    }
    // It may be hung up on in the middle.
    let _ = stranger.writer.flush().await;
    assert!(matches!(down(&mut events).await, Error::Flood { what: Unasked::Gossip }));
    assert!(network.handle().buffered_bytes() < 1 << 20);
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
    let (mut stranger, up) = Stranger::come_in(&network, &mut events).await;
    ask(&network, &up);
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
    // Behind snap, a second Hello, a second Status.
    for code in [0x2a, 0x7f, 0x1234] {
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
    let (mut socket, secrets, key) = Stranger::shake_hands(2, socket(&network).await, &network).await;
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
    let (mut stranger, up) = Stranger::come_in(&network, &mut events).await;
    ask(&network, &up);
    stranger.writer.begin(10 << 20, 100).await.unwrap();
    tokio::time::sleep(SHORT / 4).await;
    let buffered = network.handle().buffered_bytes();
    assert!(buffered <= 1 << 18, "{buffered} bytes for a frame of which 100 arrived");
    assert!(matches!(down(&mut events).await, Error::TooSlow { what: Wait::Frame, .. }));
}

#[tokio::test]
async fn frames_that_never_end_stay_within_the_budget_and_an_honest_answer_passes() {
    const HOSTILE: u8 = 33;
    // The least that there can be: all of it is contended.
    let limits = Limits { inbound_max: 40, ..limits() }.within(0);
    let budget = limits.buffer_bytes;
    let (network, mut events) = start(limits).await;
    let handle = network.handle();
    let watch = tokio::spawn(async move {
        let mut most = 0;
        loop {
            most = most.max(handle.buffered_bytes());
            assert!(most <= budget, "{most} of {budget} bytes");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let mut hostile = Vec::new();
    for key in 0..HOSTILE {
        let socket = socket(&network).await;
        let (mut stranger, up) = Stranger::come_in_as(100 + key, socket, &network, &mut events).await;
        ask(&network, &up);
        // What we do not read it cannot write: it waits, until it is hung up on.
        hostile.push(tokio::spawn(async move {
            let _ = stranger.writer.begin(12_000_000, 11_900_000).await;
            stranger
        }));
    }
    let (mut honest, up) = Stranger::come_in_as(2, socket(&network).await, &network, &mut events).await;
    let answer = codes(1 << 20);
    for _ in 0..4 {
        ask(&network, &up);
        honest.say(BYTE_CODES, &answer, Packing::Snappy).await;
        loop {
            match next(&mut events).await {
                NetworkEvent::Message { peer, bytes, .. } => {
                    assert_eq!((peer, bytes), (up.peer, answer.len()));
                    break;
                }
                NetworkEvent::Down { reason, .. } => {
                    assert!(matches!(reason, Error::Hogging { .. }), "{reason}")
                }
                other => panic!("{other:?}"),
            }
        }
    }
    // Whoever holds the room for the largest frames and sends no more is the first to go.
    match next(&mut events).await {
        NetworkEvent::Down { peer, reason } => {
            assert!(peer != up.peer && matches!(reason, Error::Hogging { .. }), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!watch.is_finished(), "the budget was exceeded");
    watch.abort();
    hostile.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn large_frame_is_taken_only_where_an_answer_is_expected() {
    let (network, mut events) = start(limits()).await;
    let (mut stranger, _) = Stranger::come_in(&network, &mut events).await;
    stranger.writer.begin(1 << 20, 100).await.unwrap();
    assert_eq!(down(&mut events).await, Error::FrameLong { length: 1 << 20, max: 256 << 10 });
    let (mut stranger, up) = Stranger::come_in(&network, &mut events).await;
    ask(&network, &up);
    stranger.say(BYTE_CODES, &codes(1 << 20), Packing::Snappy).await;
    assert!(matches!(next(&mut events).await, NetworkEvent::Message { .. }));
    // It was answered.
    stranger.writer.begin(1 << 20, 100).await.unwrap();
    assert_eq!(down(&mut events).await, Error::FrameLong { length: 1 << 20, max: 256 << 10 });
}

#[tokio::test]
async fn messages_that_the_owner_does_not_take_stay_in_the_books() {
    let limits = limits().within(0);
    let budget = limits.buffer_bytes;
    let (network, mut events) = start(limits).await;
    let (mut stranger, up) = Stranger::come_in(&network, &mut events).await;
    let answer = codes(2 << 20);
    let mut kept = Vec::new();
    for _ in 0..3 {
        ask(&network, &up);
        stranger.say(BYTE_CODES, &answer, Packing::Snappy).await;
        kept.push(next(&mut events).await);
    }
    let held = network.handle().buffered_bytes();
    assert!(
        (3 * answer.len()..budget).contains(&held),
        "{held}: an event holds its room until it is dropped"
    );
    drop(kept);
    assert!(network.handle().buffered_bytes() < 3 * answer.len() + (1 << 20));
}

#[tokio::test]
async fn messages_for_peers_that_do_not_read_stay_within_the_budget() {
    let limits = Limits { write_queue_bytes: 1 << 30, ..limits() }.within(0);
    let budget = limits.buffer_bytes;
    let (network, mut events) = start(limits).await;
    let mut silent = Vec::new();
    let answer = snap::ByteCodes { id: 1, codes: vec![codes(500_000)] };
    let answer = Message::Snap(snap::Message::ByteCodes(answer));
    for key in 0..10 {
        let socket = socket(&network).await;
        let (stranger, up) = Stranger::come_in_as(100 + key, socket, &network, &mut events).await;
        let mut refused = 0;
        while refused < 3 {
            match network.send(up.peer, &answer) {
                Ok(()) => (),
                Err(SendError::Full(_)) => {
                    refused += 1;
                    tokio::task::yield_now().await;
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!(network.handle().buffered_bytes() <= budget / 8);
        // A request finds room all the same.
        ask(&network, &up);
        silent.push(stranger);
    }
}

/// How the silent sockets come, and that an honest stranger gets in beside them.
async fn honest_beside_silent(origins: Origins, silent: impl Fn(u8) -> [u8; 4], honest: [u8; 4]) -> u64 {
    let limits = Limits { handshakes_max: 16, first_byte_time: PATIENCE, origins, ..limits() };
    let (network, mut events) = start(limits).await;
    let mut waiting = Vec::new();
    for number in 0..16 {
        waiting.push(socket_from(silent(number), &network).await);
    }
    let socket = socket_from(honest, &network).await;
    let (_stranger, up) = Stranger::come_in_as(2, socket, &network, &mut events).await;
    assert_eq!(up.address.ip(), IpAddr::from(honest));
    network.handle().metrics().unheard_connections.count()
}

#[tokio::test]
async fn silent_sockets_of_one_address_or_subnet_do_not_shut_others_out() {
    let strict = Origins { exempt: Exempt::Nobody, ..Origins::mainnet() };
    assert_eq!(honest_beside_silent(strict, |_| [127, 0, 0, 1], [127, 0, 0, 2]).await, 15, "throttled");
    let unthrottled = Origins { throttle: Duration::ZERO, ..strict };
    assert_eq!(honest_beside_silent(unthrottled, |_| [127, 0, 0, 1], [127, 0, 0, 2]).await, 14);
    let subnet = |number| [127, 0, 0, 1 + number];
    assert_eq!(honest_beside_silent(strict, subnet, [127, 0, 1, 1]).await, 12);
}

#[tokio::test]
async fn stranger_that_says_nothing_makes_room_before_the_handshake_ends() {
    let (network, _events) = start(Limits { first_byte_time: SHORT, ..limits() }).await;
    assert!(is_closed(socket(&network).await).await);
    // The handshake itself has its own time.
    let mut slow = socket(&network).await;
    slow.write_all(&[1, 100]).await.unwrap();
    let closed = timeout(SHORT * 2, slow.read_u8()).await;
    assert!(closed.is_err(), "it has begun");
}

/// A range whose last block is this.
fn range(latest: u64) -> Bytes {
    let range = BlockRange { earliest: 0, latest, latest_hash: B256::repeat_byte(1) };
    eth::Message::BlockRangeUpdate(range).encode(EthVersion::Eth70).unwrap().1
}

#[tokio::test]
async fn of_many_block_ranges_the_owner_hears_the_last() {
    let limits = Limits { range_interval: SHORT, ..limits() };
    let (network, mut events) = start(limits).await;
    let (mut stranger, up) = Stranger::come_in(&network, &mut events).await;
    for latest in 1..=2_000 {
        stranger.writer.put(0x21, &range(latest), Packing::Snappy).unwrap();
    }
    stranger.writer.flush().await.unwrap();
    let mut heard = 0;
    loop {
        heard += 1;
        match next(&mut events).await {
            NetworkEvent::Message {
                peer,
                message: Message::Eth(eth::Message::BlockRangeUpdate(range)),
                ..
            } if peer == up.peer => {
                if range.latest == 2_000 {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(heard <= 100, "{heard} ranges heard");
}

/// Lets a peer with these allowances say something again and again, and gives why it had to go.
async fn flood(limits: Limits, code: u64, body: &[u8], packing: Packing) -> Error {
    let (network, mut events) = start(limits).await;
    let (mut stranger, _) = Stranger::come_in(&network, &mut events).await;
    for _ in 0..50 {
        stranger.writer.put(code, body, packing).unwrap();
    }
    stranger.writer.flush().await.unwrap();
    loop {
        match next(&mut events).await {
            NetworkEvent::Message { .. } => (),
            NetworkEvent::Down { reason, .. } => {
                assert_eq!(stranger.farewell().await, DisconnectReason::UselessPeer);
                return reason;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn floods_of_what_nobody_asked_for_are_hung_up_on() {
    let few = Allowance { messages: 20, messages_per_s: 0, bytes: 1 << 20, bytes_per_s: 0 };
    let small = Allowance { messages: 1000, messages_per_s: 0, bytes: 100_000, bytes_per_s: 0 };
    let gossip = Error::Flood { what: Unasked::Gossip };
    let requests = Error::Flood { what: Unasked::Requests };
    let limits = || Limits { gossip: few, requests: few, ..limits() };
    // Transactions, block ranges, pings, unknown words of the base protocol, answers to nothing.
    assert_eq!(flood(limits(), 0x12, &[0xc0], Packing::Snappy).await, gossip);
    assert_eq!(flood(limits(), 0x21, &range(1), Packing::Snappy).await, gossip);
    assert_eq!(flood(limits(), 2, &[0xc0], Packing::Snappy).await, gossip);
    assert_eq!(flood(limits(), 0x0f, &[0xc0], Packing::Snappy).await, gossip);
    assert_eq!(flood(limits(), BYTE_CODES, &codes(10), Packing::Snappy).await, gossip);
    let large = Limits { gossip: small, requests: small, ..limits() };
    assert_eq!(flood(large.clone(), 0x12, &[0; 10_000], Packing::Plain).await, gossip);
    // Requests count as what they are when inflated.
    let hashes = vec![B256::ZERO; 1024];
    let request = snap::GetByteCodes { id: 1, hashes, response_bytes: 1 << 20 };
    let request = snap::Message::GetByteCodes(request).encode(SnapVersion::Snap1).unwrap().1;
    assert_eq!(flood(large, 0x26, &request, Packing::Snappy).await, requests);
    assert_eq!(flood(limits(), 0x26, &request, Packing::Snappy).await, requests);
}

#[tokio::test]
async fn gossip_is_not_inflated_and_reserved_words_are_read_over() {
    let (network, mut events) = start(limits()).await;
    let (mut stranger, _) = Stranger::come_in(&network, &mut events).await;
    // 4 GiB - 1 of transactions, as snappy announces them.
    stranger.say(0x12, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0x00], Packing::Plain).await;
    for code in 0x04..=0x0f {
        stranger.say(code, &[0xff; 40], Packing::Plain).await;
    }
    stranger.say(1, &[0x04], Packing::Snappy).await;
    assert_eq!(down(&mut events).await, Error::Disconnected(DisconnectReason::TooManyPeers));
}

#[tokio::test]
async fn peer_that_refuses_our_status_shows_both_sides() {
    let (network, mut events) = start(limits()).await;
    let (mut stranger, _) = Stranger::come_in(&network, &mut events).await;
    // geth sends its Status first and looks at ours then.
    stranger.say(1, &[0xc1, 0x10], Packing::Snappy).await;
    let reason = down(&mut events).await;
    let side = (&chain().status()).into();
    let Error::StatusRefused { ours, theirs: Some(theirs) } = reason.clone() else { panic!("{reason}") };
    assert_eq!((&ours, &theirs), (&side, &side));
    let text = reason.to_string();
    let genesis = B256::repeat_byte(7).to_string();
    assert!(text.contains("network 1337") && text.matches(&genesis).count() == 2, "{text}");
    assert_eq!(text.matches("fork ").count(), 2, "{text}");
}
