//! The one file where tokio (sockets) and crossbeam (cores, disk) meet: everything is started here and wired together.
//!
//! Owns: the runtime of the network, for as long as the planner runs. It carries events from the network's channel to the
//! planner's and does nothing else after the start.

use std::{
    collections::{BTreeMap, VecDeque},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded};
use secp256k1::SecretKey;
use snapsync_execute::Follower;
use snapsync_p2p::{Enode, Network, NetworkEvent};
use snapsync_storage::{StateJournal, Store};
use snapsync_stream::{Desk, Watchdog};
use snapsync_sync::{Engine, History, Journal, Phase, TraceLine};
use snapsync_wire::SnapVersion;
use tokio::{
    runtime::Runtime,
    sync::{broadcast, watch},
};

use crate::{
    Config, Error, Event, Progress, Remote,
    asked::Asked,
    blocks_above::Parts,
    calls::Call,
    inbox::{Command, Inbox},
    lists_above::ListsAbove,
    naming::check_hash,
    notifications::Listeners,
    outlets::{HeldBefore, Outlets},
    payloads::Payloads,
    people::People,
    planner::FetchSnapState,
    prospects::Prospects,
    questions::Questions,
    remote::Connected,
    resume, settings,
    stores::Disk,
    taking::{BlockFollowing, Look},
    trace::Trace,
    versions::Versions,
    work::{Outbox, Report},
    workers::Workers,
};

/// A sync that runs.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) remote: Remote,
    pub(crate) commands: Sender<Command>,
    pub(crate) events: broadcast::Receiver<Event>,
    pub(crate) progress: watch::Receiver<Progress>,
    /// Where it takes connections, if it does.
    pub(crate) listens_at: Option<Enode>,
    pub(crate) planner: JoinHandle<Result<(), Error>>,
}

/// Commands that wait: a host names a head every few seconds.
const COMMANDS: usize = 16;
/// Verdicts that wait: one for each request that the desk has out at most (`requests_max`), and room. A full one makes
/// workers wait.
const REPORTS: usize = 1024;
/// Notices that wait: far more than the writes that a writer holds queued and in a batch, which bytes bound. The planner never waits for a
/// writer, so a full one delays and no more.
const NOTICES: usize = 8192;
/// Network events that wait: a full one stops the reading of sockets.
const NETWORK: usize = 64;
/// Events that a listener may lag behind.
const EVENTS: usize = 4096;

/// Opens the disk, starts the network, the workers and the planner.
pub(crate) fn start(config: Config, follower: Option<Follower>) -> Result<Started, Error> {
    check(&config, follower.as_ref())?;
    let store = open_store(&config)?;
    let (notify, notices) = bounded(NOTICES);
    let (reports, report_inbox) = bounded(REPORTS);
    let (command_outbox, commands) = bounded(COMMANDS);
    let (events, event_listener) = broadcast::channel(EVENTS);
    let (progress, progress_listener) = watch::channel(Progress::default());
    let journal = resume::journal(&store, &config)?;
    let recorded = store.state.journal()?;
    let before = held_before(&store, &recorded)?;
    let versions = Versions::new(config.snap, config.snap_fallback, recorded.snap);
    let engine = settings::engine(&config, follower.as_ref());
    let trace = open_trace(&config, &engine, &journal)?;
    let stores = (store.state.clone(), store.history.clone());
    let mut disk = Disk::open(store, &settings::storage(&config), &notify)?;
    let (workers, following) = start_workers(&config, &disk, reports, follower)?;
    let (blocks, calls) = following.unzip();
    drop(notify);
    let (runtime, network, network_inbox) = open_network(&config, versions.speaks())?;
    // A run that is refused leaves the disk as it was, and so does one that says what the last one did.
    if u8::try_from(versions.speaks().number()).ok() != recorded.snap {
        disk.speak(versions.speaks());
    }
    if let Some(blocks) = resume::wanted(&journal, &config) {
        disk.want(blocks);
    }
    let listens_at = config.listen.map(|_| network.local_enode());
    let connected = Connected::default();
    let remote = Remote::new(calls, stores, &progress_listener, &connected, &network);
    let people = People::new(network, connected, &config.peers);
    let has_record = journal.pin.is_some();
    let engine = Engine::resume(engine, journal);
    let recorded = has_record.then(|| engine.progress());
    let mut desk = Desk::new(settings::desk(&config), engine, config.seed);
    if trace.is_some() {
        desk.record();
    }
    let planner = FetchSnapState {
        started: Instant::now(),
        desk,
        inbox: Inbox { commands, reports: report_inbox, notices, network: network_inbox },
        people,
        prospects: Prospects::of(&config),
        watchdog: Watchdog::new(Duration::from_millis(config.stalled_after_ms), config.fresh_cycle_after()),
        stalled_max: config.stalled_max_ms.map(Duration::from_millis),
        listeners: Listeners::new(Duration::from_millis(config.ack_timeout_ms), recorded),
        disk,
        workers,
        outlets: Outlets::new(events, progress, before, versions.speaks()),
        versions,
        trace,
        agreement: None,
        following: None,
        blocks,
        accepted: None,
        questions: Questions::default(),
        payloads: BTreeMap::new(),
        parts: BTreeMap::new(),
        asked: Asked::default(),
        pending: VecDeque::new(),
        ended: None,
    };
    let thread = std::thread::Builder::new().name("fetch_snap_state".into());
    let planner = thread.spawn(move || planner.run(runtime)).map_err(Error::Thread)?;
    Ok(Started {
        remote,
        commands: command_outbox,
        events: event_listener,
        progress: progress_listener,
        listens_at,
        planner,
    })
}

