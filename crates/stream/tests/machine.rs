//! The whole desk against a small abstract chain: peers that answer from formulas, a disk that says durable at once or later.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use alloy_primitives::{B256, U256};
use snapsync_peers::{Fault, Head, Noun, Outcome, PeerId, PeerKind, PeerNode, PeerProfile};
use snapsync_stream::{
    Action, Answered, Config, Desk, HeaderStart, Input, Judgement, ReceiptPart, RequestId, Verdict, What,
};
use snapsync_sync::{
    BlockRange, Effect, Engine, Event, Fatal, HashRange, HeaderReach, HeaderSegment, Missing, PartialStorage,
    Report, StorageClaim, Ticket, replay,
};

const HEAD: u64 = 3000;
const ACCOUNTS: u64 = 4000;

fn key(index: u64, count: u64) -> B256 {
    B256::from((U256::MAX / U256::from(count) * U256::from(index)).to_be_bytes())
}

fn block(number: u64) -> B256 {
    B256::from(U256::from(number + 1_000_000).to_be_bytes())
}

fn state_root() -> B256 {
    B256::repeat_byte(7)
}

/// Every third account has a storage; every sixth the same one; one account has a huge one.
fn claim(index: u64) -> Option<StorageClaim> {
    let root = match index {
        300 => 5,
        index if index % 6 == 0 => 9,
        index if index % 3 == 0 => 1000 + index,
        _ => return None,
    };
    Some(StorageClaim { account: key(index, ACCOUNTS), root: B256::from(U256::from(root).to_be_bytes()) })
}

fn slots(claim: &StorageClaim) -> u64 {
    if claim.root == B256::from(U256::from(5).to_be_bytes()) { 50_000 } else { 3 }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    Liar,
    Silent,
    Stale,
    Slow,
    /// Has no body and no receipts of the blocks in [`PRUNED`], and leaves them out of its answers.
    Pruned,
}

const PRUNED: BlockRange = BlockRange { first: 700, last: 741 };

struct World {
    desk: Desk,
    now: Duration,
    peers: BTreeMap<PeerId, Manner>,
    /// What comes when.
    coming: BTreeMap<(Duration, u64), Input>,
    sequence: u64,
    asked: BTreeMap<RequestId, (PeerId, What)>,
    reports: Vec<Report>,
    disconnects: Vec<(PeerId, &'static str)>,
    held: BTreeSet<B256>,
    accounts_seen: BTreeMap<u64, u32>,
    sends: BTreeMap<Noun, u64>,
    durable_ms: u64,
    lines: Vec<String>,
}

impl World {
    fn new(engine: Engine, manners: &[Manner]) -> Self {
        Self::seeded(engine, manners, 1)
    }

    fn seeded(engine: Engine, manners: &[Manner], seed: u64) -> Self {
        let mut config = Config::standing(64 << 20);
        config.peers.response_bytes_first = 64 << 10;
        let start = snapsync_sync::TraceLine::Start {
            config: Box::new(engine.config().clone()),
            journal: Box::new(snapsync_sync::Journal::fresh()),
        };
        let mut desk = Desk::new(config, engine, seed);
        desk.record();
        let mut world = Self {
            desk,
            now: Duration::ZERO,
            peers: BTreeMap::new(),
            coming: BTreeMap::new(),
            sequence: 0,
            asked: BTreeMap::new(),
            reports: Vec::new(),
            disconnects: Vec::new(),
            held: BTreeSet::new(),
            accounts_seen: BTreeMap::new(),
            sends: BTreeMap::new(),
            durable_ms: 3,
            lines: vec![start.to_json().unwrap()],
        };
        for (index, manner) in manners.iter().enumerate() {
            let peer = PeerId(index as u64 + 1);
            world.peers.insert(peer, *manner);
            let profile = PeerProfile {
                node: PeerNode(block(peer.0)),
                eth: 69,
                snap: Some(1),
                head: Head { number: Some(HEAD), hash: block(HEAD) },
                blocks: BlockRange::new(0, HEAD),
                kind: PeerKind::Static,
            };
            world.give(Input::PeerJoined { peer, profile });
        }
        world
    }

