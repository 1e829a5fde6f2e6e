//! How a connection begins and ends: Hello, Disconnect, capabilities, fork ids.

mod samples;

use alloy_primitives::{B256, B512, b256, bytes::Bytes, hex};
use samples::{bytes, hash, pins};
use snapsync_wire::{
    Capability, ChainHead, Disconnect, DisconnectReason, Error, EthVersion, ForkFault, ForkFilter, ForkId,
    Hello, Protocol, Routed, Shared, SnapVersion, StatusFault, limits, p2p,
};

#[test]
fn p2p_0x00_hello() {
    let node_id: Vec<u8> = (0..64).collect();
    let hello = Hello {
        p2p_version: 5,
        client_id: "snapsync/v0.1.0".to_owned(),
        capabilities: vec![EthVersion::Eth70.into(), EthVersion::Eth71.into(), SnapVersion::Snap1.into()],
        listen_port: 0,
        node_id: B512::from_slice(&node_id),
    };
    let pin = bytes(pins::P2P_0X00_HELLO);
    assert_eq!(p2p::Message::Hello(hello.clone()).encode(), (0x00, pin.to_vec()));
    assert_eq!(Hello::decode(&pin), Ok(hello));
}

#[test]
fn p2p_0x00_hello_of_eip_8_with_unknown_elements() {
    let hello = Hello::decode(&bytes(pins::P2P_0X00_HELLO_EIP_8)).expect("EIP-8 wants it accepted");
    assert_eq!((hello.p2p_version, hello.listen_port), (55, 9999));
    assert_eq!(hello.client_id, "kneth/v0.91/plan9");
    let capability = |name: &str, version| Capability { name: name.to_owned(), version };
    assert_eq!(hello.capabilities, [capability("eth", 61), capability("mork", 22)]);
    assert_eq!(hello.node_id[..4], hex!("fda1cff6"));
}

#[test]
fn p2p_0x01_disconnect_in_every_form_that_is_sent() {
    let subprotocol = Disconnect { reason: DisconnectReason::Subprotocol };
    assert_eq!(
        p2p::Message::Disconnect(subprotocol).encode(),
        (0x01, bytes(pins::P2P_0X01_DISCONNECT).to_vec())
    );
    for (body, reason) in [
        (&hex!("c110")[..], DisconnectReason::Subprotocol),
        (&hex!("10"), DisconnectReason::Subprotocol),
        (&hex!("c104"), DisconnectReason::TooManyPeers),
        (&hex!("04"), DisconnectReason::TooManyPeers),
        (&hex!("c180"), DisconnectReason::Requested),
        (&hex!("80"), DisconnectReason::Requested),
        (&hex!("c0"), DisconnectReason::Requested),
        (&[], DisconnectReason::Requested),
        (&hex!("c17f"), DisconnectReason::Unknown(0x7f)),
        (&hex!("c20405"), DisconnectReason::TooManyPeers),
    ] {
        assert_eq!(Disconnect::decode(body), Ok(Disconnect { reason }), "{body:02x?}");
    }
}

#[test]
fn disconnect_reasons_keep_their_numbers() {
    for number in 0..=u8::MAX {
        assert_eq!(DisconnectReason::from_number(number).number(), number);
    }
}

#[test]
fn p2p_0x02_ping_and_0x03_pong() {
    assert_eq!(p2p::Message::Ping.encode(), (0x02, bytes(pins::P2P_0X02_PING).to_vec()));
    assert_eq!(p2p::Message::Pong.encode(), (0x03, vec![0xc0]));
    for body in [&[0xc0][..], &[], &[0x80]] {
        assert_eq!(p2p::Message::decode(0x02, body), Ok(p2p::Message::Ping));
        assert_eq!(p2p::Message::decode(0x03, body), Ok(p2p::Message::Pong));
    }
    assert!(matches!(p2p::Message::decode(0x04, &[0xc0]), Err(Error::UnknownMessage { id: 4, .. })));
}

#[test]
fn base_messages_beyond_their_bound_are_refused() {
    let body = Bytes::from(vec![0; limits::BASE_MESSAGE_BYTES_MAX + 1]);
    for id in 0..4 {
        assert!(matches!(p2p::Message::decode(id, &body), Err(Error::TooLong { .. })));
    }
}

fn announce(eth: &[EthVersion], snap: &[SnapVersion]) -> Vec<Capability> {
    let eth = eth.iter().map(|version| (*version).into());
    eth.chain(snap.iter().map(|version| (*version).into())).collect()
}

#[test]
// ROW: F42
fn the_highest_common_version_is_spoken() {
    let ours = announce(&EthVersion::ALL, &[SnapVersion::Snap1]);
    let mut theirs = announce(&[EthVersion::Eth70, EthVersion::Eth69], &SnapVersion::ALL);
    theirs.push(Capability { name: "eth".to_owned(), version: 72 });
    theirs.push(Capability { name: "les".to_owned(), version: 4 });
    let shared = Shared::negotiate(&ours, &theirs);
    assert_eq!((shared.eth(), shared.snap()), (Some(EthVersion::Eth70), Some(SnapVersion::Snap1)));
}

