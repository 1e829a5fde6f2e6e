//! A big world whose chain moves: the state changes by counts, peers keep the newest roots, and the machine follows the head.
//!
//! The machine makes all its decisions itself: when the pivot moves, whose claims are asked again, which lists and which nodes it asks for.
//! What it costs to compare, to bring lists and to derive is said in `course`; nobody lies here, and nothing is lost but what leaves with
//! its peer. It ends when the derived root is the pivot's.

use std::time::Duration;

use alloy_primitives::B256;
use snapsync_peers::{Fault, Noun, Outcome, PeerId, PeerKind, PeerNode, PeerProfile};
use snapsync_stream::{Answered, Config, Desk, Input, Judgement, Request, Verdict, What};
use snapsync_sync::{
    BlockRange, Config as SyncConfig, Effect, Engine, Event, Head, HeaderReach, HeaderSegment, History, Join,
    Phase, Pin, Report, Ticket,
};

use super::{
    answers::{Answer, HEADER_BYTES},
    compared::{Compared, Healed, compare},
    course::{Costs, Course, Passage, Way},
    drift::Drift,
    ground::Ground,
    ladder::Ladder,
    line::Line,
    rows::Rows,
    server::{Server, of_state},
    truth::Truth,
    world::Scene,
};
use crate::{
    chance::Chance,
    rig::{Host, Rig},
};

/// Virtual time after which a run is called endless.
const LIMIT: Duration = Duration::from_secs(200_000);

/// A block each so often is told, at most.
const TOLD_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) enum Happening {
    Named,
    Grown,
    Join(usize),
    Leave(usize, Duration),
    Proved(Box<(Judgement, Verdict, u64, Option<Healed>)>),
    Commit,
    Do(Box<Event>),
    Derive(B256),
    DeriveAll,
}

#[derive(Debug)]
struct Written {
    judgement: Judgement,
    answered: Answered,
    bytes: u64,
    healed: Option<Healed>,
}

/// The world of one scene and one course.
#[derive(Debug)]
pub struct MovingWorld {
    scene: Scene,
    course: Course,
    ground: Ground,
    rig: Rig<Self>,
    chance: Chance,
    lines: Vec<Line>,
    rows: Rows,
    queue: Vec<Written>,
    writing: bool,
    /// The canonical head that is held, and one whose headers do not reach it yet.
    top: Option<u32>,
    descent: Option<Head>,
    told: u32,
    /// Until when the one who compares nodes, and the one who derives, are at work.
    comparing_until: Duration,
    deriving_until: Duration,
    phase: (Phase, Duration),
    passage: Passage,
    is_verified: bool,
}

impl MovingWorld {
    /// The world before its first moment.
    #[must_use]
    pub fn new(scene: Scene, course: Course) -> Self {
        let mut chance = Chance::new(scene.seed);
        let truth = Truth::make(scene.shape.clone(), &mut chance.fork());
        let drift = Drift::new(course.pace.clone(), &truth, chance.draw());
        let mut sync = SyncConfig::standing(truth.block(0));
        sync.history = History::None;
        let desk = Desk::new(Config::standing(scene.budget_bytes), Engine::new(sync), scene.seed);
        let lines: Vec<Line> = scene.lines.iter().map(|quality| Line::new(quality.clone())).collect();
        let mut rig = Rig::new(desk);
        rig.set(Duration::ZERO, Happening::Named);
        (0..lines.len()).for_each(|nth| rig.set(Duration::ZERO, Happening::Join(nth)));
        for (nth, at, lasts) in &scene.leaves {
            rig.set(*at, Happening::Leave(*nth, *lasts));
        }
        let (leaves, state_bytes) =
            (truth.accounts_in(&snapsync_trie::HashRange::FULL) + truth.slots(), truth.bytes());
        Self {
            rows: Rows::new(truth.all_contracts().len()),
            passage: Passage { leaves, state_bytes, ..Passage::default() },
            ground: Ground { truth, drift, ladder: Ladder::make() },
            scene,
            course,
            rig,
            chance,
            lines,
            queue: Vec::new(),
            writing: false,
            top: None,
            descent: None,
            told: 0,
            comparing_until: Duration::ZERO,
            deriving_until: Duration::ZERO,
            phase: (Phase::Idle, Duration::ZERO),
            is_verified: false,
        }
    }

