//! One world: the machine under test among peers, a net, a disk and a clock, from the first message to the end.
//!
//! It runs exactly the machine that the driver runs, and does what a driver does: carry requests, keep payloads, prove,
//! write, report what became durable. It decides nothing that the machine should decide, and checks it after each step.

use std::{collections::BTreeMap, time::Duration};

use snapsync_peers::PeerId;
use snapsync_stream::{Desk, RequestId};
use snapsync_sync::{BlockRange, Checkpoint, Config as SyncConfig, Engine, Head, JobId, Report, Target};

use crate::{
    chain::{Flavour, Header, Line, State},
    chance::Chance,
    checks::Watch,
    disk::{Disk, Write},
    journal,
    keys::{Keys, Names},
    moves,
    net::Link,
    pivot::Pivots,
    poison,
    provers::{Crew, Provers, Task},
    rig::{Host, Rig},
    ruling::HeldPart,
    states::States,
    story::{Ending, Lists, Story, Twist},
    tallies::Tallies,
    trace::{Echo, Trace},
    twin::Twin,
    writers::{Env, Writers},
    zoo::{Animal, Kind},
};

/// Something that lies ahead.
#[derive(Debug)]
pub(crate) enum Happening {
    /// An animal connects.
    Join(usize),
    /// A worker has proved an answer, or derived a trie.
    Worked(Crew, Box<Task>),
    /// A writer has gathered this batch for long enough.
    Gathered(Env, u64),
    /// A writer is done with a transaction.
    Commit(Env),
    /// The consensus client names its head.
    Named,
    /// The pivot moves to this block.
    Pivot(usize),
    /// The block that is to take the pivot's place was looked up.
    PivotFound(Target),
    /// An animal has the state of a later block.
    Imports(usize, usize),
    /// A header is looked at: whether its block has an access list.
    ListSought(u64),
    /// Rows are looked at: whether any names codes that nobody has.
    CodesSought,
    /// It is looked for blocks that the chain has left.
    LeftSought(Vec<Head>),
    /// The chain has another head, which is named soon.
    Moved(usize),
    /// An animal is on another chain.
    Follows(usize, usize),
    /// The consensus client names a later head.
    Head(usize),
    /// A request found no way out.
    Unsent(RequestId),
    /// The machine sleeps for so long.
    Sleep(Duration),
    /// All peers lose the target's root.
    RootLost,
    /// All have it again.
    RootFound,
    /// All peers go; nobody joins until the drought is over.
    Drought,
}

/// What a breach of a rule was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The story.
    pub seed: u64,
    /// Virtual time.
    pub at: Duration,
    /// Which rule, with the values.
    pub what: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {} at {:.3}s: {}", self.seed, self.at.as_secs_f64(), self.what)
    }
}

impl std::error::Error for Breach {}

/// A story that went as it must.
#[derive(Clone, Debug)]
pub struct Told {
    /// The hash of its trace.
    pub trace: u64,
    /// Virtual time from start to end.
    pub took: Duration,
    /// What was counted.
    pub tallies: Tallies,
    /// Ticks of the machine's own timer.
    pub ticks: u64,
    /// Rows that were written twice.
    pub rows_twice: u64,
    /// What the engine reported.
    pub reports: Vec<Report>,
}

/// The world of one story.
#[derive(Debug)]
pub struct World {
    pub(crate) story: Story,
    pub(crate) states: States,
    pub(crate) line: Line,
    pub(crate) rig: Rig<Self>,
    pub(crate) disk: Disk,
    pub(crate) animals: Vec<Animal>,
    /// The blocks that requests name.
    pub(crate) asked: BTreeMap<RequestId, Vec<Header>>,
    /// The chain whose head was named last.
    pub(crate) named: usize,
    /// That the target is complete, while heads are still to come.
    pub(crate) completed: Option<Report>,
    /// Bytes of answers that are being proved or written.
    pub(crate) working: BTreeMap<RequestId, u64>,
    /// The first receipts of blocks of which more are to come.
    pub(crate) parts: BTreeMap<(JobId, u64), HeldPart>,
    /// Requests for the rest of such blocks, with their soft limits.
    pub(crate) rests: BTreeMap<RequestId, u64>,
    pub(crate) provers: Provers,
    pub(crate) writers: Writers,
    pub(crate) chance: Chance,
    pub(crate) trace: Trace,
    pub(crate) tallies: Tallies,
    pub(crate) watch: Watch,
    pub(crate) reports: Vec<Report>,
    pub(crate) ended: Option<Report>,
    pub(crate) drought_until: Duration,
    pub(crate) pivots: Pivots,
    pub(crate) planted: Planted,
}

