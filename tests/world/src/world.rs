//! One world: the machine under test among peers, a net, a disk and a clock, from the first message to the end.
//!
//! It runs exactly the machine that the driver runs, and does what a driver does: carry requests, keep payloads, prove,
//! write, report what became durable. It decides nothing that the machine should decide, and checks it after each step.

use std::{collections::BTreeMap, time::Duration};

use snapsync_peers::{Noun, PeerId};
use snapsync_stream::{Desk, Input, Judgement, RequestId};
use snapsync_sync::{BlockRange, Checkpoint, Config as SyncConfig, Engine, Event, Report};

use crate::{
    answer::Payload,
    chain::{Flavour, Header, Line, State},
    chance::Chance,
    checks::Watch,
    clock::Clock,
    disk::{Disk, Write},
    journal,
    judge::Ruling,
    moves,
    net::Link,
    pivot::Pivots,
    poison,
    story::{Ending, Story, Twist},
    tallies::Tallies,
    trace::{Echo, Trace},
    twin::Twin,
    zoo::{Animal, Kind},
};

/// Something that lies ahead.
#[derive(Debug)]
pub(crate) enum Happening {
    /// An animal connects.
    Join(usize),
    /// An animal hangs up.
    Leave(PeerId),
    /// An answer comes.
    Arrive { peer: PeerId, request: RequestId, noun: Noun, payload: Payload },
    /// A worker has proved an answer.
    Proved(Box<(Judgement, Ruling)>),
    /// The writer is done with a transaction.
    Commit,
    /// The consensus client names its head.
    Named,
    /// The pivot moves to this block.
    Pivot(usize),
    /// The chain has another head, which is named soon.
    Moved(usize),
    /// An animal is on another chain.
    Follows(usize, usize),
    /// The consensus client names a later head.
    Head(usize),
    /// A request found no way out.
    Unsent(RequestId),
    /// All peers lose the target's root.
    RootLost,
    /// All peers go; nobody joins until the drought is over.
    Drought,
}

/// Where an animal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not connected; may join.
    Away,
    /// Connected under this name.
    Here(PeerId),
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
}

