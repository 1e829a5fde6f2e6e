//! Sessions with a real geth: its Status fits, it answers eth and snap, and it turns strangers away.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as tests do")]

use std::fs;

use alloy_primitives::B256;
use neighbours::{config_on, heard, next, up};
use serde_json::Value;
use snapsync_e2e::{
    chain::{Forks, TestChain},
    geth::{Geth, Settings},
    presence::geth_or_report,
    recipe::Size,
};
use snapsync_keccak::keccak256;
use snapsync_p2p::{Config, Direction, Error, Events, Message, Network, NetworkEvent, PeerUp};
use snapsync_wire::{DisconnectReason, EthVersion, ForkFilter, SnapVersion, eth, snap};

mod neighbours;

/// The forks in a genesis file. Blocks and times are told apart by their names, as geth does.
fn forks(chain: &TestChain) -> ForkFilter {
    let genesis: Value = serde_json::from_slice(&fs::read(chain.genesis()).unwrap()).unwrap();
    let config = genesis["config"].as_object().unwrap();
    let ending = |ending: &str| -> Vec<u64> {
        let named = config.iter().filter(|(name, _)| name.ends_with(ending));
        named.filter_map(|(_, value)| value.as_u64()).collect()
    };
    let timestamp = match &genesis["timestamp"] {
        Value::String(hex) => u64::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap(),
        other => other.as_u64().unwrap_or(0),
    };
    ForkFilter::new(chain.expected().genesis_hash, timestamp, &ending("Block"), &ending("Time"))
}

/// A node of ours that dials this geth.
fn config(chain: &TestChain, geth: &Geth, eth: EthVersion, snap: SnapVersion) -> Config {
    let mut config = config_on(2, chain.expected().network_id, forks(chain));
    config.eth = vec![eth];
    config.snap = Some(snap);
    config.static_peers = vec![geth.enode().parse().unwrap()];
    config
}

/// The next message that answers this request; what geth says unasked is read over.
async fn answer(events: &mut Events, id: u64) -> Message {
    loop {
        let message = heard(events).await;
        let of = match &message {
            Message::Eth(message) => message.request_id(),
            Message::Snap(message) => Some(message.request_id()),
        };
        if of == Some(id) {
            return message;
        }
    }
}

async fn ask_headers(network: &Network, events: &mut Events, peer: &PeerUp, chain: &TestChain) -> B256 {
    let request = eth::GetBlockHeaders {
        id: 1,
        start: eth::BlockStart::Hash(chain.expected().head_hash),
        limit: 3,
        skip: 0,
        direction: eth::Direction::Falling,
    };
    network.send(peer.peer, &Message::Eth(eth::Message::GetBlockHeaders(request))).unwrap();
    let Message::Eth(eth::Message::BlockHeaders(answer)) = answer(events, 1).await else {
        panic!("no headers");
    };
    assert_eq!(answer.headers.len(), 3);
    assert_eq!(answer.headers[0].hash(), chain.expected().head_hash);
    answer.headers[0].state_root
}

async fn ask_accounts(network: &Network, events: &mut Events, peer: &PeerUp, root: B256) -> usize {
    let request = snap::GetAccountRange {
        id: 2,
        root,
        origin: B256::ZERO,
        limit: B256::repeat_byte(0xff),
        response_bytes: 512 << 10,
    };
    network.send(peer.peer, &Message::Snap(snap::Message::GetAccountRange(request))).unwrap();
    let Message::Snap(snap::Message::AccountRange(answer)) = answer(events, 2).await else {
        panic!("no accounts");
    };
    assert_eq!(keccak256(&answer.proof[0]), root, "the proof starts at the root");
    answer.accounts.len()
}

#[tokio::test]
async fn geth_answers_headers_and_accounts_in_each_version() {
    let Some(tools) = geth_or_report("geth_answers_headers_and_accounts_in_each_version") else { return };
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let geth = chain.serve(&tools, folder.path()).unwrap();
    for version in [EthVersion::Eth69, EthVersion::Eth70, EthVersion::Eth71] {
        let (network, mut events) =
            Network::start(config(&chain, &geth, version, SnapVersion::Snap1)).await.unwrap();
        let peer = up(&mut events).await;
        assert_eq!((peer.eth, peer.snap), (version, Some(SnapVersion::Snap1)));
        assert!(peer.client.starts_with(&format!("Geth/v{}", tools.version)), "{}", peer.client);
        assert_eq!(peer.status.range.latest, chain.expected().head_number);
        assert_eq!(peer.status.range.latest_hash, chain.expected().head_hash);
        let root = ask_headers(&network, &mut events, &peer, &chain).await;
        assert_eq!(root, chain.expected().state.root);
        assert!(ask_accounts(&network, &mut events, &peer, root).await > 5_000);
        network.shutdown().await;
    }
}

