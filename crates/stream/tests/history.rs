//! Bodies and receipts: what peers lack, blocks that come in parts, answers that are larger than was thought.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod setup;

use std::collections::{BTreeMap, BTreeSet};

use snapsync_peers::{Outcome, PeerId, PeerKind, PeerProfile};
use snapsync_stream::{Action, Answered, Config, Desk, Input, ReceiptPart, Request, Verdict, What};
use snapsync_sync::{BlockRange, Effect, Event, Fatal, JobId, Journal, Missing, Phase, Report, Ticket};

use setup::{HEAD, give, hash, judgements, profile, sends, wait};

fn range(first: u64, last: u64) -> BlockRange {
    BlockRange { first, last }
}

/// A desk that never waits for memory.
fn desk(peers: u64, change: impl FnOnce(&mut Journal, &mut Config)) -> (Desk, Vec<Action>) {
    setup::desk(peers, 1 << 30, change)
}

fn reports(actions: &[Action]) -> impl Iterator<Item = &Report> {
    actions.iter().filter_map(|action| match action {
        Action::Sync(Effect::Report(report)) => Some(report),
        _ => None,
    })
}

fn arrived(peer: PeerId, request: &Request, bytes: u64) -> Input {
    Input::Arrived { peer, request: request.id, noun: request.what.noun(), bytes }
}

/// A request is answered with this; what follows from the answer and its verdict.
fn answer(desk: &mut Desk, now: u64, peer: PeerId, request: &Request, answered: Answered) -> Vec<Action> {
    let mut actions = give(desk, now, arrived(peer, request, 50_000));
    let verdict = match answered {
        Answered::Nothing => Verdict::unavailable(),
        answered => Verdict { outcome: Outcome::Partial, answered },
    };
    actions.extend(give(desk, now, Input::Judged { request: request.id, verdict }));
    actions
}

fn blocks_of(what: &What) -> BlockRange {
    match what {
        What::Bodies { blocks } | What::Receipts { blocks, .. } => *blocks,
        other => panic!("{other:?}"),
    }
}

/// What servers do with a block that they lack.
#[derive(Clone, Copy)]
enum Server {
    SkipsGaps,
    StopsAtGaps,
}

/// Peers that hold all bodies but those that `lacks` names; runs until nothing is asked for. Gives each request and what the
/// engine reported.
fn serve(
    desk: &mut Desk,
    actions: Vec<Action>,
    server: Server,
    lacks: impl Fn(PeerId, u64) -> bool,
) -> (Vec<(PeerId, BlockRange)>, Vec<Report>) {
    let (mut asked, mut told, mut now) = (Vec::new(), Vec::new(), 0);
    let mut actions = std::collections::VecDeque::from(actions);
    loop {
        while let Some(action) = actions.pop_front() {
            now += 1;
            told.extend(reports(std::slice::from_ref(&action)).cloned());
            let Action::Send { peer, request } = action else { continue };
            let blocks = blocks_of(&request.what);
            asked.push((peer, blocks));
            let has = |number: &u64| !lacks(peer, *number);
            let numbers = blocks.first..=blocks.last;
            let found: Vec<BlockRange> = match server {
                Server::SkipsGaps => numbers.filter(has).map(|number| range(number, number)).collect(),
                Server::StopsAtGaps => numbers.take_while(has).map(|number| range(number, number)).collect(),
            };
            let answered =
                if found.is_empty() { Answered::Nothing } else { Answered::Bodies { found: found.clone() } };
            actions.extend(answer(desk, now, peer, &request, answered));
            let (job, ticket) = (request.job, Ticket::from(request.id));
            let event = Event::BodiesDurable { job, ticket, blocks: found };
            actions.extend(give(desk, now, Input::Sync(event)));
        }
        let Some(at) = desk.next_timeout() else { return (asked, told) };
        now = now.max(u64::try_from(at.as_millis()).unwrap() + 1);
        assert!(now < 3_600_000, "it never ends");
        actions.extend(wait(desk, now));
        if actions.is_empty() && desk.engine().tally().bodies_missing == 0 {
            return (asked, told);
        }
    }
}

