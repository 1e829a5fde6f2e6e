//! The big world's clock: requests go out on lines, answers come back, are taken as proved, written, reported durable.
//!
//! It does what a driver does and decides nothing. It ends when the engine wants the state trie derived, which it does when
//! all rows are durable.

use std::time::Duration;

use alloy_primitives::B256;
use snapsync_peers::{Fault, Head, Noun, Outcome, PeerId, PeerKind, PeerNode, PeerProfile};
use snapsync_stream::{Answered, Config, Desk, HeaderStart, Input, Judgement, Request, Verdict, What};
use snapsync_sync::{BlockRange, Config as SyncConfig, Effect, Engine, Event, HeaderSegment, History};

use super::{
    answers::{ANSWER_BYTES_MAX, Answer, HEADER_BYTES, state},
    figures::Figures,
    line::{Line, Quality},
    store::Store,
    truth::{PROOF_BYTES, Shape, Truth},
};
use crate::{
    chance::Chance,
    rig::{Host, Rig},
};

/// Virtual time after which a run is called endless.
const LIMIT: Duration = Duration::from_secs(3_600);

/// Everything that is decided before the first message.
#[derive(Clone, Debug)]
pub struct Scene {
    /// For the draws of lines and machine.
    pub seed: u64,
    /// The state.
    pub shape: Shape,
    /// The peers' lines.
    pub lines: Vec<Quality>,
    /// Peers that leave: which, when, and for how long.
    pub leaves: Vec<(usize, Duration, Duration)>,
    /// The desk's budget.
    pub budget_bytes: u64,
    /// Which bodies and receipts are wanted.
    pub history: History,
    /// What a commit takes beside the writing.
    pub commit: Duration,
}

/// What the mean of contracts' slots is to the typical.
const MEAN_PER_MILLE: u64 = 1_143;

impl Scene {
    /// A state of so many leaves among thirty peers whose lines are so many times narrower. A sixth of the leaves are accounts; a million of
    /// them, or each hundredth leaf, are contracts with all the slots, and one of these has a twentieth of them.
    #[must_use]
    pub fn of_leaves(seed: u64, leaves: u64, lines_over: u64) -> Self {
        let accounts = leaves / 6;
        let contracts = (leaves / 100).clamp(1_000, 1_000_000);
        let shape = Shape {
            accounts,
            account_bytes: 100,
            contracts,
            slots_typical: (leaves - accounts) / contracts * 1_000 / MEAN_PER_MILLE,
            slot_bytes: 60,
            huge_percent: 5,
            codes: 8_000.min(contracts),
            blocks: 2_000,
            block_bytes: 20_000,
        };
        let mut scene = Self::thirty(seed, shape);
        scene.lines.iter_mut().for_each(|line| line.bytes_per_s /= lines_over.max(1));
        scene
    }

    /// Thirty peers of 20-300 ms and 5-100 Mbit/s, whose latency wanders and jitters. A tenth of them leave during the sync and
    /// come back as peers that nobody knows. The budget is what the default of 192 MiB leaves for answers.
    #[must_use]
    pub fn thirty(seed: u64, shape: Shape) -> Self {
        let ms = Duration::from_millis;
        let mut chance = Chance::new(seed ^ 0x11ae5);
        let mut line = || Quality {
            round_trip: ms(chance.between(20, 300)),
            bytes_per_s: chance.between(5, 100) * 125_000,
            row_ns: 0,
            block_thinks: Duration::ZERO,
            unrest_percent: 20,
        };
        let lines: Vec<Quality> = (0..30).map(|_| line()).collect();
        let mut leave =
            |nth: usize| (nth * 10, ms(chance.between(2_000, 15_000)), ms(chance.between(500, 8_000)));
        let leaves = (0..3).map(&mut leave).collect();
        Self { seed, shape, lines, leaves, budget_bytes: 96 << 20, history: History::None, commit: ms(20) }
    }
}

#[derive(Debug)]
pub(crate) enum Happening {
    Named,
    Join(usize),
    Leave(usize, Duration),
    Proved(Box<(Judgement, Answer)>),
    Commit,
    StorageDerived { account: B256, root: B256 },
}

#[derive(Debug)]
struct Peer {
    line: Line,
    /// From when until when it was here.
    stays: Vec<(Duration, Duration)>,
}

/// The world of one scene.
#[derive(Debug)]
pub struct BigWorld {
    scene: Scene,
    truth: Truth,
    rig: Rig<Self>,
    chance: Chance,
    peers: Vec<Peer>,
    store: Store,
    queue: Vec<(Judgement, Answer)>,
    writing: bool,
    figures: Figures,
    /// New bytes by the moment of their arrival.
    news: Vec<(Duration, u64)>,
    busy: Duration,
    first_state: Option<Duration>,
    ended: Option<Duration>,
}

