//! Two networks of ours on loopback, and words to exchange.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::{net::Ipv4Addr, time::Duration};

use alloy_primitives::{B256, Bytes};
use secp256k1::SecretKey;
use snapsync_p2p::{Config, Error, Events, Limits, LocalChain, Message, Network, NetworkEvent, PeerUp};
use snapsync_wire::{DisconnectReason, EthVersion, ForkFilter, SnapVersion, eth, snap};
use tokio::sync::watch;

/// Longer than anything here takes; a test that meets it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node of ours on the chain with this genesis, listening on a port that the system chooses.
pub(crate) fn config(key: u8) -> Config {
    config_on(key, 1337, ForkFilter::new(B256::repeat_byte(7), 0, &[], &[]))
}

/// A node of ours on another chain.
pub(crate) fn config_on(key: u8, network_id: u64, forks: ForkFilter) -> Config {
    let (_keep, chain) = watch::channel(LocalChain::at_genesis(network_id, forks, 0));
    Config {
        key: SecretKey::from_byte_array([key; 32]).unwrap(),
        listen: Some((Ipv4Addr::LOCALHOST, 0).into()),
        static_peers: Vec::new(),
        client_name: format!("snapsync/test-{key}"),
        eth: vec![EthVersion::Eth69, EthVersion::Eth70, EthVersion::Eth71],
        snap: Some(SnapVersion::Snap1),
        chain,
        limits: Limits { redial_first: Duration::from_millis(20), ..Limits::mainnet() },
        seed: u64::from(key),
    }
}

/// The next event, soon.
pub(crate) async fn next(events: &mut Events) -> NetworkEvent {
    tokio::time::timeout(PATIENCE, events.recv()).await.expect("an event").expect("a running network")
}

/// The next event, which is a session. A node that has not yet noticed the end of our last one says so, and is dialled again.
pub(crate) async fn up(events: &mut Events) -> PeerUp {
    loop {
        match next(events).await {
            NetworkEvent::Up(up) => return *up,
            NetworkEvent::DialFailed {
                error: Error::Disconnected(DisconnectReason::AlreadyConnected),
                ..
            } => {}
            other => panic!("not up: {other:?}"),
        }
    }
}

/// The next event, which is a message.
pub(crate) async fn heard(events: &mut Events) -> Message {
    match next(events).await {
        NetworkEvent::Message { message, bytes_on_wire, .. } => {
            assert!(bytes_on_wire >= 64);
            message
        }
        other => panic!("no message: {other:?}"),
    }
}

/// The second dials the first; both are up.
pub(crate) async fn connect(first: Config, mut second: Config) -> (Side, Side) {
    let (first, mut first_events) = Network::start(first).await.unwrap();
    second.static_peers.push(first.local_enode().into());
    let (second, mut second_events) = Network::start(second).await.unwrap();
    let (first_up, second_up) = (up(&mut first_events).await, up(&mut second_events).await);
    (
        Side { network: first, events: first_events, up: first_up },
        Side { network: second, events: second_events, up: second_up },
    )
}

/// One end of a session.
pub(crate) struct Side {
    pub(crate) network: Network,
    pub(crate) events: Events,
    pub(crate) up: PeerUp,
}

impl Side {
    /// Says it to the other side.
    pub(crate) fn say(&self, message: &Message) {
        self.network.send(self.up.peer, message).unwrap();
    }
}

/// A small message of eth.
pub(crate) fn bodies_request(id: u64) -> Message {
    Message::Eth(eth::Message::GetBlockBodies(eth::GetBlockBodies { id, hashes: vec![B256::ZERO; 3] }))
}

/// Asks for codes, so that a large answer is expected.
pub(crate) fn codes_request(id: u64) -> Message {
    let request = snap::GetByteCodes { id, hashes: vec![B256::ZERO], response_bytes: 1 << 20 };
    Message::Snap(snap::Message::GetByteCodes(request))
}

/// The second asks, as often as it is told to, and the first hears it.
pub(crate) async fn ask(first: &mut Side, second: &Side, times: u64) {
    for id in 0..times {
        second.say(&codes_request(id));
        assert_eq!(heard(&mut first.events).await, codes_request(id));
    }
}

/// A message of snap with as many bytes as wanted, which do not compress.
pub(crate) fn codes(id: u64, bytes: usize) -> Message {
    let mut state = id | 1;
    let noise = (0..bytes).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    Message::Snap(snap::Message::ByteCodes(snap::ByteCodes { id, codes: vec![Bytes::from_iter(noise)] }))
}
