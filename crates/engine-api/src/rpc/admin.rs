//! `admin`: the peers, and the node as peers see it.

use std::net::SocketAddr;

use alloy_primitives::{B256, B512, hex};
use serde_json::{Map, Value, json};
use snapsync_keccak::keccak256;

use super::{
    arguments::Arguments,
    failure::{Failure, Result},
    host::{BadAddress, Dialled, PeerFigures},
    moment::Moment,
    served::Served,
};

/// Longer than any record: those end at 300 bytes.
const ADDRESS_CHARS_MAX: usize = 1_024;

/// True: it is dialled from now on, which says nothing of whether it answers.
pub(super) fn add_peer(served: &Served, arguments: Arguments<'_>) -> Result<bool> {
    with_address(arguments, |address| served.parts.host.add_peer(address))
}

/// True: it is dialled no more.
pub(super) fn remove_peer(served: &Served, arguments: Arguments<'_>) -> Result<bool> {
    with_address(arguments, |address| served.parts.host.remove_peer(address))
}

fn with_address(
    mut arguments: Arguments<'_>,
    act: impl FnOnce(&str) -> Result<(), BadAddress>,
) -> Result<bool> {
    let address: String = arguments.need()?;
    if address.len() > ADDRESS_CHARS_MAX {
        return Err(Failure::Other("invalid enode: too long".to_owned()));
    }
    act(&address).map_err(|error| Failure::Other(error.to_string()))?;
    Ok(true)
}

pub(super) fn peers(served: &Served, _: Arguments<'_>) -> Result<Vec<Value>> {
    Ok(served.parts.host.peers().iter().map(peer).collect())
}

fn peer(peer: &PeerFigures) -> Value {
    let mut protocols = Map::new();
    if let Some(version) = peer.eth {
        let mut eth = json!({ "version": version });
        if let Some(latest) = peer.latest {
            eth["latestBlock"] = json!(latest.number);
            eth["latestBlockHash"] = json!(latest.hash);
        }
        protocols.insert("eth".to_owned(), eth);
    }
    if let Some(version) = peer.snap {
        protocols.insert("snap".to_owned(), json!({ "version": version }));
    }
    json!({
        "enode": enode(&peer.key, peer.remote, None),
        "id": id(&peer.key),
        "name": peer.name,
        "caps": peer.capabilities,
        "network": {
            "localAddress": peer.local.to_string(),
            "remoteAddress": peer.remote.to_string(),
            "inbound": peer.dialled == Dialled::ByPeer,
            "trusted": false,
            "static": peer.is_static,
        },
        "protocols": protocols,
    })
}

pub(super) fn node(served: &Served, _: Arguments<'_>) -> Result<Value> {
    let node = served.parts.host.node();
    let listening = node.listening.unwrap_or(0);
    let address = SocketAddr::new(node.address, listening);
    let eth = json!({
        "network": node.network_id,
        "genesis": served.genesis_hash,
        "head": Moment::open(served)?.latest()?.hash,
    });
    let mut answer = json!({
        "id": id(&node.key),
        "name": node.name,
        "enode": enode(&node.key, address, node.discovery),
        "ip": node.address.to_string(),
        "ports": { "discovery": node.discovery.unwrap_or(0), "listener": listening },
        "listenAddr": format!("[::]:{listening}"),
        "protocols": { "eth": eth, "snap": {} },
    });
    if let Some(record) = node.record {
        answer["enr"] = json!(record);
    }
    Ok(answer)
}

/// What names a node among others: the hash of its key.
fn id(key: &B512) -> String {
    let digest: B256 = keccak256(key.as_slice());
    hex::encode(digest)
}

/// `discovery` stands in it where it is another port; 0 says that there is none.
fn enode(key: &B512, address: SocketAddr, discovery: Option<u16>) -> String {
    let at = format!("enode://{}@{address}", hex::encode(key));
    match discovery {
        Some(port) if port != address.port() => format!("{at}?discport={port}"),
        _ => at,
    }
}