/// A mistake planted into the machine.
#[cfg(feature = "planted-bugs")]
pub type Planted = Option<snapsync_sync::Bug>;
/// Without the feature there is none.
#[cfg(not(feature = "planted-bugs"))]
pub type Planted = Option<std::convert::Infallible>;

/// Steps after which a story is called endless whatever the clock says.
const STEPS_MAX: u64 = 3_000_000;

impl World {
    /// The world of a story, before its first moment.
    #[must_use]
    pub fn new(story: Story, echo: Echo, planted: Planted) -> Self {
        let mut chance = Chance::new(story.seed);
        let mut keys = match story.twist {
            Twist::StateMoves { lists: Lists::From { .. }, .. } => Keys::Hashed(Names::default()),
            _ => Keys::Any,
        };
        let mut state = State::make(&story.size, &mut keys, &mut chance.fork());
        if story.twist == Twist::Poison {
            poison::plant(&mut state, story.seed / 7, &mut chance.fork());
        }
        let mut line = Line::make(story.size.flavour, story.size.blocks, state.root, &mut chance.fork());
        if let Twist::Moves { count, .. } = story.twist {
            moves::draw(&mut line, count, story.seed);
        }
        let mut animals: Vec<Animal> = Vec::new();
        for kind in &story.kinds {
            let link = match animals.is_empty() {
                true => Link::steady(
                    Duration::from_millis(chance.between(10, 120)),
                    chance.between(2_000, 12_500),
                ),
                false => Link::draw(&mut chance),
            };
            let mut animal = Animal::new(*kind, link, story.size.blocks, &mut chance);
            animal.follows = moves::pace(*kind, animals.len() as u64, story.seed);
            animals.push(animal);
        }
        let mut states = States::new(state);
        let pivots = Pivots::make(&story, &mut states, &mut keys, &mut line, &mut animals);
        let mut disk = Disk::default();
        let rots = matches!(story.twist, Twist::AccountRot | Twist::SlotRot);
        // What was planted is to be caught by the world; but to heal, rows must be on a real disk.
        let heals = matches!(story.twist, Twist::StateMoves { .. });
        if story.size.flavour == Flavour::Real && (planted.is_none() || heals) && !rots {
            disk.twin = Some(Twin::new().expect("an empty disk in memory opens"));
        }
        let desk = new_desk(&story, &line, &disk, planted, story.seed);
        let mut world = Self {
            watch: Watch::new(&desk),
            states,
            line,
            rig: Rig::new(desk),
            disk,
            animals,
            asked: BTreeMap::new(),
            named: 0,
            completed: None,
            working: BTreeMap::new(),
            parts: BTreeMap::new(),
            rests: BTreeMap::new(),
            provers: Provers::new(story.speed.provers),
            writers: Writers::default(),
            chance,
            trace: Trace::new(echo),
            tallies: Tallies::default(),
            reports: Vec::new(),
            ended: None,
            drought_until: Duration::ZERO,
            pivots,
            planted,
            story,
        };
        world.open();
        world
    }