impl BigWorld {
    /// The world before its first moment.
    #[must_use]
    pub fn new(scene: Scene, change: impl FnOnce(&mut SyncConfig, &mut Config)) -> Self {
        let mut chance = Chance::new(scene.seed);
        let truth = Truth::make(scene.shape.clone(), &mut chance.fork());
        let mut sync = SyncConfig::standing(truth.block(0));
        sync.history = scene.history;
        let mut config = Config::standing(scene.budget_bytes);
        change(&mut sync, &mut config);
        let desk = Desk::new(config, Engine::new(sync), scene.seed);
        let quiet = |quality: &Quality| Peer { line: Line::new(quality.clone()), stays: Vec::new() };
        let peers: Vec<Peer> = scene.lines.iter().map(quiet).collect();
        let mut rig = Rig::new(desk);
        rig.set(Duration::ZERO, Happening::Named);
        for nth in 0..peers.len() {
            rig.set(Duration::ZERO, Happening::Join(nth));
        }
        for (nth, at, lasts) in &scene.leaves {
            rig.set(*at, Happening::Leave(*nth, *lasts));
        }
        Self {
            figures: Figures { state_bytes: truth.bytes(), ..Figures::default() },
            scene,
            truth,
            rig,
            chance,
            peers,
            store: Store::default(),
            queue: Vec::new(),
            writing: false,
            news: Vec::new(),
            busy: Duration::ZERO,
            first_state: None,
            ended: None,
        }
    }

    /// Runs to the end.
    ///
    /// # Panics
    /// When the machine breaks a rule, or does not come to an end.
    #[must_use]
    pub fn run(mut self) -> Figures {
        while self.ended.is_none() {
            self.step().unwrap_or_else(|why| panic!("{why}"));
            assert!(self.rig.now() < LIMIT, "no end: {}", self.rig.standing());
            let reserved = self.rig.desk.reserved_bytes();
            self.figures.reserved_peak = self.figures.reserved_peak.max(reserved);
            // An answer may be larger than what was reserved for it: by an item and a proof, at most.
            let most = self.scene.budget_bytes
                + (self.rig.desk.reservations() as u64) * (PROOF_BYTES + HEADER_BYTES * 512);
            assert!(reserved <= most, "{reserved} bytes reserved");
        }
        self.finish()
    }

    /// The writer takes what is there; more comes with the next transaction.
    fn begin_commit(&mut self) {
        self.writing = true;
        let bytes: u64 = self.queue.iter().map(|(_, answer)| answer.bytes).sum();
        // 400 MB/s: 150 ns for a row of 60 bytes.
        self.rig.set_after(self.scene.commit + Duration::from_nanos(bytes * 5 / 2), Happening::Commit);
    }

    fn commit(&mut self) -> Result<(), String> {
        // What came since the transaction began is written with it: the clock is a little kind to the disk here.
        let queue = std::mem::take(&mut self.queue);
        self.writing = false;
        let mut events = Vec::new();
        for (judgement, answer) in queue {
            let new = self.store.new_bytes(&self.truth, &judgement, &answer.answered);
            if new > 0 {
                self.news.push((answer.arrived, new));
                self.figures.twice_bytes -= new + answer.proof;
            }
            events.push(self.store.apply(&self.truth, &judgement, answer.answered));
        }
        events.into_iter().try_for_each(|event| self.input(Input::Sync(event)))
    }

    /// What an honest server says.
    fn answer(&self, request: &Request) -> Answer {
        let limit = request.response_bytes.min(ANSWER_BYTES_MAX);
        match &request.what {
            What::Headers { start, count } => self.headers(*start, *count),
            what => self.truth.told(what, limit),
        }
    }

    fn headers(&self, start: HeaderStart, count: u64) -> Answer {
        let top = match start {
            HeaderStart::Hash(_) => self.truth.shape.blocks,
            HeaderStart::Number(number) | HeaderStart::Linked { number, .. } => number,
        };
        let lowest = top + 1 - count;
        let segment = HeaderSegment {
            top,
            hash: self.truth.block(top),
            root: self.truth.root(),
            lowest,
            parent: self.truth.block(lowest.saturating_sub(1)),
        };
        let answered = Answered::Headers { segment };
        state(Noun::Headers, answered, true, count * HEADER_BYTES, count, 0)
    }

    fn finish(mut self) -> Figures {
        let took = self.ended.expect("it has ended");
        self.news.sort_unstable();
        let held: u64 = self.news.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(held, self.truth.bytes(), "every row is held, and each was new once");
        let (mut used, mut until) = (0, took);
        for (at, bytes) in &self.news {
            used += bytes;
            if used * 100 >= held * 99 {
                until = *at;
                break;
            }
        }
        let mut capacity = 0.0;
        for peer in &self.peers {
            for (from, to) in &peer.stays {
                let here = (*to).min(until).saturating_sub(*from);
                capacity += here.as_secs_f64() * peer.line.quality.bytes_per_s as f64;
            }
        }
        let state_time = took - self.first_state.unwrap_or_default();
        Figures {
            took,
            until_last_percent: until,
            capacity_bytes: capacity as u64,
            used_bytes: used,
            median_answer: median_answer(&self.scene.lines),
            busy_share: self.busy.as_secs_f64() / state_time.as_secs_f64() / self.peers.len() as f64,
            ..self.figures
        }
    }
}