#[test]
// ROW: F42
fn the_base_of_snap_follows_the_version_of_eth() {
    for (eth, base) in [
        (EthVersion::Eth68, 0x21),
        (EthVersion::Eth69, 0x22),
        (EthVersion::Eth70, 0x22),
        (EthVersion::Eth71, 0x24),
    ] {
        for snap in SnapVersion::ALL {
            let both = announce(&[eth], &[snap]);
            let shared = Shared::negotiate(&both, &both);
            assert_eq!(shared.code(Protocol::P2p, 1), Some(1));
            assert_eq!(shared.code(Protocol::Eth(eth), 3), Some(0x13));
            assert_eq!(shared.code(Protocol::Snap(snap), 5), Some(base + 5));
            assert_eq!(shared.route(base - 1).map(|routed| routed.protocol), Ok(Protocol::Eth(eth)));
            assert_eq!(shared.route(base), Ok(Routed { protocol: Protocol::Snap(snap), id: 0 }));
            let end = base + snap.length();
            assert!(shared.route(end - 1).is_ok());
            assert!(matches!(shared.route(end), Err(Error::UnknownMessage { .. })));
            assert!(matches!(shared.route(u64::MAX), Err(Error::UnknownMessage { .. })));
        }
    }
}

#[test]
// ROW: F42
fn codes_of_what_is_not_shared_are_unknown() {
    let ours = announce(&EthVersion::ALL, &SnapVersion::ALL);
    let theirs = announce(&[EthVersion::Eth69], &[]);
    let shared = Shared::negotiate(&ours, &theirs);
    assert_eq!(shared.snap(), None);
    assert_eq!(shared.code(Protocol::Snap(SnapVersion::Snap1), 0), None);
    assert_eq!(shared.code(Protocol::Eth(EthVersion::Eth70), 0), None);
    assert!(shared.route(0x22).is_err());
    let nothing = Shared::negotiate(&ours, &[]);
    assert!(nothing.route(0x0f).is_ok());
    assert!(nothing.route(0x10).is_err());
}

const MAINNET: B256 = b256!("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3");
const MAINNET_BLOCKS: [u64; 12] = [
    1_150_000, 1_920_000, 2_463_000, 2_675_000, 4_370_000, 7_280_000, 9_069_000, 9_200_000, 12_244_000,
    12_965_000, 13_773_000, 15_050_000,
];
const MAINNET_TIMES: [u64; 6] =
    [1_681_338_455, 1_710_338_135, 1_746_612_311, 1_764_798_551, 1_765_290_071, 1_767_747_671];

fn mainnet() -> ForkFilter {
    ForkFilter::new(MAINNET, 0, &MAINNET_BLOCKS, &MAINNET_TIMES)
}

fn head(number: u64, timestamp: u64) -> ChainHead {
    ChainHead { number, timestamp }
}

fn fork_id(hash: u32, next: u64) -> ForkId {
    ForkId { hash: hash.to_be_bytes(), next }
}

#[test]
fn fork_ids_of_mainnet_by_eip_2124_and_6122() {
    let hashes = [
        0xfc64_ec04,
        0x97c2_c34c,
        0x91d1_f948,
        0x7a64_da13,
        0x3edd_5b10,
        0xa00b_c324,
        0x668d_b0af,
        0x879d_6e30,
        0xe029_e991,
        0x0eb4_40f6,
        0xb715_077d,
        0x20c3_27fc,
        0xf0af_d0e3,
        0xdce9_6c2d,
        0x9f3d_2254,
        0xc376_cf8b,
        0x5167_e2a6,
        0xcba2_a1c0,
        0x07c9_462e,
    ];
    let filter = mainnet();
    let forks: Vec<u64> = MAINNET_BLOCKS.into_iter().chain(MAINNET_TIMES).chain([0]).collect();
    for (passed, hash) in hashes.into_iter().enumerate() {
        let (first, last) = match passed {
            0 => (head(0, 0), head(1_149_999, 0)),
            1..12 => (head(forks[passed - 1], 0), head(forks[passed] - 1, 0)),
            12 => (head(forks[11], 0), head(20_000_000, forks[12] - 1)),
            18 => (head(30_000_000, forks[17]), head(50_000_000, 2_000_000_000)),
            _ => (head(20_000_000, forks[passed - 1]), head(30_000_000, forks[passed] - 1)),
        };
        for head in [first, last] {
            assert_eq!(filter.fork_id(head), fork_id(hash, forks[passed]), "after {passed} forks");
        }
    }
}

#[test]
fn fork_ids_of_sepolia_up_to_amsterdam() {
    let genesis = b256!("25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9");
    let times = [
        1_677_557_088,
        1_706_655_072,
        1_741_159_776,
        1_760_427_360,
        1_761_017_184,
        1_761_607_008,
        1_791_294_816,
    ];
    let filter = ForkFilter::new(genesis, 1_633_267_481, &[0, 0, 1_735_371], &times);
    assert_eq!(filter.fork_id(head(0, 1_633_267_481)), fork_id(0xfe33_66e7, 1_735_371));
    assert_eq!(filter.fork_id(head(11_856_336, 1_791_294_815)), fork_id(0x2689_56b6, 1_791_294_816));
    assert_eq!(filter.fork_id(head(11_856_337, 1_791_294_816)), fork_id(0x6c1d_9423, 0));
}