fn lacking(told: &[Report]) -> Vec<Missing> {
    let spans = |report: &Report| match report {
        Report::Lacking(lack) => Some(lack.spans.clone()),
        _ => None,
    };
    told.iter().rev().find_map(spans).unwrap_or_default()
}

fn verify_state(desk: &mut Desk, now: u64) -> Vec<Action> {
    give(desk, now, Input::Sync(Event::Rebuilt { root: hash(77) }))
}

fn bodies(first: u64, last: u64) -> Missing {
    Missing::Bodies { blocks: range(first, last) }
}

#[test]
fn what_the_host_lacked_it_is_asked_for_when_it_gives_another_block() {
    for kind in [PeerKind::Host, PeerKind::Static] {
        let (mut desk, _) = desk(0, |journal, _| journal.phase = Phase::Follow);
        let (peer, head, blocks) = (PeerId(9), profile(9).head, range(HEAD, HEAD + 9));
        let profile = PeerProfile { kind, blocks: Some(blocks), ..profile(9) };
        give(&mut desk, 0, Input::PeerJoined { peer, profile });
        let named = Input::Sync(Event::HeadNamed { hash: hash(HEAD + 9) });
        let asked = sends(&give(&mut desk, 1, named));
        let [(_, request)] = &asked[..] else { panic!("the head's header: {asked:?}") };
        let after = answer(&mut desk, 2, peer, request, Answered::Nothing);
        assert_eq!(sends(&after), [], "nobody has it");
        let again = sends(&give(&mut desk, 3, Input::PeerRange { peer, blocks, head }));
        let again: Vec<_> = again.into_iter().map(|(peer, request)| (peer, request.what)).collect();
        match kind {
            PeerKind::Host => assert_eq!(again, [(peer, request.what.clone())]),
            _ => assert_eq!(again, [], "a peer is not asked again for what it has just refused"),
        }
    }
}

// ROW: F12
#[test]
fn exactly_the_blocks_that_nobody_has_are_named_and_all_others_fetched() {
    for server in [Server::SkipsGaps, Server::StopsAtGaps] {
        let (mut desk, actions) = desk(3, |journal, _| journal.bodies = vec![range(1, 300)]);
        let gone = |number: u64| number == 7 || (100..=102).contains(&number);
        let (_, told) = serve(&mut desk, actions, server, |_, number| gone(number));
        assert_eq!(desk.engine().tally().bodies_missing, 4);
        assert!(told.iter().all(|report| !matches!(report, Report::Fatal(_))), "{told:?}");
        assert!(!lacking(&told).is_empty());
        let actions = verify_state(&mut desk, 4_000_000);
        let fatal = reports(&actions).find_map(|report| match report {
            Report::Fatal(Fatal::HistoryUnavailable { lack }) => Some(lack.spans.clone()),
            _ => None,
        });
        assert_eq!(fatal, Some(vec![bodies(7, 7), bodies(100, 102)]));
        assert!(desk.book().peers().all(|peer| desk.book().points(peer) >= Some(50)), "a gap is no fault");
        assert_eq!((desk.reserved_bytes(), desk.reservations()), (0, 0));
    }
}

#[test]
fn a_block_that_one_peer_lacks_comes_from_another() {
    let (mut desk, actions) = desk(2, |journal, _| journal.bodies = vec![range(1, 40)]);
    let lacks = |peer: PeerId, number: u64| number.is_multiple_of(2) == (peer == PeerId(1));
    let (asked, told) = serve(&mut desk, actions, Server::SkipsGaps, lacks);
    assert_eq!(desk.engine().tally().bodies_missing, 0);
    assert!(told.iter().all(|report| !matches!(report, Report::Lacking(_))));
    // At the end of an answer a gap looks like a limit: there it is asked once more.
    let mut times = BTreeMap::new();
    for (peer, blocks) in asked {
        for number in (blocks.first..=blocks.last).filter(|number| lacks(peer, *number)) {
            let times = times.entry((peer, number)).or_insert(0);
            *times += 1;
            assert!(*times <= 2, "{peer:?} is asked for {number} again and again");
        }
    }
}