    fn later(&mut self, ms: u64, input: Input) {
        self.sequence += 1;
        self.coming.insert((self.now + Duration::from_millis(ms), self.sequence), input);
    }

    fn give(&mut self, input: Input) {
        self.desk.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        for line in self.desk.take_trace() {
            self.lines.push(line.to_json().unwrap());
        }
        let mut actions: VecDeque<Action> = std::iter::from_fn(|| self.desk.poll()).collect();
        while let Some(action) = actions.pop_front() {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send { peer, request } => {
                *self.sends.entry(request.what.noun()).or_default() += 1;
                let noun = request.what.noun();
                self.asked.insert(request.id, (peer, request.what));
                let arrived = Input::Arrived { peer, request: request.id, noun, bytes: 20_000 };
                match self.peers[&peer] {
                    Manner::Silent => {}
                    Manner::Slow => self.later(20_000, arrived),
                    _ => self.later(20 + request.id.0 % 7, arrived),
                }
            }
            Action::Judge(judgement) => {
                let (peer, _) = &self.asked[&judgement.request];
                assert_eq!(*peer, judgement.peer, "judged as another peer's answer");
                self.judge(judgement);
            }
            Action::Discard { .. } | Action::DropPart { .. } | Action::SetAside { .. } => {}
            Action::Disconnect { peer, fault } => {
                self.disconnects.push((peer, fault.kind()));
                self.later(1, Input::PeerLeft { peer });
            }
            Action::Sync(effect) => self.effect(effect),
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::CopyStorage { donor, accounts } => {
                assert!(!accounts.contains(&donor.account));
                self.later(2, Input::Sync(Event::StoragesCopied { settled: accounts, refused: Vec::new() }));
            }
            Effect::RebuildStorage { account, expected } => {
                self.later(2, Input::Sync(Event::StorageRebuilt { account, root: expected }));
            }
            Effect::Rebuild { root, .. } => self.later(2, Input::Sync(Event::Rebuilt { root })),
            Effect::Report(report) => self.reports.push(report),
            _ => {}
        }
    }

    fn judge(&mut self, judgement: Judgement) {
        let request = judgement.request;
        let ticket = Ticket::from(request);
        let job = judgement.job;
        let manner = self.peers[&judgement.peer];
        let verdict = match (manner, &judgement.what) {
            (Manner::Liar, What::Headers { .. } | What::Bodies { .. } | What::Receipts { .. }) => None,
            (Manner::Liar, _) => Some(Verdict::invalid(Fault::HeaderLink { number: 1 })),
            (Manner::Stale, what) if what.noun().is_state() => Some(Verdict::unavailable()),
            (Manner::Pruned, What::Bodies { blocks }) if PRUNED.meet(*blocks) == Some(*blocks) => {
                Some(Verdict::unavailable())
            }
            (Manner::Pruned, What::Receipts { blocks, .. })
                if (PRUNED.first..=PRUNED.last).contains(&blocks.first) =>
            {
                Some(Verdict::unavailable())
            }
            _ => None,
        };
        if let Some(verdict) = verdict {
            return self.later(1, Input::Judged { request, verdict });
        }
        let (answered, event) = self.answer(&judgement, ticket);
        let verdict = match answered {
            Answered::Nothing => Verdict::unavailable(),
            answered => Verdict { outcome: Outcome::Complete, answered },
        };
        let is_written = verdict.answered.is_written();
        self.later(1, Input::Judged { request, verdict });
        let _ = job;
        if is_written {
            self.later(1 + self.durable_ms, Input::Sync(event));
        }
    }