/// Whether these settings make sense.
fn check(config: &Config, follower: Option<&Follower>) -> Result<(), Error> {
    if follower.is_some() && config.history == History::None {
        return Err(Error::NoBodies);
    }
    config.checkpoint.map_or(Ok(()), |checkpoint| check_hash(checkpoint.hash))
}

/// The worker that takes blocks, seen from the planner, and the way of its calls.
type Following = (BlockFollowing, Sender<Call>);

fn start_workers(
    config: &Config,
    disk: &Disk,
    reports: Sender<Report>,
    follower: Option<Follower>,
) -> Result<(Workers, Option<Following>), Error> {
    let outbox = Outbox {
        reports,
        state: disk.state_inbox(),
        history: disk.history_inbox(),
        lists_above: ListsAbove::default(),
        hashed: Default::default(),
    };
    let mut workers = Workers::start(config.provers, &outbox, &disk.readers)?;
    let Some(follower) = follower else { return Ok((workers, None)) };
    let bytes_max = config.blocks_bytes();
    let payloads = Payloads::new(bytes_max / 4);
    let (looks, calls) = workers.follow(Parts {
        follower,
        readers: disk.readers.clone(),
        outbox: outbox.clone(),
        payloads: payloads.clone(),
        genesis: config.chain.genesis_hash,
        haste: disk.haste(),
        bytes_max,
        stretch_bytes_max: config.stretch_bytes(),
    })?;
    // The state may have been verified by an earlier run.
    let _empty_until_now = looks.try_send(Look::Changed);
    Ok((workers, Some((BlockFollowing::new(looks, outbox.lists_above, payloads), calls))))
}

/// What an earlier run has left, by which the share of this one is reckoned.
fn held_before(store: &Store, recorded: &StateJournal) -> Result<HeldBefore, Error> {
    Ok(HeldBefore {
        leaves: recorded.counters.accounts.saturating_add(recorded.counters.slots),
        sample: store.state.snapshot()?.sample_storages()?,
    })
}

/// Opens the disk. BLOCKING: where a mending was interrupted, until it is over: nothing that is derived counts before.
fn open_store(config: &Config) -> Result<Store, Error> {
    let store = Store::open(&settings::storage(config), settings::chain(&config.chain))?;
    if store.state.is_being_mended()? {
        snapsync_storage::mend(&store.state, Phase::Download.number())?;
    }
    Ok(store)
}

/// The file that a replay reads, with its first line.
fn open_trace(
    config: &Config,
    engine: &snapsync_sync::Config,
    journal: &Journal,
) -> Result<Option<Trace>, Error> {
    let mut trace = config.trace.as_deref().map(Trace::create).transpose()?;
    if let Some(trace) = &mut trace {
        let config = Box::new(engine.clone());
        trace.line(&TraceLine::Start { config, journal: Box::new(journal.clone()) })?;
    }
    Ok(trace)
}

/// A runtime of the network's own, and the network on it.
fn open_network(
    config: &Config,
    snap: SnapVersion,
) -> Result<(Runtime, Network, Receiver<NetworkEvent>), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("snapsync-net")
        .enable_all()
        .build()
        .map_err(Error::Thread)?;
    match start_network(&runtime, settings::network(config, snap, key())) {
        Ok((network, inbox)) => Ok((runtime, network, inbox)),
        Err(error) => {
            // The host may be inside a runtime of its own, where dropping one in the usual way is not allowed.
            runtime.shutdown_background();
            Err(error.into())
        }
    }
}

/// Starts the network on its runtime, and the task that carries its events to the planner.
fn start_network(
    runtime: &Runtime,
    config: snapsync_p2p::Config,
) -> Result<(Network, Receiver<NetworkEvent>), snapsync_p2p::Error> {
    let (started, wait) = bounded(1);
    let (carry, inbox) = bounded(NETWORK);
    runtime.spawn(async move {
        let (network, mut events) = match Network::start(config).await {
            Ok(running) => running,
            Err(error) => return drop(started.send(Err(error))),
        };
        if started.send(Ok(network)).is_err() {
            return;
        }
        while let Some(event) = events.recv().await {
            let Err(unsent) = carry.try_send(event) else { continue };
            // Handing this thread's other tasks to another one is dear: only if there is no room.
            // BLOCKING: while the planner is behind; the sockets then wait too, which is what is meant.
            if tokio::task::block_in_place(|| carry.send(unsent.into_inner()).is_err()) {
                return;
            }
        }
    });
    // BLOCKING: until the listening socket is open, or refused.
    let network = wait.recv().unwrap_or(Err(snapsync_p2p::Error::Shutdown))?;
    Ok((network, inbox))
}

/// A new identity for each run: static peers know us by nothing else.
fn key() -> SecretKey {
    SecretKey::new(&mut secp256k1::rand::rng())
}
