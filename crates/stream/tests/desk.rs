//! The desk's manners: windows, order, late and second answers, the tail, the budget. One step at a time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod setup;

use std::collections::VecDeque;

use alloy_primitives::B256;
use snapsync_peers::{Fault, Noun, Outcome, PeerId, PeerKind, PeerProfile};
use snapsync_stream::{
    Action, Answered, Config, Desk, HeaderStart, Input, ReceiptPart, Request, RequestId, Verdict, What,
};
use snapsync_sync::{
    BlockRange, Coverage, Engine, Event, HashRange, HeaderFloor, HeaderReach, HeaderSegment, Journal,
    TargetId, Ticket,
};

use setup::{HEAD, give, hash, judgements, ms, profile, sends, wait};

/// A desk that has memory for one story.
fn desk(peers: u64, change: impl FnOnce(&mut Journal, &mut Config)) -> (Desk, Vec<Action>) {
    setup::desk(peers, 64 << 20, change)
}

fn arrived(peer: PeerId, request: &Request) -> Input {
    Input::Arrived { peer, request: request.id, noun: request.what.noun(), bytes: 50_000 }
}

fn one_gap(journal: &mut Journal) {
    let range = HashRange::new(hash(0), hash(7)).unwrap();
    journal.accounts = Coverage::all_but([range], TargetId(1));
}

fn covered(request: &Request) -> HashRange {
    match request.what {
        What::Accounts { range, .. } => range,
        _ => panic!("an account request was expected"),
    }
}

#[test]
fn no_peers_no_timeouts() {
    let engine = Engine::new(snapsync_sync::Config::standing(hash(0)));
    let mut desk = Desk::new(Config::standing(64 << 20), engine, 1);
    give(&mut desk, 0, Input::Sync(Event::TargetNamed { hash: hash(HEAD) }));
    assert_eq!(desk.next_timeout(), None);
}

// ROW: F37
#[test]
fn a_window_grows_by_one_and_halves_on_time_out() {
    let (mut desk, actions) = desk(8, |journal, config| {
        journal.bodies = vec![BlockRange { first: 1, last: 1000 }];
        config.bodies_per_request = 10;
        config.peers.silent_timeouts = 100;
        // Room for a first answer of each peer, whatever its size.
        config.budget_bytes = 1 << 30;
    });
    // Eight peers take four each, so only windows limit. One job of 1000 blocks is open.
    let mut open = sends(&actions);
    let mut trace = vec![open.len()];
    for round in 0..4u64 {
        let (peer, request) = open.remove(0);
        let What::Bodies { blocks } = request.what else { panic!("bodies were expected") };
        let judged = judgements(&give(&mut desk, 10 + round, arrived(peer, &request)));
        assert_eq!(judged[0].request, request.id);
        let answered = Answered::Bodies { found: vec![blocks] };
        let verdict = Verdict { outcome: Outcome::Complete, answered };
        open.extend(sends(&give(&mut desk, 10 + round, Input::Judged { request: request.id, verdict })));
        trace.push(desk.in_flight().len());
    }
    assert_eq!(trace, vec![2, 3, 4, 5, 6]);
    let first = desk.next_timeout().unwrap();
    let after = sends(&wait(&mut desk, u64::try_from(first.as_millis()).unwrap()));
    assert!(after.is_empty(), "the window is half, and more than that is still in flight");
    assert!((3..6).contains(&desk.in_flight().len()));
}

