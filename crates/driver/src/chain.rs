//! Which chain: the facts that a genesis file gives, and nothing that a peer says.

use alloy_primitives::B256;
use snapsync_wire::ForkFilter;

/// A chain as its operator describes it. It does not hold the genesis allocation: the state is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Network id of the eth handshake; usually the chain id.
    pub network_id: u64,
    /// Hash of the genesis header.
    pub genesis_hash: B256,
    /// The genesis header's timestamp, seconds.
    pub genesis_time: u64,
    /// EIP-2124: rising block numbers of forks, without genesis.
    pub fork_blocks: Vec<u64>,
    /// EIP-6122: rising timestamps of forks.
    pub fork_times: Vec<u64>,
}

impl Chain {
    /// The fork rules by which peers of other chains are told apart (EIP-2124, EIP-6122).
    pub fn forks(&self) -> ForkFilter {
        ForkFilter::new(self.genesis_hash, self.genesis_time, &self.fork_blocks, &self.fork_times)
    }
}
