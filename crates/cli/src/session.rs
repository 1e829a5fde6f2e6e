//! One run of the engine: started, watched, stopped; the same for `sync`, `demo` and `bench`.
//!
//! It shows what happens and turns errors into exit codes. It never retries: a rerun resumes.

use std::time::Duration;

use futures::StreamExt;
use snapsync_driver::{Config, Forkchoice, Head, Naming, PeerFault, Progress, SnapSync, Target};
use snapsync_execute::Follower;

use crate::{
    beacon::Beacon,
    exit::{Exit, Failure, failure},
    measure::{self, Costs, Stage},
    node::doors::{Doors, Plan},
    render::Screen,
    watch::{Ended, Expected, UpTo, Watch},
};

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Session {
    /// The verified target.
    pub(crate) target: Target,
    /// The last block above it that was taken, and how many were.
    pub(crate) followed: Option<(Head, u64)>,
    /// The last figures.
    pub(crate) progress: Progress,
    /// Every lie that was detected: the peer and what it did.
    pub(crate) faults: Vec<(String, PeerFault)>,
    /// Ranges that did not prove and may have been broken by a race: the peer and what was wrong, each kind once.
    pub(crate) set_aside: Vec<(String, PeerFault)>,
    /// What the run cost this process, from its start.
    pub(crate) costs: Costs,
    /// Where the time went, by stage.
    pub(crate) stages: Vec<Stage>,
    /// The most anonymous memory seen, bytes.
    pub(crate) anonymous_peak_bytes: u64,
}

/// What a run is to do.
#[derive(Debug)]
pub(crate) struct Order {
    /// The engine's settings.
    pub(crate) config: Config,
    /// How the target is named; not at all, if the state is here.
    pub(crate) naming: Option<Naming>,
    /// What is expected of peers.
    pub(crate) expected: Expected,
    /// What takes the blocks above the verified state. With one the run goes on until it is stopped.
    pub(crate) follower: Option<Follower>,
    /// With which block a run with a follower is over; `None`: it is not before it is stopped.
    pub(crate) up_to: Option<UpTo>,
    /// Where a consensus client and others are answered meanwhile.
    pub(crate) doors: Option<Plan>,
}

impl Order {
    /// A sync that ends when its target is complete.
    pub(crate) fn to_end(config: Config, naming: Naming, expected: Expected) -> Self {
        Self { config, naming: Some(naming), expected, follower: None, up_to: None, doors: None }
    }
}

/// How often figures are shown and memory is sampled.
const TICK: Duration = Duration::from_millis(100);

/// Runs until the target is complete, an error ends it, or a signal stops it.
pub(crate) async fn run(order: Order, screen: Screen) -> Result<Session, Failure> {
    let Order { config, naming, expected, follower, up_to, doors } = order;
    // First of all: a signal between the start and the listening would end the process without a flush.
    let mut signals = Signals::listen()?;
    let mut watch = Watch::new(&config, expected, screen);
    watch.follows = follower.is_some();
    watch.up_to = up_to;
    let datadir = config.datadir.clone();
    let sync = match follower {
        Some(follower) => SnapSync::start_following(config, follower),
        None => SnapSync::start(config),
    };
    let sync = sync.map_err(failure)?;
    // The directory is ours from here on.
    let mut beacon = Beacon::new(&datadir);
    if let Some(enode) = sync.listens_at() {
        watch.screen.line(&format!("listening on {enode}"));
    }
    let (sync, doors) = open(sync, doors).await?;
    for line in doors.iter().flat_map(Doors::told) {
        watch.screen.line(&line);
    }
    let mut events = sync.events();
    let mut tick = tokio::time::interval(TICK);
    let ended = loop {
        if let Some(naming) = naming.filter(|_| watch.is_time_to_name()) {
            sync.sync_to(naming).map_err(failure)?;
        }
        if let Some(head) = watch.head_to_name() {
            sync.forkchoice_updated(Forkchoice::head(head)).map_err(failure)?;
        }
        if let Some(ended) = watch.ended() {
            break ended;
        }
        tokio::select! {
            // Signals first: whoever asks to stop is heard under any load. Events before figures: they end the run.
            biased;
            () = signals.next() => break watch.stopped(&sync),
            event = events.next() => match event {
                Some(event) => watch.on_event(event, &sync),
                None => break Ended::Failed,
            },
            _ = tick.tick() => {
                watch.on_tick(&sync, doors.as_ref().and_then(Doors::news));
                beacon.show(&sync.progress(), doors.as_ref().and_then(Doors::silence));
            }
        }
    };
    signals.exit_at_the_next();
    let stages = measure::stages();
    watch.show_taken(true);
    watch.screen.close();
    if let Some(doors) = doors {
        doors.close().await;
    }
    sync.shutdown().await.map_err(failure)?;
    let Watch { faults, set_aside, anonymous_peak_bytes, followed, .. } = watch;
    let set_aside = set_aside.into_iter().map(|((peer, _), fault)| (peer, fault)).collect();
    match ended {
        Ended::Complete(target, progress) => {
            let (progress, costs) = (*progress, Costs::now());
            Ok(Session { target, followed, progress, faults, set_aside, costs, stages, anonymous_peak_bytes })
        }
        Ended::Interrupted => Err(Failure::new(
            Exit::Interrupted,
            "stopped; what was committed is kept, the same command resumes",
        )),
        Ended::Failed => Err(Failure::new(Exit::Failure, "the sync ended without a result")),
    }
}

/// Opens the doors that are planned. Where that fails, the sync is closed in order; why it does not start is what is told.
async fn open(sync: SnapSync, plan: Option<Plan>) -> Result<(SnapSync, Option<Doors>), Failure> {
    let Some(plan) = plan else { return Ok((sync, None)) };
    match Doors::open(plan, sync.remote()).await {
        Ok(doors) => Ok((sync, Some(doors))),
        Err(failure) => {
            let _nothing_was_done = sync.shutdown().await;
            Err(failure)
        }
    }
}

/// SIGINT and SIGTERM. SIGXFSZ is caught only so that it does not kill: the write that met a file size limit fails with an
/// error then, like one that met a full disk.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    _file_size: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(Exit::Failure, format!("cannot catch signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            _file_size: listen(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            // The order does not matter: both mean stop.
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// From now on a signal waits for nothing.
    fn exit_at_the_next(mut self) {
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(Exit::Interrupted as i32);
        });
    }
}