#[tokio::test]
async fn geth_speaks_snap_2_behind_eth_71() {
    let Some(tools) = geth_or_report("geth_speaks_snap_2_behind_eth_71") else { return };
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::serving(chain.expected().network_id);
    settings.arguments.push("--snap.v2".into());
    let geth = chain.serve_with(&tools, folder.path(), &settings).unwrap();
    let (network, mut events) =
        Network::start(config(&chain, &geth, EthVersion::Eth71, SnapVersion::Snap2)).await.unwrap();
    let peer = up(&mut events).await;
    assert_eq!((peer.eth, peer.snap), (EthVersion::Eth71, Some(SnapVersion::Snap2)));
    assert!(ask_accounts(&network, &mut events, &peer, chain.expected().state.root).await > 5_000);
    network.shutdown().await;
}

#[tokio::test]
async fn geth_that_passed_every_fork_fits_our_fork_filter() {
    let Some(tools) = geth_or_report("geth_that_passed_every_fork_fits_our_fork_filter") else { return };
    for forks in Forks::ALL {
        let chain = TestChain::of_every_fork(&tools, forks).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let geth = chain.serve(&tools, folder.path()).unwrap();
        let ours = config(&chain, &geth, EthVersion::Eth70, SnapVersion::Snap1);
        let mut other = ours.clone();
        let (network, mut events) = Network::start(ours).await.unwrap();
        let peer = up(&mut events).await;
        let root = ask_headers(&network, &mut events, &peer, &chain).await;
        assert!(ask_accounts(&network, &mut events, &peer, root).await > 0);
        network.shutdown().await;
        // The same genesis without its forks is another chain.
        let mut local = other.chain.borrow().clone();
        local.forks = ForkFilter::new(chain.expected().genesis_hash, 0, &[], &[]);
        other.chain = tokio::sync::watch::channel(local).1;
        assert!(is_refused(other).await);
    }
}

#[tokio::test]
async fn geth_of_another_network_or_genesis_is_refused() {
    let Some(tools) = geth_or_report("geth_of_another_network_or_genesis_is_refused") else { return };
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let geth = chain.serve(&tools, folder.path()).unwrap();
    let ours = config(&chain, &geth, EthVersion::Eth69, SnapVersion::Snap1);
    let mut local = ours.chain.borrow().clone();
    local.network_id += 1;
    assert!(is_refused(Config { chain: tokio::sync::watch::channel(local).1, ..ours.clone() }).await);
    let mut local = ours.chain.borrow().clone();
    local.forks = ForkFilter::new(B256::repeat_byte(1), 0, &[], &[]);
    local.range.latest_hash = B256::repeat_byte(1);
    assert!(is_refused(Config { chain: tokio::sync::watch::channel(local).1, ..ours }).await);
}

/// Whether the Status ends the dial. geth may find out before us, and says so in its word for it. While it has not yet noticed
/// the end of our last session it says that instead, and is dialled again.
async fn is_refused(config: Config) -> bool {
    let (network, mut events) = Network::start(config).await.unwrap();
    let error = loop {
        match next(&mut events).await {
            NetworkEvent::DialFailed {
                error: Error::Disconnected(DisconnectReason::AlreadyConnected),
                ..
            } => {}
            NetworkEvent::DialFailed { error, .. } => break error,
            other => panic!("{other:?}"),
        }
    };
    network.shutdown().await;
    matches!(error, Error::Status { .. } | Error::StatusRefused { .. })
}

#[tokio::test]
async fn geth_dials_us_and_our_pings_keep_the_session() {
    let Some(tools) = geth_or_report("geth_dials_us_and_our_pings_keep_the_session") else { return };
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let geth = chain.serve(&tools, folder.path()).unwrap();
    let mut ours = config(&chain, &geth, EthVersion::Eth70, SnapVersion::Snap1);
    ours.static_peers.clear();
    ours.limits.ping_interval = std::time::Duration::from_millis(100);
    // geth has nothing to say to us but its pongs. On a loaded machine it may be long before it says them.
    ours.limits.idle_time = std::time::Duration::from_secs(6);
    let (network, mut events) = Network::start(ours).await.unwrap();
    let us = network.local_enode().to_string();
    geth.rpc().call("admin_addPeer", serde_json::json!([us])).unwrap();
    let peer = up(&mut events).await;
    assert_eq!(peer.direction, Direction::Inbound);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(8), async {
        loop {
            if let NetworkEvent::Down { reason, .. } = next(&mut events).await {
                break reason;
            }
        }
    });
    assert!(ended.await.is_err(), "the session held");
    assert_eq!(geth.peer_count().unwrap(), 1);
    network.shutdown().await;
}