    /// Runs until the root is verified.
    ///
    /// # Panics
    /// When the machine breaks a rule, or does not come to an end.
    #[must_use]
    pub fn run(mut self) -> Passage {
        while !self.is_verified {
            self.step().unwrap_or_else(|why| panic!("{why}"));
            assert!(self.rig.now() < LIMIT, "no end: {}", self.rig.standing());
            let reserved = self.rig.desk.reserved_bytes();
            let most = self.scene.budget_bytes + (self.rig.desk.reservations() as u64) * HEADER_BYTES * 520;
            assert!(reserved <= most, "{reserved} bytes reserved");
        }
        self.passage.took = self.rig.now();
        self.passage.blocks = self.head();
        self.passage
    }

    fn head(&self) -> u32 {
        self.ground.drift.head(self.rig.now())
    }

    /// Where headers go: down to genesis, or to the head that is held.
    fn reach(&mut self, segment: &HeaderSegment) -> HeaderReach {
        let first = self.ground.truth.shape.blocks;
        let block = self.ground.block_of(segment.top);
        let Some(top) = self.top.filter(|_| segment.top > first) else {
            self.top = self.top.or(Some(block));
            return HeaderReach::Down(segment.floor());
        };
        let head = match self.descent {
            Some(head) if head.number > segment.top => head,
            _ => Head { number: segment.top, hash: segment.hash },
        };
        let held = first + u64::from(top);
        if segment.lowest > held + 1 {
            self.descent = Some(head);
            return HeaderReach::Down(segment.floor());
        }
        self.descent = None;
        self.top = Some(top.max(self.ground.block_of(head.number)));
        let top =
            Head { number: head.number.max(held), hash: self.ground.truth.block(head.number.max(held)) };
        HeaderReach::Joined(Box::new(Join { fork: held, top, bodies: vec![], receipts: vec![] }))
    }

    fn begin_commit(&mut self) {
        self.writing = true;
        let bytes: u64 = self.queue.iter().map(|written| written.bytes).sum();
        let lists: u64 =
            self.queue.iter().map(|written| changes(&self.ground.drift, &written.answered)).sum();
        let each = self.course.costs.listed + self.course.costs.page;
        let takes = self.scene.commit + Duration::from_nanos(bytes * 5 / 2) + each * lists as u32;
        self.rig.set_after(takes, Happening::Commit);
    }

    fn commit(&mut self) -> Result<(), String> {
        self.writing = false;
        let mut events = Vec::new();
        for written in std::mem::take(&mut self.queue) {
            events.push(self.apply(written));
        }
        events.into_iter().try_for_each(|event| self.input(Input::Sync(event)))
    }

    fn apply(&mut self, written: Written) -> Event {
        let Written { judgement, answered, healed, .. } = written;
        let (job, ticket) = (judgement.job, Ticket::from(judgement.request));
        let target = of_state(&judgement.what).unwrap_or_default();
        let of = (job, ticket, target);
        match answered {
            Answered::Accounts { covered } => self.rows.accounts(&self.ground, of, covered),
            Answered::Storages { settled, partial } => self.rows.storages(&self.ground, of, settled, partial),
            Answered::Renewed => {
                self.passage.renewals += 1;
                let What::Renewal { account, .. } = judgement.what else { unreachable!("it was renewed") };
                self.rows.renewed(&self.ground, of, account)
            }
            Answered::Codes { found } => self.rows.codes(job, ticket, found),
            Answered::Headers { segment } => {
                let reach = self.reach(&segment);
                Event::HeadersDurable { job, ticket, segment, reach }
            }
            Answered::Lists { found } => {
                let numbers = found.first..=found.last;
                let blocks: Vec<u32> = numbers.map(|number| self.ground.block_of(number)).collect();
                self.passage.lists += blocks.len() as u64;
                let blocks = blocks.into_iter().map(|block| self.rows.bring(&self.ground, block)).collect();
                Event::ListsApplied { job, ticket, blocks, codes: vec![] }
            }
            Answered::Nodes { .. } => match healed {
                Some(Healed { accounts, slots }) if slots.is_empty() => {
                    self.rows.heal_accounts(&self.ground, of, &accounts)
                }
                healed => {
                    let slots = healed.map(|healed| healed.slots).unwrap_or_default();
                    self.rows.heal_slots(job, ticket, self.rows.own(target), &slots)
                }
            },
            other => unreachable!("{other:?} is not written"),
        }
    }

    /// The one who derives is at work for so long from when it is free; what comes of it happens then.
    fn derive(&mut self, leaves: u64, happening: Happening) {
        let each = (self.course.costs.derived + self.course.costs.page) / self.course.costs.derivers;
        let takes =
            Duration::from_nanos(u64::try_from(each.as_nanos()).unwrap_or(u64::MAX).saturating_mul(leaves));
        self.deriving_until = self.deriving_until.max(self.rig.now()) + takes;
        self.rig.set(self.deriving_until, happening);
    }

