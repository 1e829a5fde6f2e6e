//! The commands' flags, each with its default; those of `node` are with the node.
//!
//! It parses and nothing else; what a flag means is decided by the command's own file.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use alloy_primitives::B256;
use clap::{Args, ValueEnum, builder::ArgPredicate};
use snapsync_demo::DemoParams;

use crate::follow_by::FollowBy;

/// `demo`
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// Accounts in the state, contracts among them
    #[arg(long, default_value_t = DemoParams::demo().accounts)]
    pub(crate) accounts: u64,
    /// Contracts in the state
    #[arg(long, default_value_t = DemoParams::demo().contracts)]
    pub(crate) contracts: u64,
    /// Storage slots over all contracts
    #[arg(long, default_value_t = DemoParams::demo().slots)]
    pub(crate) slots: u64,
    /// Blocks above the genesis [with --moving: 256 at first]
    #[arg(
        long,
        default_value_if("moving", ArgPredicate::IsPresent, "256"),
        default_value_t = DemoParams::demo().blocks
    )]
    pub(crate) blocks: u64,
    /// Blocks above these that are executed once the state is verified [with --moving or --serve-only: none]
    #[arg(
        long,
        value_name = "N",
        default_value_ifs([("moving", ArgPredicate::IsPresent, "0"), ("serve_only", ArgPredicate::IsPresent, "0")]),
        default_value_t = 32
    )]
    pub(crate) above: u64,
    /// The lowest block whose body and receipts the peers have, as peers do that prune
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) history_from: u64,
    /// Honest peers
    #[arg(long, default_value_t = 4)]
    pub(crate) peers: usize,
    /// Time that each peer lets pass before it answers, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) latency_ms: u64,
    /// Lying peers, of different kinds
    #[arg(long, default_value_t = 3)]
    pub(crate) bad_peers: usize,
    /// The chain and the peers follow from it
    #[arg(long, default_value_t = DemoParams::demo().seed)]
    pub(crate) seed: u64,
    /// Where to keep the chain and the database [default: a temporary folder, removed at the end]
    #[arg(long)]
    pub(crate) datadir: Option<PathBuf>,
    /// Only serve the chain, until stopped
    #[arg(long, conflicts_with = "moving")]
    pub(crate) serve_only: bool,
    /// Bytes a second that the line to each peer carries, in KiB [default: as many as it can; with --moving 256]
    #[arg(long, value_name = "KIB")]
    pub(crate) line_kib: Option<u64>,
    /// Have the chain go on while it is synced; peers keep the states of its newest 128 blocks
    #[arg(long)]
    pub(crate) moving: bool,
    /// With --moving: the time between two blocks, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 200, requires = "moving")]
    pub(crate) block_ms: u64,
    /// With --moving: have the chain turn to other branches, past the pivot too
    #[arg(long, requires = "moving")]
    pub(crate) reorgs: bool,
    /// With --moving: kill the process that syncs a few times, and start it again
    #[arg(long, requires = "moving")]
    pub(crate) kill: bool,
}

/// `sync`
#[derive(Clone, Debug, Args)]
pub(crate) struct SyncArgs {
    /// The chain's genesis file, in geth's JSON format
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: PathBuf,
    /// A peer to sync from, enode://.. or enr:..; may be given many times
    #[arg(long = "peer", value_name = "PEER", required = true)]
    pub(crate) peers: Vec<String>,
    /// The block to sync to: its hash (trustless), its number, or `latest` (both asked of the peers)
    #[arg(long, value_name = "HASH|NUMBER|latest")]
    pub(crate) target: TargetArg,
    /// Where the database is kept
    #[arg(long, value_name = "DIR")]
    pub(crate) datadir: PathBuf,
    /// The network id [default: the chain id]
    #[arg(long, value_name = "N")]
    pub(crate) networkid: Option<u64>,
    /// A block that must lie on the chain of the target
    #[arg(long, value_name = "NUMBER:HASH")]
    pub(crate) checkpoint: Option<CheckpointArg>,
    /// Memory for queues, frames, batches and dirty pages, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 192)]
    pub(crate) memory: u64,
    /// Bodies and receipts to keep: `all`, `none`, or `from:NUMBER`
    #[arg(long, value_name = "all|none|from:N", default_value = "all")]
    pub(crate) history: HistoryArg,
    /// Speak snap/2 instead of snap/1: peers that have access lists and no trie nodes
    #[arg(long = "snap.v2")]
    pub(crate) snap_v2: bool,
    /// Accept connections at this address too [default: no listening]
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// How the state comes: `snap` fetches it, `full` executes every block from the genesis on
    #[arg(long, value_enum, value_name = "MODE", default_value = "snap")]
    pub(crate) syncmode: SyncMode,
    /// Once the state is verified, take the blocks above it and follow the head, until stopped; with `--target latest`
    #[arg(long)]
    pub(crate) follow: bool,
    /// With --follow: blocks that are taken to reach the head, at most; where it is farther, what differs is fetched
    #[arg(long, value_name = "N", default_value_t = 1024, requires = "follow")]
    pub(crate) follow_blocks_max: u64,
    /// With --follow: how blocks are taken
    #[arg(long, value_enum, value_name = "WAY", default_value = "execute", requires = "follow")]
    pub(crate) follow_by: FollowBy,
    /// Wait for ever when no peer is left that can help, instead of ending
    #[arg(long)]
    pub(crate) wait: bool,
    /// End after one stall has lasted this long, by the exit code of its reason [default: wait]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) give_up: Option<u64>,
    /// Write every event that the engine sees to this file, one JSON value a line
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Tell a process that watches, one JSON value a line; used by the demo for its child
    #[arg(long, hide = true)]
    pub(crate) scenes: bool,
}

