//! `demo --moving`: a sync from a chain that goes on, turns to other branches, and a process that is killed in the midst of it.
//!
//! The chain and its peers are of this process. What syncs is another one, this program again with `sync --target latest`: so it can be
//! killed as power cuts do it, and started again. What each of them tells makes one story.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use snapsync_demo::{ChainNews, Mover, MovingChain, state_root};
use snapsync_storage::HistoryStore;
use tokio::runtime::Handle;

use crate::{
    args::DemoArgs,
    commands::scenery::{self, Facts, Scenery},
    exit::{Exit, Failure},
    say::{errln, outln},
    scenes::Scene,
    story::{Story, Twists},
};

/// What waits to be told: the sync tells ten things a second, the chain one a block.
const HEARD: usize = 256;
/// SIGKILL.
const KILLED: i32 = 9;

/// What is heard.
enum Heard {
    /// The chain has moved.
    News(ChainNews),
    /// The sync has told something.
    Scene(Scene),
    /// It has said something else.
    Line(String),
    /// It has nothing more to say.
    Silence,
    /// Whoever watches wants it to end, or the chain has ended.
    Stop,
}

/// Plays the story to its end: a state that is verified.
pub(crate) fn show(args: &DemoArgs, stage: &Scenery<'_>, runtime: &Handle) -> Result<(), Failure> {
    let failure = |error: std::io::Error| Failure::new(Exit::Failure, error);
    scenery::introduce(stage.peers);
    errln!("the chain goes on, a block every {} ms; its states are served for 128 blocks", args.block_ms);
    let genesis = scenery::write_genesis(stage.chain, stage.place)?;
    let (tell, heard) = mpsc::sync_channel(HEARD);
    let moving = MovingChain::open(stage.store, &scenery::chain_dir(stage.place), args.seed);
    let moving = moving.map_err(|error| scenery::failure(&error))?;
    let news = ChainTeller(tell.clone());
    let mover = Mover::start(
        moving,
        Duration::from_millis(args.block_ms),
        stage.peers.announcer(),
        // Nobody listens once the story is over.
        Box::new(move |chain| drop(news.0.send(Heard::News(chain)))),
    );
    let mover = mover.map_err(|error| scenery::failure(&error))?;
    stop_on_signal(runtime, tell.clone());
    let peers = stage.peers.enodes().iter();
    let peers: BTreeMap<String, &str> =
        peers.map(|(enode, kind)| (scenery::short(enode), kind.name())).collect();
    let twists = Twists { reorgs: args.reorgs, kills: args.kill };
    let mut play = Play {
        story: Story::new(stage.chain.target.number, twists, peers),
        began: Instant::now(),
        mover,
        heard,
        complete: None,
    };
    let order = Order { facts: stage.facts, genesis, datadir: stage.place.path().join("sync") };
    let mut done = play.begin();
    while matches!(done, RunEnd::Killed) {
        let child = order.start(tell.clone()).map_err(failure)?;
        done = play.run(child).map_err(failure)?;
    }
    let Play { story, mover, complete, .. } = play;
    mover.stop().map_err(|error| scenery::failure(&error))?;
    match done {
        RunEnd::Ended(status) if status.success() => verified(&story, complete, &stage.store.history),
        RunEnd::Ended(status) => Err(Failure::new(Exit::Failure, format!("the sync has failed: {status}"))),
        RunEnd::Killed | RunEnd::Stopped => Err(Failure::new(Exit::Interrupted, "stopped")),
    }
}

/// What the mover tells. It ends with the chain, and says so.
struct ChainTeller(SyncSender<Heard>);

impl Drop for ChainTeller {
    fn drop(&mut self) {
        // The story may be over: nobody makes room then.
        let _over_already = self.0.try_send(Heard::Stop);
    }
}

/// SIGINT and SIGTERM end the story.
fn stop_on_signal(runtime: &Handle, tell: SyncSender<Heard>) {
    runtime.spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
        tokio::select! {
            // The order does not matter: both mean stop.
            biased;
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        let _over_already = tell.send(Heard::Stop);
    });
}

/// How the process that syncs is started.
struct Order<'a> {
    facts: &'a Facts,
    genesis: PathBuf,
    datadir: PathBuf,
}

