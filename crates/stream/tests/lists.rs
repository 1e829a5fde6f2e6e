//! What the desk makes of access lists: they are of use from the lowest block on, and not all peers serve them.

mod setup;

use snapsync_peers::{Fault, Noun, Outcome, PeerId, PeerProfile};
use snapsync_stream::{Action, Answered, Desk, Input, Request, Verdict, What};
use snapsync_sync::{BlockRange, Effect, Event, NoLists, Phase, Pin, Report, Target, TargetId};

use setup::{HEAD, give, hash, judgements, sends, wait};

/// All rows are of block 4000, and the pivot is this many blocks above.
fn desk(blocks: u64) -> Desk {
    let (mut desk, _) = setup::desk(0, 64 << 20, |journal, config| {
        config.lists_per_request = 2;
        let number = HEAD + blocks;
        let target = Target { number, hash: hash(number), root: hash(78) };
        let pin = Pin { id: TargetId(2), target };
        journal.targets.push(pin);
        journal.pin = Some(pin);
    });
    // It is looked for blocks that the chain has left.
    wait(&mut desk, 0);
    let number = HEAD + 1;
    give(&mut desk, 0, Input::Sync(Event::ListFound { number, parent: hash(HEAD), has_list: true }));
    assert_eq!(desk.engine().phase(), Phase::CatchUp);
    desk
}

fn join(desk: &mut Desk, peer: u64, eth: u32, snap: u32) -> Vec<(PeerId, Request)> {
    let blocks = BlockRange::new(0, HEAD + 1000);
    let profile = PeerProfile { eth, snap: Some(snap), blocks, ..setup::profile(peer) };
    sends(&give(desk, 0, Input::PeerJoined { peer: PeerId(peer), profile }))
}

fn above(first: u64, last: u64) -> BlockRange {
    BlockRange { first: HEAD + first, last: HEAD + last }
}

fn blocks(request: &Request) -> BlockRange {
    match request.what {
        What::Lists { blocks } => blocks,
        _ => panic!("lists were expected: {request:?}"),
    }
}

fn arrived((peer, request): &(PeerId, Request)) -> Input {
    Input::Arrived { peer: *peer, request: request.id, noun: Noun::Lists, bytes: 5_000 }
}

fn judged(request: &Request, found: BlockRange) -> Input {
    let outcome = if found == blocks(request) { Outcome::Complete } else { Outcome::Partial };
    Input::Judged { request: request.id, verdict: Verdict { outcome, answered: Answered::Lists { found } } }
}

fn reasons(actions: &[Action]) -> Vec<NoLists> {
    let why = |action: &Action| match action {
        Action::Sync(Effect::Report(Report::NoLists(why))) => Some(*why),
        _ => None,
    };
    actions.iter().filter_map(why).collect()
}

#[test]
fn lists_are_judged_from_the_lowest_block_on_whatever_comes_first() {
    let mut desk = desk(40);
    let mut sent = join(&mut desk, 1, 71, 1);
    sent.extend(join(&mut desk, 2, 71, 1));
    let asked: Vec<BlockRange> = sent.iter().map(|(_, request)| blocks(request)).collect();
    assert_eq!(asked[..2], [above(1, 2), above(3, 4)]);
    assert!(judgements(&give(&mut desk, 10, arrived(&sent[1]))).is_empty());
    let first = judgements(&give(&mut desk, 20, arrived(&sent[0])));
    assert_eq!(first[0].request, sent[0].1.id);
    let second = judgements(&give(&mut desk, 30, judged(&sent[0].1, above(1, 2))));
    assert_eq!(second[0].request, sent[1].1.id);
}

#[test]
fn what_an_answer_lacks_comes_before_all_that_is_above_it() {
    let mut desk = desk(40);
    let mut sent = join(&mut desk, 1, 71, 1);
    sent.extend(join(&mut desk, 2, 71, 1));
    give(&mut desk, 10, arrived(&sent[1]));
    give(&mut desk, 20, arrived(&sent[0]));
    let actions = give(&mut desk, 30, judged(&sent[0].1, above(1, 1)));
    assert!(judgements(&actions).is_empty(), "block 2 is next");
    let rest = sends(&actions);
    assert_eq!(blocks(&rest[0].1), above(2, 2), "{rest:?}");
    give(&mut desk, 40, arrived(&rest[0]));
    let next = judgements(&give(&mut desk, 50, judged(&rest[0].1, above(2, 2))));
    assert_eq!(next[0].request, sent[1].1.id);
}

