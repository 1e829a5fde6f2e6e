//! The big world's clock: requests go out on lines, answers come back, are taken as proved, written, reported durable.
//!
//! It does what a driver does and decides nothing. It ends when the engine wants the state trie derived, which it does when
//! all rows are durable.

use std::{collections::BTreeMap, time::Duration};

use alloy_primitives::B256;
use snapsync_peers::{Head, Noun, Outcome, PeerId, PeerKind, PeerNode, PeerProfile};
use snapsync_stream::{
    Action, Answered, Config, Desk, HeaderStart, Input, Judgement, Request, RequestId, Verdict, What,
};
use snapsync_sync::{
    BlockRange, Config as SyncConfig, Effect, Engine, Event, HashRange, HeaderSegment, History,
    PartialStorage,
};

use super::{
    figures::Figures,
    line::{Line, Quality},
    store::Store,
    truth::{PROOF_BYTES, Shape, Truth},
};
use crate::{chance::Chance, clock::Clock};

/// The most that a server answers, whatever is asked.
const ANSWER_BYTES_MAX: u64 = 2 << 20;

/// Bytes of a header.
const HEADER_BYTES: u64 = 600;

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

#[derive(Debug)]
enum Happening {
    Named,
    Join(usize),
    Leave(usize, Duration),
    Arrive { peer: PeerId, request: RequestId, answer: Box<Answer> },
    Proved { judgement: Box<Judgement>, arrived: Duration, answer: Box<Answer> },
    Commit,
    StorageDerived { account: B256, root: B256 },
}

/// An honest answer.
#[derive(Clone, Debug)]
struct Answer {
    noun: Noun,
    answered: Answered,
    complete: bool,
    /// All of it.
    bytes: u64,
    /// Of that, proof.
    proof: u64,
    rows: u64,
}

#[derive(Debug)]
struct Peer {
    line: Line,
    here: Option<(PeerId, Duration)>,
    /// When it was here before.
    stays: Vec<(Duration, Duration)>,
}

