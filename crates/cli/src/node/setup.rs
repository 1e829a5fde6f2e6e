//! What the flags of `node` come to: the chain, the engine's settings, and where callers are heard. Combinations that cannot be are named.
//!
//! It reads a genesis file if one was given, and nothing else; it starts nothing and makes no folder.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use snapsync_driver::{Chain, Checkpoint, Config, History, WhenAlone};
use snapsync_execute::{
    Forks,
    genesis::{Genesis, GenesisError, PublicNetwork},
};
use snapsync_p2p::Contact;

use crate::{
    args::{HistoryArg, SyncMode},
    commands::sync::{history, memory},
    exit::{Exit, Failure},
    genesis,
    node::{args::NodeArgs, doors::Http},
};

/// All that a node is started with.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The engine's settings.
    pub(crate) engine: Config,
    /// The rules of the chain.
    pub(crate) forks: Forks,
    /// Block 0. It has its allocation only if every block is to be executed.
    pub(crate) genesis: Genesis,
    /// How the state comes.
    pub(crate) syncmode: SyncMode,
    /// Where the consensus client is heard.
    pub(crate) authrpc: SocketAddr,
    /// The file with its secret.
    pub(crate) secret: PathBuf,
    /// Where JSON-RPC is answered, if it is.
    pub(crate) http: Option<Http>,
    /// Whether the run is over when the head is reached.
    pub(crate) ends_when_synced: bool,
}

impl Setup {
    /// What these flags come to.
    pub(crate) fn of(args: &NodeArgs) -> Result<Self, Failure> {
        let datadir =
            args.datadir.clone().ok_or_else(|| usage("--datadir is missing: where the database is kept"))?;
        let genesis = genesis_of(args)?;
        let chain = chain_of(args, &genesis)?;
        let authrpc = SocketAddr::new(args.authrpc_addr, args.authrpc_port);
        let http = args.http.then(|| Http {
            at: SocketAddr::new(args.http_addr, args.http_port),
            api: args.http_api.clone(),
            names: args.http_vhosts.split(',').map(|name| name.trim().to_owned()).collect(),
        });
        ports_differ(args, authrpc, http.as_ref())?;
        Ok(Self {
            forks: genesis.forks(chain.chain_id),
            genesis,
            syncmode: args.syncmode,
            authrpc,
            secret: args.authrpc_jwtsecret.clone().unwrap_or_else(|| datadir.join("jwtsecret")),
            http,
            ends_when_synced: args.exit_when_synced,
            engine: engine(args, chain, datadir)?,
        })
    }
}

fn usage(why: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, why)
}

/// Block 0 and the forks. A public network's allocation is unpacked only where it is needed.
fn genesis_of(args: &NodeArgs) -> Result<Genesis, Failure> {
    let mut genesis = match (args.network, &args.genesis) {
        (Some(network), None) if args.syncmode == SyncMode::Full => network.genesis(),
        (Some(network), None) => network.outline(),
        (None, Some(file)) => Genesis::read(file).map_err(usage)?,
        (None, None) => {
            return Err(usage("which network? --network mainnet, sepolia or hoodi, or --genesis FILE"));
        }
        (Some(_), Some(_)) => return Err(usage("--network and --genesis are two networks: name one")),
    };
    if let Some(time) = args.override_amsterdam {
        if time <= genesis.timestamp() {
            return Err(usage(format!(
                "--override.amsterdam {time}: a time after block 0's, {}",
                genesis.timestamp()
            )));
        }
        genesis.begin_amsterdam_at(time);
    }
    Ok(genesis)
}

fn chain_of(args: &NodeArgs, genesis: &Genesis) -> Result<Chain, Failure> {
    genesis::chain(genesis, args.networkid).map_err(|fault| match &args.genesis {
        Some(file) => usage(GenesisError::field(file, fault)),
        None => usage(fault),
    })
}

fn engine(args: &NodeArgs, chain: Chain, datadir: PathBuf) -> Result<Config, Failure> {
    let kept = args.history.unwrap_or_else(|| usual_history(args.network));
    if kept == HistoryArg::None {
        return Err(usage(
            "--history none: a node keeps the blocks that it follows; name `all` or `from:NUMBER`",
        ));
    }
    if args.syncmode == SyncMode::Full && history(kept) != History::All && args.history.is_some() {
        return Err(usage("--syncmode full executes all blocks, so --history is `all`"));
    }
    if args.syncmode == SyncMode::Full && args.checkpoint.is_some() {
        return Err(usage("--syncmode full checks each block, so --checkpoint is of no use: leave it away"));
    }
    let is_full = args.syncmode == SyncMode::Full;
    let mut peers = args.peers.clone();
    let mut known: BTreeSet<Contact> = BTreeSet::new();
    peers.retain(|peer| known.insert(peer.clone()));
    Ok(Config {
        peers,
        memory_bytes: memory(args.memory)?,
        history: if is_full { History::All } else { history(kept) },
        checkpoint: args.checkpoint.map(|block| Checkpoint { number: block.number, hash: block.hash }),
        listen: Some(SocketAddr::new(args.addr, args.port)),
        when_alone: WhenAlone::Wait,
        // However far the head is, blocks lead to it.
        follow_blocks_max: if is_full { u64::MAX } else { FOLLOW_BLOCKS_MAX },
        ..Config::standing(chain, datadir, Vec::new())
    })
}

