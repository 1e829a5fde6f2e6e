//! What the methods ask of the node that no disk tells: how its sync goes, whom it is connected to, who it is.
//!
//! Each answer is a copy of figures that the node keeps anyway: no method here waits, and none reads a disk. It trusts the node.

use std::net::{IpAddr, SocketAddr};

use alloy_primitives::{B256, B512};
use serde_json::Value;

/// The node that the methods speak for.
pub trait Host: Send + Sync + 'static {
    /// How the sync goes; `None` once the head is followed.
    fn sync(&self) -> Option<SyncFigures>;

    /// What the consensus client has called safe and final.
    fn heads(&self) -> Heads;

    /// Those who are connected.
    fn peers(&self) -> Vec<PeerFigures>;

    /// Dials a node now and whenever it is not connected, from its address `enode://..` or its record `enr:..`.
    ///
    /// # Errors
    /// When that is no address.
    fn add_peer(&self, address: &str) -> Result<(), BadAddress>;

    /// Hangs up, and dials it no more.
    ///
    /// # Errors
    /// When that is no address.
    fn remove_peer(&self, address: &str) -> Result<(), BadAddress>;

    /// Who it is itself.
    fn node(&self) -> NodeFigures;

    /// What `snapsync status --json` says of it.
    fn status(&self) -> Value;
}

/// What was given is no address of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid enode: {why}")]
pub struct BadAddress {
    /// What is wrong with it.
    pub why: String,
}

/// Blocks by what the consensus client thinks of them. Hashes: the disk tells the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// The one that is not likely to be left, once one was named.
    pub safe: Option<B256>,
    /// The one that is never left, once one was named.
    pub finalized: Option<B256>,
}

/// A sync under way, as `eth_syncing` tells it. Rows and bytes are those since the directory was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncFigures {
    /// Where it began.
    pub starting_block: u64,
    /// The block whose state is held, or 0 while none is.
    pub current_block: u64,
    /// The newest head that was named.
    pub highest_block: u64,
    /// Accounts fetched.
    pub accounts: u64,
    /// Bytes of their answers.
    pub account_bytes: u64,
    /// Slots fetched.
    pub slots: u64,
    /// Bytes of their answers.
    pub slot_bytes: u64,
    /// Codes fetched.
    pub codes: u64,
    /// Bytes of codes.
    pub code_bytes: u64,
    /// Trie nodes that healing has fetched.
    pub healed_nodes: u64,
    /// Bytes of them.
    pub healed_node_bytes: u64,
    /// Trie nodes that healing waits for.
    pub healing_nodes: u64,
    /// Codes that are missing still.
    pub healing_codes: u64,
    /// Access lists applied.
    pub lists: u64,
    /// Access lists applied and to be applied.
    pub lists_total: u64,
}

/// Who has dialled whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialled {
    /// The peer dialled us.
    ByPeer,
    /// We dialled the peer.
    ByUs,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFigures {
    /// Its public key.
    pub key: B512,
    /// What it calls its client.
    pub name: String,
    /// What it speaks, as it said: `eth/69`.
    pub capabilities: Vec<String>,
    /// The version of eth that is spoken with it.
    pub eth: Option<u32>,
    /// The version of snap that is spoken with it.
    pub snap: Option<u32>,
    /// Its end of the connection.
    pub remote: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Who has dialled.
    pub dialled: Dialled,
    /// Whether it was given by a user, and is dialled whenever it is away.
    pub is_static: bool,
    /// The newest block that it has told of.
    pub latest: Option<PeerBlock>,
}

/// A block that a peer tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// Who the node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFigures {
    /// Its public key.
    pub key: B512,
    /// Its client's name, as peers are told.
    pub name: String,
    /// The network's id, as peers are told.
    pub network_id: u64,
    /// Where others reach it, as far as it knows.
    pub address: IpAddr,
    /// The port at which it listens for peers; `None`: nobody can dial it.
    pub listening: Option<u16>,
    /// The port of discovery; `None`: it is not found.
    pub discovery: Option<u16>,
    /// Its record, `enr:..`, if it has one.
    pub record: Option<String>,
}