    fn open(&mut self) {
        self.rig.set_after(Duration::ZERO, Happening::Named);
        for nth in 0..self.animals.len() {
            let delay = Duration::from_millis(self.chance.between(1, 2_000));
            self.rig.set_after(delay, Happening::Join(nth));
        }
        for (at, lasts) in self.story.sleeps.clone() {
            self.rig.set(at, Happening::Sleep(lasts));
        }
        match self.story.twist {
            Twist::RootLost { at } => self.rig.set(at, Happening::RootLost),
            Twist::StateGone { at, lasts } => {
                self.rig.set(at, Happening::RootLost);
                self.rig.set(at + lasts, Happening::RootFound);
            }
            Twist::Drought { at, .. } => self.rig.set(at, Happening::Drought),
            Twist::PivotMoves { first, every, count, .. } | Twist::StateMoves { first, every, count, .. } => {
                for nth in 0..count {
                    self.rig.set(first + every * nth, Happening::Pivot(nth as usize + 1));
                }
            }
            Twist::Moves { at, every, count } => {
                for nth in 1..=count {
                    let at = at + every * (nth - 1) as u32;
                    self.rig.set(at, Happening::Moved(nth as usize));
                }
            }
            _ => {}
        }
    }

    /// Tells the story to its end.
    ///
    /// # Errors
    /// The first breach of a rule.
    pub fn run(&mut self) -> Result<Told, Breach> {
        match self.tell() {
            Ok(()) => Ok(self.told()),
            Err(what) => Err(Breach { seed: self.story.seed, at: self.rig.now(), what }),
        }
    }

    /// The machine: to be looked at, and to have it recorded.
    pub fn desk(&mut self) -> &mut Desk {
        &mut self.rig.desk
    }

    fn tell(&mut self) -> Result<(), String> {
        while self.ended.is_none() {
            self.step()?;
            self.check_step()?;
            if self.completed.is_some() && self.has_followed() {
                self.watch.ended();
                self.ended = self.completed.take();
            }
            if self.story.twist == Twist::Poison && self.rig.now() > self.story.limit {
                break;
            }
            if self.rig.now() > self.story.limit || self.rig.steps > STEPS_MAX {
                return Err(format!("no end after {} steps: {}", self.rig.steps, self.rig.standing()));
            }
        }
        self.settle()?;
        self.check_end()
    }

    /// After the end: what is in flight comes home, and nothing may start again.
    fn settle(&mut self) -> Result<(), String> {
        let until = self.rig.now() + Duration::from_secs(180);
        while self.rig.next_at().is_some_and(|next| next <= until) {
            self.step()?;
        }
        Ok(())
    }

    /// The power goes and comes back: all that was not durable is lost, and the machine resumes from the journal.
    pub(crate) fn crash(&mut self) -> Result<(), String> {
        let now = self.rig.now();
        self.trace.note(now, format_args!("crash at commit {}", self.disk.commits));
        self.tallies.crashes += 1;
        self.count_faults(None);
        self.disk.crash()?;
        self.working.clear();
        self.parts.clear();
        self.rests.clear();
        self.provers = Provers::new(self.story.speed.provers);
        self.writers = Writers::default();
        self.asked.clear();
        self.completed = None;
        self.check_claims()?;
        let seed = self.chance.draw();
        let desk = new_desk(&self.story, &self.line, &self.disk, self.planted, seed);
        self.rig.restart(desk, |ahead| {
            use Happening::{Drought, Follows, Head, Imports, Moved, Pivot, RootFound, RootLost, Sleep};
            matches!(
                ahead,
                Sleep(_)
                    | RootLost
                    | RootFound
                    | Drought
                    | Pivot(_)
                    | Imports(..)
                    | Moved(_)
                    | Follows(..)
                    | Head(_)
            )
        });
        self.watch.restarted(&self.rig.desk);
        if let Some(blocks) = self.unopened() {
            self.order(Write::Want(blocks));
        }
        for nth in 0..self.animals.len() {
            let delay = Duration::from_millis(self.chance.between(1_000, 4_000));
            self.rig.set_after(delay, Happening::Join(nth));
        }
        self.rig.set_after(Duration::from_millis(500), Happening::Named);
        if let Some(nth) = self.newest_pivot() {
            self.rig.set_after(Duration::from_millis(700), Happening::Pivot(nth));
        }
        self.drain()
    }