#[test]
fn what_all_peers_have_pruned_is_named_at_once_and_nobody_is_asked_for_it() {
    let (mut desk, mut actions) = desk(0, |journal, _| journal.bodies = vec![range(1, 4000)]);
    for peer in 1..=2 {
        let profile = PeerProfile { blocks: BlockRange::new(3990, HEAD), ..profile(peer) };
        actions.extend(give(&mut desk, 0, Input::PeerJoined { peer: PeerId(peer), profile }));
    }
    let (asked, told) = serve(&mut desk, actions, Server::SkipsGaps, |_, number| number < 3990);
    assert_eq!(lacking(&told), [bodies(1, 3989)]);
    assert!(asked.iter().all(|(_, blocks)| blocks.first >= 3990), "{asked:?}");
    // Somebody comes who has them.
    let joined = give(&mut desk, 5_000_000, Input::PeerJoined { peer: PeerId(9), profile: profile(9) });
    assert!(sends(&joined).iter().any(|(peer, _)| *peer == PeerId(9)), "{joined:?}");
}

/// A block that no message can carry ends each connection that is asked for it.
#[test]
fn a_block_that_ends_every_connection_is_found_and_the_others_go_on() {
    let (mut desk, actions) = desk(1, |journal, _| journal.bodies = vec![range(1, 32)]);
    let (mut actions, mut told, mut now, mut next_peer) = (actions, Vec::new(), 0, 2);
    for _ in 0..400 {
        now += 1;
        told.extend(reports(&actions).cloned());
        let sent = sends(&actions);
        actions.clear();
        let mut is_gone = false;
        for (peer, request) in sent {
            let blocks = blocks_of(&request.what);
            if (blocks.first..=blocks.last).contains(&13) {
                is_gone = true;
                actions.extend(give(&mut desk, now, Input::PeerLeft { peer }));
                let joined = Input::PeerJoined { peer: PeerId(next_peer), profile: profile(next_peer) };
                next_peer += 1;
                actions.extend(give(&mut desk, now, joined));
                break;
            }
            let found = vec![blocks];
            actions.extend(answer(&mut desk, now, peer, &request, Answered::Bodies { found: found.clone() }));
            let (job, ticket) = (request.job, Ticket::from(request.id));
            actions.extend(give(
                &mut desk,
                now,
                Input::Sync(Event::BodiesDurable { job, ticket, blocks: found }),
            ));
        }
        if actions.is_empty() && !is_gone {
            break;
        }
    }
    assert_eq!(desk.engine().tally().bodies_missing, 1);
    assert_eq!(lacking(&told), [bodies(13, 13)]);
}

fn receipts_desk(peers: u64) -> (Desk, PeerId, Request) {
    let (desk, actions) = desk(peers, |journal, config| {
        journal.receipts = vec![range(5, 5)];
        // Who comes by this seldom has not slept here.
        config.slept_ms = 3_600_000;
    });
    let (peer, request) = sends(&actions)[0].clone();
    (desk, peer, request)
}

fn part(receipts: u64, bytes: u64) -> Answered {
    Answered::Receipts { found: vec![], part: Some(ReceiptPart { block: 5, receipts, bytes }) }
}

fn drops(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::DropPart { job: JobId(_), block: 5 }))
}

// ROW: F29
#[test]
fn receipts_that_drip_are_asked_of_another_after_few_rounds() {
    let (mut desk, dripping, mut request) = receipts_desk(2);
    let points = desk.book().points(dripping);
    for round in 1..=100 {
        let actions = answer(&mut desk, round, dripping, &request, part(round, 10 * round));
        let (peer, next) = sends(&actions)[0].clone();
        if peer != dripping {
            assert!(round <= 8, "{round} rounds");
            assert_eq!(next.what, What::Receipts { blocks: range(5, 5), first_receipt: 0 });
            assert!(drops(&actions), "the parts are dropped");
            let charged = points.map(|points| points - 10);
            assert_eq!(
                desk.book().points(dripping),
                charged,
                "no part is a merit, and drops cost like silence"
            );
            return;
        }
        request = next;
    }
    panic!("it drips for ever");
}

