//! A genesis file (geth's format) becomes the facts of a chain: its id, its genesis header, its forks.
//!
//! Trusts the operator's file and nobody else. It does not keep the genesis allocation: the state is fetched.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use alloy_consensus::{Header, constants::EMPTY_WITHDRAWALS};
use alloy_genesis::{ChainConfig, Genesis, GenesisAccount};
use alloy_primitives::{Address, B64, B256, U256, b256};
use snapsync_driver::Chain;
use snapsync_keccak::keccak256;
use snapsync_trie::{Account, Builder, EMPTY_CODE, EMPTY_ROOT};

/// Hash of an empty list of ommers (`keccak(rlp([]))`).
const EMPTY_OMMERS: B256 = b256!("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");
/// EIP-7685: sha256 of nothing, the hash of an empty list of requests.
const EMPTY_REQUESTS: B256 = b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
/// EIP-7928: `keccak(rlp([]))`, the hash of an empty block access list.
const EMPTY_ACCESS_LIST: B256 = EMPTY_OMMERS;
/// EIP-1559: the base fee of a chain that starts with London.
const INITIAL_BASE_FEE: u64 = 1_000_000_000;

/// Why a genesis file was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GenesisError {
    /// The file could not be read.
    #[error("genesis file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a genesis in geth's JSON format.
    #[error("genesis file {path} is not a genesis in JSON: {source}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        source: serde_json::Error,
    },
}

/// Reads a genesis file; the network id is the chain id unless given.
pub(crate) fn read(path: &Path, network_id: Option<u64>) -> Result<Chain, GenesisError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| GenesisError::Unreadable { path: path.to_owned(), source })?;
    let genesis: Genesis = serde_json::from_str(&text)
        .map_err(|source| GenesisError::Malformed { path: path.to_owned(), source })?;
    Ok(chain(&genesis, network_id))
}

/// The chain that a genesis describes.
pub(crate) fn chain(genesis: &Genesis, network_id: Option<u64>) -> Chain {
    Chain {
        chain_id: genesis.config.chain_id,
        network_id: network_id.unwrap_or(genesis.config.chain_id),
        genesis_hash: keccak256(&header_rlp(genesis)),
        genesis_time: genesis.timestamp,
        fork_blocks: fork_blocks(&genesis.config),
        fork_times: fork_times(&genesis.config),
    }
}

/// The RLP of the block 0 that a genesis describes.
pub(crate) fn header_rlp(genesis: &Genesis) -> Vec<u8> {
    alloy_rlp::encode(genesis_header(genesis))
}

fn genesis_header(genesis: &Genesis) -> Header {
    let config = &genesis.config;
    let at_genesis = |time: Option<u64>| time.is_some_and(|time| time <= genesis.timestamp);
    let (london, shanghai, cancun, prague, amsterdam) = (
        config.london_block == Some(0),
        at_genesis(config.shanghai_time),
        at_genesis(config.cancun_time),
        at_genesis(config.prague_time),
        at_genesis(config.amsterdam_time),
    );
    Header {
        parent_hash: genesis.parent_hash.unwrap_or_default(),
        ommers_hash: EMPTY_OMMERS,
        beneficiary: genesis.coinbase,
        state_root: state_root(&genesis.alloc),
        transactions_root: EMPTY_ROOT,
        receipts_root: EMPTY_ROOT,
        logs_bloom: Default::default(),
        // SPEC: go-ethereum's genesis gives an absent or zero difficulty of a proof-of-work chain 131,072.
        difficulty: difficulty(genesis),
        number: genesis.number.unwrap_or(0),
        // SPEC: likewise an absent gas limit is 4,712,388.
        gas_limit: if genesis.gas_limit == 0 { 4_712_388 } else { genesis.gas_limit },
        gas_used: 0,
        timestamp: genesis.timestamp,
        extra_data: genesis.extra_data.clone(),
        mix_hash: genesis.mix_hash,
        nonce: B64::from(genesis.nonce),
        base_fee_per_gas: london.then(|| {
            genesis.base_fee_per_gas.and_then(|fee| u64::try_from(fee).ok()).unwrap_or(INITIAL_BASE_FEE)
        }),
        withdrawals_root: shanghai.then_some(EMPTY_WITHDRAWALS),
        blob_gas_used: cancun.then(|| genesis.blob_gas_used.unwrap_or(0)),
        excess_blob_gas: cancun.then(|| genesis.excess_blob_gas.unwrap_or(0)),
        parent_beacon_block_root: cancun.then_some(B256::ZERO),
        requests_hash: prague.then_some(EMPTY_REQUESTS),
        block_access_list_hash: amsterdam.then_some(EMPTY_ACCESS_LIST),
        slot_number: amsterdam.then(|| genesis.slot_number.unwrap_or(0)),
    }
}