#[test]
fn one_request_a_range_and_the_next_begins_behind_what_was_proved() {
    let (mut desk, actions) = desk(1, |journal, _| {
        let range = HashRange::new(hash(0), hash(1_000_000)).unwrap();
        journal.accounts = Coverage::all_but([range], TargetId(1));
    });
    let (peer, request) = sends(&actions)[0].clone();
    let range = covered(&request);
    assert!(judgements(&give(&mut desk, 50, arrived(peer, &request)))[0].expected.is_none());
    let part = HashRange::new(range.start(), hash(10)).unwrap();
    let verdict = Verdict { outcome: Outcome::Partial, answered: Answered::Accounts { covered: part } };
    let next = sends(&give(&mut desk, 60, Input::Judged { request: request.id, verdict }));
    assert_eq!(covered(&next[0].1), HashRange::new(hash(11), range.last()).unwrap());
    // The bytes stay reserved until the rows are durable.
    let before = desk.reserved_bytes();
    let (job, ticket) = (request.job, Ticket::from(request.id));
    let event = Event::AccountsDurable {
        job,
        ticket,
        covered: part,
        target: TargetId(1),
        storages: vec![],
        codes: vec![],
    };
    give(&mut desk, 70, Input::Sync(event));
    assert_eq!(desk.reserved_bytes(), before - 50_000);
}

// ROW: F41
#[test]
fn a_second_answer_is_a_fault_and_a_late_one_is_not() {
    let (mut desk, actions) = desk(1, |journal, _| one_gap(journal));
    let (peer, request) = sends(&actions)[0].clone();
    let late = wait(&mut desk, 4000);
    let (_, again) = sends(&late)[0].clone();
    assert_ne!(again.id, request.id);
    let points = desk.book().points(peer).unwrap();
    assert_eq!(
        give(&mut desk, 4100, arrived(peer, &request)),
        vec![Action::Discard { peer, request: request.id }]
    );
    assert_eq!(desk.book().points(peer), Some(points), "late is no fault");
    give(&mut desk, 4110, arrived(peer, &request));
    assert_eq!(desk.book().points(peer), Some(points - 20), "twice is one");
    assert_eq!(judgements(&give(&mut desk, 4200, arrived(peer, &again))).len(), 1);
    assert!(judgements(&give(&mut desk, 4210, arrived(peer, &again))).is_empty());
    assert_eq!(desk.book().points(peer), Some(points - 40));
}

// ROW: F41
#[test]
fn what_nobody_asked_for_is_charged_and_another_peers_request_stands() {
    let (mut desk, actions) = desk(2, |journal, _| one_gap(journal));
    let (peer, request) = sends(&actions)[0].clone();
    let other = if peer == PeerId(1) { PeerId(2) } else { PeerId(1) };
    let actions = give(&mut desk, 10, arrived(other, &request));
    assert_eq!(actions, vec![Action::Discard { peer: other, request: request.id }]);
    assert_eq!(desk.book().points(other), Some(30));
    let unknown = Input::Arrived { peer: other, request: RequestId(999), noun: Noun::Codes, bytes: 1 };
    give(&mut desk, 11, unknown);
    assert_eq!(desk.book().points(other), Some(10));
    assert_eq!(judgements(&give(&mut desk, 12, arrived(peer, &request))).len(), 1);
}

#[test]
fn an_answer_of_another_kind_ends_the_connection() {
    let (mut desk, actions) = desk(1, |journal, _| one_gap(journal));
    let (peer, request) = sends(&actions)[0].clone();
    let wrong = Input::Arrived { peer, request: request.id, noun: Noun::Codes, bytes: 1 };
    let actions = give(&mut desk, 10, wrong);
    assert!(actions.contains(&Action::Disconnect { peer, fault: Fault::WrongKind }));
    assert!(sends(&actions).is_empty(), "nobody is left to be asked");
}

#[test]
fn a_lie_is_asked_of_another_and_the_liar_is_left() {
    let (mut desk, actions) = desk(2, |journal, _| one_gap(journal));
    let (liar, request) = sends(&actions)[0].clone();
    give(&mut desk, 10, arrived(liar, &request));
    let fault = Fault::Range(snapsync_peers::RangeFault::WrongCode { hash: hash(1) });
    let verdict = Verdict::invalid(fault.clone());
    let actions = give(&mut desk, 11, Input::Judged { request: request.id, verdict });
    assert!(actions.contains(&Action::Disconnect { peer: liar, fault }));
    let again = sends(&actions);
    assert!(again.iter().all(|(peer, _)| *peer != liar));
    assert!(again.iter().any(|(_, again)| again.what == request.what));
}