/// The world of one story.
#[derive(Debug)]
pub struct World {
    pub(crate) story: Story,
    pub(crate) state: State,
    pub(crate) line: Line,
    pub(crate) clock: Clock<Happening>,
    pub(crate) desk: Desk,
    pub(crate) disk: Disk,
    pub(crate) animals: Vec<Animal>,
    pub(crate) places: Vec<Place>,
    pub(crate) here: BTreeMap<PeerId, usize>,
    /// Soft limits of all requests.
    pub(crate) sent: BTreeMap<RequestId, u64>,
    /// The blocks that requests name.
    pub(crate) asked: BTreeMap<RequestId, Vec<Header>>,
    /// The chain whose head was named last.
    pub(crate) named: usize,
    /// That the target is complete, while heads are still to come.
    pub(crate) completed: Option<Report>,
    /// Answers that nobody has taken yet.
    pub(crate) arrived: BTreeMap<(PeerId, RequestId), Payload>,
    /// Bytes of answers that are being proved or written.
    pub(crate) working: BTreeMap<RequestId, u64>,
    pub(crate) chance: Chance,
    pub(crate) trace: Trace,
    pub(crate) tallies: Tallies,
    pub(crate) watch: Watch,
    pub(crate) ended: Option<Report>,
    pub(crate) drought_until: Duration,
    pub(crate) pivots: Pivots,
    pub(crate) planted: Planted,
    connections: u64,
    ticks: u64,
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
        let mut state = State::make(&story.size, &mut chance.fork());
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
        let pivots = Pivots::make(&story, &mut state, &line, &mut animals);
        let mut disk = Disk::default();
        let rots = matches!(story.twist, Twist::AccountRot | Twist::SlotRot);
        if story.size.flavour == Flavour::Real && planted.is_none() && !rots {
            disk.twin = Some(Twin::new().expect("an empty disk in memory opens"));
        }
        let desk = new_desk(&story, &line, &disk, planted, story.seed);
        let mut world = Self {
            places: vec![Place::Away; animals.len()],
            watch: Watch::new(&desk),
            state,
            line,
            clock: Clock::default(),
            desk,
            disk,
            animals,
            here: BTreeMap::new(),
            sent: BTreeMap::new(),
            asked: BTreeMap::new(),
            named: 0,
            completed: None,
            arrived: BTreeMap::new(),
            working: BTreeMap::new(),
            chance,
            trace: Trace::new(echo),
            tallies: Tallies::default(),
            ended: None,
            drought_until: Duration::ZERO,
            pivots,
            planted,
            connections: 0,
            ticks: 0,
            story,
        };
        world.open();
        world
    }

    fn open(&mut self) {
        self.clock.set_after(Duration::ZERO, Happening::Named);
        for nth in 0..self.animals.len() {
            let delay = Duration::from_millis(self.chance.between(1, 2_000));
            self.clock.set_after(delay, Happening::Join(nth));
        }
        match self.story.twist {
            Twist::RootLost { at } => self.clock.set(at, Happening::RootLost),
            Twist::Drought { at, .. } => self.clock.set(at, Happening::Drought),
            Twist::PivotMoves { first, every, count, .. } => {
                for nth in 0..count {
                    self.clock.set(first + every * nth, Happening::Pivot(nth as usize + 1));
                }
            }
            Twist::Moves { at, every, count } => {
                for nth in 1..=count {
                    let at = at + every * (nth - 1) as u32;
                    self.clock.set(at, Happening::Moved(nth as usize));
                }
            }
            _ => {}
        }
    }

    /// Tells the story to its end.
    ///
    /// # Errors
    /// The first breach of a rule.
    pub fn run(mut self) -> Result<Told, Breach> {
        match self.tell() {
            Ok(()) => Ok(self.told()),
            Err(what) => Err(Breach { seed: self.story.seed, at: self.clock.now(), what }),
        }
    }

    fn tell(&mut self) -> Result<(), String> {
        while self.ended.is_none() {
            if self.story.may_wait_for_ever() && self.is_quiet() {
                break;
            }
            self.step()?;
            self.check_step()?;
            if self.completed.is_some() && self.has_followed() {
                self.watch.ended();
                self.ended = self.completed.take();
            }
            if self.story.twist == Twist::Poison && self.clock.now() > self.story.limit {
                break;
            }
            if self.clock.now() > self.story.limit || self.tallies.steps > STEPS_MAX {
                return Err(format!("no end after {} steps: {}", self.tallies.steps, self.standing()));
            }
        }
        self.settle()?;
        self.check_end()
    }

    /// Whether nothing lies ahead.
    fn is_quiet(&self) -> bool {
        self.desk.next_timeout().is_none() && self.clock.next_at().is_none()
    }

    /// One entry of the clock, or one tick of the machine's own timer, whichever is first.
    fn step(&mut self) -> Result<(), String> {
        self.tallies.steps += 1;
        let tick = self.desk.next_timeout();
        let next = self.clock.next_at();
        match (tick, next) {
            (None, None) => Err(format!("nothing lies ahead: {}", self.standing())),
            (Some(tick), next) if next.is_none_or(|next| tick < next) => {
                self.clock.advance_to(tick);
                let now = self.clock.now();
                self.ticks += 1;
                self.watch.tick(now, self.here.is_empty())?;
                self.trace.note(now, format_args!("tick"));
                self.desk.handle_timeout(now);
                self.drain()
            }
            _ => match self.clock.advance() {
                Some(happening) => self.happen(happening),
                None => Ok(()),
            },
        }
    }

    /// After the end: what is in flight comes home, and nothing may start again.
    fn settle(&mut self) -> Result<(), String> {
        let until = self.clock.now() + Duration::from_secs(180);
        while self.clock.next_at().is_some_and(|next| next <= until) {
            self.step()?;
        }
        Ok(())
    }

    pub(crate) fn input(&mut self, input: Input) -> Result<(), String> {
        let now = self.clock.now();
        self.trace.note(now, format_args!("in  {input:?}"));
        self.desk.handle(now, input);
        self.drain()
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Named => {
                let hash = self.named();
                self.input(Input::Sync(Event::TargetNamed { hash }))?;
                // After a restart the newest head is named again.
                if self.named > 0 { self.name(self.named) } else { Ok(()) }
            }
            Happening::Moved(chain) => self.moved(chain),
            Happening::Follows(nth, chain) => self.follow(nth, chain),
            Happening::Head(chain) if chain > self.named => self.name(chain),
            Happening::Head(_) => Ok(()),
            Happening::Unsent(request) => self.input(Input::Unsent { request }),
            Happening::Join(nth) => self.join(nth),
            Happening::Leave(peer) => self.leave(peer),
            Happening::Arrive { peer, request, noun, payload } => self.arrive(peer, request, noun, payload),
            Happening::Proved(proof) => self.proved(&proof.0, proof.1),
            Happening::Commit => self.commit(),
            Happening::Pivot(nth) => self.move_pivot(nth),
            Happening::RootLost => {
                self.trace.note(self.clock.now(), format_args!("all peers lose the root"));
                self.animals.iter_mut().for_each(|animal| animal.lost_root = true);
                Ok(())
            }
            Happening::Drought => {
                if let Twist::Drought { lasts, .. } = self.story.twist {
                    self.drought_until = self.clock.now() + lasts;
                }
                let here: Vec<PeerId> = self.here.keys().copied().collect();
                here.into_iter().try_for_each(|peer| self.leave(peer))
            }
        }
    }

    fn join(&mut self, nth: usize) -> Result<(), String> {
        if self.places[nth] != Place::Away {
            return Ok(());
        }
        if self.clock.now() < self.drought_until {
            self.clock.set(self.drought_until, Happening::Join(nth));
            return Ok(());
        }
        self.connections += 1;
        let peer = PeerId(self.connections);
        self.places[nth] = Place::Here(peer);
        self.here.insert(peer, nth);
        let profile = self.profile(nth);
        self.watch.joined(peer, &profile);
        let kind = self.animals[nth].kind;
        self.trace.note(self.clock.now(), format_args!("{peer:?} is animal {nth}, {kind}"));
        self.input(Input::PeerJoined { peer, profile })
    }

    /// A peer is gone; the honest one on the steady line always returns, others mostly do.
    pub(crate) fn leave(&mut self, peer: PeerId) -> Result<(), String> {
        let Some(nth) = self.here.remove(&peer) else { return Ok(()) };
        self.count_faults(Some(peer));
        self.places[nth] = Place::Away;
        if nth == 0 || self.chance.hits(700) {
            let delay = Duration::from_millis(self.chance.between(100, 30_000));
            self.clock.set_after(delay, Happening::Join(nth));
        }
        self.input(Input::PeerLeft { peer })
    }

    /// The power goes and comes back: all that was not durable is lost, and the machine resumes from the journal.
    pub(crate) fn crash(&mut self) -> Result<(), String> {
        let now = self.clock.now();
        self.trace.note(now, format_args!("crash at commit {}", self.disk.commits));
        self.tallies.crashes += 1;
        self.count_faults(None);
        self.disk.crash()?;
        self.arrived.clear();
        self.working.clear();
        self.sent.clear();
        self.asked.clear();
        self.completed = None;
        self.here.clear();
        self.places.fill(Place::Away);
        self.clock.retain(|ahead| {
            use Happening::{Drought, Follows, Head, Moved, Pivot, RootLost};
            matches!(ahead, RootLost | Drought | Pivot(_) | Moved(_) | Follows(..) | Head(_))
        });
        self.check_claims()?;
        let seed = self.chance.draw();
        self.desk = new_desk(&self.story, &self.line, &self.disk, self.planted, seed);
        self.watch.restarted(&self.desk);
        if let Some(blocks) = self.unopened() {
            self.queue(Write::Want(blocks));
        }
        for nth in 0..self.animals.len() {
            let delay = Duration::from_millis(self.chance.between(1_000, 4_000));
            self.clock.set_after(delay, Happening::Join(nth));
        }
        self.clock.set_after(Duration::from_millis(500), Happening::Named);
        if let Some(nth) = self.newest_pivot() {
            self.clock.set_after(Duration::from_millis(700), Happening::Pivot(nth));
        }
        self.drain()
    }

    /// What a start opens again, since history commits apart from the record.
    fn unopened(&self) -> Option<BlockRange> {
        let config = sync_config(&self.story, &self.line);
        journal::wanted(&journal::read(&self.disk.held, &config), &config)
    }

    /// Where the machine stands, for a breach.
    fn standing(&self) -> String {
        let engine = self.desk.engine();
        let (reserved, flights) = (self.desk.reserved_bytes(), self.desk.in_flight().len());
        format!("{:?}, {:?}, {reserved} bytes reserved, {flights} in flight", engine.phase(), engine.tally())
    }

    /// Faults that the book remembers: of one peer that leaves, or of all.
    pub(crate) fn count_faults(&mut self, only: Option<PeerId>) {
        for peer in self.desk.book().summary() {
            if only.is_none_or(|only| only == peer.peer) {
                for (name, count) in peer.faults {
                    *self.tallies.faults.entry(name).or_default() += count;
                }
            }
        }
    }

    fn told(&mut self) -> Told {
        self.count_faults(None);
        self.tallies.rows = self.state.rows() as u64;
        self.tallies.claims_waiting = self.desk.engine().tally().claims_outdated as u64;
        for animal in &self.animals {
            if animal.asked > 0 {
                *self.tallies.asked.entry(animal.kind).or_default() += animal.asked;
            }
        }
        Told {
            trace: self.trace.hash(),
            took: self.clock.now(),
            tallies: self.tallies.clone(),
            ticks: self.ticks,
            rows_twice: self.disk.rows_twice,
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
        self.here.get(&peer).map(|nth| self.animals[*nth].kind)
    }
}