// ROW: F39
#[test]
fn a_part_that_waits_for_our_own_prover_is_not_its_peer_s_delay() {
    let (mut desk, peer, request) = receipts_desk(2);
    let points = desk.book().points(peer);
    let (_, rest) = sends(&answer(&mut desk, 1, peer, &request, part(40, 200_000)))[0].clone();
    give(&mut desk, 100, arrived(peer, &rest, 200_000));
    // The disk is slow, its writer's queue is full, and the prover waits there for ten minutes.
    let verdict = Verdict { outcome: Outcome::Partial, answered: part(80, 400_000) };
    let (same, next) =
        sends(&give(&mut desk, 600_000, Input::Judged { request: rest.id, verdict }))[0].clone();
    assert_eq!((same, next.what), (peer, What::Receipts { blocks: range(5, 5), first_receipt: 80 }));
    assert_eq!(desk.book().points(peer), points);
}

/// The requests among these actions: to whom, of which block, from which receipt on.
fn asked_receipts(actions: &[Action]) -> Vec<(PeerId, u64, u64)> {
    let asked = sends(actions).into_iter().map(|(peer, request)| match request.what {
        What::Receipts { blocks, first_receipt } => (peer, blocks.first, first_receipt),
        other => panic!("{other:?}"),
    });
    asked.collect()
}

// ROW: F29
#[test]
fn blocks_whose_parts_fill_history_s_share_go_on_one_after_the_other() {
    let (mut desk, actions) = setup::desk(2, 32 << 20, |journal, config| {
        journal.receipts = vec![range(5, 6)];
        config.receipts_per_request = 1;
    });
    let [(one, fifth), (other, sixth)] = &sends(&actions)[..] else { panic!("{actions:?}") };
    let of = |block, receipts, bytes| Answered::Receipts {
        found: vec![],
        part: Some(ReceiptPart { block, receipts, bytes }),
    };
    // A quarter of the budget is history's: 8 MiB.
    let actions = answer(&mut desk, 1, *one, fifth, of(5, 40, 9 << 20));
    assert!(asked_receipts(&actions).is_empty(), "what is on its way may still give room: {actions:?}");
    let actions = answer(&mut desk, 2, *other, sixth, of(6, 40, 8 << 20));
    assert_eq!(asked_receipts(&actions), [(*one, 5, 40)], "one goes on, that of which most is held");
    let (_, rest) = sends(&actions)[0].clone();
    let actions = answer(&mut desk, 3, *one, &rest, of(5, 80, 10 << 20));
    assert_eq!(asked_receipts(&actions), [(*one, 5, 80)], "and no other grows before it is whole");
    let (job, rest) = (rest.job, sends(&actions)[0].1.clone());
    let whole = Answered::Receipts { found: vec![range(5, 5)], part: None };
    assert!(asked_receipts(&answer(&mut desk, 4, *one, &rest, whole)).is_empty());
    let durable = Event::ReceiptsDurable { job, ticket: Ticket::from(rest.id), blocks: vec![range(5, 5)] };
    assert_eq!(asked_receipts(&give(&mut desk, 5, Input::Sync(durable))), [(*other, 6, 40)]);
}

// ROW: F29
#[test]
fn the_room_of_a_part_that_is_dropped_is_used_at_once() {
    let (mut desk, actions) = setup::desk(2, 32 << 20, |journal, config| {
        journal.receipts = vec![range(5, 6)];
        config.receipts_per_request = 1;
    });
    let [(one, fifth), (other, sixth)] = &sends(&actions)[..] else { panic!("{actions:?}") };
    let of = |block, bytes| Answered::Receipts {
        found: vec![],
        part: Some(ReceiptPart { block, receipts: 40, bytes }),
    };
    answer(&mut desk, 1, *one, fifth, of(5, 9 << 20));
    answer(&mut desk, 2, *other, sixth, of(6, 8 << 20));
    // Nothing else will happen: what goes out now is all that ever does.
    let actions = give(&mut desk, 3, Input::PeerLeft { peer: *one });
    assert!(drops(&actions), "{actions:?}");
    assert!(asked_receipts(&actions).contains(&(*other, 6, 40)), "{actions:?}");
}

