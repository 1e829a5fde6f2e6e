//! A sync that does not come on, in virtual time: frozen peers, peers that lack what is wanted, a disk that takes nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod setup;

use snapsync_peers::{Outcome, PeerId};
use snapsync_stream::{
    Action, Alarm, Answered, Desk, Input, Needs, Request, Sight, Stall, Verdict, Watchdog, What,
};
use snapsync_sync::{Coverage, Event, HashRange, TargetId, Ticket};

use setup::{HEAD, give, hash, judgements, ms, profile, sends, wait};

const LIMIT_MS: u64 = 30_000;
const ANEW_MS: u64 = 60_000;
/// How often it is looked, as the driver does.
const LOOK_MS: u64 = 200;

/// What peers do with a request.
#[derive(Clone, Copy, PartialEq)]
enum Peers {
    /// They take it and say nothing.
    Frozen,
    /// They say that they do not have it.
    Lacking,
}

/// A desk that misses some accounts, among peers that are no help; who is hung up on comes back under another name.
struct Scene {
    desk: Desk,
    watchdog: Watchdog,
    now: u64,
    names: u64,
    here: Vec<PeerId>,
    sent: Vec<(PeerId, Request)>,
    /// Who was asked what in the moment in which a fresh cycle began, for each.
    anew: Vec<Vec<(PeerId, Request)>>,
}

impl Scene {
    fn new(peers: u64) -> Self {
        let (mut desk, actions) = setup::desk(peers, 64 << 20, |journal, _| {
            let range = HashRange::new(hash(0), hash(7)).unwrap();
            journal.accounts = Coverage::all_but([range], TargetId(1));
        });
        let mut sent = sends(&actions);
        // The head is the pivot, and no later one is named.
        sent.extend(sends(&give(&mut desk, 0, Input::Sync(Event::HeadNamed { hash: hash(HEAD) }))));
        let here = (1..=peers).map(PeerId).collect();
        Self {
            desk,
            watchdog: Watchdog::new(ms(LIMIT_MS), ms(ANEW_MS)),
            now: 0,
            names: peers,
            here,
            sent,
            anew: Vec::new(),
        }
    }

    fn look(&mut self) -> Vec<Alarm> {
        let needs = Needs::of(self.desk.engine().phase(), &self.desk.engine().tally());
        let sight = Sight { needs, helpers: self.here.len() };
        self.watchdog.look(ms(self.now), &self.desk, sight)
    }

    /// Goes on until this time; what was heard, and at which second.
    fn until(&mut self, end_ms: u64, peers: Peers) -> Vec<(u64, Alarm)> {
        let mut heard = Vec::new();
        while self.now < end_ms {
            self.now += LOOK_MS;
            let mut actions = wait(&mut self.desk, self.now);
            while !actions.is_empty() {
                actions = actions.into_iter().flat_map(|action| self.carry_out(action, peers)).collect();
            }
            for alarm in self.look() {
                heard.push((self.now / 1000, alarm));
                if matches!(alarm, Alarm::BeginAnew(_)) {
                    self.begin_anew(peers);
                }
            }
        }
        heard
    }

    fn begin_anew(&mut self, peers: Peers) {
        let mut actions = give(&mut self.desk, self.now, Input::AskAnew);
        let mut asked = Vec::new();
        while !actions.is_empty() {
            asked.extend(sends(&actions));
            actions = actions.into_iter().flat_map(|action| self.carry_out(action, peers)).collect();
        }
        self.anew.push(asked);
    }

    fn carry_out(&mut self, action: Action, peers: Peers) -> Vec<Action> {
        match action {
            Action::Send { peer, request } if peers == Peers::Lacking => {
                let mut actions = self.arrive(peer, &request);
                actions.extend(self.judge(&request, Verdict::unavailable()));
                actions
            }
            Action::Send { peer, request } => {
                self.sent.push((peer, request));
                Vec::new()
            }
            Action::Disconnect { peer, .. } => {
                self.here.retain(|here| *here != peer);
                let mut actions = give(&mut self.desk, self.now, Input::PeerLeft { peer });
                self.names += 1;
                let (peer, profile) = (PeerId(self.names), profile(self.names));
                self.here.push(peer);
                actions.extend(give(&mut self.desk, self.now, Input::PeerJoined { peer, profile }));
                actions
            }
            _ => Vec::new(),
        }
    }

    fn arrive(&mut self, peer: PeerId, request: &Request) -> Vec<Action> {
        let input = Input::Arrived { peer, request: request.id, noun: request.what.noun(), bytes: 1_000 };
        let actions = give(&mut self.desk, self.now, input);
        assert_eq!(judgements(&actions).len(), 1);
        actions.into_iter().filter(|action| !matches!(action, Action::Judge(_))).collect()
    }

    fn judge(&mut self, request: &Request, verdict: Verdict) -> Vec<Action> {
        give(&mut self.desk, self.now, Input::Judged { request: request.id, verdict })
    }

    /// A peer is well again: its answer goes to the writer.
    fn prove(&mut self) -> (Request, HashRange) {
        let in_flight = self.desk.in_flight();
        let open = self.sent.iter().rev().find(|(peer, request)| in_flight.contains(&(*peer, request.id)));
        let (peer, request) = open.unwrap().clone();
        self.arrive(peer, &request);
        let What::Accounts { range: covered, .. } = request.what else { panic!("{request:?}") };
        let answered = Answered::Accounts { covered };
        self.judge(&request, Verdict { outcome: Outcome::Complete, answered });
        (request, covered)
    }

    /// The writer is done with it.
    fn commit(&mut self, (request, covered): (Request, HashRange)) {
        let (job, ticket, target) = (request.job, Ticket(request.id.0), TargetId(1));
        let (storages, codes) = (vec![], vec![]);
        let event = Event::AccountsDurable { job, ticket, covered, target, storages, codes };
        give(&mut self.desk, self.now, Input::Sync(event));
    }
}