impl Host for BigWorld {
    type Answer = Answer;
    type Happening = Happening;

    fn rig(&mut self) -> &mut Rig<Self> {
        &mut self.rig
    }

    fn welcome(&mut self, nth: usize, peer: PeerId) -> PeerProfile {
        let now = self.rig.now();
        self.peers[nth].line.reconnect(now);
        self.peers[nth].stays.push((now, Duration::MAX));
        let number = self.truth.shape.blocks;
        PeerProfile {
            // Whoever comes back is another one.
            node: PeerNode(B256::left_padding_from(&peer.0.to_be_bytes())),
            eth: 69,
            snap: Some(1),
            head: Head { number: Some(number), hash: self.truth.block(number) },
            blocks: BlockRange::new(0, number),
            kind: PeerKind::Outbound,
        }
    }

    fn left(&mut self, nth: usize, _: PeerId) {
        let (_, until) = self.peers[nth].stays.last_mut().expect("who leaves was here");
        *until = self.rig.now();
    }

    fn ask(&mut self, nth: usize, peer: PeerId, request: Request) -> Result<(), String> {
        let now = self.rig.now();
        let mut answer = self.answer(&request);
        let quality = &self.peers[nth].line.quality;
        let works = match answer.noun {
            Noun::Bodies | Noun::Receipts => quality.block_thinks,
            _ => Duration::from_nanos(quality.row_ns * answer.rows),
        };
        if answer.noun.is_state() && self.first_state.is_none() {
            self.first_state = Some(now);
        }
        self.figures.requests += 1;
        let (at, busy) = self.peers[nth].line.carry(&mut self.chance, now, works, answer.bytes);
        self.busy += busy;
        answer.arrived = at;
        self.rig.deliver(at, peer, (request.id, answer.noun), answer);
        Ok(())
    }

    fn receive(&mut self, answer: &Answer) -> Result<u64, Fault> {
        if answer.noun.is_state() {
            self.figures.received_bytes += answer.bytes;
            self.figures.twice_bytes += answer.bytes;
        } else {
            self.figures.history_bytes += answer.bytes;
        }
        Ok(answer.bytes)
    }

    fn judge(&mut self, judgement: Judgement, mut answer: Answer) -> Result<(), String> {
        if let (What::Accounts { range, .. }, Answered::Accounts { covered }) =
            (&judgement.what, &mut answer.answered)
        {
            *covered = covered.intersection(range).unwrap_or(*covered);
        }
        // Proving takes a nanosecond a byte, on a core of its own.
        let takes = Duration::from_micros(200) + Duration::from_nanos(answer.bytes);
        self.rig.set_after(takes, Happening::Proved(Box::new((judgement, answer))));
        Ok(())
    }

    fn effect(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Rebuild { .. } => {
                assert!(self.store.is_whole(), "the trie is derived with rows missing");
                self.ended = Some(self.rig.now());
            }
            Effect::RebuildStorage { account, expected } => {
                let root = expected;
                self.rig.set_after(self.scene.commit, Happening::StorageDerived { account, root });
            }
            Effect::Record(_) | Effect::Report(_) => {}
            effect => return Err(format!("{effect:?} has no place here")),
        }
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Named => {
                let hash = self.truth.block(self.truth.shape.blocks);
                self.input(Input::Sync(Event::TargetNamed { hash }))
            }
            Happening::Join(nth) => self.join(nth),
            Happening::Leave(nth, lasts) => {
                let Some(peer) = self.rig.name_of(nth) else { return Ok(()) };
                self.rig.set_after(lasts, Happening::Join(nth));
                self.leave(peer)
            }
            Happening::Proved(proved) => {
                let request = proved.0.request;
                let outcome = if proved.1.complete { Outcome::Complete } else { Outcome::Partial };
                let verdict = Verdict { outcome, answered: proved.1.answered.clone() };
                self.queue.push(*proved);
                if !self.writing {
                    self.begin_commit();
                }
                self.input(Input::Judged { request, verdict })
            }
            Happening::Commit => self.commit(),
            Happening::StorageDerived { account, root } => {
                self.store.derived(&account);
                self.input(Input::Sync(Event::StorageRebuilt { account, root }))
            }
        }
    }
}

/// A full answer of a peer of median bandwidth and round trip.
fn median_answer(lines: &[Quality]) -> Duration {
    let mut trips: Vec<Duration> = lines.iter().map(|line| line.round_trip).collect();
    let mut widths: Vec<u64> = lines.iter().map(|line| line.bytes_per_s).collect();
    trips.sort_unstable();
    widths.sort_unstable();
    trips[trips.len() / 2]
        + Duration::from_secs_f64(ANSWER_BYTES_MAX as f64 / widths[widths.len() / 2] as f64)
}