/// Blocks that are executed to reach the head, rather than fetching what differs: three and a half hours of a network with 12 s slots.
const FOLLOW_BLOCKS_MAX: u64 = 1024;

/// What peers of a network still have: most of them have dropped the blocks that were mined.
fn usual_history(network: Option<PublicNetwork>) -> HistoryArg {
    match network.map(PublicNetwork::merged_at) {
        None | Some(0) => HistoryArg::All,
        Some(first) => HistoryArg::From(first),
    }
}

/// Two doors cannot be one: what the system would refuse with its own words, or worse, take.
fn ports_differ(args: &NodeArgs, authrpc: SocketAddr, http: Option<&Http>) -> Result<(), Failure> {
    let mut doors = vec![("--authrpc.port", authrpc), ("--port", SocketAddr::new(args.addr, args.port))];
    doors.extend(http.map(|http| ("--http.port", http.at)));
    for (place, (name, one)) in doors.iter().enumerate() {
        let meets = |other: &SocketAddr| {
            let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
            one.port() != 0 && one.port() == other.port() && (is_any || one.ip() == other.ip())
        };
        if let Some((other, _)) = doors.iter().take(place).find(|(_, other)| meets(other)) {
            return Err(usage(format!("{other} and {name} are both {}: one port is one door", one.port())));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::{cli::Command, node::words};

    /// The public key of the secret key 1.
    pub(crate) const NODE: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
        483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";

    fn setup(words: &[&str]) -> Result<Setup, Failure> {
        let words: Vec<OsString> = ["snapsync", "node"].iter().chain(words).map(OsString::from).collect();
        match words::read(&words)?.command {
            Command::Node(args) => Setup::of(&args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_network_and_a_folder_are_enough() {
        let setup = setup(&["--network", "mainnet", "--datadir", "/data"]).expect("enough");
        assert_eq!(setup.engine.chain.chain_id, 1);
        assert_eq!(setup.authrpc.to_string(), "127.0.0.1:8551");
        assert_eq!(setup.secret, std::path::Path::new("/data/jwtsecret"));
        assert_eq!(setup.engine.history, History::From(15_537_394));
        assert_eq!(setup.engine.listen.map(|at| at.port()), Some(30_303));
        assert!(setup.http.is_none() && !setup.ends_when_synced);
        assert_eq!(setup.engine.when_alone, WhenAlone::Wait);
    }

    #[test]
    fn what_cannot_be_is_named_and_exits_with_2() {
        let mainnet = ["--network", "mainnet", "--datadir", "/data"];
        let refused: [(&[&str], &str); 10] = [
            (&["--datadir", "/data"], "--network"),
            (&["--network", "mainnet"], "--datadir"),
            (&["--history", "none"], "--history none"),
            (&["--memory", "1"], "--memory 1"),
            (&["--syncmode", "full", "--history", "from:9"], "--history"),
            (&["--syncmode", "full", "--checkpoint", &format!("9:0x{}", "11".repeat(32))], "--checkpoint"),
            (&["--port", "8551"], "--authrpc.port and --port are both 8551"),
            (&["--http", "--http.port", "8551"], "--authrpc.port and --http.port"),
            (&["--override.amsterdam", "0"], "--override.amsterdam 0"),
            (&["--http", "--http.port", "30303"], "--port and --http.port"),
        ];
        for (words, named) in refused {
            let words = if words[0].starts_with("--datadir") || words[0] == "--network" {
                words.to_vec()
            } else {
                [&mainnet[..], words].concat()
            };
            let failure = setup(&words).expect_err("refused");
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.message.contains(named), "{words:?}: {failure}");
        }
    }

    #[test]
    fn a_name_as_host_is_taken_without_asking_anybody_and_a_peer_counts_once() {
        let peer = format!("enode://{NODE}@nobody..example:30303");
        let words = ["--network", "hoodi", "--datadir", "/data", "--peer", &peer, "--peer", &peer];
        assert_eq!(setup(&words).expect("taken").engine.peers.len(), 1);
    }

    #[test]
    fn an_overridden_fork_shows_in_the_rules_and_in_fork_ids() {
        let words = ["--network", "mainnet", "--datadir", "/data", "--override.amsterdam", "1900000000"];
        let setup = setup(&words).expect("taken");
        assert_eq!(setup.engine.chain.fork_times.last(), Some(&1_900_000_000));
        assert_eq!(setup.forks.times.get(&snapsync_execute::Fork::Amsterdam), Some(&1_900_000_000));
    }
}