// ROW: F40
#[test]
fn the_tail_is_asked_twice_and_the_slower_one_is_unpunished() {
    let (mut desk, actions) = desk(2, |journal, _| journal.codes = vec![hash(1), hash(2)]);
    let (slow, request) = sends(&actions)[0].clone();
    assert_eq!(desk.next_timeout(), Some(ms(2000)), "half of its time");
    let actions = wait(&mut desk, 2000);
    let (fast, twin) = sends(&actions)[0].clone();
    assert!(fast != slow && twin.what == request.what);
    assert!(sends(&wait(&mut desk, 2500)).is_empty(), "not a third");
    give(&mut desk, 2600, arrived(fast, &twin));
    let verdict =
        Verdict { outcome: Outcome::Complete, answered: Answered::Codes { found: vec![hash(1), hash(2)] } };
    give(&mut desk, 2610, Input::Judged { request: twin.id, verdict });
    let discard = Action::Discard { peer: slow, request: request.id };
    assert_eq!(give(&mut desk, 3000, arrived(slow, &request)), vec![discard]);
    assert_eq!(desk.book().points(slow), Some(50));
    assert!(desk.in_flight().is_empty());
}

// ROW: F29 F38
#[test]
fn what_a_stranger_is_tried_out_with_is_soon_asked_of_another_though_more_waits() {
    let (mut desk, _) = desk(0, |journal, config| {
        journal.codes = (1..1000).map(hash).collect();
        config.codes_per_request = 4;
    });
    let ours = PeerId(1);
    let first = sends(&give(&mut desk, 0, Input::PeerJoined { peer: ours, profile: profile(1) }));
    let strangers: Vec<PeerId> = (2..10).map(PeerId).collect();
    for peer in &strangers {
        let profile = PeerProfile { kind: PeerKind::Inbound, ..profile(peer.0) };
        assert!(sends(&give(&mut desk, 1, Input::PeerJoined { peer: *peer, profile })).is_empty());
    }
    let answer = |desk: &mut Desk, now, peer, request: &Request| {
        let What::Codes { hashes } = &request.what else { panic!("codes were expected") };
        let answered = Answered::Codes { found: hashes.clone() };
        let mut actions = give(desk, now, arrived(peer, request));
        let verdict = Verdict { outcome: Outcome::Complete, answered };
        actions.extend(give(desk, now, Input::Judged { request: request.id, verdict }));
        sends(&actions)
    };
    let mut out = first;
    let mut trial = None;
    for now in 10..40 {
        let (peer, request) = out.remove(0);
        assert_eq!(peer, ours);
        let (mine, strange): (Vec<_>, Vec<_>) =
            answer(&mut desk, now, peer, &request).into_iter().partition(|(peer, _)| *peer == ours);
        out.extend(mine);
        for (peer, request) in strange {
            assert!(strangers.contains(&peer) && trial.is_none(), "one at a time");
            trial = Some((now, request));
        }
    }
    let (tried_at, trial) = trial.unwrap();
    // It is late after twice what is usual; the line of the other one is full, and has room for it first.
    let again = answer(&mut desk, tried_at + 200, ours, &out[0].1);
    assert_eq!((again[0].0, &again[0].1.what), (ours, &trial.what));
}