/// `import`
#[derive(Clone, Debug, Args)]
pub(crate) struct ImportArgs {
    /// The chain's genesis file, in geth's JSON format
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: PathBuf,
    /// Where the database is kept
    #[arg(long, value_name = "DIR")]
    pub(crate) datadir: PathBuf,
    /// The network id, for a genesis file without a chain id
    #[arg(long, value_name = "N")]
    pub(crate) networkid: Option<u64>,
    /// Memory for batches and dirty pages, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 192)]
    pub(crate) memory: u64,
    /// Chain files, plain or gzip, in the order of their blocks
    #[arg(value_name = "CHAIN", required = true)]
    pub(crate) chains: Vec<PathBuf>,
}

/// `bench`
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchArgs {
    /// The chain's genesis file; without it and without peers a demo chain is served by a second process
    #[arg(long, value_name = "FILE", requires = "peers", requires = "target")]
    pub(crate) genesis: Option<PathBuf>,
    /// A peer to sync from, enode://.. or enr:..; may be given many times
    #[arg(long = "peer", value_name = "PEER", requires = "genesis")]
    pub(crate) peers: Vec<String>,
    /// The block to sync to
    #[arg(long, value_name = "HASH|NUMBER|latest", requires = "genesis")]
    pub(crate) target: Option<TargetArg>,
    /// Where the database is kept [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub(crate) datadir: Option<PathBuf>,
    /// The network id [default: the chain id]
    #[arg(long, value_name = "N")]
    pub(crate) networkid: Option<u64>,
    /// Memory budget in MiB
    #[arg(long, value_name = "MIB", default_value_t = 192)]
    pub(crate) memory: u64,
    /// Bodies and receipts to keep
    #[arg(long, value_name = "all|none|from:N", default_value = "all")]
    pub(crate) history: HistoryArg,
    /// Accounts of the demo chain, contracts among them
    #[arg(long, default_value_t = 600_000)]
    pub(crate) accounts: u64,
    /// Contracts of the demo chain
    #[arg(long, default_value_t = 20_000)]
    pub(crate) contracts: u64,
    /// Slots of the demo chain
    #[arg(long, default_value_t = 700_000)]
    pub(crate) slots: u64,
    /// Size of the demo chain in one number: accounts and slots together, a third of them accounts, one account in thirty a contract
    #[arg(long, value_name = "N", conflicts_with_all = ["accounts", "contracts", "slots"])]
    pub(crate) leaves: Option<u64>,
    /// Peers of the demo chain
    #[arg(long = "demo-peers", default_value_t = 4)]
    pub(crate) demo_peers: usize,
    /// Time that each peer of the demo chain lets pass before it answers, in milliseconds: a line with that round trip
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) latency_ms: u64,
    /// How this process hashes [default: the fastest way of this machine]
    #[arg(long, value_name = "KERNEL")]
    pub(crate) kernel: Option<KernelArg>,
    /// Print one JSON object instead of lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// How hashes are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KernelArg {
    /// One at a time, on any machine.
    Portable,
    /// Four at a time.
    Avx2,
    /// Eight at a time.
    Avx512,
}

/// What a served demo chain holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainSize {
    /// All accounts.
    pub(crate) accounts: u64,
    /// How many of them are contracts.
    pub(crate) contracts: u64,
    /// All slots.
    pub(crate) slots: u64,
}

impl BenchArgs {
    /// The size of the demo chain, however it was said.
    pub(crate) fn size(&self) -> ChainSize {
        match self.leaves {
            None => ChainSize { accounts: self.accounts, contracts: self.contracts, slots: self.slots },
            Some(leaves) => {
                let accounts = leaves / 3;
                ChainSize { accounts, contracts: accounts / 30, slots: leaves - accounts }
            }
        }
    }
}

/// `status`
#[derive(Clone, Debug, Args)]
pub(crate) struct DirArgs {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) datadir: PathBuf,
    /// Print one JSON object instead of lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// `verify`
#[derive(Clone, Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) datadir: PathBuf,
    /// Print one JSON object instead of lines
    #[arg(long)]
    pub(crate) json: bool,
    /// Scan in this process (a corrupt page may crash it); used by the command itself for its child
    #[arg(long, hide = true)]
    pub(crate) in_process: bool,
}