    fn answer(&mut self, judgement: &Judgement, ticket: Ticket) -> (Answered, Event) {
        let job = judgement.job;
        match &judgement.what {
            What::Accounts { range, target, .. } => {
                let inside: Vec<u64> =
                    (0..ACCOUNTS).filter(|index| range.contains(&key(*index, ACCOUNTS))).take(40).collect();
                let more = inside.len() == 40;
                let last = if more { key(*inside.last().unwrap(), ACCOUNTS) } else { range.last() };
                let covered = HashRange::new(range.start(), last).unwrap();
                for index in &inside {
                    *self.accounts_seen.entry(*index).or_default() += 1;
                }
                let storages: Vec<_> = inside.iter().filter_map(|index| claim(*index)).collect();
                let codes: Vec<B256> = inside.iter().map(|index| key(index % 200, 200)).collect();
                (
                    Answered::Accounts { covered },
                    Event::AccountsDurable { job, ticket, covered, target: *target, storages, codes },
                )
            }
            What::Storages { claims, .. } => {
                let mut settled = Vec::new();
                let mut partial = None;
                for claim in claims.iter().take(30) {
                    if slots(claim) > 100 {
                        let covered = HashRange::new(B256::ZERO, key(1, 100)).unwrap();
                        partial = Some(PartialStorage { account: claim.account, covered, slots: 500 });
                        break;
                    }
                    settled.push(claim.account);
                }
                self.held.extend(&settled);
                (
                    Answered::Storages { settled: settled.clone(), partial },
                    Event::StoragesDurable { job, ticket, settled, partial },
                )
            }
            What::StorageRange { claim, range, .. } => {
                assert!(range.start() > B256::ZERO, "a part begins behind the origin");
                let step = U256::from_be_bytes(range.start().0).saturating_add(U256::MAX / U256::from(100));
                let last = B256::from(step.to_be_bytes()).min(range.last());
                let covered = HashRange::new(range.start(), last).unwrap();
                let partial = Some(PartialStorage { account: claim.account, covered, slots: 500 });
                (
                    Answered::Storages { settled: vec![], partial },
                    Event::StoragesDurable { job, ticket, settled: vec![], partial },
                )
            }
            What::Codes { hashes } => {
                let found: Vec<B256> = hashes.iter().take(10).copied().collect();
                (Answered::Codes { found: found.clone() }, Event::CodesDurable { job, ticket, found })
            }
            _ => self.answer_of_history(judgement, ticket),
        }
    }

    fn answer_of_history(&self, judgement: &Judgement, ticket: Ticket) -> (Answered, Event) {
        let job = judgement.job;
        match &judgement.what {
            What::Headers { start, count } => {
                let top = match start {
                    HeaderStart::Hash(_) => HEAD,
                    HeaderStart::Number(number) | HeaderStart::Linked { number, .. } => *number,
                };
                assert_eq!(judgement.expected, Some(block(top)), "judged out of turn");
                let lowest = top + 1 - (*count).min(100);
                let segment = HeaderSegment {
                    top,
                    hash: block(top),
                    root: state_root(),
                    lowest,
                    parent: block(lowest - 1),
                };
                let reach = HeaderReach::Down(segment.floor());
                (Answered::Headers { segment }, Event::HeadersDurable { job, ticket, segment, reach })
            }
            What::Bodies { blocks } => {
                let blocks = BlockRange { first: blocks.first, last: blocks.last.min(blocks.first + 39) };
                let found = match self.peers[&judgement.peer] {
                    Manner::Pruned => [(0, PRUNED.first - 1), (PRUNED.last + 1, HEAD)]
                        .into_iter()
                        .filter_map(|(first, last)| blocks.meet(BlockRange { first, last }))
                        .collect(),
                    _ => vec![blocks],
                };
                if found.is_empty() {
                    let durable = Event::BodiesDurable { job, ticket, blocks: found };
                    return (Answered::Nothing, durable);
                }
                (
                    Answered::Bodies { found: found.clone() },
                    Event::BodiesDurable { job, ticket, blocks: found },
                )
            }
            What::Receipts { blocks, first_receipt } => {
                // Each block's receipts come in two parts.
                let block = blocks.first;
                let part = ReceiptPart { block, receipts: 5, bytes: 100_000 };
                let (found, part) = match first_receipt {
                    0 => (Vec::new(), Some(part)),
                    _ => (vec![BlockRange { first: block, last: block }], None),
                };
                let durable = Event::ReceiptsDurable { job, ticket, blocks: found.clone() };
                (Answered::Receipts { found, part }, durable)
            }
            what => unreachable!("{what:?} is of the state"),
        }
    }