#[test]
fn forks_at_the_genesis_do_not_count() {
    let bare = ForkFilter::new(hash(1), 1000, &[], &[]);
    let filter = ForkFilter::new(hash(1), 1000, &[0, 0], &[0, 999, 1000]);
    assert_eq!(filter.fork_id(head(0, 1000)), bare.fork_id(head(0, 1000)));
}

#[test]
fn the_order_and_repetition_of_forks_do_not_count() {
    let mut blocks = MAINNET_BLOCKS.to_vec();
    blocks.extend([1_920_000, 0]);
    blocks.reverse();
    assert_eq!(ForkFilter::new(MAINNET, 0, &blocks, &MAINNET_TIMES), mainnet());
}

#[test]
fn fork_ids_that_fit_are_accepted() {
    let mainnet = mainnet();
    let blocks_only = ForkFilter::new(MAINNET, 0, &MAINNET_BLOCKS, &[]);
    for (filter, head, theirs) in [
        // Level, with and without word of a fork that is far away.
        (&blocks_only, head(15_050_000, 0), fork_id(0xf0af_d0e3, 0)),
        (&mainnet, head(20_000_000, 1_681_338_455), fork_id(0xdce9_6c2d, u64::MAX)),
        // A fork by block that is planned on their side alone, where we know of no fork by time: as geth judges.
        (&blocks_only, head(15_050_000, 1_660_000_000), fork_id(0xf0af_d0e3, 15_050_001)),
        // Level before a fork that one side has not heard of, or sees elsewhere.
        (&mainnet, head(7_279_999, 0), fork_id(0xa00b_c324, 0)),
        (&mainnet, head(7_279_999, 0), fork_id(0xa00b_c324, 7_280_000)),
        (&mainnet, head(7_279_999, 0), fork_id(0xa00b_c324, u64::MAX)),
        // It lags, and knows the next fork.
        (&mainnet, head(7_280_000, 0), fork_id(0xa00b_c324, 7_280_000)),
        (&mainnet, head(7_987_396, 0), fork_id(0x3edd_5b10, 4_370_000)),
        (&mainnet, head(20_000_000, 1_681_338_455), fork_id(0xf0af_d0e3, 1_681_338_455)),
        // We lag.
        (&mainnet, head(7_279_999, 0), fork_id(0x668d_b0af, 0)),
        (&mainnet, head(4_369_999, 0), fork_id(0xa00b_c324, 0)),
        (&mainnet, head(20_000_000, 1_681_338_454), fork_id(0xdce9_6c2d, 0)),
    ] {
        assert_eq!(filter.check(head, theirs), Ok(()), "{head:?} {theirs:?}");
    }
}

#[test]
fn fork_ids_that_do_not_fit_are_told_apart() {
    let mainnet = mainnet();
    for (head, theirs, is_stale) in [
        // It has missed Petersburg, or Shanghai.
        (head(7_987_396, 0), fork_id(0xa00b_c324, 0), true),
        (head(20_000_000, 1_681_338_455), fork_id(0xf0af_d0e3, 0), true),
        // It has passed a fork that we do not have, or is on another chain.
        (head(7_987_396, 0), fork_id(0x5cdd_c0e1, 0), false),
        (head(7_987_396, 0), fork_id(0xafec_6b27, 0), false),
        // It expects a fork where we have been already.
        (head(7_279_999, 0), fork_id(0xa00b_c324, 7_279_999), false),
        (head(20_000_000, 1_681_338_500), fork_id(0xdce9_6c2d, 1_681_338_499), false),
        (head(88_888_888, 1_767_747_671), fork_id(0x07c9_462e, 88_888_888), false),
        (head(88_888_888, 1_767_747_671), fork_id(0x07c9_462e, 88_888_889), false),
    ] {
        let fault = mainnet.check(head, theirs).expect_err("it does not fit");
        assert_eq!(matches!(fault, ForkFault::RemoteStale { .. }), is_stale, "{fault}");
    }
}

#[test]
fn status_of_another_chain_is_told_apart() {
    let filter = ForkFilter::new(hash(0x11), 0, &[], &[]);
    let position = head(5, 5);
    let mut ours = samples::status();
    ours.fork_id = filter.fork_id(position);
    let mut other = ours;
    other.network_id = 2;
    let fault = ours.check(&other, &filter, position);
    assert_eq!(fault, Err(StatusFault::Network { ours: 1, theirs: 2 }));
    other = ours;
    other.genesis = hash(3);
    let fault = ours.check(&other, &filter, position);
    assert_eq!(fault, Err(StatusFault::Genesis { ours: hash(0x11), theirs: hash(3) }));
    other = ours;
    other.fork_id.hash = [0; 4];
    assert!(matches!(ours.check(&other, &filter, position), Err(StatusFault::Forks(_))));
    assert_eq!(ours.check(&ours, &filter, position), Ok(()));
}
