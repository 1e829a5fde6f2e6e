//! What demos are played on: a chain, where it is kept, its peers, and what a client must know of them.
//!
//! It plays nothing itself.

use std::path::PathBuf;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use snapsync_demo::{DemoChain, DemoPeers};
use snapsync_driver::Chain;
use snapsync_p2p::Enode;
use snapsync_storage::Store;

use crate::{
    commands::place::Place,
    exit::{Exit, Failure, storage_failure},
    say::errln,
};

/// What a story is played on.
pub(crate) struct Scenery<'a> {
    /// What a client must know.
    pub(crate) facts: &'a Facts,
    /// The chain as it is at first.
    pub(crate) chain: &'a DemoChain,
    /// Where it is kept.
    pub(crate) store: &'a Store,
    /// Who serves it.
    pub(crate) peers: &'a DemoPeers,
    /// Where everything is.
    pub(crate) place: &'a Place,
}

/// What a client must know to sync a served demo chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Chain id and network id.
    pub(crate) network_id: u64,
    /// Hash of block 0.
    pub(crate) genesis_hash: B256,
    /// Its time, in seconds since 1970.
    pub(crate) genesis_time: u64,
    /// Hash of the head.
    pub(crate) target: B256,
    /// State root of the head.
    pub(crate) state_root: B256,
    /// Where the peers listen.
    pub(crate) peers: Vec<String>,
}

impl Facts {
    /// The chain as the engine is told of it. Every fork is active from the genesis on.
    pub(crate) fn chain(&self) -> Chain {
        Chain {
            chain_id: self.network_id,
            network_id: self.network_id,
            genesis_hash: self.genesis_hash,
            genesis_time: self.genesis_time,
            fork_blocks: Vec::new(),
            fork_times: Vec::new(),
        }
    }
}

/// Where the chain is.
pub(crate) fn chain_dir(place: &Place) -> PathBuf {
    place.path().join("chain")
}

/// The exit code of a demo's error.
pub(crate) fn failure(error: &snapsync_demo::Error) -> Failure {
    match error {
        snapsync_demo::Error::Disk(disk) => storage_failure(disk),
        _ => Failure::new(Exit::Failure, error),
    }
}

/// Writes the chain's genesis file beside it.
pub(crate) fn write_genesis(chain: &DemoChain, place: &Place) -> Result<PathBuf, Failure> {
    let genesis = place.path().join("genesis.json");
    let text =
        serde_json::to_string_pretty(&chain.described).map_err(|error| Failure::new(Exit::Failure, error))?;
    std::fs::write(&genesis, text)
        .map_err(|error| Failure::new(Exit::Disk, format!("{}: {error}", genesis.display())))?;
    Ok(genesis)
}

/// Who is served from.
pub(crate) fn introduce(peers: &DemoPeers) {
    errln!("serving from {} peers on loopback:", peers.enodes().len());
    for (enode, kind) in peers.enodes() {
        errln!("  {} {}", short(enode), kind.name());
    }
}

/// A peer as events name it.
pub(crate) fn short(enode: &Enode) -> String {
    let id = enode.id.to_string();
    format!("{}@{}", id.get(..8).unwrap_or(&id), enode.address)
}