impl Order<'_> {
    fn start(&self, tell: SyncSender<Heard>) -> std::io::Result<Syncing> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["sync", "--scenes", "--target", "latest"]);
        option(&mut command, "--genesis", &self.genesis);
        option(&mut command, "--datadir", &self.datadir);
        for peer in &self.facts.peers {
            command.args(["--peer", peer]);
        }
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        if let Some(stderr) = child.stderr.take() {
            thread::Builder::new().name("scenes".into()).spawn(move || read(stderr, &tell))?;
        }
        Ok(Syncing(child))
    }
}

fn option(command: &mut Command, name: &str, path: &Path) {
    command.arg(name).arg(path);
}

/// Hands on what the sync tells, until it ends.
fn read(stderr: ChildStderr, tell: &SyncSender<Heard>) {
    // BLOCKING: until it says something.
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let heard = Scene::from_line(&line).map_or(Heard::Line(line), Heard::Scene);
        if tell.send(heard).is_err() {
            return;
        }
    }
    let _over_already = tell.send(Heard::Silence);
}

/// The process that syncs. It ends with the value.
struct Syncing(Child);

impl Drop for Syncing {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// How a run of the sync ended.
enum RunEnd {
    Killed,
    Ended(ExitStatus),
    Stopped,
}

/// A block whose state is whole.
struct Whole {
    number: u64,
    hash: B256,
    root: B256,
}

/// The story under way.
struct Play {
    story: Story,
    began: Instant,
    mover: Mover,
    heard: Receiver<Heard>,
    complete: Option<Whole>,
}

impl Play {
    /// Waits until the chain has begun to move, as after a kill. BLOCKING: for some blocks.
    fn begin(&mut self) -> RunEnd {
        while !self.story.has_begun() {
            match self.heard.recv() {
                Ok(Heard::News(news)) => drop(self.story.on_news(&news)),
                Ok(Heard::Scene(_) | Heard::Line(_) | Heard::Silence) => {}
                Ok(Heard::Stop) | Err(_) => return RunEnd::Stopped,
            }
        }
        RunEnd::Killed
    }

    /// One run of the sync, to its end or until it is killed. BLOCKING: so long.
    fn run(&mut self, mut syncing: Syncing) -> std::io::Result<RunEnd> {
        self.story.started();
        let mut is_killed = false;
        // Somebody always may speak: `tell` lives as long as the story.
        while let Ok(heard) = self.heard.recv() {
            let line = match heard {
                Heard::News(news) => self.story.on_news(&news),
                Heard::Scene(scene) if !is_killed => {
                    if let Scene::Complete { number, hash, root } = scene {
                        self.complete = Some(Whole { number, hash, root });
                    }
                    self.story.on_scene(self.began.elapsed(), &scene)
                }
                // What was said before it was killed is no news any more.
                Heard::Scene(_) => None,
                Heard::Line(line) => Some(line),
                Heard::Silence => break,
                Heard::Stop => return Ok(RunEnd::Stopped),
            };
            if let Some(line) = line {
                errln!("{line}");
            }
            if let Some(depth) = self.story.turn() {
                self.mover.turn(depth);
            }
            if !is_killed && self.complete.is_none() && self.story.kill() {
                syncing.0.kill()?;
                is_killed = true;
            }
        }
        let status = syncing.0.wait()?;
        if is_killed && status.signal() == Some(KILLED) {
            errln!("{}", self.story.killed());
            return Ok(RunEnd::Killed);
        }
        Ok(RunEnd::Ended(status))
    }
}

/// Holds what was derived against the chain itself.
fn verified(story: &Story, complete: Option<Whole>, history: &HistoryStore) -> Result<(), Failure> {
    let wrong = |why: &str| Failure::new(Exit::Verification, why);
    let Some(Whole { number, hash, root }) = complete else {
        return Err(wrong("the sync has ended without a state"));
    };
    let made = state_root(history, hash).map_err(|error| scenery::failure(&error))?;
    match made {
        None => return Err(wrong("the sync has ended with a block that was never made")),
        Some(made) if made != root => {
            return Err(wrong("the synced root is not the root that was made"));
        }
        Some(_) => {}
    }
    let above = story.above(number);
    outln!("verified     state root {root} of block {number}, {above} below the chain's head");
    Ok(())
}
