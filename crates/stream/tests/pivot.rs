//! What the desk makes of a pivot that moves: what waits is asked under the new root, what was sent keeps its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod setup;

use alloy_primitives::B256;
use snapsync_peers::{Fault, Outcome, PeerId};
use snapsync_stream::{Action, Answered, Config, Desk, Input, Request, Verdict, What};
use snapsync_sync::{
    Coverage, Effect, Event, HashRange, Journal, Phase, StorageClaim, Target, TargetId, Ticket,
};

use setup::{HEAD, give, hash, judgements, sends, wait};

fn desk(peers: u64, change: impl FnOnce(&mut Journal, &mut Config)) -> (Desk, Vec<Action>) {
    setup::desk(peers, 64 << 20, change)
}

/// A small range is missing: one request.
fn small(journal: &mut Journal) {
    let range = HashRange::new(hash(0), hash(7)).unwrap();
    journal.accounts = Coverage::all_but([range], TargetId(1));
}

/// The second target. The first has the root `hash(77)`.
fn second() -> Target {
    Target { number: HEAD + 1, hash: hash(HEAD + 1), root: hash(78) }
}

fn follow(desk: &mut Desk, now: u64) -> Vec<Action> {
    let mut actions = give(desk, now, Input::Sync(Event::PivotMoved { target: second() }));
    actions.extend(give(desk, now, Input::Sync(Event::Recorded { pin: Some(TargetId(2)) })));
    actions
}

/// No access list brings the rows to the second target.
fn without_lists(desk: &mut Desk, now: u64) {
    let (number, parent, has_list) = (HEAD + 1, hash(HEAD), false);
    give(desk, now, Input::Sync(Event::ListFound { number, parent, has_list }));
}

fn arrived(peer: PeerId, request: &Request) -> Input {
    Input::Arrived { peer, request: request.id, noun: request.what.noun(), bytes: 5_000 }
}

/// An answer comes and is judged.
fn answer(desk: &mut Desk, now: u64, (peer, request): &(PeerId, Request), verdict: Verdict) -> Vec<Action> {
    assert_eq!(judgements(&give(desk, now, arrived(*peer, request))).len(), 1);
    give(desk, now, Input::Judged { request: request.id, verdict })
}

fn accounts(request: &Request) -> (u32, B256, HashRange) {
    match request.what {
        What::Accounts { target, root, range } => (target.0, root, range),
        _ => panic!("accounts were expected"),
    }
}

fn proved(covered: HashRange) -> Verdict {
    Verdict { outcome: Outcome::Complete, answered: Answered::Accounts { covered } }
}

fn broken() -> Verdict {
    Verdict::invalid(Fault::Range(snapsync_peers::RangeFault::NotEmpty { origin: B256::ZERO }))
}

fn durable(request: &Request, covered: HashRange) -> Event {
    Event::AccountsDurable {
        job: request.job,
        ticket: Ticket::from(request.id),
        covered,
        target: TargetId(accounts(request).0),
        storages: vec![],
        codes: vec![],
    }
}

#[test]
fn what_is_in_flight_keeps_its_root_and_its_target() {
    let (mut desk, actions) = desk(1, |journal, _| small(journal));
    let (peer, request) = sends(&actions)[0].clone();
    let moved = follow(&mut desk, 10);
    assert!(sends(&moved).is_empty(), "all was asked for; nothing is asked twice for the pivot's sake");
    assert!(!moved.iter().any(|action| matches!(action, Action::Discard { .. } | Action::Disconnect { .. })));
    let judged = judgements(&give(&mut desk, 50, arrived(peer, &request)));
    assert_eq!(judged[0].what, request.what);
    let (id, root, range) = accounts(&request);
    assert_eq!((id, root), (1, hash(77)));
    let points = desk.book().points(peer).unwrap();
    give(&mut desk, 60, Input::Judged { request: request.id, verdict: proved(range) });
    assert!(desk.book().points(peer).unwrap() >= points);
    give(&mut desk, 70, Input::Sync(durable(&request, range)));
    assert_eq!((desk.reserved_bytes(), desk.reservations()), (0, 0));
    without_lists(&mut desk, 80);
    assert_eq!(desk.engine().phase(), Phase::Rebuild);
}

#[test]
fn what_is_left_of_an_answer_to_the_older_root_is_asked_under_the_newest() {
    let (mut desk, actions) = desk(1, |journal, _| small(journal));
    let sent = sends(&actions)[0].clone();
    follow(&mut desk, 10);
    let (.., range) = accounts(&sent.1);
    let part = HashRange::new(range.start(), hash(3)).unwrap();
    let next = sends(&answer(&mut desk, 50, &sent, proved(part)));
    assert_eq!(accounts(&next[0].1), (2, hash(78), HashRange::new(hash(4), range.last()).unwrap()));
    assert_eq!(next[0].1.job, sent.1.job, "the job goes on");
}

