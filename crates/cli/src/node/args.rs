//! The flags of `node`, by the names that geth and reth have for them. Each may stand in a config file, too (`words`).

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use snapsync_execute::genesis::PublicNetwork;
use snapsync_p2p::Contact;

use crate::args::{CheckpointArg, HistoryArg, SyncMode};

/// `node`
#[derive(Clone, Debug, Args)]
pub(crate) struct NodeArgs {
    /// The network: mainnet, sepolia or hoodi
    #[arg(long, value_name = "NAME", conflicts_with = "genesis")]
    pub(crate) network: Option<PublicNetwork>,
    /// The genesis file of another network, in geth's JSON format
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// The network id [default: the chain id]
    #[arg(long, value_name = "N")]
    pub(crate) networkid: Option<u64>,
    /// Where the database is kept, and the secret unless another file is named
    #[arg(long, value_name = "DIR")]
    pub(crate) datadir: Option<PathBuf>,
    /// Where the consensus client is heard
    #[arg(long = "authrpc.addr", value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST.into())]
    pub(crate) authrpc_addr: IpAddr,
    /// The port on which the consensus client is heard
    #[arg(long = "authrpc.port", value_name = "PORT", default_value_t = 8551)]
    pub(crate) authrpc_port: u16,
    /// The secret that the consensus client shares, 32 bytes in hex; made if there is none [default: `jwtsecret` in the data directory]
    #[arg(long = "authrpc.jwtsecret", value_name = "FILE")]
    pub(crate) authrpc_jwtsecret: Option<PathBuf>,
    /// Answer JSON-RPC over HTTP
    #[arg(long)]
    pub(crate) http: bool,
    /// Where JSON-RPC is answered
    #[arg(long = "http.addr", value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST.into(), requires = "http")]
    pub(crate) http_addr: IpAddr,
    /// The port on which JSON-RPC is answered
    #[arg(long = "http.port", value_name = "PORT", default_value_t = 8545, requires = "http")]
    pub(crate) http_port: u16,
    /// The groups of methods that are answered
    #[arg(long = "http.api", value_name = "WORDS", default_value = "eth,net,web3", requires = "http")]
    pub(crate) http_api: String,
    /// The names by which callers may reach JSON-RPC, beside addresses; `*`: any
    #[arg(long = "http.vhosts", value_name = "NAMES", default_value = "localhost", requires = "http")]
    pub(crate) http_vhosts: String,
    /// Where connections of other nodes are accepted
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::UNSPECIFIED.into())]
    pub(crate) addr: IpAddr,
    /// The port on which connections of other nodes are accepted; 0: the system chooses one
    #[arg(long, value_name = "PORT", default_value_t = 30_303)]
    pub(crate) port: u16,
    /// A node to stay connected to, enode://.. or enr:..; its host may be a name; may be given many times
    #[arg(long = "peer", value_name = "PEER")]
    pub(crate) peers: Vec<Contact>,
    /// How the state comes: `snap` fetches it, `full` executes every block from the genesis on
    #[arg(long, value_enum, value_name = "MODE", default_value = "snap")]
    pub(crate) syncmode: SyncMode,
    /// Memory for queues, frames, batches and dirty pages, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    pub(crate) memory: u64,
    /// A block that must lie on the chain
    #[arg(long, value_name = "NUMBER:HASH")]
    pub(crate) checkpoint: Option<CheckpointArg>,
    /// When Amsterdam begins, in seconds since 1970, whatever the network's own forks say
    #[arg(long = "override.amsterdam", value_name = "TIME")]
    pub(crate) override_amsterdam: Option<u64>,
    /// Bodies and receipts to keep: `all` or `from:NUMBER` [default: on mainnet and Sepolia those since the merge, which peers keep; else all]
    #[arg(long, value_name = "all|from:N")]
    pub(crate) history: Option<HistoryArg>,
    /// End with 0 once the state is verified and the head is reached, instead of following it
    #[arg(long)]
    pub(crate) exit_when_synced: bool,
    /// How the log is written
    #[arg(long = "log.format", value_enum, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// A file with any of these settings in TOML, by the same names; what is given here wins
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print what flags and file come to, as such a file, and end
    #[arg(long)]
    pub(crate) dump_config: bool,
    /// What flags and file come to, as a file.
    #[arg(skip)]
    pub(crate) effective: String,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}
