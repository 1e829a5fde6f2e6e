//! The fields of a genesis file, by geth's names.
//!
//! Only those that block 0 and the rules follow from: consensus engines and whatever geth does not know are read over. It draws no
//! conclusion from what it read.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};
use serde_json::value::RawValue;

use crate::forks::BlobParams;

use super::{
    account::{self, GivenAccount},
    error::{Fault, Unread},
    json::{Members, Whole, bytes_of, fixed_of, is_field, optional, u64_of, u256_of},
};

/// Forks that activate at a block, as geth gathers them: the one of the DAO counts whether it is supported or not.
const BLOCK_FORKS: [&str; 15] = [
    "homesteadBlock",
    "daoForkBlock",
    "eip150Block",
    "eip155Block",
    "eip158Block",
    "byzantiumBlock",
    "constantinopleBlock",
    "petersburgBlock",
    "istanbulBlock",
    "muirGlacierBlock",
    "berlinBlock",
    "londonBlock",
    "arrowGlacierBlock",
    "grayGlacierBlock",
    "mergeNetsplitBlock",
];

/// Forks that activate at a time, in Unix seconds.
const TIME_FORKS: [&str; 12] = [
    "shanghaiTime",
    "cancunTime",
    "pragueTime",
    "osakaTime",
    "bpo1Time",
    "bpo2Time",
    "bpo3Time",
    "bpo4Time",
    "bpo5Time",
    "amsterdamTime",
    "bogotaTime",
    "ubtTime",
];

/// Forks that may change how many blobs there are, by the names of a blob schedule; later ones count before earlier ones.
///
/// SPEC: those of go-ethereum (`params.BlobScheduleConfig`). Osaka and Amsterdam are not among them and go on with what held before: other
/// clients' files name them, and are read over there.
pub(super) const BLOB_FORKS: [(&str, &str); 7] = [
    ("cancun", "cancunTime"),
    ("prague", "pragueTime"),
    ("bpo1", "bpo1Time"),
    ("bpo2", "bpo2Time"),
    ("bpo3", "bpo3Time"),
    ("bpo4", "bpo4Time"),
    ("bpo5", "bpo5Time"),
];

/// A genesis file, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Genesis {
    pub(super) config: Config,
    pub(super) nonce: u64,
    pub(super) timestamp: u64,
    pub(super) extra_data: Vec<u8>,
    pub(super) gas_limit: u64,
    pub(super) gas_used: u64,
    pub(super) difficulty: U256,
    pub(super) mix_hash: B256,
    pub(super) coinbase: Address,
    pub(super) parent_hash: B256,
    pub(super) base_fee: Option<U256>,
    pub(super) excess_blob_gas: Option<u64>,
    pub(super) blob_gas_used: Option<u64>,
    pub(super) slot_number: Option<u64>,
    pub(super) alloc: BTreeMap<Address, GivenAccount>,
    /// The root of an allocation that is not held.
    pub(super) root_known: Option<B256>,
}

/// The rules of a chain, as far as they show in block 0 and in fork ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) chain_id: Option<Whole>,
    /// By the names in [`BLOCK_FORKS`]; a fork that is off is not there.
    pub(super) blocks: BTreeMap<&'static str, Whole>,
    /// By the names in [`TIME_FORKS`]; a fork that is off is not there.
    pub(super) times: BTreeMap<&'static str, u64>,
    pub(super) terminal_total_difficulty: Option<U256>,
    pub(super) supports_dao: bool,
    pub(super) deposit_contract: Address,
    /// By the first names in [`BLOB_FORKS`].
    pub(super) blobs: BTreeMap<&'static str, BlobParams>,
}

/// What is still unknown while the members are read.
#[derive(Debug, Default)]
struct Draft {
    genesis: Genesis,
    config: Option<Config>,
    gas_limit: Option<u64>,
    difficulty: Option<U256>,
    alloc: Option<BTreeMap<Address, GivenAccount>>,
}

impl Genesis {
    /// Reads the text of a genesis file.
    ///
    /// # Errors
    /// With the key of what is wrong in it.
    pub fn in_text(text: &str) -> Result<Self, Unread> {
        let mut draft = Draft::default();
        for (name, value) in Members::of_file(text)?.iter() {
            draft.take(name, value).map_err(|fault| fault.within(name))?;
        }
        Ok(draft.finish()?)
    }

    /// Moves Amsterdam: its time, in seconds since 1970, is announced later than programs are built.
    pub fn begin_amsterdam_at(&mut self, time: u64) {
        self.config.times.insert("amsterdamTime", time);
    }
}