/// The root of the genesis allocation.
fn state_root(alloc: &BTreeMap<Address, GenesisAccount>) -> B256 {
    let mut rows: Vec<_> =
        alloc.iter().map(|(address, account)| (keccak256(address.as_slice()), account)).collect();
    rows.sort_unstable_by_key(|(key, _)| *key);
    let mut trie = Builder::new();
    for (key, account) in rows {
        let code = account.code.as_ref().filter(|code| !code.is_empty());
        let account = Account {
            nonce: account.nonce.unwrap_or(0),
            balance: account.balance,
            storage_root: storage_root(account.storage.as_ref()),
            code_hash: code.map_or(EMPTY_CODE, |code| keccak256(code)),
        };
        trie.push_leaf(key, &account.to_rlp());
    }
    trie.finish().root
}

fn storage_root(storage: Option<&BTreeMap<B256, B256>>) -> B256 {
    let slots = storage.into_iter().flatten().filter(|(_, value)| !value.is_zero());
    let mut rows: Vec<_> =
        slots.map(|(slot, value)| (keccak256(slot.as_slice()), U256::from_be_bytes(value.0))).collect();
    rows.sort_unstable();
    let mut trie = Builder::new();
    for (key, value) in rows {
        trie.push_leaf(key, &alloy_rlp::encode(value));
    }
    trie.finish().root
}

fn difficulty(genesis: &Genesis) -> U256 {
    let merged = genesis.config.terminal_total_difficulty == Some(U256::ZERO);
    if genesis.difficulty.is_zero() && !merged { U256::from(131_072) } else { genesis.difficulty }
}

/// EIP-2124: blocks at which a fork activates, rising, without the genesis and without repeats.
fn fork_blocks(config: &ChainConfig) -> Vec<u64> {
    let dao = config.dao_fork_support.then_some(config.dao_fork_block).flatten();
    sorted([
        config.homestead_block,
        dao,
        config.eip150_block,
        config.eip155_block,
        config.eip158_block,
        config.byzantium_block,
        config.constantinople_block,
        config.petersburg_block,
        config.istanbul_block,
        config.muir_glacier_block,
        config.berlin_block,
        config.london_block,
        config.arrow_glacier_block,
        config.gray_glacier_block,
        config.merge_netsplit_block,
    ])
}

/// EIP-6122: timestamps at which a fork activates, rising, without repeats.
fn fork_times(config: &ChainConfig) -> Vec<u64> {
    sorted([
        config.shanghai_time,
        config.cancun_time,
        config.prague_time,
        config.osaka_time,
        config.bpo1_time,
        config.bpo2_time,
        config.bpo3_time,
        config.bpo4_time,
        config.bpo5_time,
        config.amsterdam_time,
        config.bogota_time,
    ])
}

fn sorted<const N: usize>(forks: [Option<u64>; N]) -> Vec<u64> {
    let mut forks: Vec<u64> = forks.into_iter().flatten().filter(|fork| *fork > 0).collect();
    forks.sort_unstable();
    forks.dedup();
    forks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prague_genesis_has_every_field_up_to_requests() {
        let genesis: Genesis = serde_json::from_str(
            r#"{"config":{"chainId":7,"londonBlock":0,"terminalTotalDifficulty":0,"shanghaiTime":0,"cancunTime":0,
                "pragueTime":0,"osakaTime":50},"gasLimit":"0x3b9aca00","difficulty":"0x0","nonce":"0x0","alloc":{}}"#,
        )
        .unwrap();
        let header = genesis_header(&genesis);
        assert_eq!(header.state_root, EMPTY_ROOT);
        assert_eq!(header.requests_hash, Some(EMPTY_REQUESTS));
        assert_eq!(header.block_access_list_hash, None);
        let chain = chain(&genesis, None);
        assert_eq!((chain.network_id, chain.fork_blocks, chain.fork_times), (7, vec![], vec![50]));
    }

    #[test]
    fn the_allocation_gives_the_root_that_another_trie_gives() {
        let genesis: Genesis = serde_json::from_str(
            r#"{"config":{"chainId":7},"alloc":{
                "0x0000000000000000000000000000000000000001":{"balance":"0x1"},
                "0x0000000000000000000000000000000000000002":{"balance":"0x0","nonce":"0x3","code":"0x6001",
                    "storage":{"0x01":"0x02","0x03":"0x00","0x04":"0xffff"}}}}"#,
        )
        .unwrap();
        assert_eq!(state_root(&genesis.alloc), alloy_trie::root::state_root_ref_unhashed(&genesis.alloc));
    }

    #[test]
    fn a_file_that_is_no_genesis_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\"config\": 3}").unwrap();
        assert!(read(file.path(), None).unwrap_err().to_string().contains("is not a genesis in JSON"));
    }
}