#[test]
fn a_piece_that_failed_is_asked_under_the_newest_root() {
    let (mut desk, actions) = desk(2, |journal, _| small(journal));
    let sent = sends(&actions)[0].clone();
    follow(&mut desk, 10);
    let again = sends(&answer(&mut desk, 50, &sent, broken()));
    assert_eq!(accounts(&again[0].1).0, 2);
    assert_ne!(again[0].0, sent.0, "elsewhere first");
}

#[test]
fn who_lacks_the_older_root_is_asked_for_the_newest() {
    let (mut desk, actions) = desk(1, |journal, _| small(journal));
    let sent = sends(&actions)[0].clone();
    follow(&mut desk, 10);
    let again = sends(&answer(&mut desk, 50, &sent, Verdict::unavailable()));
    assert_eq!(again.len(), 1, "what a peer has not, it has not of one root only");
    assert_eq!((again[0].0, accounts(&again[0].1).0), (sent.0, 2));
}

#[test]
fn what_waits_is_asked_under_the_newest_root_once_its_record_is_durable() {
    let (mut desk, actions) = desk(0, |journal, _| small(journal));
    assert!(sends(&actions).is_empty());
    give(&mut desk, 10, Input::Sync(Event::PivotMoved { target: second() }));
    let joined = Input::PeerJoined { peer: PeerId(1), profile: setup::profile(1) };
    let sent = sends(&give(&mut desk, 20, joined));
    assert_eq!(accounts(&sent[0].1).0, 1, "rows of the second would be refused by the writer");
    give(&mut desk, 30, Input::Sync(Event::Recorded { pin: Some(TargetId(2)) }));
    let again = sends(&give(&mut desk, 40, Input::Unsent { request: sent[0].1.id }));
    let again = if again.is_empty() { sends(&wait(&mut desk, 400)) } else { again };
    assert_eq!(accounts(&again[0].1).0, 2);
}

#[test]
fn a_range_that_proves_under_the_newest_root_contradicts_nobody_who_broke_it_under_the_older() {
    let (mut desk, actions) = desk(2, |journal, config| {
        journal.accounts = Coverage::all_but(
            (0..40).map(|at| HashRange::new(hash(100 * at), hash(100 * at + 7)).unwrap()),
            TargetId(1),
        );
        config.peers.flights_static = 64;
    });
    let liar = PeerId(1);
    let (of_liar, others): (Vec<_>, Vec<_>) =
        sends(&actions).into_iter().partition(|(peer, _)| *peer == liar);
    assert!(!of_liar.is_empty());
    follow(&mut desk, 10);
    let mut again = Vec::new();
    for sent in &of_liar {
        again.extend(sends(&answer(&mut desk, 50, sent, broken())));
    }
    let points = desk.book().points(liar);
    let mut open: Vec<(PeerId, Request)> = others.into_iter().chain(again).collect();
    while let Some(sent) = open.pop() {
        if sent.0 != liar {
            let (.., range) = accounts(&sent.1);
            open.extend(sends(&answer(&mut desk, 60, &sent, proved(range))));
        }
    }
    assert_eq!(desk.book().points(liar), points);
}

#[test]
fn an_older_target_that_nobody_has_stops_its_claims_and_nothing_else() {
    let claim = StorageClaim { account: hash(900), root: hash(5) };
    let (mut desk, actions) = desk(1, |journal, config| {
        small(journal);
        config.peers.silent_timeouts = 100;
        journal.storages = vec![snapsync_sync::PendingStorage::untouched(claim, TargetId(1))];
    });
    let mut open = sends(&actions);
    follow(&mut desk, 10);
    let mut now = 20;
    while desk.engine().tally().claims_outdated == 0 {
        for sent in std::mem::take(&mut open) {
            let actions = match sent.1.what {
                What::Storages { target, root, .. } => {
                    assert_eq!((target, root), (TargetId(1), hash(77)), "under the root of its target");
                    answer(&mut desk, now, &sent, Verdict::unavailable())
                }
                // Somebody has the newest state; he is slow.
                _ if accounts(&sent.1).0 == 2 => vec![],
                _ => answer(&mut desk, now, &sent, Verdict::unavailable()),
            };
            open.extend(sends(&actions));
        }
        now = u64::try_from(desk.next_timeout().unwrap().as_millis()).unwrap().max(now + 1);
        assert!(now < 2_000, "it is not told that nobody has it, or only after long");
        open.extend(sends(&wait(&mut desk, now)));
    }
    assert_eq!(desk.engine().phase(), Phase::Download, "that ends nothing");
    let storages = |actions: &[Action]| {
        sends(actions).iter().any(|(_, request)| matches!(request.what, What::Storages { .. }))
    };
    assert!(!storages(&wait(&mut desk, now + 60_000)), "nobody is asked for it any more");
}