// ROW: F29
#[test]
fn a_part_is_kept_while_its_peer_s_line_rests_from_history() {
    let (mut desk, actions) = setup::desk(1, 64 << 20, |journal, _| {
        journal.accounts = snapsync_sync::Coverage::missing();
        journal.receipts = vec![range(5, 5)];
    });
    let of_history = |(_, request): &(PeerId, Request)| matches!(request.what, What::Receipts { .. });
    let (peer, request) = sends(&actions).into_iter().find(of_history).unwrap();
    let (_, accounts) = sends(&actions).into_iter().find(|sent| !of_history(sent)).unwrap();
    give(&mut desk, 10, arrived(peer, &accounts, 50_000));
    // State waits for this line, which receipts took for 50 ms.
    let mut actions = give(&mut desk, 60, arrived(peer, &request, 2_000_000));
    let verdict = Verdict { outcome: Outcome::Partial, answered: part(40, 2_000_000) };
    actions.extend(give(&mut desk, 61, Input::Judged { request: request.id, verdict }));
    assert!(!sends(&actions).iter().any(of_history), "it rests: {actions:?}");
    assert!(!drops(&actions), "{actions:?}");
    while let Some(at) = desk.next_timeout() {
        let actions = wait(&mut desk, u64::try_from(at.as_millis()).unwrap() + 1);
        if let Some((same, rest)) = sends(&actions).into_iter().find(of_history) {
            assert_eq!((same, rest.what), (peer, What::Receipts { blocks: range(5, 5), first_receipt: 40 }));
            return;
        }
    }
    panic!("nobody is asked for the rest");
}

#[test]
fn receipts_that_never_end_are_given_up_though_nobody_else_is_there() {
    let (mut desk, peer, mut request) = receipts_desk(1);
    let (mut now, mut rounds) = (0, 0);
    let told = loop {
        now += 20_000;
        rounds += 1;
        assert!(rounds < 200);
        let actions = answer(&mut desk, now, peer, &request, part(rounds, rounds << 20));
        match sends(&actions).pop() {
            Some((_, next)) => request = next,
            None => break wait(&mut desk, now + 10_000),
        }
    };
    assert!(now <= 400_000, "{now} ms");
    let lack = reports(&told).cloned().collect::<Vec<_>>();
    assert_eq!(lacking(&lack), [Missing::Receipts { blocks: range(5, 5) }]);
    assert_eq!(desk.reserved_bytes(), 0);
}

// ROW: F12
#[test]
fn the_last_block_that_everybody_refused_is_told_though_nothing_else_happens() {
    let (mut desk, peer, request) = receipts_desk(1);
    assert!(sends(&answer(&mut desk, 1, peer, &request, Answered::Nothing)).is_empty());
    let mut told = Vec::new();
    while told.is_empty() {
        let at = desk.next_timeout().expect("somebody is to be told");
        told.extend(reports(&wait(&mut desk, at.as_millis() as u64 + 1)).cloned());
    }
    assert_eq!(lacking(&told), [Missing::Receipts { blocks: range(5, 5) }]);
}

// ROW: F29
#[test]
fn what_is_held_of_a_block_stays_in_the_books_until_it_is_durable() {
    let (mut desk, peer, request) = receipts_desk(1);
    let actions = answer(&mut desk, 1, peer, &request, part(40, 3_000_000));
    let (_, request) = sends(&actions)[0].clone();
    let next = request.response_bytes;
    assert_eq!(desk.reserved_bytes(), 3_000_000 + next);
    let actions = answer(&mut desk, 2, peer, &request, part(80, 7_000_000));
    let (_, request) = sends(&actions)[0].clone();
    assert_eq!(desk.reserved_bytes(), 7_000_000 + request.response_bytes);
    let found = vec![range(5, 5)];
    let actions =
        answer(&mut desk, 3, peer, &request, Answered::Receipts { found: found.clone(), part: None });
    assert!(!drops(&actions));
    assert_eq!(desk.reserved_bytes(), 7_000_000 + 50_000, "not durable yet");
    let event = Event::ReceiptsDurable { job: request.job, ticket: Ticket::from(request.id), blocks: found };
    give(&mut desk, 4, Input::Sync(event));
    assert_eq!((desk.reserved_bytes(), desk.reservations()), (0, 0));
}

