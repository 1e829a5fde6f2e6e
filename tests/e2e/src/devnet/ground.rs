//! What a devnet begins with: a folder, the configuration of the beacon chain, the genesis of both chains, and the secret.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};
use snapsync_keccak::keccak256;

use crate::{Error, cache::Tools, genesis, prysm::Prysm, transaction::Wallet};

/// The chain's id, and its network's.
pub const CHAIN_ID: u64 = 32_382;

/// Gas of a block: that of a public network.
pub const GAS_LIMIT: u64 = 60_000_000;

/// Accounts beside those that are used: so many make more than one answer.
const FILLERS: u64 = 3_000;

/// Slots of one contract, for the same reason.
const SLOTS: u64 = 3_000;

/// Stores what it is called with: the second word at the key that is the first.
const WRITER: &str = "0x60203560003555600080a000";

/// Validators of the first beacon node: enough for a committee in each slot of an epoch.
pub(super) const VALIDATORS: &str = "64";

/// Two seconds a slot, an epoch of 32, Fulu from the genesis on.
///
/// `INTERVALS_PER_SLOT` is 1 since Prysm divides the seconds of a slot by it as whole numbers; with 3, a proposer's boost ends at once and two
/// slots of five stay empty.
const CONFIG: &str = "\
PRESET_BASE: 'mainnet'
CONFIG_NAME: 'snapsync-devnet'
MIN_GENESIS_ACTIVE_VALIDATOR_COUNT: 64
MIN_GENESIS_TIME: 0
GENESIS_DELAY: 0
SECONDS_PER_SLOT: 2
INTERVALS_PER_SLOT: 1
SLOTS_PER_EPOCH: 32
SECONDS_PER_ETH1_BLOCK: 2
ETH1_FOLLOW_DISTANCE: 8
EPOCHS_PER_ETH1_VOTING_PERIOD: 4
SHARD_COMMITTEE_PERIOD: 4
MIN_VALIDATOR_WITHDRAWABILITY_DELAY: 1
CHURN_LIMIT_QUOTIENT: 65536
EJECTION_BALANCE: 16000000000
GENESIS_FORK_VERSION: 0x20000089
ALTAIR_FORK_EPOCH: 0
ALTAIR_FORK_VERSION: 0x20000090
BELLATRIX_FORK_EPOCH: 0
BELLATRIX_FORK_VERSION: 0x20000091
TERMINAL_TOTAL_DIFFICULTY: 0
TERMINAL_BLOCK_HASH: 0x0000000000000000000000000000000000000000000000000000000000000000
TERMINAL_BLOCK_HASH_ACTIVATION_EPOCH: 18446744073709551615
CAPELLA_FORK_EPOCH: 0
CAPELLA_FORK_VERSION: 0x20000092
DENEB_FORK_EPOCH: 0
DENEB_FORK_VERSION: 0x20000093
ELECTRA_FORK_EPOCH: 0
ELECTRA_FORK_VERSION: 0x20000094
FULU_FORK_EPOCH: 0
FULU_FORK_VERSION: 0x20000095
DEPOSIT_CHAIN_ID: 32382
DEPOSIT_NETWORK_ID: 32382
DEPOSIT_CONTRACT_ADDRESS: 0x4242424242424242424242424242424242424242
BLOB_SCHEDULE:
  - EPOCH: 0
    MAX_BLOBS_PER_BLOCK: 9
";

/// The folder of a devnet.
#[derive(Clone, Debug)]
pub struct Ground {
    folder: PathBuf,
    /// Prysm's programs.
    pub prysm: Prysm,
    /// geth's.
    pub tools: Tools,
}

