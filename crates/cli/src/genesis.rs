//! A genesis file becomes the facts of a chain that a sync needs: its id, its genesis header, its forks.
//!
//! Trusts the operator's file and nobody else; `snapsync_execute::genesis` reads it. It does not keep the genesis allocation: the state is
//! fetched.

#[cfg(test)]
mod tests;

use std::path::Path;

use snapsync_driver::Chain;
use snapsync_execute::genesis::{Fault, Genesis, GenesisError};

/// Reads a genesis file; the network id is the chain id unless given.
pub(crate) fn read(path: &Path, network_id: Option<u64>) -> Result<Chain, GenesisError> {
    let genesis = Genesis::read(path)?;
    chain(&genesis, network_id).map_err(|fault| GenesisError::field(path, fault))
}

/// The chain that a genesis describes.
pub(crate) fn chain(genesis: &Genesis, network_id: Option<u64>) -> Result<Chain, Fault> {
    let chain_id = genesis.chain_id().or(network_id);
    let chain_id = chain_id.ok_or_else(|| Fault::missing("chainId").within("config"))?;
    Ok(Chain {
        chain_id,
        network_id: network_id.unwrap_or(chain_id),
        genesis_hash: genesis.hash(),
        genesis_time: genesis.timestamp(),
        fork_blocks: genesis.fork_blocks(),
        fork_times: genesis.fork_times(),
    })
}
