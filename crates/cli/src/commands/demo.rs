//! `demo`: a chain and peers of our own on loopback, synced over real sockets into a real database.
//!
//! With `--serve-only` it only serves, and says on its first line what a client needs to know, as one JSON object; the same as a genesis
//! file beside the chain.

use std::{io::Write, time::Duration};

use snapsync_demo::{DemoChain, DemoParams, DemoPeers, PeerKind, PeerParams, open_or_make};
use snapsync_driver::{Config, Naming, SnapVersion};
use snapsync_serve::Limits;
use snapsync_storage::Store;

use crate::{
    args::DemoArgs,
    commands::{
        moving,
        place::Place,
        scenery::{Facts, Scenery, chain_dir, failure, introduce, short, write_genesis},
        sync,
    },
    exit::{Exit, Failure},
    render::{Screen, count},
    session::{self, Order, Session},
    watch::Expected,
};

/// What the line to each peer of a moving chain carries, KiB a second: with four honest peers the pivot moves several times before a state of the
/// default size is here.
const MOVING_LINE_KIB: u64 = 256;

/// Runs the command.
pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let place = Place::open(args.datadir.as_deref())?;
    let (chain, store) = make(args, &place)?;
    // The peers have a runtime of their own: they are other nodes.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("demo-peers")
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failure, error))?;
    let line_kib = args.line_kib.or(args.moving.then_some(MOVING_LINE_KIB));
    let params = PeerParams {
        honest: args.peers,
        bad: args.bad_peers,
        seed: args.seed,
        limits: Limits::mainnet(),
        latency: Duration::from_millis(args.latency_ms),
        line_bytes_per_second: line_kib.map(|kib| kib << 10),
        snap: SnapVersion::Snap1,
        log: None,
    };
    let peers = runtime
        .block_on(DemoPeers::start(&chain, &store, &params))
        .map_err(|error| Failure::new(Exit::Failure, error))?;
    let facts = facts(&chain, &peers);
    let done = if args.moving {
        let scenery = Scenery { facts: &facts, chain: &chain, store: &store, peers: &peers, place: &place };
        moving::show(args, &scenery, runtime.handle())
    } else if args.serve_only {
        serve(&facts, &chain, &place)
    } else {
        show(&facts, &peers, &place, args.seed)
    };
    runtime.block_on(peers.shutdown());
    done
}

fn make(args: &DemoArgs, place: &Place) -> Result<(DemoChain, Store), Failure> {
    let params = DemoParams {
        accounts: args.accounts,
        contracts: args.contracts,
        slots: args.slots,
        blocks: args.blocks,
        history_from: args.history_from,
        seed: args.seed,
    };
    eprintln!(
        "making a chain: {} accounts, {} contracts, {} slots, {} blocks (seed {})",
        count(args.accounts),
        count(args.contracts),
        count(args.slots),
        count(args.blocks),
        args.seed
    );
    open_or_make(params, &chain_dir(place)).map_err(|error| failure(&error))
}

fn facts(chain: &DemoChain, peers: &DemoPeers) -> Facts {
    Facts {
        network_id: chain.network_id,
        genesis_hash: chain.genesis,
        genesis_time: chain.genesis_timestamp,
        target: chain.target.hash,
        state_root: chain.target.root,
        peers: peers.enodes().iter().map(|(enode, _)| enode.to_string()).collect(),
    }
}

/// Says what is served, and serves until a signal comes.
fn serve(facts: &Facts, chain: &DemoChain, place: &Place) -> Result<(), Failure> {
    let failure = |error: &dyn std::fmt::Display| Failure::new(Exit::Failure, error);
    let genesis = write_genesis(chain, place)?;
    let peers: String = facts.peers.iter().map(|peer| format!(" --peer {peer}")).collect();
    eprintln!("serving; to sync from here, in another terminal:");
    eprintln!("snapsync sync --genesis {}{peers} --target {} --datadir DIR", genesis.display(), facts.target);
    println!("{}", serde_json::to_string(facts).map_err(|error| failure(&error))?);
    let _nobody_reads = std::io::stdout().flush();
    sync::block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let failure = |error| Failure::new(Exit::Failure, format!("cannot catch signals: {error}"));
        let mut terminate = signal(SignalKind::terminate()).map_err(failure)?;
        tokio::select! {
            // The order does not matter: both mean stop.
            biased;
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        Ok(())
    })
}

/// On loopback an answer takes milliseconds: who gives none in this time gives none at all.
const FIRST_ANSWER_MS: u64 = 1_000;
/// So a silent peer need not be asked often, either.
const SILENT_TIMEOUTS: u32 = 2;

fn show(facts: &Facts, peers: &DemoPeers, place: &Place, seed: u64) -> Result<(), Failure> {
    introduce(peers);
    let enodes = peers.enodes().iter().map(|(enode, _)| *enode).collect();
    let config = Config {
        seed,
        first_answer_ms: FIRST_ANSWER_MS,
        silent_timeouts: SILENT_TIMEOUTS,
        ..Config::standing(facts.chain(), place.path().join("sync"), enodes)
    };
    let bad = peers.enodes().iter().filter(|(_, kind)| *kind != PeerKind::Honest).count();
    let expected = Expected { connected: peers.enodes().len(), charged: bad };
    let naming = Naming::Hash(facts.target);
    let session = sync::block_on(session::run(Order::to_end(config, naming, expected), Screen::open()))?;
    sync::summary(&session);
    detected(&session, peers);
    if session.target.root != facts.state_root {
        return Err(Failure::new(Exit::Verification, "the synced root is not the root that was made"));
    }
    println!("verified     state root {}", session.target.root);
    Ok(())
}

/// Each bad peer by its kind, with what was detected of it.
fn detected(session: &Session, peers: &DemoPeers) {
    for (enode, kind) in peers.enodes() {
        if *kind == PeerKind::Honest {
            continue;
        }
        let name = short(enode);
        let mut faults: Vec<String> = session
            .faults
            .iter()
            .chain(&session.set_aside)
            .filter(|(peer, _)| *peer == name)
            .map(|(_, fault)| fault.kind().to_owned())
            .collect();
        faults.dedup();
        let found =
            if faults.is_empty() { "nothing detected: it was never asked".into() } else { faults.join(", ") };
        println!("bad peer     {name} {}: {found}", kind.name());
    }
}