#[test]
fn an_answer_that_the_writer_dropped_frees_its_bytes_and_is_asked_for_again() {
    let (mut desk, actions) = desk(1, |journal, _| small(journal));
    let sent = sends(&actions)[0].clone();
    let (.., range) = accounts(&sent.1);
    answer(&mut desk, 50, &sent, proved(range));
    assert!(desk.reserved_bytes() > 0);
    let outdated = Event::Outdated { job: sent.1.job, ticket: Ticket::from(sent.1.id) };
    let again = sends(&give(&mut desk, 60, Input::Sync(outdated)));
    assert_eq!(accounts(&again[0].1).2, range);
    assert_ne!(again[0].1.job, sent.1.job, "the job asked for all and has ended");
    assert_eq!(desk.reservations(), 1, "that of the new request alone");
}

#[test]
fn what_is_on_its_way_to_the_disk_is_not_asked_twice_for_an_answer_that_was_dropped() {
    let (mut desk, actions) = desk(1, |journal, _| small(journal));
    let sent = sends(&actions)[0].clone();
    let (.., range) = accounts(&sent.1);
    let part = HashRange::new(range.start(), hash(3)).unwrap();
    let rest = sends(&answer(&mut desk, 50, &sent, proved(part)))[0].clone();
    // Dropped while its job still asks: the job goes on.
    let outdated = Event::Outdated { job: sent.1.job, ticket: Ticket::from(sent.1.id) };
    assert!(sends(&give(&mut desk, 60, Input::Sync(outdated))).is_empty());
    let (.., left) = accounts(&rest.1);
    assert!(sends(&answer(&mut desk, 70, &rest, proved(left))).is_empty(), "the rest is not durable yet");
    let again = sends(&give(&mut desk, 80, Input::Sync(durable(&rest.1, left))));
    assert_eq!(again.len(), 1);
    assert_eq!(accounts(&again[0].1).2, part);
}

#[test]
fn a_trace_with_a_move_replays_to_the_same_hash() {
    let mut journal = Journal::fresh();
    let target = Target { number: HEAD, hash: hash(HEAD), root: hash(77) };
    let pin = snapsync_sync::Pin { id: TargetId(1), target };
    (journal.pin, journal.targets, journal.phase) = (Some(pin), vec![pin], Phase::Download);
    journal.headers = Some(snapsync_sync::HeaderFloor { number: 1, parent: hash(0) });
    small(&mut journal);
    let config = snapsync_sync::Config::standing(hash(0));
    let start = snapsync_sync::TraceLine::Start {
        config: Box::new(config.clone()),
        journal: Box::new(journal.clone()),
    };
    let mut desk = Desk::new(Config::standing(64 << 20), snapsync_sync::Engine::resume(config, journal), 1);
    desk.record();
    let joined = Input::PeerJoined { peer: PeerId(1), profile: setup::profile(1) };
    let sent = sends(&give(&mut desk, 0, joined))[0].clone();
    let moved = follow(&mut desk, 10);
    let is_record = |action: &Action| matches!(action, Action::Sync(Effect::Record(_)));
    assert!(moved.iter().any(is_record));
    let (.., range) = accounts(&sent.1);
    answer(&mut desk, 50, &sent, proved(range));
    give(&mut desk, 60, Input::Sync(Event::Outdated { job: sent.1.job, ticket: Ticket::from(sent.1.id) }));
    let lines: Vec<String> =
        [start].into_iter().chain(desk.take_trace()).map(|line| line.to_json().unwrap()).collect();
    let replayed = snapsync_sync::replay(lines.iter().map(String::as_str)).unwrap();
    assert_eq!(Some(replayed), desk.effect_hash());
}

/// So many storages of the first target are pending and nobody has its state: their accounts are asked again under the second root.
fn renewing(
    peers: u64,
    accounts: u64,
    change: impl FnOnce(&mut Journal, &mut Config),
) -> (Desk, Vec<(PeerId, Request)>) {
    let (mut desk, _) = desk(peers, |journal, config| {
        let claim = |at| StorageClaim { account: hash(900 + at), root: hash(5_000 + at) };
        let pending = |at| snapsync_sync::PendingStorage::untouched(claim(at), TargetId(1));
        journal.storages = (0..accounts).map(pending).collect();
        config.peers.flights_static = 64;
        change(journal, config);
    });
    follow(&mut desk, 10);
    let missing = snapsync_sync::Missing::State { target: TargetId(1) };
    let sent = sends(&give(&mut desk, 20, Input::Sync(Event::NoPeerHas { missing })));
    (desk, sent)
}

