//! Sessions between two networks of ours, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as tests do")]

use std::time::Duration;

use alloy_primitives::B256;
use neighbours::{ask, bodies_request, codes, config, config_on, connect, heard, next, up};
use snapsync_p2p::{Direction, Error, Limits, Message, Network, NetworkEvent, SendError};
use snapsync_wire::{DisconnectReason, EthVersion, ForkFilter, SnapVersion, StatusFault, snap};

mod neighbours;

#[tokio::test]
async fn every_pair_of_versions_exchanges_eth_and_snap() {
    for eth in EthVersion::ALL {
        for snap in SnapVersion::ALL {
            let (mut first, mut second) = (config(1), config(2));
            // The first speaks everything up to this, the second only this.
            first.eth = EthVersion::ALL.into_iter().filter(|version| *version <= eth).collect();
            second.eth = vec![eth];
            (first.snap, second.snap) = (Some(snap), Some(snap));
            let (mut first, mut second) = connect(first, second).await;
            assert_eq!((first.up.eth, first.up.snap), (eth, Some(snap)));
            assert_eq!((second.up.eth, second.up.snap), (eth, Some(snap)));
            assert_eq!((first.up.direction, second.up.direction), (Direction::Inbound, Direction::Outbound));
            assert_eq!(second.up.node_id, first.network.local_enode().id);
            ask(&mut first, &second, 2).await;
            ask(&mut second, &first, 2).await;
            for message in [bodies_request(1), codes(2, 10), codes(3, 700_000)] {
                first.say(&message);
                assert_eq!(heard(&mut second.events).await, message);
                second.say(&message);
                assert_eq!(heard(&mut first.events).await, message);
            }
            // The last id of either protocol is the one that a wrong base would miss.
            let last = match snap {
                SnapVersion::Snap1 => {
                    Message::Snap(snap::Message::TrieNodes(snap::TrieNodes { id: 4, nodes: vec![] }))
                }
                SnapVersion::Snap2 => {
                    Message::Snap(snap::Message::BlockAccessLists(snap::BlockAccessLists {
                        id: 4,
                        lists: vec![],
                    }))
                }
            };
            first.say(&last);
            assert_eq!(heard(&mut second.events).await, last);
            first.network.shutdown().await;
            second.network.shutdown().await;
        }
    }
}

#[tokio::test]
async fn different_snap_versions_leave_eth_alone() {
    let (mut first, second) = (config(1), config(2));
    first.snap = Some(SnapVersion::Snap2);
    let (first, second) = connect(first, second).await;
    assert_eq!((first.up.snap, second.up.snap), (None, None));
    assert_eq!(first.up.eth, EthVersion::Eth71);
    assert!(matches!(first.network.send(first.up.peer, &codes(1, 1)), Err(SendError::NotSendable(_))));
}