#[test]
fn parts_of_a_job_that_was_stopped_are_dropped() {
    let (mut desk, peer, request) = receipts_desk(1);
    answer(&mut desk, 1, peer, &request, part(40, 3_000_000));
    let actions = give(&mut desk, 2, Input::Sync(Event::TargetNamed { hash: hash(1) }));
    assert!(drops(&actions), "{actions:?}");
    assert_eq!((desk.reserved_bytes(), desk.reservations()), (0, 0));
}

#[test]
fn a_part_that_is_proved_after_its_job_was_stopped_is_dropped() {
    let (mut desk, peer, request) = receipts_desk(1);
    give(&mut desk, 1, arrived(peer, &request, 50_000));
    give(&mut desk, 2, Input::Sync(Event::TargetNamed { hash: hash(1) }));
    let verdict = Verdict { outcome: Outcome::Partial, answered: part(40, 3_000_000) };
    assert!(drops(&give(&mut desk, 3, Input::Judged { request: request.id, verdict })));
    assert_eq!((desk.reserved_bytes(), desk.reservations()), (0, 0));
}

#[test]
fn blocks_behind_a_cut_one_are_asked_of_anybody() {
    let (mut desk, actions) = desk(2, |journal, _| journal.receipts = vec![range(5, 9)]);
    let (peer, request) = sends(&actions)[0].clone();
    let answered = Answered::Receipts {
        found: vec![range(5, 5)],
        part: Some(ReceiptPart { block: 6, receipts: 40, bytes: 200_000 }),
    };
    let asked: BTreeSet<(bool, u64, u64)> = sends(&answer(&mut desk, 1, peer, &request, answered))
        .into_iter()
        .map(|(to, request)| match request.what {
            What::Receipts { blocks, first_receipt } => (to == peer, blocks.first, first_receipt),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(asked.contains(&(true, 6, 40)), "{asked:?}");
    assert!(asked.iter().any(|(_, first, receipt)| (*first, *receipt) == (7, 0)), "{asked:?}");
}

// ROW: F29
#[test]
fn answers_of_history_cannot_be_many_times_their_share() {
    let (mut desk, actions) = desk(1, |journal, config| {
        (journal.bodies, journal.receipts) = (vec![range(1, 4000)], vec![range(1, 4000)]);
        config.budget_bytes = 96 << 20;
        config.bodies_per_request = 8;
        config.receipts_per_request = 8;
    });
    let mut open = sends(&actions);
    assert_eq!(open.len(), 1, "nothing is known of the peer: one request, which may bring 10 MiB");
    // It answers with little: several are out at once.
    for now in 1..10 {
        let (peer, request) = open.remove(0);
        let found = vec![blocks_of(&request.what)];
        let answered = match request.what {
            What::Bodies { .. } => Answered::Bodies { found },
            _ => Answered::Receipts { found, part: None },
        };
        open.extend(sends(&answer(&mut desk, now, peer, &request, answered)));
    }
    assert!(open.len() >= 6, "{}", open.len());
    // Then with as much as a message carries.
    let (peer, request) = open.remove(0);
    give(&mut desk, 20, arrived(peer, &request, 10 << 20));
    let out = desk.in_flight().len();
    for now in 21..40 {
        let Some((peer, request)) = (!open.is_empty()).then(|| open.remove(0)) else { break };
        give(&mut desk, now, arrived(peer, &request, 40_000));
        assert!(desk.in_flight().len() < out, "no more are sent while so much may come");
    }
}

#[test]
fn a_block_near_the_largest_message_is_taken() {
    let (mut desk, actions) = desk(1, |journal, config| {
        journal.bodies = vec![range(5, 5)];
        config.budget_bytes = 16 << 20;
    });
    let (peer, request) = sends(&actions)[0].clone();
    assert_eq!(judgements(&give(&mut desk, 1, arrived(peer, &request, (10 << 20) - 1))).len(), 1);
}