/// `repair`
#[derive(Clone, Debug, Args)]
pub(crate) struct RepairArgs {
    /// The chain's genesis file, in geth's JSON format
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: PathBuf,
    /// A peer to fetch from, enode://.. or enr:..; may be given many times
    #[arg(long = "peer", value_name = "PEER", required = true)]
    pub(crate) peers: Vec<String>,
    /// The block whose state is mended: the recorded one by its hash, which is trustless and stays, or `latest`, which stays while
    /// peers have its state, and else goes on with a later block
    #[arg(long, value_name = "HASH|latest", default_value = "latest")]
    pub(crate) target: TargetArg,
    /// Where the database is kept
    #[arg(long, value_name = "DIR")]
    pub(crate) datadir: PathBuf,
    /// The network id [default: the chain id]
    #[arg(long, value_name = "N")]
    pub(crate) networkid: Option<u64>,
    /// Memory for queues, frames, batches and dirty pages, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 192)]
    pub(crate) memory: u64,
    /// Bodies and receipts to keep [default: those that the directory was made to keep]
    #[arg(long, value_name = "all|none|from:N")]
    pub(crate) history: Option<HistoryArg>,
    /// Speak snap/2 instead of snap/1: peers that have access lists and no trie nodes
    #[arg(long = "snap.v2")]
    pub(crate) snap_v2: bool,
    /// Wait for ever when no peer is left that can help, instead of ending
    #[arg(long)]
    pub(crate) wait: bool,
}

/// `mend`
#[derive(Clone, Debug, Args)]
pub(crate) struct MendArgs {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) datadir: PathBuf,
    /// Memory for dirty pages, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 192)]
    pub(crate) memory: u64,
    /// Leave the state as it is
    #[arg(long)]
    pub(crate) history_only: bool,
}

/// `reset`
#[derive(Clone, Debug, Args)]
pub(crate) struct ResetArgs {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) datadir: PathBuf,
    /// Do not ask
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
}

/// How a state comes to be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SyncMode {
    /// It is fetched, and proved.
    Snap,
    /// Every block is executed, from the genesis file's state on.
    Full,
}

/// How the target is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetArg {
    /// By hash: nothing is trusted.
    Hash(B256),
    /// By number: most of the peers say which block that is.
    Number(u64),
    /// The newest block of most peers.
    Latest,
}

impl FromStr for TargetArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if let Ok(number) = text.parse() {
            return Ok(Self::Number(number));
        }
        let hash = text.parse().map_err(|_| "neither a block hash, nor a number, nor `latest`".to_owned())?;
        block_hash(hash).map(Self::Hash)
    }
}

/// Zero and all ones are no block's hash: the one that is not known yet, or a slip.
fn block_hash(hash: B256) -> Result<B256, String> {
    if [B256::ZERO, B256::repeat_byte(0xff)].contains(&hash) {
        return Err("no block has this hash".to_owned());
    }
    Ok(hash)
}

/// A block that the operator trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointArg {
    /// Its number.
    pub(crate) number: u64,
    /// Its hash.
    pub(crate) hash: B256,
}

impl FromStr for CheckpointArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, hash) = text.split_once(':').ok_or("expected NUMBER:HASH")?;
        Ok(Self {
            number: number.parse().map_err(|_| format!("{number} is not a block number"))?,
            hash: block_hash(hash.parse().map_err(|_| format!("{hash} is not a block hash"))?)?,
        })
    }
}

/// Which bodies and receipts are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HistoryArg {
    /// From block 1 to the target.
    All,
    /// None: headers only.
    None,
    /// From this block to the target.
    From(u64),
}

impl FromStr for HistoryArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => text
                .strip_prefix("from:")
                .and_then(|number| number.parse().ok())
                .map(Self::From)
                .ok_or_else(|| "expected all, none or from:NUMBER".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_hash_a_number_or_latest() {
        assert_eq!("latest".parse(), Ok(TargetArg::Latest));
        assert_eq!("17".parse(), Ok(TargetArg::Number(17)));
        assert_eq!(format!("0x{}", "11".repeat(32)).parse(), Ok(TargetArg::Hash(B256::repeat_byte(0x11))));
        assert!("0x12".parse::<TargetArg>().is_err());
        for byte in ["00", "ff"] {
            let no_block = format!("0x{}", byte.repeat(32));
            assert!(no_block.parse::<TargetArg>().is_err());
            assert!(format!("9:{no_block}").parse::<CheckpointArg>().is_err());
        }
    }

    #[test]
    fn history_and_checkpoint_refuse_what_they_do_not_know() {
        assert_eq!("from:9".parse(), Ok(HistoryArg::From(9)));
        assert!("some".parse::<HistoryArg>().is_err());
        assert!("9".parse::<CheckpointArg>().is_err());
        assert!(format!("9:0x{}", "11".repeat(32)).parse::<CheckpointArg>().is_ok());
    }
}