/// Dials the first with the second and gives why that failed.
async fn refusal(first: snapsync_p2p::Config, mut second: snapsync_p2p::Config) -> Error {
    let (first, _first_events) = Network::start(first).await.unwrap();
    second.static_peers.push(first.local_enode().into());
    let (_second, mut events) = Network::start(second).await.unwrap();
    match next(&mut events).await {
        NetworkEvent::DialFailed { error, attempts: 1, .. } => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn other_network_genesis_and_forks_are_told_apart() {
    let forks = |genesis, times: &[u64]| ForkFilter::new(B256::repeat_byte(genesis), 0, &[], times);
    let on = |key, network, forks| config_on(key, network, forks);
    let error = refusal(on(1, 1, forks(7, &[])), on(2, 2, forks(7, &[]))).await;
    assert_eq!(fault(&error), StatusFault::Network { ours: 2, theirs: 1 });
    let text = error.to_string();
    assert!(
        text.contains("theirs: network 1, genesis 0x0707") && text.contains("ours: network 2, "),
        "{text}"
    );
    assert_eq!(error.disconnect_reason(), Some(DisconnectReason::Subprotocol));
    let error = refusal(on(1, 1, forks(7, &[])), on(2, 1, forks(8, &[]))).await;
    let (ours, theirs) = (B256::repeat_byte(8), B256::repeat_byte(7));
    assert_eq!(fault(&error), StatusFault::Genesis { ours, theirs });
    let mut ahead = LocalAhead::of(on(1, 1, forks(7, &[100])), 200);
    ahead.eth = vec![EthVersion::Eth70];
    let error = refusal(ahead, on(2, 1, forks(7, &[]))).await;
    assert!(matches!(fault(&error), StatusFault::Forks(_)), "{error:?}");
    assert_eq!(error.to_string().matches("fork ").count(), 2, "{error}");
}

fn fault(error: &Error) -> StatusFault {
    match error {
        Error::Status { fault, .. } => *fault,
        other => panic!("{other:?}"),
    }
}

/// A chain whose head is past its forks.
struct LocalAhead;

impl LocalAhead {
    fn of(mut config: snapsync_p2p::Config, timestamp: u64) -> snapsync_p2p::Config {
        let mut chain = config.chain.borrow().clone();
        chain.head.timestamp = timestamp;
        config.chain = tokio::sync::watch::channel(chain).1;
        config
    }
}

#[tokio::test]
async fn nothing_in_common_is_named() {
    let (mut first, mut second) = (config(1), config(2));
    first.eth = vec![EthVersion::Eth69];
    second.eth = vec![EthVersion::Eth71];
    let error = refusal(first, second).await;
    let expected =
        Error::NothingInCommon { client: "snapsync/test-1".into(), offered: "eth/69 snap/1".into() };
    assert_eq!(error, expected);
    assert_eq!(error.disconnect_reason(), Some(DisconnectReason::UselessPeer));
}

#[tokio::test]
async fn nobody_there_is_a_failed_dial() {
    let mut config = config(2);
    let (first, _events) = Network::start(self::config(1)).await.unwrap();
    let gone = first.local_enode();
    first.shutdown().await;
    config.static_peers.push(gone.into());
    let (_network, mut events) = Network::start(config).await.unwrap();
    for expected in 1..=3 {
        match next(&mut events).await {
            NetworkEvent::DialFailed { contact, error: Error::Connect { kind, .. }, attempts } => {
                assert_eq!((contact, attempts), (gone.into(), expected));
                assert_eq!(kind, std::io::ErrorKind::ConnectionRefused);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_static_peer_is_dialled_at_the_place_that_was_named_last() {
    let mut ends = Vec::new();
    for _ in 0..2 {
        let (network, _events) = Network::start(config(1)).await.unwrap();
        ends.push(network.local_enode());
        network.shutdown().await;
    }
    let [old, new] = ends[..] else { unreachable!("two were made") };
    assert_eq!(old.id, new.id);
    for is_removed_first in [true, false] {
        let (network, mut events) = Network::start(config(2)).await.unwrap();
        let handle = network.handle();
        assert!(handle.add_static_peer(old));
        let mut dialled = async || match next(&mut events).await {
            NetworkEvent::DialFailed { contact, .. } => contact,
            other => panic!("{other:?}"),
        };
        assert_eq!(dialled().await, old.into());
        if is_removed_first {
            assert!(handle.remove_static_peer(old.id));
        }
        assert!(handle.add_static_peer(new));
        // One dial may have been under way.
        while dialled().await != new.into() {}
        for _ in 0..20 {
            handle.redial();
            assert_eq!(dialled().await, new.into());
        }
    }
}

#[tokio::test]
async fn ourselves_are_not_a_peer() {
    let config = config(1);
    let (network, mut events) = Network::start(config).await.unwrap();
    assert!(network.handle().add_static_peer(network.local_enode()));
    match next(&mut events).await {
        NetworkEvent::DialFailed { error: Error::Ourselves, .. } => (),
        NetworkEvent::DialFailed {
            error: Error::Disconnected(DisconnectReason::ConnectedToSelf), ..
        } => (),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_peer_too_many_is_told_so() {
    let mut first = config(1);
    first.limits.inbound_max = 1;
    let (first, mut second) = connect(first, config(2)).await;
    let mut third = config(3);
    third.static_peers.push(first.network.local_enode().into());
    let (third, mut events) = Network::start(third).await.unwrap();
    match next(&mut events).await {
        NetworkEvent::DialFailed { error, .. } => {
            assert_eq!(error, Error::Disconnected(DisconnectReason::TooManyPeers));
        }
        other => panic!("{other:?}"),
    }
    // Its place is free when the other leaves.
    second.network.shutdown().await;
    while second.events.recv().await.is_some() {}
    loop {
        if let NetworkEvent::Up(_) = next(&mut events).await {
            break;
        }
    }
    assert_eq!(third.handle().peers(), 1);
}

#[tokio::test]
async fn full_peer_is_asked_again_every_few_moments() {
    let mut first = config(1);
    first.limits.inbound_max = 1;
    let (first, second) = connect(first, config(2)).await;
    let mut third = config(3);
    third.static_peers.push(first.network.local_enode().into());
    third.limits.redial_last = Duration::from_secs(3600);
    third.limits.redial_soon = Duration::from_millis(40);
    let (_third, mut events) = Network::start(third).await.unwrap();
    // By doubling alone the last of these would come after minutes.
    for expected in 1..=16 {
        match next(&mut events).await {
            NetworkEvent::DialFailed { error, attempts, .. } => {
                assert!(error.may_pass(), "{error}");
                assert_eq!(attempts, expected);
            }
            other => panic!("{other:?}"),
        }
    }
    second.network.shutdown().await;
    while !matches!(next(&mut events).await, NetworkEvent::Up(_)) {}
}

#[tokio::test]
async fn dropped_session_is_dialled_again() {
    let (mut first, mut second) = connect(config(1), config(2)).await;
    for _ in 0..3 {
        first.network.disconnect(first.up.peer, DisconnectReason::Requested);
        match next(&mut first.events).await {
            NetworkEvent::Down { peer, reason } => {
                assert_eq!((peer, reason), (first.up.peer, Error::Dismissed(DisconnectReason::Requested)));
            }
            other => panic!("{other:?}"),
        }
        match next(&mut second.events).await {
            NetworkEvent::Down { reason, .. } => {
                assert_eq!(reason, Error::Disconnected(DisconnectReason::Requested));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(first.network.send(first.up.peer, &bodies_request(1)), Err(SendError::Gone(_))));
        let again = up(&mut first.events).await;
        assert!(again.peer > first.up.peer, "a session has its own number");
        assert_eq!(again.node_id, first.up.node_id);
        first.up = again;
        second.up = up(&mut second.events).await;
    }
    first.say(&bodies_request(9));
    assert_eq!(heard(&mut second.events).await, bodies_request(9));
}

#[tokio::test]
async fn peer_that_restarts_is_found_again() {
    let (first, mut second) = connect(config(1), config(2)).await;
    let address = first.network.local_enode().address;
    first.network.shutdown().await;
    match next(&mut second.events).await {
        NetworkEvent::Down { reason, .. } => {
            assert_eq!(reason, Error::Disconnected(DisconnectReason::ClientQuitting));
        }
        other => panic!("{other:?}"),
    }
    let mut config = config(1);
    config.listen = Some(address);
    let (_first, _events) = Network::start(config).await.unwrap();
    loop {
        match next(&mut second.events).await {
            NetworkEvent::Up(_) => break,
            NetworkEvent::DialFailed { error: Error::Connect { .. }, .. } => (),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn back_pressure_fills_the_queue_and_bounds_what_is_buffered() {
    let (mut first, mut second) = (config(1), config(2));
    second.limits.events = 2;
    first.limits.write_queue = 4;
    let (mut first, mut second) = connect(first, second).await;
    ask(&mut first, &second, 60).await;
    // The second does not listen: its channel, both sockets and the queue fill up, and then it is said.
    let message = codes(1, 500_000);
    let mut sent = 0;
    let mut refused = 0;
    while refused < 20 {
        match first.network.send(first.up.peer, &message) {
            Ok(()) => sent += 1,
            Err(SendError::Full(peer)) => {
                assert_eq!(peer, first.up.peer);
                refused += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(first.network.handle().buffered_bytes() <= 6 * 500_100 + (1 << 20));
    assert!(second.network.handle().buffered_bytes() <= 4 * 500_100 + (2 << 20));
    for _ in 0..sent {
        assert_eq!(heard(&mut second.events).await, message);
    }
    second.network.shutdown().await;
    let handle = first.network.handle();
    first.network.shutdown().await;
    drop(first.events);
    assert_eq!(handle.buffered_bytes(), 0, "all that was counted in is counted out");
}

#[tokio::test]
async fn peer_that_never_reads_is_disconnected() {
    let (mut first, mut second) = (config(1), config(2));
    first.limits.write_time = Duration::from_millis(300);
    second.limits.events = 1;
    let (mut first, second) = connect(first, second).await;
    ask(&mut first, &second, 60).await;
    let message = codes(1, 500_000);
    let down = loop {
        // It is not even emptied here: the second's owner does not listen.
        let _ = first.network.send(first.up.peer, &message);
        let event = tokio::time::timeout(Duration::from_millis(5), first.events.recv()).await;
        if let Ok(event) = event {
            break event.unwrap();
        }
    };
    match down {
        NetworkEvent::Down { reason, .. } => {
            assert!(matches!(reason, Error::TooSlow { what: snapsync_p2p::Wait::Reading, .. }), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    drop(second);
}

#[tokio::test]
async fn shutdown_ends_everything_and_the_events() {
    let (first, mut second) = connect(config(1), config(2)).await;
    let handle = first.network.handle();
    first.say(&bodies_request(1));
    // Nobody listens to the first's events: that does not hold its shutdown up.
    first.network.shutdown().await;
    assert_eq!(handle.peers(), 0);
    assert!(matches!(handle.send(first.up.peer, &bodies_request(1)), Err(SendError::Gone(_))));
    let mut events = first.events;
    while events.recv().await.is_some() {}
    second.network.shutdown().await;
    while second.events.recv().await.is_some() {}
}

#[tokio::test]
async fn limits_of_a_public_network_hold_a_message_of_ten_mebibytes() {
    let limits = Limits::mainnet();
    let (mut first, mut second) = connect(config(1), config(2)).await;
    ask(&mut first, &second, 1).await;
    let code = alloy_primitives::Bytes::from(vec![5; 60_000]);
    // 174 x 60 kB = 10.44 MB, just below 10 MiB = 10.49 MB.
    let largest = Message::Snap(snap::Message::ByteCodes(snap::ByteCodes { id: 1, codes: vec![code; 174] }));
    first.say(&largest);
    assert_eq!(heard(&mut second.events).await, largest);
    let beyond = codes(1, limits.message_bytes_max);
    assert!(matches!(first.network.send(first.up.peer, &beyond), Err(SendError::NotSendable(_))));
}