    /// What a start opens again, since history commits apart from the record.
    fn unopened(&self) -> Option<BlockRange> {
        let config = sync_config(&self.story, &self.line);
        journal::wanted(&journal::read(&self.disk.held, &config), &config)
    }

    /// Faults that the book remembers: of one peer that leaves, or of all.
    pub(crate) fn count_faults(&mut self, only: Option<PeerId>) {
        for peer in self.rig.desk.book().summary() {
            if only.is_none_or(|only| only == peer.peer) {
                for (name, count) in peer.faults {
                    *self.tallies.faults.entry(name).or_default() += count;
                }
            }
        }
    }

    fn told(&mut self) -> Told {
        self.count_faults(None);
        self.tallies.steps = self.rig.steps;
        self.tallies.rows = self.truth().rows() as u64;
        if let Twist::StateMoves { .. } = self.story.twist {
            self.tallies.stretches = self.disk.held.coverage.stretches().count() as u64;
        }
        for animal in &self.animals {
            if animal.asked > 0 {
                *self.tallies.asked.entry(animal.kind).or_default() += animal.asked;
            }
        }
        Told {
            trace: self.trace.hash(),
            took: self.rig.now(),
            tallies: self.tallies.clone(),
            ticks: self.rig.ticks,
            rows_twice: self.disk.rows_twice,
            reports: self.reports.clone(),
        }
    }
}

/// The machine's settings.
fn sync_config(story: &Story, line: &Line) -> SyncConfig {
    let genesis =
        if story.twist == Twist::WrongGenesis { line.target().parent } else { line.headers[0].hash };
    let mut config = SyncConfig::standing(genesis);
    config.history = story.history;
    // Small limits, so that small states meet them.
    config.slots_per_range = 200;
    config.storage_claims = 64;
    config.codes_per_job = 8;
    config.blocks_per_job = 200;
    config.pendings_max = 300;
    config.donors_max = 32;
    if story.twist == Twist::WrongCheckpoint {
        let number = story.size.blocks / 2;
        config.checkpoint = Some(Checkpoint { number, hash: line.target().state_root });
    }
    config
}

/// The machine over what the disk claims.
fn new_desk(story: &Story, line: &Line, disk: &Disk, planted: Planted, seed: u64) -> Desk {
    let mut config = sync_config(story, line);
    let mut desk = snapsync_stream::Config::standing(story.budget_bytes);
    desk.headers_per_request = 128;
    desk.bodies_per_request = 32;
    desk.receipts_per_request = 32;
    desk.claims_per_request = 24;
    desk.codes_per_request = 8;
    if let Twist::StateMoves { .. } = story.twist {
        // Small answers, so that ranges are of several blocks and storages come in pieces.
        desk.peers.response_bytes_min = 2 << 10;
        desk.peers.response_bytes_first = 4 << 10;
        desk.peers.response_bytes_max = 24 << 10;
        desk.headers_per_request = 24;
        desk.lists_per_request = 3;
        config.lists_per_job = 5;
    }
    plant(&mut config, &mut desk, planted);
    let journal = journal::read(&disk.held, &config);
    Desk::new(desk, Engine::resume(config, journal), seed)
}

#[cfg(feature = "planted-bugs")]
fn plant(config: &mut SyncConfig, desk: &mut snapsync_stream::Config, planted: Planted) {
    config.planted = planted;
    desk.planted = planted;
    desk.peers.planted = planted;
}

#[cfg(not(feature = "planted-bugs"))]
fn plant(_: &mut SyncConfig, _: &mut snapsync_stream::Config, _: Planted) {}

/// Whether a report is the end of a story.
pub(crate) fn is_end(report: &Report) -> bool {
    matches!(report, Report::Complete(_) | Report::Fatal(_))
}

impl World {
    /// How the story must end.
    pub(crate) fn ending(&self) -> Ending {
        self.story.ending()
    }

    /// Whether an animal tells lies.
    pub(crate) fn kind_of(&self, peer: PeerId) -> Option<Kind> {
        self.rig.here.get(&peer).map(|nth| self.animals[*nth].kind)
    }
}