/// The world of one scene.
#[derive(Debug)]
pub struct BigWorld {
    scene: Scene,
    truth: Truth,
    desk: Desk,
    clock: Clock<Happening>,
    chance: Chance,
    peers: Vec<Peer>,
    names: BTreeMap<PeerId, usize>,
    held: BTreeMap<(PeerId, RequestId), (Duration, Answer)>,
    store: Store,
    queue: Vec<(Judgement, Duration, Answer)>,
    writing: bool,
    figures: Figures,
    /// New bytes by the moment of their arrival.
    news: Vec<(Duration, u64)>,
    busy: Duration,
    first_state: Option<Duration>,
    ended: Option<Duration>,
    connections: u64,
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
        let quiet =
            |quality: &Quality| Peer { line: Line::new(quality.clone()), here: None, stays: Vec::new() };
        let peers: Vec<Peer> = scene.lines.iter().map(quiet).collect();
        let mut clock = Clock::default();
        clock.set(Duration::ZERO, Happening::Named);
        for nth in 0..peers.len() {
            clock.set(Duration::ZERO, Happening::Join(nth));
        }
        for (nth, at, lasts) in &scene.leaves {
            clock.set(*at, Happening::Leave(*nth, *lasts));
        }
        Self {
            figures: Figures { state_bytes: truth.bytes(), ..Figures::default() },
            scene,
            truth,
            desk,
            clock,
            chance,
            peers,
            names: BTreeMap::new(),
            held: BTreeMap::new(),
            store: Store::default(),
            queue: Vec::new(),
            writing: false,
            news: Vec::new(),
            busy: Duration::ZERO,
            first_state: None,
            ended: None,
            connections: 0,
        }
    }

    /// Runs to the end.
    ///
    /// # Panics
    /// When the machine breaks a rule, or does not come to an end.
    #[must_use]
    pub fn run(mut self) -> Figures {
        while self.ended.is_none() {
            let now = self.step();
            assert!(now < LIMIT, "no end: {:?}", self.desk.engine().tally());
            let reserved = self.desk.reserved_bytes();
            self.figures.reserved_peak = self.figures.reserved_peak.max(reserved);
            // An answer may be larger than what was reserved for it: by an item and a proof, at most.
            let most = self.scene.budget_bytes
                + (self.desk.reservations() as u64) * (PROOF_BYTES + HEADER_BYTES * 512);
            assert!(reserved <= most, "{reserved} bytes reserved");
        }
        self.finish()
    }

    fn step(&mut self) -> Duration {
        let tick = self.desk.next_timeout();
        match (tick, self.clock.next_at()) {
            (Some(tick), next) if next.is_none_or(|next| tick < next) => {
                self.clock.advance_to(tick);
                self.desk.handle_timeout(self.clock.now());
                self.drain();
            }
            _ => {
                let happening = self.clock.advance().expect("somebody will do something");
                self.happen(happening);
            }
        }
        self.clock.now()
    }

    fn input(&mut self, input: Input) {
        self.desk.handle(self.clock.now(), input);
        self.drain();
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.clock.now();
        match happening {
            Happening::Named => {
                let hash = self.truth.block(self.truth.shape.blocks);
                self.input(Input::Sync(Event::TargetNamed { hash }));
            }
            Happening::Join(nth) => self.join(nth),
            Happening::Leave(nth, lasts) => {
                let Some((peer, since)) = self.peers[nth].here.take() else { return };
                self.peers[nth].stays.push((since, now));
                self.names.remove(&peer);
                self.clock.set_after(lasts, Happening::Join(nth));
                self.input(Input::PeerLeft { peer });
            }
            Happening::Arrive { peer, request, answer } => {
                if !self.names.contains_key(&peer) {
                    return;
                }
                self.count_arrival(&answer);
                let (noun, bytes) = (answer.noun, answer.bytes);
                self.held.insert((peer, request), (now, *answer));
                self.input(Input::Arrived { peer, request, noun, bytes });
            }
            Happening::Proved { judgement, arrived, answer } => {
                let request = judgement.request;
                let outcome = if answer.complete { Outcome::Complete } else { Outcome::Partial };
                let verdict = Verdict { outcome, answered: answer.answered.clone() };
                self.queue.push((*judgement, arrived, *answer));
                if !self.writing {
                    self.begin_commit();
                }
                self.input(Input::Judged { request, verdict });
            }
            Happening::Commit => self.commit(),
            Happening::StorageDerived { account, root } => {
                self.store.derived(&account);
                self.input(Input::Sync(Event::StorageRebuilt { account, root }));
            }
        }
    }

    fn join(&mut self, nth: usize) {
        let now = self.clock.now();
        self.connections += 1;
        let peer = PeerId(self.connections);
        self.peers[nth].line.reconnect(now);
        self.peers[nth].here = Some((peer, now));
        self.names.insert(peer, nth);
        let number = self.truth.shape.blocks;
        let profile = PeerProfile {
            // Whoever comes back is another one.
            node: PeerNode(B256::left_padding_from(&peer.0.to_be_bytes())),
            eth: 69,
            snap: Some(1),
            head: Head { number: Some(number), hash: self.truth.block(number) },
            blocks: BlockRange::new(0, number),
            kind: PeerKind::Outbound,
        };
        self.input(Input::PeerJoined { peer, profile });
    }

    fn count_arrival(&mut self, answer: &Answer) {
        if answer.noun.is_state() {
            self.figures.received_bytes += answer.bytes;
            self.figures.twice_bytes += answer.bytes;
        } else {
            self.figures.history_bytes += answer.bytes;
        }
    }

    /// The writer takes what is there; more comes with the next transaction.
    fn begin_commit(&mut self) {
        self.writing = true;
        let bytes: u64 = self.queue.iter().map(|(_, _, answer)| answer.bytes).sum();
        // 400 MB/s: 150 ns for a row of 60 bytes.
        self.clock.set_after(self.scene.commit + Duration::from_nanos(bytes * 5 / 2), Happening::Commit);
    }

    fn commit(&mut self) {
        // What came since the transaction began is written with it: the clock is a little kind to the disk here.
        let queue = std::mem::take(&mut self.queue);
        self.writing = false;
        let mut events = Vec::new();
        for (judgement, arrived, answer) in queue {
            let new = self.store.new_bytes(&self.truth, &judgement, &answer.answered);
            if new > 0 {
                self.news.push((arrived, new));
                self.figures.twice_bytes -= new + answer.proof;
            }
            events.push(self.store.apply(&self.truth, &judgement, answer.answered));
        }
        for event in events {
            self.input(Input::Sync(event));
        }
    }

    fn drain(&mut self) {
        while let Some(action) = self.desk.poll() {
            match action {
                Action::Send { peer, request } => self.send(peer, &request),
                Action::Judge(judgement) => self.judge(judgement),
                Action::Discard { peer, request } => drop(self.held.remove(&(peer, request))),
                Action::DropPart { .. } | Action::SetAside { .. } => {
                    panic!("nobody here cuts a block or lies")
                }
                Action::Disconnect { peer, fault } => panic!("{peer:?} is honest, and charged with {fault}"),
                Action::Sync(Effect::Rebuild { .. }) => {
                    assert!(self.store.is_whole(), "the trie is derived with rows missing");
                    self.ended = Some(self.clock.now());
                }
                Action::Sync(Effect::RebuildStorage { account, expected }) => {
                    let root = expected;
                    self.clock.set_after(self.scene.commit, Happening::StorageDerived { account, root });
                }
                Action::Sync(Effect::Record(_) | Effect::Report(_)) => {}
                Action::Sync(effect) => panic!("{effect:?} has no place here"),
            }
        }
    }

    fn send(&mut self, peer: PeerId, request: &Request) {
        let now = self.clock.now();
        let nth = *self.names.get(&peer).expect("only those who are here are asked");
        let answer = self.answer(request);
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
        self.clock.set(at, Happening::Arrive { peer, request: request.id, answer: Box::new(answer) });
    }

    fn judge(&mut self, judgement: Judgement) {
        let key = (judgement.peer, judgement.request);
        let (arrived, mut answer) = self.held.remove(&key).expect("the bytes are held until they are judged");
        if let (What::Accounts { range, .. }, Answered::Accounts { covered }) =
            (&judgement.what, &mut answer.answered)
        {
            *covered = covered.intersection(range).unwrap_or(*covered);
        }
        // Proving takes a nanosecond a byte, on a core of its own.
        let takes = Duration::from_micros(200) + Duration::from_nanos(answer.bytes);
        let judgement = Box::new(judgement);
        self.clock.set_after(takes, Happening::Proved { judgement, arrived, answer: Box::new(answer) });
    }

    /// What an honest server says.
    fn answer(&self, request: &Request) -> Answer {
        let limit = request.response_bytes.min(ANSWER_BYTES_MAX);
        match &request.what {
            What::Accounts { range, .. } => {
                let covered = self.truth.accounts(range, limit);
                let rows = self.truth.account_bytes(&covered);
                let complete = covered.last() >= range.last();
                let count = rows / self.truth.shape.account_bytes;
                state(Noun::Accounts, Answered::Accounts { covered }, complete, rows, count, PROOF_BYTES)
            }
            What::Storages { claims, .. } => self.storages(claims.iter().map(|claim| claim.account), limit),
            What::StorageRange { claim, range, .. } => {
                let contract = self.truth.contract(&claim.account).expect("a claim is of a contract");
                let covered = self.truth.cut_storage(&contract, range, limit);
                let slots = self.truth.slots_in(&contract, &covered);
                let partial = Some(PartialStorage { account: claim.account, covered, slots });
                let answered = Answered::Storages { settled: Vec::new(), partial };
                let complete = covered.last() >= range.last();
                let bytes = slots * self.truth.shape.slot_bytes;
                state(Noun::Storages, answered, complete, bytes, slots, PROOF_BYTES)
            }
            What::Codes { hashes } => {
                let (mut found, mut bytes) = (Vec::new(), 0);
                for hash in hashes {
                    found.push(*hash);
                    bytes += self.truth.code_bytes(hash);
                    if bytes >= limit {
                        break;
                    }
                }
                let complete = found.len() == hashes.len();
                let rows = found.len() as u64;
                state(Noun::Codes, Answered::Codes { found }, complete, bytes, rows, 0)
            }
            What::Headers { start, count } => self.headers(*start, *count),
            What::Bodies { blocks } => {
                let count = self.block_count(blocks);
                let answered = Answered::Bodies { found: first_of(*blocks, count) };
                self.blocks(Noun::Bodies, answered, blocks, count)
            }
            What::Receipts { blocks, .. } => {
                let count = self.block_count(blocks);
                let answered = Answered::Receipts { found: first_of(*blocks, count), part: None };
                self.blocks(Noun::Receipts, answered, blocks, count)
            }
        }
    }

    fn storages(&self, accounts: impl ExactSizeIterator<Item = B256>, limit: u64) -> Answer {
        let (mut settled, mut partial, mut slots, mut proof) = (Vec::new(), None, 0, 0);
        let asked = accounts.len();
        for account in accounts {
            let contract = self.truth.contract(&account).expect("a claim is of a contract");
            let left = limit.saturating_sub(slots * self.truth.shape.slot_bytes);
            if left == 0 {
                break;
            }
            let covered = self.truth.cut_storage(&contract, &HashRange::FULL, left);
            let count = self.truth.slots_in(&contract, &covered);
            slots += count;
            if covered == HashRange::FULL {
                settled.push(account);
                continue;
            }
            partial = Some(PartialStorage { account, covered, slots: count });
            proof = PROOF_BYTES;
            break;
        }
        let complete = settled.len() == asked;
        let bytes = slots * self.truth.shape.slot_bytes;
        state(Noun::Storages, Answered::Storages { settled, partial }, complete, bytes, slots, proof)
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
        Answer {
            noun: Noun::Headers,
            answered,
            complete: true,
            bytes: count * HEADER_BYTES,
            proof: 0,
            rows: count,
        }
    }

    fn block_count(&self, blocks: &BlockRange) -> u64 {
        blocks.count().min(ANSWER_BYTES_MAX / self.truth.shape.block_bytes.max(1) + 1)
    }

    fn blocks(&self, noun: Noun, answered: Answered, blocks: &BlockRange, count: u64) -> Answer {
        let bytes = count * self.truth.shape.block_bytes;
        Answer { noun, answered, complete: count == blocks.count(), bytes, proof: 0, rows: count }
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
        for peer in &mut self.peers {
            let now = peer.here.map(|(_, since)| (since, took));
            for (from, to) in peer.stays.iter().copied().chain(now) {
                let here = to.min(until).saturating_sub(from);
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

fn state(noun: Noun, answered: Answered, complete: bool, row_bytes: u64, rows: u64, proof: u64) -> Answer {
    Answer { noun, answered, complete, bytes: row_bytes + proof, proof, rows }
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

/// The first `count` blocks of a request.
fn first_of(blocks: BlockRange, count: u64) -> Vec<BlockRange> {
    let last = count.checked_sub(1).map(|count| blocks.first + count);
    last.and_then(|last| BlockRange::new(blocks.first, last)).into_iter().collect()
}
