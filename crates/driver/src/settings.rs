//! The settings of each crate, derived from the host's one config; and what the disk says, in the engine's words.

use secp256k1::SecretKey;
use snapsync_p2p::{Limits, LocalChain};
use snapsync_storage::Store;
use snapsync_sync::{BlockRange, History, Journal, Phase};
use snapsync_wire::{EthVersion, SnapVersion};
use tokio::sync::watch;

use crate::{Chain, Config, Error, notices};

/// The eth versions that are offered: those in which a Status tells which blocks a peer has.
const ETH: [EthVersion; 3] = [EthVersion::Eth69, EthVersion::Eth70, EthVersion::Eth71];

pub(crate) fn storage(config: &Config) -> snapsync_storage::Config {
    snapsync_storage::Config::mainnet(&config.datadir, config.memory_bytes)
}

pub(crate) fn chain(chain: &Chain) -> snapsync_storage::Chain {
    snapsync_storage::Chain { id: chain.chain_id, genesis: chain.genesis_hash }
}

pub(crate) fn engine(config: &Config) -> snapsync_sync::Config {
    snapsync_sync::Config {
        checkpoint: config.checkpoint,
        history: config.history,
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

pub(crate) fn network(config: &Config, key: SecretKey) -> snapsync_p2p::Config {
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
        snap: Some(SnapVersion::Snap1),
        chain: local,
        limits: Limits::mainnet().within(config.buffers_bytes()),
        seed: config.seed,
    }
}

/// What the engine resumes from: both environments' journals in its words.
pub(crate) fn journal(store: &Store, config: &Config) -> Result<Journal, Error> {
    let (state, history) = (store.state.journal()?, store.history.journal()?);
    let Some(progress) = state.progress else { return Ok(Journal::fresh()) };
    let pin = progress.pin.map(notices::pin);
    let checkpoint = match config.checkpoint {
        Some(checkpoint) => store.history.snapshot()?.canonical(checkpoint.number)?,
        None => None,
    };
    let phase = Phase::ALL.get(usize::from(progress.phase)).copied();
    let mut journal = Journal {
        pin,
        targets: state.targets.into_iter().map(notices::pin).collect(),
        // A phase that this version does not know was checked by the record's own version before.
        phase: phase.unwrap_or(Phase::Idle),
        rebuilt: progress.rebuilt,
        accounts: state.accounts,
        storages: state.storages,
        codes: state.codes,
        headers: history.headers.map(|piece| notices::header_piece(piece).floor),
        head: history.headers.map(|piece| notices::head(piece.top)),
        descent: history.descent.map(notices::header_piece),
        checkpoint,
        bodies: notices::block_ranges(&history.bodies),
        receipts: notices::block_ranges(&history.receipts),
    };
    // The gaps of what is wanted open apart from the record, and from the headers above: what a kill left unopened is missing.
    if let Some(wanted) = wanted(&journal, config) {
        let opened = history.wanted.map_or(wanted.first, |span| span.last.saturating_add(1));
        let unopened = BlockRange::new(opened.max(wanted.first), wanted.last);
        journal.bodies.extend(unopened);
        journal.receipts.extend(unopened);
    }
    Ok(journal)
}

/// Blocks whose bodies and receipts are wanted, if a target is recorded. A kill can fall between the two environments'
/// commits, so the gaps are opened again at each start; where they are open, nothing changes.
pub(crate) fn wanted(journal: &Journal, config: &Config) -> Option<BlockRange> {
    let last = journal.wanted_up_to(config.checkpoint)?;
    match config.history {
        History::All => BlockRange::new(1, last),
        History::From(first) => BlockRange::new(first.max(1), last),
        History::None => None,
    }
}
