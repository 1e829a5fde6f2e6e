//! What a sync answers to those who ask it for something.

use std::net::{Ipv4Addr, SocketAddr};

use alloy_primitives::B256;
use secp256k1::SecretKey;
use snapsync_p2p::{Config as NetworkConfig, Limits as NetworkLimits, Message, Network, NetworkEvent};
use snapsync_wire::{EthVersion, SnapVersion, eth, snap};
use tokio::sync::watch;

use super::*;

const PARAMS: DemoParams =
    DemoParams { accounts: 50, contracts: 5, slots: 20, blocks: 5, history_from: 0, seed: 9 };

/// One request of each kind, under ids of their own.
fn requests() -> Vec<Message> {
    let (root, hashes) = (B256::repeat_byte(1), vec![B256::repeat_byte(2); 3]);
    let (origin, limit, response_bytes) = (B256::ZERO, B256::repeat_byte(0xff), 1 << 20);
    let start = eth::BlockStart::Number(1);
    let direction = eth::Direction::Rising;
    let account = snap::GetAccountRange { id: 105, root, origin, limit, response_bytes };
    let accounts = hashes.clone();
    let slots = snap::GetStorageRanges { id: 106, root, accounts, origin, limit, response_bytes };
    vec![
        Message::Eth(eth::Message::GetBlockHeaders(eth::GetBlockHeaders {
            id: 101,
            start,
            limit: 9,
            skip: 0,
            direction,
        })),
        Message::Eth(eth::Message::GetBlockBodies(eth::GetBlockBodies { id: 102, hashes: hashes.clone() })),
        Message::Eth(eth::Message::GetReceipts(eth::GetReceipts {
            id: 103,
            first_receipt_index: 0,
            hashes: hashes.clone(),
        })),
        Message::Eth(eth::Message::GetBlockAccessLists(eth::GetBlockAccessLists {
            id: 104,
            hashes: hashes.clone(),
        })),
        Message::Snap(snap::Message::GetAccountRange(account)),
        Message::Snap(snap::Message::GetStorageRanges(slots)),
        Message::Snap(snap::Message::GetByteCodes(snap::GetByteCodes { id: 107, hashes, response_bytes })),
        Message::Snap(snap::Message::GetTrieNodes(snap::GetTrieNodes {
            id: 108,
            root,
            paths: Vec::new(),
            response_bytes,
        })),
    ]
}

// ROW: F38
#[test]
fn a_sync_answers_each_request_with_nothing() {
    let demo = Demo::serve(PARAMS, 0);
    let (_keep, chain) = watch::channel(demo.chain.at_genesis());
    let config = NetworkConfig {
        key: SecretKey::from_byte_array([7; 32]).expect("a key"),
        listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        static_peers: Vec::new(),
        client_name: "asker".to_owned(),
        eth: vec![EthVersion::Eth71],
        snap: Some(SnapVersion::Snap1),
        chain,
        limits: NetworkLimits::mainnet(),
        seed: 1,
    };
    let (network, mut events) = demo.runtime.block_on(Network::start(config)).expect("a network");
    let config = Config { peers: vec![network.local_enode().into()], ..demo.config() };
    let sync = SnapSync::start(config).expect("started");
    let requests = requests();
    let answers = demo.runtime.block_on(async {
        let mut answers = Vec::new();
        while answers.len() < requests.len() {
            let event = tokio::time::timeout(PATIENCE, events.recv()).await.expect("it is answered");
            match event.expect("the network runs") {
                NetworkEvent::Up(up) => {
                    requests.iter().for_each(|request| network.send(up.peer, request).expect("room"));
                }
                // What the sync asks for itself gets no answer here.
                NetworkEvent::Message { message, .. } if message.empty_answer().is_none() => {
                    answers.push(message);
                }
                NetworkEvent::Down { reason, .. } => panic!("hung up: {reason}"),
                _ => {}
            }
        }
        answers
    });
    let expected: Vec<Message> = requests.iter().filter_map(Message::empty_answer).collect();
    assert_eq!(answers, expected);
    sync.shutdown_blocking().expect("a clean end");
    demo.runtime.block_on(network.shutdown());
}