    fn reported(&mut self, report: Report) -> Result<(), String> {
        match report {
            Report::Phase(phase) => {
                let now = self.rig.now();
                let (before, since) = std::mem::replace(&mut self.phase, (phase, now));
                *self.passage.phases.entry(before).or_default() += now - since;
            }
            Report::Pinned(pin) => self.aim(pin),
            Report::Moved { to, .. } => {
                self.passage.moves += 1;
                self.aim(to);
            }
            Report::StateVerified(_) => {
                let (phase, since) = self.phase;
                *self.passage.phases.entry(phase).or_default() += self.rig.now() - since;
                self.is_verified = true;
                if !self.rows.is_the_pivots() {
                    return Err(format!("verified with {} rows that are not the pivot's", self.rows.stale()));
                }
            }
            Report::Fatal(fatal) => return Err(format!("{fatal}: {}", self.rig.standing())),
            _ => {}
        }
        Ok(())
    }

    fn aim(&mut self, pin: Pin) {
        let block = self.ground.block_of(pin.target.number);
        self.rows.retarget(&self.ground, pin.id, block);
    }

    fn name_head(&mut self, block: u32) -> Result<(), String> {
        self.told = block;
        let head = self.ground.target(block);
        let blocks = BlockRange { first: 0, last: head.number };
        let told = snapsync_peers::Head { number: Some(head.number), hash: head.hash };
        let here: Vec<PeerId> = self.rig.here.keys().copied().collect();
        for peer in here {
            self.input(Input::PeerRange { peer, blocks, head: told })?;
        }
        self.input(Input::Sync(Event::HeadNamed { hash: head.hash }))
    }
}

/// Changes that an answer's lists bring.
fn changes(drift: &Drift, answered: &Answered) -> u64 {
    match answered {
        Answered::Lists { found } => found.count() * (drift.pace.accounts + drift.pace.slots),
        _ => 0,
    }
}

impl Host for MovingWorld {
    type Answer = Answer;
    type Happening = Happening;

    fn rig(&mut self) -> &mut Rig<Self> {
        &mut self.rig
    }

    fn welcome(&mut self, nth: usize, peer: PeerId) -> PeerProfile {
        let now = self.rig.now();
        self.lines[nth].reconnect(now);
        let head = self.ground.target(self.told);
        PeerProfile {
            node: PeerNode(B256::left_padding_from(&peer.0.to_be_bytes())),
            eth: 71,
            snap: Some(1),
            head: snapsync_peers::Head { number: Some(head.number), hash: head.hash },
            blocks: BlockRange::new(0, head.number),
            kind: PeerKind::Outbound,
        }
    }

    fn left(&mut self, _: usize, _: PeerId) {}

    fn ask(&mut self, nth: usize, peer: PeerId, request: Request) -> Result<(), String> {
        let now = self.rig.now();
        let block = of_state(&request.what).map(|target| self.rows.own(target));
        let server = Server { ground: &self.ground, course: &self.course, head: self.head() };
        let answer = server.answer(&request, block)?;
        if matches!(answer.noun, Noun::Nodes | Noun::Lists) {
            self.passage.requests += 1;
            self.passage.bytes += answer.bytes;
        }
        let works = match answer.noun {
            Noun::Nodes => self.course.costs.served * answer.rows as u32,
            _ => Duration::from_nanos(self.lines[nth].quality.row_ns * answer.rows),
        };
        let (at, _) = self.lines[nth].carry(&mut self.chance, now, works, answer.bytes);
        self.rig.deliver(at, peer, (request.id, answer.noun), answer);
        Ok(())
    }

    fn receive(&mut self, answer: &Answer) -> Result<u64, Fault> {
        Ok(answer.bytes)
    }

