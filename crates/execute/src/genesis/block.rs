//! Block 0 and the chain's facts, from the fields of a genesis file, as go-ethereum 1.17 makes them.

use std::path::Path;

use alloy_primitives::{B64, B256, Bloom, U256, b256};
use alloy_rlp::Encodable;
use snapsync_keccak::keccak256;
use snapsync_trie::EMPTY_ROOT;

use super::{
    account::{rows, state_root},
    error::GenesisError,
    file::{Config, Genesis},
};

/// Hash of an empty list of ommers (`keccak(rlp([]))`).
const EMPTY_OMMERS: B256 = b256!("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");
/// EIP-7685: sha256 of nothing, the hash of an empty list of requests.
const EMPTY_REQUESTS: B256 = b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
/// EIP-7928: `keccak(rlp([]))`, the hash of an empty block access list.
const EMPTY_ACCESS_LIST: B256 = EMPTY_OMMERS;
/// EIP-1559: the base fee of a chain that starts with London.
const INITIAL_BASE_FEE: u64 = 1_000_000_000;
/// SPEC: what go-ethereum writes for a gas limit of 0.
const INITIAL_GAS_LIMIT: u64 = 4_712_388;

impl Genesis {
    /// Reads a genesis file.
    ///
    /// # Errors
    /// Names the file, and the key of what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, GenesisError> {
        let bytes = std::fs::read(path)
            .map_err(|source| GenesisError::Unreadable { path: path.to_owned(), source })?;
        // As Go does, what is no UTF-8 is replaced: it can stand in no field that is read.
        Self::in_text(&String::from_utf8_lossy(&bytes)).map_err(GenesisError::of(path))
    }

    /// The chain id of EIP-155, unless the file leaves it to the network's id.
    pub fn chain_id(&self) -> Option<u64> {
        self.config.chain_id.map(|id| id.low)
    }

    /// Block 0's time, in seconds since 1970.
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// Block 0's hash.
    pub fn hash(&self) -> B256 {
        keccak256(&header_rlp(self))
    }

    /// Block 0's header, in RLP.
    pub fn header(&self) -> Vec<u8> {
        header_rlp(self)
    }

    /// The root of the state that the chain begins with.
    pub fn state_root(&self) -> B256 {
        self.root_known.unwrap_or_else(|| state_root(&rows(&self.alloc)))
    }

    /// Blocks at which forks begin, rising, without 0 and repeats: fork ids are over them.
    pub fn fork_blocks(&self) -> Vec<u64> {
        rising(self.config.blocks.values().map(|fork| fork.low))
    }

    /// Times at which forks begin, rising, without 0 and repeats: fork ids are over them.
    pub fn fork_times(&self) -> Vec<u64> {
        rising(self.config.times.values().copied())
    }
}

/// The RLP of the block 0 that a genesis describes.
fn header_rlp(genesis: &Genesis) -> Vec<u8> {
    let mut fields = Vec::new();
    for hash in [genesis.parent_hash, EMPTY_OMMERS] {
        hash.encode(&mut fields);
    }
    genesis.coinbase.encode(&mut fields);
    for root in [genesis.state_root(), EMPTY_ROOT, EMPTY_ROOT] {
        root.encode(&mut fields);
    }
    Bloom::ZERO.encode(&mut fields);
    genesis.difficulty.encode(&mut fields);
    let gas_limit = if genesis.gas_limit == 0 { INITIAL_GAS_LIMIT } else { genesis.gas_limit };
    for number in [0, gas_limit, genesis.gas_used, genesis.timestamp] {
        number.encode(&mut fields);
    }
    genesis.extra_data.as_slice().encode(&mut fields);
    genesis.mix_hash.encode(&mut fields);
    B64::from(genesis.nonce).encode(&mut fields);
    let later = later_fields(genesis);
    let present = later.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    for field in &later[..present] {
        // SPEC: go-ethereum writes an empty string where a field is absent and a later one is not.
        fields.extend_from_slice(field.as_deref().unwrap_or(&[alloy_rlp::EMPTY_STRING_CODE]));
    }
    let mut header = Vec::new();
    alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut header);
    header.extend_from_slice(&fields);
    header
}

/// The fields that forks added, from London to Amsterdam, each in RLP if block 0 has it.
fn later_fields(genesis: &Genesis) -> [Option<Vec<u8>>; 8] {
    let config = &genesis.config;
    let (london, shanghai, cancun, prague, amsterdam) = (
        config.is_london(),
        config.is_active("shanghaiTime", genesis.timestamp),
        config.is_active("cancunTime", genesis.timestamp),
        config.is_active("pragueTime", genesis.timestamp),
        config.is_active("amsterdamTime", genesis.timestamp),
    );
    let initial_fee = london.then_some(U256::from(INITIAL_BASE_FEE));
    let zero = cancun.then_some(0);
    // SPEC: go-ethereum takes a base fee and an excess of blob gas from the file though their forks be off.
    [
        genesis.base_fee.or(initial_fee).map(alloy_rlp::encode),
        shanghai.then(|| alloy_rlp::encode(EMPTY_ROOT)),
        zero.map(|zero| alloy_rlp::encode(genesis.blob_gas_used.unwrap_or(zero))),
        genesis.excess_blob_gas.or(zero).map(alloy_rlp::encode),
        cancun.then(|| alloy_rlp::encode(B256::ZERO)),
        prague.then(|| alloy_rlp::encode(EMPTY_REQUESTS)),
        amsterdam.then(|| alloy_rlp::encode(EMPTY_ACCESS_LIST)),
        amsterdam.then(|| alloy_rlp::encode(genesis.slot_number.unwrap_or(0))),
    ]
}

impl Config {
    /// Whether block 0 follows London's rules.
    fn is_london(&self) -> bool {
        self.blocks.get("londonBlock").is_some_and(|fork| fork.is_at_most_zero)
    }

    /// Whether a fork by time holds in block 0. Without London there is none.
    fn is_active(&self, fork: &str, timestamp: u64) -> bool {
        self.is_london() && self.times.get(fork).is_some_and(|time| *time <= timestamp)
    }
}

/// EIP-2124, EIP-6122: where forks activate, without what holds from 0 on and without repeats.
fn rising(forks: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut forks: Vec<u64> = forks.filter(|fork| *fork > 0).collect();
    forks.sort_unstable();
    forks.dedup();
    forks
}