impl Ground {
    /// Lays out a devnet in `folder`, whose first slot is `delay_s` seconds from now.
    pub fn lay(folder: &Path, tools: &Tools, prysm: &Prysm, delay_s: u64) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
        let ground = Self { folder: folder.to_owned(), prysm: prysm.clone(), tools: tools.clone() };
        ground.write("config.yml", CONFIG)?;
        ground.write("jwt.hex", &keccak256(folder.to_string_lossy().as_bytes()).to_string())?;
        ground.write("genesis-in.json", &beginning().to_string())?;
        ground.make_genesis(delay_s)?;
        Ok(ground)
    }

    /// prysmctl gives the execution chain its time and the beacon chain its first state. It does not know Osaka, which is no part of block 0.
    fn make_genesis(&self, delay_s: u64) -> Result<(), Error> {
        let mut command = Command::new(self.prysm.program("prysmctl"));
        command.current_dir(&self.folder).args(["testnet", "generate-genesis", "--fork=fulu"]);
        command.args([format!("--num-validators={VALIDATORS}"), format!("--genesis-time-delay={delay_s}")]);
        command.args(["--chain-config-file=config.yml", "--output-ssz=genesis.ssz"]);
        command.args(["--geth-genesis-json-in=genesis-in.json", "--geth-genesis-json-out=genesis.json"]);
        let output = command.output().map_err(Error::io("start", self.prysm.program("prysmctl")))?;
        if !output.status.success() {
            let tail = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::Program {
                program: "prysmctl".into(),
                status: output.status.to_string(),
                tail,
            });
        }
        let path = self.genesis();
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let mut genesis: Value =
            serde_json::from_str(&text).map_err(|error| Error::Chain(error.to_string()))?;
        genesis["config"]["osakaTime"] = genesis["config"]["pragueTime"].clone();
        self.write("genesis.json", &genesis.to_string())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.file(name);
        fs::write(&path, text).map_err(Error::io("write", &path))
    }

    /// A file or a folder in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The genesis file of the execution chain.
    pub fn genesis(&self) -> PathBuf {
        self.file("genesis.json")
    }

    /// The secret that all share.
    pub fn secret(&self) -> PathBuf {
        self.file("jwt.hex")
    }
}

/// Who pays for the transactions.
pub(super) fn payer() -> Wallet {
    Wallet::new("devnet", CHAIN_ID)
}

/// Who pays for those with blobs: a pool takes no others from the same account.
pub(super) fn blob_payer() -> Wallet {
    Wallet::new("devnet blobs", CHAIN_ID)
}

/// The contract that stores what it is called with.
pub(super) fn writer() -> Address {
    Address::with_last_byte(0xe1)
}

/// The genesis file of the test chains, with rows enough for a sync of several answers.
fn beginning() -> Value {
    let mut genesis = genesis::file(payer().address());
    genesis["config"]["chainId"] = CHAIN_ID.into();
    genesis["config"]["depositContractAddress"] = json!(format!("0x{}", "42".repeat(20)));
    genesis["config"]["blobSchedule"]["osaka"] = genesis["config"]["blobSchedule"]["prague"].clone();
    genesis["gasLimit"] = json!(format!("{GAS_LIMIT:#x}"));
    genesis["coinbase"] = json!(Address::ZERO.to_string());
    genesis["mixHash"] = json!(B256::ZERO.to_string());
    genesis["alloc"][blob_payer().address().to_string()] =
        json!({ "balance": format!("{:#x}", 10u128.pow(21)) });
    for filler in 0..FILLERS {
        let address = Address::from_slice(&keccak256(&filler.to_be_bytes())[12..]);
        genesis["alloc"][address.to_string()] = json!({ "balance": format!("{:#x}", 1_000 + filler) });
    }
    let slot =
        |number: u64| (keccak256(&number.to_le_bytes()).to_string(), B256::with_last_byte(7).to_string());
    let slots: serde_json::Map<String, Value> =
        (0..SLOTS).map(slot).map(|(key, value)| (key, value.into())).collect();
    genesis["alloc"][writer().to_string()] = json!({ "balance": "0x0", "code": WRITER, "storage": slots });
    genesis
}