// ROW: F12
#[test]
fn headers_are_judged_from_the_top_down_whatever_comes_first() {
    let (mut desk, actions) = desk(2, |journal, config| {
        config.budget_bytes = 1 << 30;
        journal.headers = Some(HeaderFloor { number: 2001, parent: hash(2000) });
    });
    let mut headers: Vec<_> =
        sends(&actions).into_iter().filter(|(_, request)| request.what.noun() == Noun::Headers).collect();
    assert_eq!(headers.len(), 2);
    let (second_peer, second) = headers.pop().unwrap();
    let (first_peer, first) = headers.pop().unwrap();
    assert!(judgements(&give(&mut desk, 10, arrived(second_peer, &second))).is_empty());
    let judged = judgements(&give(&mut desk, 20, arrived(first_peer, &first)));
    assert_eq!((judged[0].request, judged[0].expected), (first.id, Some(hash(2000))));
    let What::Headers { start: HeaderStart::Linked { number: 2000, .. }, count } = first.what else {
        panic!("{:?}", first.what)
    };
    let lowest = 2001 - count;
    let segment =
        HeaderSegment { top: 2000, hash: hash(2000), root: hash(0), lowest, parent: hash(lowest - 1) };
    let verdict = Verdict { outcome: Outcome::Complete, answered: Answered::Headers { segment } };
    let actions = give(&mut desk, 30, Input::Judged { request: first.id, verdict });
    let judged = judgements(&actions);
    assert_eq!((judged[0].request, judged[0].expected), (second.id, Some(hash(lowest - 1))));
}

// ROW: F29
#[test]
fn headers_that_a_slow_disk_still_holds_are_not_added_to_beyond_the_budget() {
    let (mut desk, actions) = desk(2, |journal, config| {
        journal.headers = Some(HeaderFloor { number: 2001, parent: hash(2000) });
        config.budget_bytes = 1 << 20;
    });
    let [(peer, request)] = &sends(&actions)[..] else { panic!("{actions:?}") };
    let noun = request.what.noun();
    give(&mut desk, 1, Input::Arrived { peer: *peer, request: request.id, noun, bytes: 300_000 });
    let What::Headers { count, .. } = request.what else { panic!("{:?}", request.what) };
    let lowest = 2001 - count;
    let segment =
        HeaderSegment { top: 2000, hash: hash(2000), root: hash(0), lowest, parent: hash(lowest - 1) };
    let verdict = Verdict { outcome: Outcome::Complete, answered: Answered::Headers { segment } };
    let actions = give(&mut desk, 2, Input::Judged { request: request.id, verdict });
    assert!(sends(&actions).is_empty(), "their commit will give room: {actions:?}");
    let (job, ticket, reach) = (request.job, Ticket::from(request.id), HeaderReach::Down(segment.floor()));
    let actions = give(&mut desk, 3, Input::Sync(Event::HeadersDurable { job, ticket, segment, reach }));
    assert_eq!(sends(&actions).len(), 1);
}

#[test]
fn a_cut_block_sticks_to_its_peer_and_starts_anew_without_it() {
    let (mut desk, actions) = desk(2, |journal, _| journal.receipts = vec![BlockRange { first: 5, last: 5 }]);
    let (peer, request) = sends(&actions)[0].clone();
    give(&mut desk, 10, arrived(peer, &request));
    let part = Some(ReceiptPart { block: 5, receipts: 40, bytes: 200_000 });
    let answered = Answered::Receipts { found: vec![], part };
    let verdict = Verdict { outcome: Outcome::Partial, answered };
    let (same, rest) = sends(&give(&mut desk, 20, Input::Judged { request: request.id, verdict }))[0].clone();
    let blocks = BlockRange { first: 5, last: 5 };
    assert_eq!((same, rest.what), (peer, What::Receipts { blocks, first_receipt: 40 }));
    let (other, anew) = sends(&give(&mut desk, 30, Input::PeerLeft { peer }))[0].clone();
    assert!(other != peer);
    assert_eq!(anew.what, What::Receipts { blocks, first_receipt: 0 });
}