impl Draft {
    fn take(&mut self, name: &str, value: &RawValue) -> Result<(), Fault> {
        let genesis = &mut self.genesis;
        let is = |field| is_field(name, field);
        if is("config") {
            match optional(value, Members::of)? {
                Some(members) => self.config.get_or_insert_default().take(&members)?,
                None => self.config = None,
            }
        } else if is("alloc") {
            match optional(value, Members::of)? {
                Some(members) => account::read_all(self.alloc.get_or_insert_default(), &members)?,
                None => self.alloc = None,
            }
        } else if is("gasLimit") {
            self.gas_limit = optional(value, u64_of)?;
        } else if is("difficulty") {
            self.difficulty = optional(value, u256_of)?;
        } else if is("nonce") {
            genesis.nonce = optional(value, u64_of)?.unwrap_or(0);
        } else if is("timestamp") {
            genesis.timestamp = optional(value, u64_of)?.unwrap_or(0);
        } else if is("extraData") {
            genesis.extra_data = optional(value, bytes_of)?.unwrap_or_default();
        } else if is("gasUsed") {
            genesis.gas_used = optional(value, u64_of)?.unwrap_or(0);
        } else if is("mixHash") {
            genesis.mix_hash = optional(value, fixed_of)?.unwrap_or_default().into();
        } else if is("coinbase") {
            genesis.coinbase = optional(value, fixed_of)?.unwrap_or_default().into();
        } else if is("parentHash") {
            genesis.parent_hash = optional(value, fixed_of)?.unwrap_or_default().into();
        } else if is("baseFeePerGas") {
            genesis.base_fee = optional(value, u256_of)?;
        } else if is("excessBlobGas") {
            genesis.excess_blob_gas = optional(value, u64_of)?;
        } else if is("blobGasUsed") {
            genesis.blob_gas_used = optional(value, u64_of)?;
        } else if is("slotNumber") {
            genesis.slot_number = optional(value, u64_of)?;
        } else if is("number") && optional(value, u64_of)?.unwrap_or(0) != 0 {
            return Err(Fault::not("0, the number of every genesis", value.get()));
        }
        Ok(())
    }

    fn finish(self) -> Result<Genesis, Fault> {
        Ok(Genesis {
            config: self.config.ok_or_else(|| Fault::missing("config"))?,
            gas_limit: self.gas_limit.ok_or_else(|| Fault::missing("gasLimit"))?,
            difficulty: self.difficulty.ok_or_else(|| Fault::missing("difficulty"))?,
            alloc: self.alloc.ok_or_else(|| Fault::missing("alloc"))?,
            ..self.genesis
        })
    }
}

impl Config {
    fn take(&mut self, members: &Members<'_>) -> Result<(), Fault> {
        for (name, value) in members.iter() {
            self.take_one(name, value).map_err(|fault| fault.within(name))?;
        }
        Ok(())
    }

    fn take_one(&mut self, name: &str, value: &RawValue) -> Result<(), Fault> {
        let named = |forks: &[&'static str]| forks.iter().copied().find(|fork| is_field(name, fork));
        if let Some(fork) = named(&BLOCK_FORKS) {
            set(&mut self.blocks, fork, optional(value, Whole::of)?);
        } else if let Some(fork) = named(&TIME_FORKS) {
            set(&mut self.times, fork, optional(value, u64_of)?);
        } else if is_field(name, "chainId") {
            self.chain_id = optional(value, Whole::of)?;
        } else if is_field(name, "terminalTotalDifficulty") {
            // Of block 0 it says nothing: there stands the difficulty of the file.
            let difficulty = optional(value, Whole::of)?;
            // What does not fit is as far away as what can never be reached.
            self.terminal_total_difficulty = difficulty.map(|difficulty| match difficulty.is_at_most_zero {
                true => U256::ZERO,
                false => u256_of(value).unwrap_or(U256::MAX),
            });
        } else if is_field(name, "daoForkSupport") {
            self.supports_dao = value.get() == "true";
        } else if is_field(name, "depositContractAddress") {
            self.deposit_contract = optional(value, fixed_of)?.unwrap_or_default().into();
        } else if is_field(name, "blobSchedule") {
            match optional(value, Members::of)? {
                Some(members) => self.take_blobs(&members)?,
                None => self.blobs.clear(),
            }
        } else if is_field(name, "enableUBTAtGenesis") && value.get() == "true" {
            return Err(Fault::not("false: a state in a binary tree cannot be synced", value.get()));
        }
        Ok(())
    }
}

impl Config {
    fn take_blobs(&mut self, schedule: &Members<'_>) -> Result<(), Fault> {
        for (name, value) in schedule.iter() {
            let fork = BLOB_FORKS.iter().map(|(fork, _)| *fork).find(|fork| is_field(name, fork));
            let Some(fork) = fork else { continue };
            let read = optional(value, blobs_of).map_err(|fault| fault.within(name))?;
            set(&mut self.blobs, fork, read);
        }
        Ok(())
    }
}

fn blobs_of(value: &RawValue) -> Result<BlobParams, Fault> {
    let mut blobs = BlobParams { target: 0, max: 0, update_fraction: 0 };
    for (name, value) in Members::of(value)?.iter() {
        let field = if is_field(name, "target") {
            &mut blobs.target
        } else if is_field(name, "max") {
            &mut blobs.max
        } else if is_field(name, "baseFeeUpdateFraction") {
            &mut blobs.update_fraction
        } else {
            continue;
        };
        *field = optional(value, u64_of).map_err(|fault| fault.within(name))?.unwrap_or(0);
    }
    Ok(blobs)
}

fn set<T>(forks: &mut BTreeMap<&'static str, T>, fork: &'static str, at: Option<T>) {
    match at {
        Some(at) => forks.insert(fork, at),
        None => forks.remove(fork),
    };
}
