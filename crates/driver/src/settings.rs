//! The settings of each crate, derived from the host's one config.

use secp256k1::SecretKey;
use snapsync_execute::Follower;
use snapsync_p2p::{Limits, LocalChain};
use snapsync_sync::ReceiptsFrom;
use snapsync_wire::{EthVersion, SnapVersion};
use tokio::sync::watch;

use crate::{Chain, Config};

/// The eth versions that are offered: those in which a Status tells which blocks a peer has.
const ETH: [EthVersion; 3] = [EthVersion::Eth69, EthVersion::Eth70, EthVersion::Eth71];

pub(crate) fn storage(config: &Config) -> snapsync_storage::Config {
    snapsync_storage::Config::mainnet(&config.datadir, config.memory_bytes)
}

pub(crate) fn chain(chain: &Chain) -> snapsync_storage::Chain {
    snapsync_storage::Chain { id: chain.chain_id, genesis: chain.genesis_hash }
}

pub(crate) fn engine(config: &Config, follower: Option<&Follower>) -> snapsync_sync::Config {
    snapsync_sync::Config {
        checkpoint: config.checkpoint,
        history: config.history,
        follow_blocks_max: follower.map(|_| config.follow_blocks_max),
        receipts_above: match follower.is_some_and(Follower::executes) {
            true => ReceiptsFrom::Execution,
            false => ReceiptsFrom::Peers,
        },
        ..snapsync_sync::Config::standing(config.chain.genesis_hash)
    }
}

pub(crate) fn desk(config: &Config) -> snapsync_stream::Config {
    let standing = snapsync_stream::Config::standing(config.answers_bytes());
    let peers = snapsync_peers::Config {
        deadline_first_ms: config.first_answer_ms,
        deadline_min_ms: standing.peers.deadline_min_ms.min(config.first_answer_ms),
        silent_timeouts: config.silent_timeouts,
        ..standing.peers
    };
    snapsync_stream::Config { peers, ..standing }
}

pub(crate) fn network(config: &Config, snap: SnapVersion, key: SecretKey) -> snapsync_p2p::Config {
    let chain = &config.chain;
    let local = LocalChain::at_genesis(chain.network_id, chain.forks(), chain.genesis_time);
    // We serve nothing, so what we tell of our chain never changes: the sender may go.
    let (_, local) = watch::channel(local);
    snapsync_p2p::Config {
        key,
        listen: config.listen,
        static_peers: config.peers.clone(),
        client_name: concat!("snapsync/v", env!("CARGO_PKG_VERSION")).into(),
        eth: ETH.to_vec(),
        snap: Some(snap),
        chain: local,
        limits: Limits::mainnet().within(config.buffers_bytes()),
        seed: config.seed,
    }
}