// ROW: F29
#[test]
fn a_spent_budget_sends_nothing_until_something_is_durable() {
    let (mut desk, actions) = desk(4, |journal, config| {
        journal.accounts = Coverage::missing();
        config.budget_bytes = 2 << 20;
        config.peers.window_first_bytes = 2 << 20;
    });
    // Three quarters of the budget are for state: three answers of 512 KiB.
    let open = sends(&actions);
    assert_eq!((open.len(), desk.reserved_bytes()), (3, 3 * (512 << 10)));
    let (peer, request) = open[0].clone();
    let full = Input::Arrived { peer, request: request.id, noun: Noun::Accounts, bytes: 512 << 10 };
    assert!(sends(&give(&mut desk, 10, full)).is_empty());
    let covered = covered(&request);
    let verdict = Verdict { outcome: Outcome::Complete, answered: Answered::Accounts { covered } };
    assert!(sends(&give(&mut desk, 20, Input::Judged { request: request.id, verdict })).is_empty());
    let (job, ticket) = (request.job, Ticket::from(request.id));
    let event =
        Event::AccountsDurable { job, ticket, covered, target: TargetId(1), storages: vec![], codes: vec![] };
    // The answer was full and quick, so this peer is asked for more by now; others still for as much as before.
    assert!(!sends(&give(&mut desk, 30, Input::Sync(event))).is_empty() || desk.reserved_bytes() <= 1 << 20);
}

// ROW: F29
#[test]
fn requests_that_are_out_are_bounded_over_all_peers() {
    let (desk, actions) = desk(4, |journal, config| {
        journal.accounts = Coverage::missing();
        config.requests_max = 5;
    });
    assert_eq!((sends(&actions).len(), desk.in_flight().len()), (5, 5));
}

// ROW: F15 F37
#[test]
fn a_range_is_asked_on_before_its_first_answer_is_proved() {
    let (_, actions) = desk(1, |journal, _| {
        let range = HashRange::new(hash(0), B256::repeat_byte(0x0f)).unwrap();
        journal.accounts = Coverage::all_but([range], TargetId(1));
    });
    let ranges: Vec<HashRange> = sends(&actions).iter().map(|(_, request)| covered(request)).collect();
    assert!(ranges.len() > 2, "the line would idle: {ranges:?}");
    assert!(ranges.iter().all(|range| ranges.iter().filter(|other| !other.is_disjoint(range)).count() == 1));
}

#[test]
fn what_could_not_be_sent_is_tried_again_without_spinning() {
    let (mut desk, actions) = desk(1, |journal, _| one_gap(journal));
    let (peer, request) = sends(&actions)[0].clone();
    let open = sends(&actions).len();
    assert!(sends(&give(&mut desk, 10, Input::Unsent { request: request.id })).len() <= open);
    let points = desk.book().points(peer);
    assert_eq!(points, Some(50));
    assert!(desk.next_timeout().unwrap() > ms(10));
    let again = sends(&wait(&mut desk, 260));
    assert!(again.iter().any(|(_, again)| again.what == request.what));
}

// ROW: F29 F38
#[test]
fn peers_whose_connections_are_all_full_are_tried_once_each_and_not_in_turns_for_ever() {
    let (mut desk, actions) = desk(3, |journal, _| {
        one_gap(journal);
        journal.bodies = vec![BlockRange { first: 1, last: 9 }];
        journal.codes = vec![hash(1), hash(2)];
    });
    let mut unsent: VecDeque<RequestId> = sends(&actions).iter().map(|(_, request)| request.id).collect();
    let mut tries = 0;
    while let Some(request) = unsent.pop_front() {
        tries += 1;
        assert!(tries < 1000, "the same peers again and again, in the same moment");
        let actions = give(&mut desk, 10, Input::Unsent { request });
        unsent.extend(sends(&actions).iter().map(|(_, request)| request.id));
    }
    assert_eq!(desk.in_flight(), []);
    assert!(!sends(&wait(&mut desk, 260)).is_empty());
}

fn broken() -> Verdict {
    Verdict::invalid(Fault::Range(snapsync_peers::RangeFault::NotEmpty { origin: B256::ZERO }))
}

// ROW: F34
#[test]
fn a_broken_range_is_asked_elsewhere_first_and_its_peer_is_not_hung_up_on() {
    let (mut desk, actions) = desk(2, |journal, _| one_gap(journal));
    let (peer, request) = sends(&actions)[0].clone();
    give(&mut desk, 50, arrived(peer, &request));
    let actions = give(&mut desk, 60, Input::Judged { request: request.id, verdict: broken() });
    assert!(!actions.iter().any(|action| matches!(action, Action::Disconnect { .. })));
    let (other, again) = sends(&actions)[0].clone();
    assert_ne!(other, peer);
    assert_eq!(covered(&again), covered(&request));
}

