//! Asks a real peer and keeps its answers as seeds: `cargo run --example capture -- NETWORK ENODE CHAIN.RLP`.
//!
//! The peer serves the chain of the file, all of whose forks hold from the genesis on.

use std::path::Path;
use std::time::Duration;
use std::{env, error, fs};

use alloy_primitives::{B256, Bytes};
use alloy_rlp::Header as RlpHeader;
use secp256k1::SecretKey;
use snapsync_p2p::{Config, Events, Limits, LocalChain, Message, Network, NetworkEvent, PeerUp};
use snapsync_wire::{EthVersion, ForkFilter, Header, SnapVersion, eth, snap};
use tokio::sync::watch;

type Failure = Box<dyn error::Error>;

/// Small, so that mutations of the answer find something.
const RESPONSE_BYTES: u64 = 2000;

/// Longer answers are not kept: bodies, which know no such limit. The seeds out of the chain file have some.
const SEED_BYTES_MAX: usize = 8 * 1024;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [network_id, enode, chain] = &words[..] else { return Err("NETWORK ENODE CHAIN.RLP".into()) };
    let headers = headers(&fs::read(chain)?)?;
    let (Some(first), Some(head)) = (headers.first(), headers.last()) else { return Err("no blocks".into()) };
    let genesis = if first.number == 0 { first.hash() } else { first.parent_hash };
    let forks = ForkFilter::new(genesis, 0, &[], &[]);
    let (_keep, chain) = watch::channel(LocalChain::at_genesis(network_id.parse()?, forks, 0));
    for eth in [EthVersion::Eth69, EthVersion::Eth70] {
        let config = Config {
            key: SecretKey::from_byte_array([eth.number() as u8; 32])?,
            listen: None,
            static_peers: vec![enode.parse()?],
            client_name: "snapsync/capture".to_owned(),
            eth: vec![eth],
            snap: Some(SnapVersion::Snap1),
            chain: chain.clone(),
            limits: Limits::mainnet(),
            seed: 1,
        };
        let (network, mut events) = Network::start(config).await?;
        let up = up(&mut events).await?;
        for question in questions(head, &headers) {
            network.send(up.peer, &question)?;
            let told = answer(&mut events).await?;
            keep(&up, &told)?;
            if let Message::Snap(snap::Message::AccountRange(accounts)) = &told {
                for question in follow_up(head.state_root, accounts)? {
                    network.send(up.peer, &question)?;
                    keep(&up, &answer(&mut events).await?)?;
                }
            }
        }
        network.shutdown().await;
    }
    Ok(())
}

fn headers(mut blocks: &[u8]) -> Result<Vec<Header>, Failure> {
    let mut headers = Vec::new();
    while !blocks.is_empty() {
        let fields = RlpHeader::decode_bytes(&mut blocks, true)?;
        let mut rest = fields;
        RlpHeader::decode_raw(&mut rest)?;
        headers.push(Header::decode(&Bytes::copy_from_slice(&fields[..fields.len() - rest.len()]))?);
    }
    Ok(headers)
}

/// One of each kind. The accounts and codes that are asked for are found by chance of the keys' order.
fn questions(head: &Header, headers: &[Header]) -> Vec<Message> {
    let (root, response_bytes) = (head.state_root, RESPONSE_BYTES);
    let limit = B256::repeat_byte(0xff);
    let hashes: Vec<B256> = headers.iter().rev().take(3).map(Header::hash).collect();
    let start = eth::BlockStart::Hash(head.hash());
    let paths = ["00", "11", "1f"].map(|path| snap::TriePaths::Account(Bytes::from(hex(path))));
    vec![
        Message::Eth(eth::Message::GetBlockHeaders(eth::GetBlockHeaders {
            id: 1,
            start,
            limit: 2,
            skip: 0,
            direction: eth::Direction::Falling,
        })),
        Message::Eth(eth::Message::GetBlockBodies(eth::GetBlockBodies { id: 2, hashes: hashes.clone() })),
        Message::Eth(eth::Message::GetReceipts(eth::GetReceipts { id: 3, first_receipt_index: 0, hashes })),
        Message::Snap(snap::Message::GetAccountRange(snap::GetAccountRange {
            id: 4,
            root,
            origin: B256::repeat_byte(0x40),
            limit,
            response_bytes,
        })),
        Message::Snap(snap::Message::GetTrieNodes(snap::GetTrieNodes {
            id: 5,
            root,
            paths: paths.to_vec(),
            response_bytes,
        })),
    ]
}

/// Asks for the storage and the code of the contracts among these accounts.
fn follow_up(root: B256, accounts: &snap::AccountRange) -> Result<[Message; 2], Failure> {
    let (mut contracts, mut hashes) = (Vec::new(), Vec::new());
    for (key, account) in &accounts.accounts {
        let mut fields = RlpHeader::decode_bytes(&mut &*account, true)?;
        // Nonce and balance; then what is an empty string where there is no contract.
        RlpHeader::decode_bytes(&mut fields, false)?;
        RlpHeader::decode_bytes(&mut fields, false)?;
        if !RlpHeader::decode_bytes(&mut fields, false)?.is_empty() {
            contracts.push(*key);
        }
        if let Ok(hash) = RlpHeader::decode_bytes(&mut fields, false)?.try_into() {
            hashes.push(hash);
        }
    }
    let (response_bytes, limit) = (RESPONSE_BYTES, B256::repeat_byte(0xff));
    Ok([
        Message::Snap(snap::Message::GetStorageRanges(snap::GetStorageRanges {
            id: 6,
            root,
            accounts: contracts,
            origin: B256::ZERO,
            limit,
            response_bytes,
        })),
        Message::Snap(snap::Message::GetByteCodes(snap::GetByteCodes { id: 7, hashes, response_bytes })),
    ])
}

fn hex(digits: &str) -> Vec<u8> {
    alloy_primitives::hex::decode(digits).unwrap_or_default()
}

async fn next(events: &mut Events) -> Result<NetworkEvent, Failure> {
    tokio::time::timeout(Duration::from_secs(20), events.recv())
        .await?
        .ok_or_else(|| "the network ended".into())
}

async fn up(events: &mut Events) -> Result<PeerUp, Failure> {
    match next(events).await? {
        NetworkEvent::Up(up) => Ok(*up),
        other => Err(format!("no session: {other:?}").into()),
    }
}

/// The next answer; what the peer says unasked is passed over.
async fn answer(events: &mut Events) -> Result<Message, Failure> {
    loop {
        match next(events).await? {
            NetworkEvent::Message { message: Message::Eth(message), .. }
                if message.request_id().is_none() => {}
            NetworkEvent::Message { message, .. } => return Ok(message),
            other => return Err(format!("no answer: {other:?}").into()),
        }
    }
}

fn keep(up: &PeerUp, message: &Message) -> Result<(), Failure> {
    let (target, version, (id, body)) = match message {
        Message::Eth(message) => ("wire_eth", up.eth.number(), message.encode(up.eth)?),
        Message::Snap(message) => ("wire_snap", 1, message.encode(SnapVersion::Snap1)?),
    };
    if body.len() > SEED_BYTES_MAX {
        return Ok(());
    }
    // The targets number the versions from their first.
    let first = if target == "wire_eth" { 68 } else { 1 };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let file = file.join(format!("seed-captured_{version}_{id:02x}"));
    println!("{}: {} bytes", file.display(), body.len());
    Ok(fs::write(file, [&[(version - first) as u8, id], &body[..]].concat())?)
}