// ROW: F35
#[test]
fn frozen_peers_are_a_stall_with_a_name_that_begins_once_and_ends_once() {
    let mut scene = Scene::new(2);
    let heard = scene.until(600_000, Peers::Frozen);
    assert_eq!(heard, [(30, Alarm::Begins(Stall::NoPeers)), (90, Alarm::BeginAnew(Stall::NoPeers))]);
    assert_eq!(scene.anew.len(), 1);
    assert!(scene.names > 2, "who is silent is hung up on, and asked again when it comes back");
    assert_eq!(
        scene.watchdog.stall(),
        Some((Stall::NoPeers, ms(LIMIT_MS + LOOK_MS))),
        "since the first look"
    );
    let proven = scene.prove();
    scene.commit(proven);
    assert_eq!(scene.look(), [Alarm::Ends(Stall::NoPeers)]);
    assert_eq!((scene.look(), scene.watchdog.stall()), (vec![], None));
}

// ROW: F35
#[test]
fn peers_that_lack_the_state_are_named_for_it_and_waited_for() {
    let mut scene = Scene::new(2);
    scene.sent.clear();
    // What was in flight before they answered is answered, too.
    for (peer, id) in scene.desk.in_flight() {
        let noun = snapsync_peers::Noun::Accounts;
        give(&mut scene.desk, 0, Input::Arrived { peer, request: id, noun, bytes: 10 });
        give(&mut scene.desk, 0, Input::Judged { request: id, verdict: Verdict::unavailable() });
    }
    let hour = 3_600_000;
    let both = [(30, Alarm::Begins(Stall::PeersLackState)), (90, Alarm::BeginAnew(Stall::PeersLackState))];
    assert_eq!(scene.until(hour, Peers::Lacking), both);
    // Nobody is there any more: the reason is another one, and the first is over.
    for peer in std::mem::take(&mut scene.here) {
        give(&mut scene.desk, scene.now, Input::PeerLeft { peer });
    }
    let both = [Alarm::Ends(Stall::PeersLackState), Alarm::Begins(Stall::NoPeers)];
    assert_eq!(scene.look(), both);
}

// ROW: F35
#[test]
fn a_disk_that_takes_nothing_is_named_whatever_peers_do() {
    let mut scene = Scene::new(1);
    let proven = scene.prove();
    assert_eq!(scene.until(60_000, Peers::Frozen), [(30, Alarm::Begins(Stall::Disk))]);
    scene.commit(proven);
    assert_eq!(scene.look(), [Alarm::Ends(Stall::Disk)]);
}

// ROW: F35
#[test]
fn a_stall_that_lasts_has_all_asked_anew_of_everybody_once_and_loses_no_row() {
    let mut scene = Scene::new(2);
    let first = scene.sent.clone();
    for (peer, id) in scene.desk.in_flight() {
        let noun = snapsync_peers::Noun::Accounts;
        give(&mut scene.desk, 0, Input::Arrived { peer, request: id, noun, bytes: 10 });
        give(&mut scene.desk, 0, Input::Judged { request: id, verdict: Verdict::unavailable() });
    }
    let held = scene.desk.engine().account_coverage().clone();
    scene.until(89_000, Peers::Lacking);
    assert!(scene.desk.in_flight().is_empty() && scene.anew.is_empty(), "all have refused lately");
    scene.until(91_000, Peers::Lacking);
    let anew = scene.anew.pop().unwrap();
    let asked: std::collections::BTreeSet<PeerId> = anew.iter().map(|(peer, _)| *peer).collect();
    assert_eq!(asked, scene.here.iter().copied().collect(), "everybody in the same moment");
    assert!(
        anew.iter().all(|(_, request)| first.iter().all(|(_, old)| old.job != request.job)),
        "planned anew"
    );
    assert_eq!(*scene.desk.engine().account_coverage(), held);
    // Another stall has another one: this one ends, and it begins again.
    for peer in std::mem::take(&mut scene.here) {
        give(&mut scene.desk, scene.now, Input::PeerLeft { peer });
    }
    let heard = scene.until(600_000, Peers::Lacking);
    let cycles = heard.iter().filter(|(_, alarm)| matches!(alarm, Alarm::BeginAnew(_))).count();
    assert_eq!((cycles, heard.last().unwrap().1), (1, Alarm::BeginAnew(Stall::NoPeers)), "{heard:?}");
}

#[test]
fn what_is_needed_only_now_has_its_time() {
    let scene = Scene::new(1);
    let mut watchdog = Watchdog::new(ms(LIMIT_MS), ms(ANEW_MS));
    let mut look = |now: u64, needs| watchdog.look(ms(now), &scene.desk, Sight { needs, helpers: 0 });
    let hour = 3_600_000;
    // An hour of deriving tries is no stall, nor is the moment after it.
    for now in [0, hour, 2 * hour] {
        assert_eq!(look(now, Needs::Nothing), []);
    }
    assert_eq!(look(2 * hour + 1, Needs::State), []);
    assert_eq!(look(2 * hour + LIMIT_MS, Needs::State), []);
    assert_eq!(look(2 * hour + 1 + LIMIT_MS, Needs::State), [Alarm::Begins(Stall::NoPeers)]);
    assert_eq!(look(2 * hour + 2 + LIMIT_MS, Needs::Nothing), [Alarm::Ends(Stall::NoPeers)], "all is here");
}

#[test]
fn every_stall_has_a_label_of_its_own() {
    let labels: std::collections::BTreeSet<&str> = Stall::ALL.map(Stall::label).into();
    assert_eq!(labels.len(), Stall::ALL.len());
}