fn renewal(request: &Request) -> (u32, B256, B256) {
    match request.what {
        What::Renewal { target, root, account } => (target.0, root, account),
        _ => panic!("a renewal was expected"),
    }
}

/// The row, or a proof that there is none.
fn shown() -> Verdict {
    Verdict { outcome: Outcome::Complete, answered: Answered::Renewed }
}

fn renewed(request: &Request, storages: Vec<snapsync_sync::PendingStorage>) -> Event {
    let (target, _, account) = renewal(request);
    Event::AccountsRenewed {
        job: request.job,
        ticket: Ticket::from(request.id),
        pieces: vec![HashRange::single(account)],
        target: TargetId(target),
        storages,
        codes: vec![],
    }
}

#[test]
fn accounts_are_asked_again_one_by_one_and_a_few_at_a_time() {
    let (mut desk, sent) = renewing(1, 40, |_, _| {});
    let first = desk.config().window_first;
    let asked: Vec<_> = sent.iter().map(|(_, request)| renewal(request)).collect();
    let wanted: Vec<_> = (0..first as u64).map(|at| (2, hash(78), hash(900 + at))).collect();
    assert_eq!(asked, wanted);
    assert!(sent.iter().all(|(_, request)| request.response_bytes <= 16 << 10), "a row and its proof");
    let next = sends(&answer(&mut desk, 50, &sent[0], shown()));
    assert_eq!(next.len(), 2, "one for the one that came, and one more");
}

#[test]
fn a_proof_that_an_account_is_gone_is_an_answer() {
    let (mut desk, sent) = renewing(1, 1, |_, _| {});
    let points = desk.book().points(sent[0].0);
    assert!(sends(&answer(&mut desk, 50, &sent[0], shown())).is_empty());
    assert!(desk.reserved_bytes() > 0, "until it is durable");
    give(&mut desk, 60, Input::Sync(renewed(&sent[0].1, vec![])));
    assert_eq!((desk.reserved_bytes(), desk.reservations()), (0, 0));
    assert!(desk.book().points(sent[0].0) >= points);
    without_lists(&mut desk, 80);
    assert_eq!(desk.engine().phase(), Phase::Rebuild);
}

#[test]
fn who_lacks_the_newest_root_is_asked_for_no_account_of_it_again() {
    let (mut desk, sent) = renewing(2, 1, |_, _| {});
    let again = sends(&answer(&mut desk, 50, &sent[0], Verdict::unavailable()));
    assert_eq!((again.len(), renewal(&again[0].1)), (1, renewal(&sent[0].1)));
    assert_ne!(again[0].0, sent[0].0);
}

#[test]
fn a_renewal_follows_the_pivot_and_what_is_in_flight_keeps_its_root() {
    let (mut desk, sent) = renewing(1, 3, |_, _| {});
    assert_eq!(sent.len(), 2);
    let third = Target { number: HEAD + 2, hash: hash(HEAD + 2), root: hash(79) };
    give(&mut desk, 30, Input::Sync(Event::PivotMoved { target: third }));
    assert!(sends(&give(&mut desk, 40, Input::Sync(Event::Recorded { pin: Some(TargetId(3)) }))).is_empty());
    let judged = judgements(&give(&mut desk, 50, arrived(sent[0].0, &sent[0].1)));
    assert_eq!(judged[0].what, sent[0].1.what, "judged by the root that it was sent with");
    let next = sends(&give(&mut desk, 60, Input::Judged { request: sent[0].1.id, verdict: shown() }));
    assert_eq!(renewal(&next[0].1), (3, hash(79), hash(902)));
    let again = sends(&answer(&mut desk, 70, &sent[1], Verdict::unavailable()));
    assert_eq!(
        renewal(&again[0].1),
        (3, hash(79), hash(901)),
        "what it lacked of the one it may have of the other"
    );
}

#[test]
fn renewals_go_out_while_accounts_are_held_back() {
    let (mut desk, mut sent) = renewing(1, 40_000, |journal, _| small(journal));
    sent.retain(|(_, request)| matches!(request.what, What::Renewal { .. }));
    assert!(!sent.is_empty());
    let (.., account) = renewal(&sent[0].1);
    answer(&mut desk, 50, &sent[0], shown());
    let claim = StorageClaim { account, root: hash(6) };
    let pending = snapsync_sync::PendingStorage::untouched(claim, TargetId(2));
    let next = sends(&give(&mut desk, 60, Input::Sync(renewed(&sent[0].1, vec![pending]))));
    let storages = next.iter().find_map(|(_, request)| match &request.what {
        What::Storages { target, root, claims } => Some((*target, *root, claims.clone())),
        _ => None,
    });
    assert_eq!(storages, Some((TargetId(2), hash(78), vec![claim])));
}