// ROW: F34
#[test]
fn a_broken_range_is_asked_again_of_the_only_peer_after_a_pause() {
    let (mut desk, actions) = desk(1, |journal, _| one_gap(journal));
    let (peer, request) = sends(&actions)[0].clone();
    give(&mut desk, 50, arrived(peer, &request));
    let actions = give(&mut desk, 60, Input::Judged { request: request.id, verdict: broken() });
    assert!(sends(&actions).is_empty());
    let mut sent = Vec::new();
    while sent.is_empty() {
        let at = u64::try_from(desk.next_timeout().unwrap().as_millis()).unwrap();
        assert!(at <= 2_000, "still not asked again");
        sent = sends(&wait(&mut desk, at));
    }
    assert_eq!((sent[0].0, covered(&sent[0].1)), (peer, covered(&request)));
}

#[test]
fn a_code_of_any_size_is_taken_and_a_range_far_above_its_limit_is_not() {
    let code = |journal: &mut Journal, _: &mut Config| journal.codes = vec![hash(5)];
    let (mut desk, actions) = self::desk(1, code);
    let (peer, request) = sends(&actions)[0].clone();
    let large = |request: &Request, bytes| Input::Arrived {
        peer,
        request: request.id,
        noun: request.what.noun(),
        bytes,
    };
    assert_eq!(judgements(&give(&mut desk, 50, large(&request, 9 << 20))).len(), 1);
    let (mut desk, actions) = self::desk(1, |journal, _| one_gap(journal));
    let (_, request) = sends(&actions)[0].clone();
    let actions = give(&mut desk, 50, large(&request, 9 << 20));
    assert!(matches!(actions[..], [Action::Discard { .. }, Action::Disconnect { .. }, ..]), "{actions:?}");
}

// ROW: F40
#[test]
fn the_tail_is_asked_twice_only_while_fewer_are_out_than_may_be() {
    let (mut desk, actions) = desk(2, |journal, config| {
        journal.codes = vec![hash(1), hash(2)];
        config.requests_max = 1;
    });
    assert_eq!(sends(&actions).len(), 1);
    for now in [2_000, 2_500, 3_000] {
        assert!(sends(&wait(&mut desk, now)).is_empty());
    }
}

// ROW: F41
#[test]
fn an_answer_is_late_however_many_requests_were_sent_since() {
    let (mut desk, actions) = desk(1, |journal, _| journal.bodies = vec![BlockRange { first: 1, last: 1 }]);
    let (peer, first) = sends(&actions)[0].clone();
    let (mut request, mut now) = (first.clone(), 0);
    for _ in 0..10_000 {
        // Each counts as sent for all that the desk knows: its bytes may have left before the connection was full.
        give(&mut desk, now, Input::Unsent { request: request.id });
        now += 250;
        let sent = sends(&wait(&mut desk, now));
        request = sent[0].1.clone();
    }
    assert!(request.id.0 > 10_000);
    let points = desk.book().points(peer);
    let discard = Action::Discard { peer, request: first.id };
    assert!(give(&mut desk, now, arrived(peer, &first)).contains(&discard));
    assert_eq!(desk.book().points(peer), points, "late is no fault");
    // What was never asked for is one, and so is an answer to what another peer was asked for.
    let never = Input::Arrived { peer, request: RequestId(1 << 40), noun: first.what.noun(), bytes: 1 };
    give(&mut desk, now, never);
    assert_eq!(desk.book().points(peer), points.map(|points| points - 20));
    give(&mut desk, now, Input::PeerJoined { peer: PeerId(2), profile: profile(2) });
    give(
        &mut desk,
        now,
        Input::Arrived { peer: PeerId(2), request: RequestId(7), noun: first.what.noun(), bytes: 1 },
    );
    assert_eq!(desk.book().points(PeerId(2)), Some(30));
}

