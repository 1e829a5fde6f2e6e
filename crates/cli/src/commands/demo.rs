//! `demo`: a chain and peers of our own on loopback, synced over real sockets into a real database.
//!
//! With `--serve-only` it only serves, and says on its first line what a client needs to know, as one JSON object; the same as a genesis
//! file beside the chain.

use std::{io::Write, time::Duration};

use snapsync_demo::{
    BlockMaker, DemoChain, DemoParams, DemoPeers, MovingChain, PeerKind, PeerParams, open_or_make,
};
use snapsync_driver::{Config, Naming, SnapVersion};
use snapsync_execute::{
    Follower,
    evm::{Config as Execution, EvmExecutor},
};
use snapsync_serve::Limits;
use snapsync_storage::{StateStore, Store, TargetRecord};

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
    say::{errln, outln},
    session::{self, Order, Session},
    watch::{Expected, UpTo},
};

/// What the line to each peer of a moving chain carries, KiB a second: with four honest peers the pivot moves several times before a state of the
/// default size is here.
const MOVING_LINE_KIB: u64 = 256;

/// Runs the command.
pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let place = Place::open(args.datadir.as_deref())?;
    let (mut chain, store) = make(args, &place)?;
    let above = if params(args).may_execute() { args.above } else { 0 };
    let above = (above > 0).then(|| make_above(args, &place, &mut chain, &store, above)).transpose()?;
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
        show(&facts, &peers, &place, args.seed, above)
    };
    runtime.block_on(peers.shutdown());
    done
}

fn params(args: &DemoArgs) -> DemoParams {
    DemoParams {
        accounts: args.accounts,
        contracts: args.contracts,
        slots: args.slots,
        blocks: args.blocks,
        history_from: args.history_from,
        seed: args.seed,
    }
}

fn make(args: &DemoArgs, place: &Place) -> Result<(DemoChain, Store), Failure> {
    errln!(
        "making a chain: {} accounts, {} contracts, {} slots, {} blocks (seed {})",
        count(args.accounts),
        count(args.contracts),
        count(args.slots),
        count(args.blocks),
        args.seed
    );
    open_or_make(params(args), &chain_dir(place)).map_err(|error| failure(&error))
}

/// Blocks that are executed, above the one whose state is synced.
struct Above {
    follower: Follower,
    head: TargetRecord,
}

/// Makes them, where they are not there yet; the chain's target is the block below them.
fn make_above(
    args: &DemoArgs,
    place: &Place,
    chain: &mut DemoChain,
    store: &Store,
    blocks: u64,
) -> Result<Above, Failure> {
    let made = || {
        let mut maker = BlockMaker::new(chain, args.seed)?;
        let mut moving = MovingChain::open(store, &chain_dir(place), args.seed)?;
        let (target, head) = moving.execute_above(&mut maker, params(args), blocks)?;
        moving.close()?;
        Ok((maker.forks().clone(), target, head))
    };
    let (forks, target, head) = made().map_err(|error| failure(&error))?;
    chain.target = target;
    errln!("and {blocks} blocks above it, which are executed");
    let executor = EvmExecutor::new(Execution::node());
    Ok(Above { follower: Follower::executing(forks, Box::new(executor)), head })
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
    errln!("serving; to sync from here, in another terminal:");
    errln!("snapsync sync --genesis {}{peers} --target {} --datadir DIR", genesis.display(), facts.target);
    outln!("{}", serde_json::to_string(facts).map_err(|error| failure(&error))?);
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

fn show(
    facts: &Facts,
    peers: &DemoPeers,
    place: &Place,
    seed: u64,
    above: Option<Above>,
) -> Result<(), Failure> {
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
    // What an earlier run has brought the state to is gone on with.
    let recorded = StateStore::open_read_only(&config.datadir).and_then(|state| state.snapshot()?.progress());
    let recorded = recorded.ok().flatten().and_then(|progress| progress.pin);
    let naming = Naming::Hash(recorded.map_or(facts.target, |pin| pin.hash));
    let head = above.as_ref().map(|above| above.head);
    let order = Order {
        follower: above.map(|above| above.follower),
        up_to: head.map(|head| UpTo::Named { hash: head.hash, at_once: false }),
        ..Order::to_end(config, naming, expected)
    };
    let session = sync::block_on(session::run(order, Screen::open()))?;
    sync::summary(&session);
    detected(&session, peers);
    let at = session.followed.map_or(session.target.hash, |(head, _)| head.hash);
    let is_made = head.map_or(session.target.root == facts.state_root, |head| head.hash == at);
    if !is_made {
        return Err(Failure::new(Exit::Verification, "the synced root is not the root that was made"));
    }
    outln!("verified     state root {}", session.target.root);
    if let Some(head) = head {
        outln!(
            "executed     up to the head, block {} {}: state root {}",
            count(head.number),
            head.hash,
            head.root
        );
    }
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
        outln!("bad peer     {name} {}: {found}", kind.name());
    }
}