    /// Runs until nothing is to come; says how many time-outs that took.
    fn run(&mut self, limit: Duration) -> u64 {
        let mut timeouts = 0;
        loop {
            let next_input = self.coming.keys().next().copied();
            let next_timeout = self.desk.next_timeout();
            let input_first = match (next_input, next_timeout) {
                (None, None) => return timeouts,
                (Some((at, _)), Some(timeout)) => at <= timeout,
                (input, _) => input.is_some(),
            };
            if input_first {
                let key = next_input.unwrap();
                let input = self.coming.remove(&key).unwrap();
                self.now = self.now.max(key.0);
                self.give(input);
            } else {
                self.now = self.now.max(next_timeout.unwrap());
                timeouts += 1;
                self.desk.handle_timeout(self.now);
                self.drain();
            }
            if self.now > limit {
                return timeouts;
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.reports.iter().any(|report| matches!(report, Report::Complete(_)))
    }
}

fn engine() -> Engine {
    let mut config = snapsync_sync::Config::standing(block(0));
    config.storage_claims = 64;
    Engine::new(config)
}

fn synced(manners: &[Manner]) -> World {
    let mut world = World::new(engine(), manners);
    world.give(Input::Sync(Event::TargetNamed { hash: block(HEAD) }));
    world.run(Duration::from_secs(3600));
    world
}

#[test]
fn honest_peers_complete_it() {
    let world = synced(&[Manner::Honest, Manner::Honest, Manner::Honest]);
    assert!(world.is_complete(), "{:?} at {:?}", world.desk.engine().tally(), world.now);
    assert_eq!(world.desk.reserved_bytes(), 0);
    assert_eq!(world.desk.reservations(), 0);
    assert_eq!(world.accounts_seen.len() as u64, ACCOUNTS);
    let twice = world.accounts_seen.values().filter(|count| **count > 1).count();
    assert!(twice <= 40, "{twice} accounts were fetched twice");
    assert!(world.disconnects.is_empty());
}

#[test]
fn one_peer_is_enough() {
    assert!(synced(&[Manner::Honest]).is_complete());
}

#[test]
fn liar_and_silent_are_named_and_left() {
    let world = synced(&[Manner::Honest, Manner::Liar, Manner::Silent]);
    assert!(world.is_complete(), "{:?}", world.desk.engine().tally());
    let kinds: BTreeSet<_> = world.disconnects.iter().cloned().collect();
    assert!(kinds.iter().any(|(peer, _)| *peer == PeerId(2)));
    assert!(kinds.contains(&(PeerId(3), "silent")));
    assert!(!kinds.iter().any(|(peer, _)| *peer == PeerId(1)));
}

#[test]
fn one_stale_peer_of_five_moves_nothing() {
    let world = synced(&[Manner::Stale, Manner::Honest, Manner::Honest, Manner::Honest, Manner::Honest]);
    assert!(world.is_complete());
    assert!(world.disconnects.is_empty(), "not having something is no fault");
}

#[test]
fn all_stale_ends_with_a_clear_report() {
    let world = synced(&[Manner::Stale, Manner::Stale]);
    let fatal = world.reports.iter().find_map(|report| match report {
        Report::Fatal(fatal) => Some(fatal.clone()),
        _ => None,
    });
    let target = world.desk.engine().pin().unwrap().id;
    assert_eq!(fatal, Some(Fatal::TargetUnavailable { missing: Missing::State { target } }));
    assert!(world.desk.in_flight().is_empty());
}

// ROW: F12
#[test]
fn old_blocks_that_all_peers_lack_end_no_state_sync_and_are_named_at_the_end() {
    let world = synced(&[Manner::Pruned, Manner::Pruned]);
    let at = |wanted: &dyn Fn(&Report) -> bool| world.reports.iter().position(wanted);
    let verified = at(&|report| matches!(report, Report::StateVerified(_))).expect("the state is complete");
    let told = at(&|report| matches!(report, Report::Lacking(_))).expect("what is lacking is told");
    let lacking: Vec<_> = world
        .reports
        .iter()
        .filter_map(|report| match report {
            Report::Fatal(Fatal::HistoryUnavailable { lack }) => Some(lack.spans.clone()),
            _ => None,
        })
        .collect();
    let spans = vec![Missing::Bodies { blocks: PRUNED }, Missing::Receipts { blocks: PRUNED }];
    assert_eq!(lacking, [spans]);
    assert!(verified < world.reports.len() - 1 && told < world.reports.len() - 1);
    assert!(world.disconnects.is_empty(), "not having something is no fault");
    assert_eq!((world.desk.reservations(), world.desk.reserved_bytes()), (0, 0));
    assert!(world.desk.in_flight().is_empty());
}

#[test]
fn one_peer_that_has_old_blocks_is_enough() {
    let world = synced(&[Manner::Pruned, Manner::Pruned, Manner::Honest]);
    assert!(world.is_complete(), "{:?}", world.desk.engine().tally());
    assert!(world.disconnects.is_empty());
}

#[test]
fn no_peers_no_timeouts() {
    let mut world = World::new(engine(), &[]);
    world.give(Input::Sync(Event::TargetNamed { hash: block(HEAD) }));
    assert_eq!(world.run(Duration::from_secs(3600)), 0);
    assert_eq!(world.desk.next_timeout(), None);
}

#[test]
fn slow_peer_does_not_hold_up_the_end() {
    let world = synced(&[Manner::Honest, Manner::Slow]);
    assert!(world.is_complete(), "{:?}", world.desk.engine().tally());
    assert!(world.now < Duration::from_secs(90), "{:?}", world.now);
}

#[test]
fn trace_replays_to_the_same_hash() {
    let world = synced(&[Manner::Honest, Manner::Liar]);
    let replayed = replay(world.lines.iter().map(String::as_str)).unwrap();
    assert_eq!(Some(replayed), world.desk.effect_hash());
}

#[test]
fn same_seed_same_story() {
    let story = |seed| {
        let mut world = World::seeded(engine(), &[Manner::Honest, Manner::Liar, Manner::Slow], seed);
        world.give(Input::Sync(Event::TargetNamed { hash: block(HEAD) }));
        world.run(Duration::from_secs(3600));
        (world.desk.effect_hash(), world.now)
    };
    assert_eq!(story(5), story(5));
    assert_ne!(story(5), story(6));
}

/// Many manners at once, each seed in another order, with a disk that lags. The second seed once stalled: its window had
/// shrunk to less than the header answers that waited in it for the one above.
#[test]
fn every_seed_ends_and_frees_what_it_reserved() {
    for seed in 0..16 {
        let manners =
            [Manner::Honest, Manner::Liar, Manner::Slow, Manner::Stale, Manner::Silent, Manner::Honest];
        let mut world = World::seeded(engine(), &manners, seed);
        world.durable_ms = seed % 5 * 40;
        world.give(Input::Sync(Event::TargetNamed { hash: block(HEAD) }));
        let timeouts = world.run(Duration::from_secs(3600));
        assert!(world.is_complete(), "seed {seed}: {:?} at {:?}", world.desk.engine().tally(), world.now);
        assert_eq!((world.desk.reservations(), world.desk.reserved_bytes()), (0, 0), "seed {seed}");
        assert!(timeouts < 100, "seed {seed}: woken {timeouts} times");
        let honest = |peer: &PeerId| matches!(world.peers[peer], Manner::Honest | Manner::Stale);
        assert!(!world.disconnects.iter().any(|(peer, _)| honest(peer)), "seed {seed}");
        let twice = world.accounts_seen.values().filter(|count| **count > 1).count();
        assert!(twice <= 80, "seed {seed}: {twice} accounts were fetched twice");
    }
}