// ROW: F29
#[test]
fn answers_far_above_their_reservations_do_not_add_up() {
    let (mut desk, actions) = desk(8, |journal, config| {
        journal.codes = (0..2_000).map(hash).collect();
        config.budget_bytes = 16 << 20;
    });
    let mut open = sends(&actions);
    assert!(open.len() > 4, "{} requests", open.len());
    let (mut judged, mut put_off) = (0, 0);
    for (peer, request) in open.drain(..) {
        let noun = request.what.noun();
        let actions = give(&mut desk, 10, Input::Arrived { peer, request: request.id, noun, bytes: 9 << 20 });
        assert!(desk.reserved_bytes() <= 16 << 20, "{} bytes", desk.reserved_bytes());
        assert!(
            !actions.iter().any(|action| matches!(action, Action::Disconnect { .. })),
            "nobody is to blame"
        );
        judged += judgements(&actions).len();
        put_off += actions.iter().filter(|action| matches!(action, Action::Discard { .. })).count();
    }
    assert!(judged >= 1 && put_off >= 1, "{judged} and {put_off}");
}

// ROW: F29 F40
#[test]
fn two_peers_that_are_asked_for_the_same_do_not_put_each_other_off() {
    let (mut desk, actions) = desk(2, |journal, config| {
        journal.receipts = vec![BlockRange { first: 1, last: 8 }];
        config.budget_bytes = 20 << 20;
    });
    let (slow, request) = sends(&actions)[0].clone();
    let (fast, twin) = sends(&wait(&mut desk, 2000))[0].clone();
    assert!(fast != slow && twin.what == request.what);
    // Far more than history may hold beside anything else.
    let heavy = Input::Arrived { peer: slow, request: request.id, noun: Noun::Receipts, bytes: 9 << 20 };
    assert_eq!(judgements(&give(&mut desk, 2100, heavy)).len(), 1, "it is the only one that is waited for");
}

// ROW: F29 F40
#[test]
fn what_found_no_room_is_asked_of_another_with_as_much_room() {
    let (mut desk, actions) = desk(4, |journal, config| {
        journal.receipts = vec![BlockRange { first: 1, last: 8 }];
        journal.bodies = vec![BlockRange { first: 1, last: 1 }];
        config.budget_bytes = 40 << 20;
        config.receipts_per_request = 8;
    });
    let of = |noun: Noun, actions: &[Action]| {
        sends(actions).into_iter().find(|(_, request)| request.what.noun() == noun).unwrap()
    };
    let (slow, request) = of(Noun::Receipts, &actions);
    let (peer, body) = of(Noun::Bodies, &actions);
    give(&mut desk, 100, arrived(peer, &body));
    let (fast, twin) = of(Noun::Receipts, &wait(&mut desk, 2000));
    let heavy = |peer, id| Input::Arrived { peer, request: id, noun: Noun::Receipts, bytes: 10 << 20 };
    for (peer, request) in [(slow, &request), (fast, &twin)] {
        let actions = give(&mut desk, 2100, heavy(peer, request.id));
        assert!(actions.contains(&Action::Discard { peer, request: request.id }), "a body is being proved");
        assert!(sends(&actions).is_empty(), "as much room is waited for");
    }
    let blocks = vec![BlockRange { first: 1, last: 1 }];
    let verdict =
        Verdict { outcome: Outcome::Complete, answered: Answered::Bodies { found: blocks.clone() } };
    give(&mut desk, 2201, Input::Judged { request: body.id, verdict });
    let durable = Event::BodiesDurable { job: body.job, ticket: Ticket::from(body.id), blocks };
    let actions = give(&mut desk, 2202, Input::Sync(durable));
    let (peer, again) = of(Noun::Receipts, &actions);
    assert_eq!(judgements(&give(&mut desk, 2300, heavy(peer, again.id))).len(), 1);
}