    fn judge(&mut self, judgement: Judgement, answer: Answer) -> Result<(), String> {
        let takes = Duration::from_micros(200) + Duration::from_nanos(answer.bytes);
        let mut healed = None;
        let mut at = self.rig.now() + takes;
        let verdict = match answer.answered {
            Answered::Nothing => Verdict::unavailable(),
            answered => {
                let outcome = if answer.complete { Outcome::Complete } else { Outcome::Partial };
                let answered = match (answered, &judgement.what) {
                    (Answered::Accounts { covered }, What::Accounts { range, .. }) => {
                        Answered::Accounts { covered: covered.intersection(range).unwrap_or(covered) }
                    }
                    (Answered::Nodes { found, .. }, What::Nodes { target, nodes, .. }) => {
                        let (here, left) = nodes.split_at(nodes.len().min(found as usize));
                        let compared = compare(&self.ground, &mut self.rows, *target, here);
                        let Compared { below, few, .. } = compared;
                        let differ = compared.healed.is_some();
                        healed = compared.healed;
                        let Costs { node, page, .. } = self.course.costs;
                        let takes = node * here.len() as u32 + page * few;
                        self.comparing_until = self.comparing_until.max(self.rig.now()) + takes;
                        self.passage.nodes += here.len() as u64;
                        at = self.comparing_until;
                        Answered::Nodes { found, left: left.to_vec(), below, differ }
                    }
                    (answered, _) => answered,
                };
                Verdict { outcome, answered }
            }
        };
        self.rig.set(at, Happening::Proved(Box::new((judgement, verdict, answer.bytes, healed))));
        Ok(())
    }

    fn effect(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Rebuild { .. } => {
                if !self.rows.is_whole() {
                    return Err("the trie is derived with rows missing".into());
                }
                let leaves = std::mem::take(&mut self.rows.dirty);
                self.derive(leaves, Happening::DeriveAll);
            }
            Effect::RebuildStorage { account, .. } => self.derive(1, Happening::Derive(account)),
            Effect::RebuildOwed => {
                for (account, slots) in self.rows.owed(&self.ground) {
                    self.derive(slots, Happening::Derive(account));
                }
            }
            Effect::Record(progress) => {
                let pin = progress.pin.map(|pin| pin.id);
                self.rig.set_after(self.scene.commit, Happening::Do(Box::new(Event::Recorded { pin })));
            }
            Effect::FindPivot { number } => {
                let target = self.ground.target(self.ground.block_of(number));
                self.rig.set_after(Duration::ZERO, Happening::Do(Box::new(Event::PivotMoved { target })));
            }
            Effect::FindList { number } => {
                let parent = self.ground.truth.block(number - 1);
                let has_list = self.course.way == Way::Lists;
                let found = Event::ListFound { number, parent, has_list };
                self.rig.set_after(Duration::ZERO, Happening::Do(Box::new(found)));
            }
            // Its chain leaves no block.
            Effect::FindLeft { .. } => {
                let found = Event::LeftFound { left: Vec::new(), unheld: None };
                self.rig.set_after(Duration::ZERO, Happening::Do(Box::new(found)));
            }
            Effect::Report(report) => self.reported(report)?,
            effect => return Err(format!("{effect:?} has no place here")),
        }
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Named => {
                self.rig.set_after(TOLD_EVERY.max(self.course.pace.block), Happening::Grown);
                let hash = self.ground.target(0).hash;
                self.input(Input::Sync(Event::HeadNamed { hash }))
            }
            Happening::Grown => {
                self.rig.set_after(TOLD_EVERY.max(self.course.pace.block), Happening::Grown);
                let head = self.head();
                self.ground.drift.grow(&self.ground.truth, head);
                if head > self.told { self.name_head(head) } else { Ok(()) }
            }
            Happening::Join(nth) => self.join(nth),
            Happening::Leave(nth, lasts) => {
                let Some(peer) = self.rig.name_of(nth) else { return Ok(()) };
                self.rig.set_after(lasts, Happening::Join(nth));
                self.leave(peer)
            }
            Happening::Proved(proved) => {
                let (judgement, verdict, bytes, healed) = *proved;
                let request = judgement.request;
                if verdict.answered.is_written() {
                    let answered = verdict.answered.clone();
                    self.queue.push(Written { judgement, answered, bytes, healed });
                    if !self.writing {
                        self.begin_commit();
                    }
                }
                self.input(Input::Judged { request, verdict })
            }
            Happening::Commit => self.commit(),
            Happening::Do(event) => self.input(Input::Sync(*event)),
            Happening::Derive(account) => match self.rows.derived(&self.ground, &account) {
                Some(event) => self.input(Input::Sync(event)),
                None => Ok(()),
            },
            Happening::DeriveAll => {
                let root = match (self.rows.is_the_pivots(), self.rig.desk.engine().pin()) {
                    (true, Some(pin)) => pin.target.root,
                    _ => B256::repeat_byte(0x66),
                };
                self.input(Input::Sync(Event::Rebuilt { root }))
            }
        }
    }
}