#[test]
fn what_is_applied_frees_its_bytes_and_ends_its_job() {
    let mut desk = desk(2);
    let sent = join(&mut desk, 1, 71, 1);
    give(&mut desk, 10, arrived(&sent[0]));
    give(&mut desk, 20, judged(&sent[0].1, above(1, 2)));
    assert!(desk.reserved_bytes() > 0, "until it is durable");
    let (job, ticket) = (sent[0].1.job, sent[0].1.id.into());
    give(&mut desk, 30, Input::Sync(Event::ListsApplied { job, ticket, blocks: vec![], codes: vec![] }));
    assert_eq!((desk.reserved_bytes(), desk.reservations()), (0, 0));
}

#[test]
fn who_lacks_a_list_is_not_asked_for_it_again_and_others_are() {
    let mut desk = desk(2);
    let sent = join(&mut desk, 1, 71, 1);
    assert!(join(&mut desk, 2, 71, 1).is_empty());
    give(&mut desk, 10, arrived(&sent[0]));
    let lacking = Input::Judged { request: sent[0].1.id, verdict: Verdict::unavailable() };
    let points = desk.book().points(PeerId(1)).unwrap();
    let again = sends(&give(&mut desk, 20, lacking));
    assert_eq!((again[0].0, blocks(&again[0].1)), (PeerId(2), above(1, 2)));
    assert!(desk.book().points(PeerId(1)).unwrap() >= points, "nobody is blamed");
}

#[test]
fn only_peers_that_speak_of_lists_are_asked_for_them() {
    let mut desk = desk(2);
    assert!(join(&mut desk, 1, 70, 1).is_empty());
    assert_eq!(join(&mut desk, 2, 70, 2).len(), 1, "snap/2 has them as well");
}

#[test]
fn where_nobody_serves_lists_for_a_while_there_is_another_way() {
    let mut desk = desk(2);
    assert!(join(&mut desk, 1, 70, 1).is_empty());
    let patience = desk.config().unavailable_ms;
    assert!(desk.next_timeout().is_some(), "it is looked at again");
    assert!(reasons(&wait(&mut desk, patience - 1)).is_empty());
    let actions = wait(&mut desk, patience + 1);
    assert_eq!(reasons(&actions), [NoLists::Nobody { number: HEAD + 1 }]);
    assert_eq!(desk.engine().phase(), Phase::Rebuild);
}

/// Of two peers the first is asked for both lists.
fn asked() -> (Desk, (PeerId, Request)) {
    let mut desk = desk(2);
    let sent = join(&mut desk, 1, 71, 1);
    assert!(join(&mut desk, 2, 71, 1).is_empty());
    (desk, sent[0].clone())
}

#[test]
fn lists_that_do_not_come_in_time_are_asked_of_another() {
    let (mut desk, first) = asked();
    let mut again = Vec::new();
    while again.is_empty() {
        let at = desk.next_timeout().expect("it is not waited for without end");
        again = sends(&wait(&mut desk, u64::try_from(at.as_millis()).unwrap()));
    }
    assert_eq!((again[0].0, blocks(&again[0].1)), (PeerId(2), above(1, 2)));
    let now = u64::try_from(desk.next_timeout().unwrap().as_millis()).unwrap();
    let judged_first = judgements(&give(&mut desk, now, arrived(&again[0])));
    assert_eq!(judged_first[0].request, again[0].1.id);
    give(&mut desk, now + 1, judged(&again[0].1, above(1, 2)));
    // The first one's come very late, and are no fault.
    let points = desk.book().points(PeerId(1)).unwrap();
    let late = give(&mut desk, now + 60_000, arrived(&first));
    assert_eq!(late, [Action::Discard { peer: PeerId(1), request: first.1.id }]);
    assert!(desk.book().points(PeerId(1)).unwrap() >= points);
}

#[test]
fn who_sends_another_list_is_left_and_another_is_asked() {
    let (mut desk, (liar, request)) = asked();
    give(&mut desk, 10, arrived(&(liar, request.clone())));
    let fault = Fault::WrongList { number: HEAD + 1 };
    let verdict = Verdict::invalid(fault.clone());
    let actions = give(&mut desk, 20, Input::Judged { request: request.id, verdict });
    assert!(actions.contains(&Action::Disconnect { peer: liar, fault }));
    let again = sends(&actions);
    assert_eq!((again[0].0, blocks(&again[0].1)), (PeerId(2), above(1, 2)));
}

#[test]
fn lists_of_a_peer_that_left_are_asked_of_another() {
    let (mut desk, (peer, _)) = asked();
    let again = sends(&give(&mut desk, 10, Input::PeerLeft { peer }));
    assert_eq!((again[0].0, blocks(&again[0].1)), (PeerId(2), above(1, 2)));
}
