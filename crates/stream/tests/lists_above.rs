//! What the desk makes of access lists that are kept until their blocks are taken: one request at a time, and no more than may be kept.

mod setup;

use snapsync_peers::{Fault, Noun, Outcome, PeerId, PeerProfile};
use snapsync_stream::{Action, Answered, Desk, Input, Request, Verdict, What};
use snapsync_sync::{
    BlockRange, Config, Coverage, Engine, Event, Head, HeaderFloor, History, Journal, Phase, Pin, Standing,
    Target, TargetId,
};

use setup::{HEAD, give, hash, sends, wait};

/// A desk whose state of block 4000 was verified, below a chain of this many blocks more; blocks are taken by their lists.
fn desk(above: u64, budget_bytes: u64) -> Desk {
    let target = Target { number: HEAD, hash: hash(HEAD), root: hash(77) };
    let pin = Pin { id: TargetId(1), target };
    let mut journal = Journal::fresh();
    (journal.pin, journal.targets, journal.phase) = (Some(pin), vec![pin], Phase::Complete);
    journal.rebuilt = Some(target.root);
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    journal.head = Some(Head { number: HEAD + above, hash: hash(HEAD + above) });
    journal.accounts = Coverage::all(Standing::At(TargetId(1)));
    let config =
        Config { history: History::None, follow_blocks_max: Some(1024), ..Config::standing(hash(0)) };
    let stream =
        snapsync_stream::Config { lists_per_request: 2, ..snapsync_stream::Config::standing(budget_bytes) };
    let mut desk = Desk::new(stream, Engine::resume(config, journal), 1);
    wait(&mut desk, 0);
    desk
}

fn join(desk: &mut Desk, peer: u64) -> Vec<(PeerId, Request)> {
    let blocks = BlockRange::new(0, HEAD + 1000);
    let profile = PeerProfile { eth: 71, blocks, ..setup::profile(peer) };
    sends(&give(desk, 0, Input::PeerJoined { peer: PeerId(peer), profile }))
}

fn want(desk: &mut Desk) -> Vec<(PeerId, Request)> {
    sends(&give(desk, 0, Input::Sync(Event::ListsWanted)))
}

fn blocks(request: &Request) -> (u64, u64) {
    match request.what {
        What::ListsAbove { blocks } => (blocks.first - HEAD, blocks.last - HEAD),
        _ => panic!("lists were expected: {request:?}"),
    }
}

/// The first so many lists of an answer are here and hold so many bytes together; gives what is sent next.
fn answer(
    desk: &mut Desk,
    now: u64,
    (peer, request): &(PeerId, Request),
    lists: u64,
    bytes: u64,
) -> Vec<(PeerId, Request)> {
    let What::ListsAbove { blocks } = request.what else { panic!("{request:?}") };
    let arrived = Input::Arrived { peer: *peer, request: request.id, noun: Noun::Lists, bytes };
    assert_eq!(setup::judgements(&give(desk, now, arrived)).len(), 1);
    let found = BlockRange { first: blocks.first, last: blocks.first + lists - 1 };
    let outcome = if found == blocks { Outcome::Complete } else { Outcome::Partial };
    let verdict = Verdict { outcome, answered: Answered::Kept { found } };
    sends(&give(desk, now, Input::Judged { request: request.id, verdict }))
}

#[test]
fn lists_are_asked_for_in_order_and_hold_their_bytes_until_they_are_used() {
    let mut desk = desk(5, 64 << 20);
    assert!(join(&mut desk, 1).is_empty() && join(&mut desk, 2).is_empty(), "nobody wants any");
    let first = want(&mut desk);
    assert_eq!(
        first.iter().map(|(_, request)| blocks(request)).collect::<Vec<_>>(),
        [(1, 2)],
        "one at a time"
    );
    let rest = answer(&mut desk, 10, &first[0], 1, 1_000);
    assert_eq!(blocks(&rest[0].1), (2, 2), "what was left out comes first");
    let next = answer(&mut desk, 20, &rest[0], 1, 1_000);
    assert_eq!(blocks(&next[0].1), (3, 4));
    let last = answer(&mut desk, 30, &next[0], 2, 2_000);
    assert!(answer(&mut desk, 40, &last[0], 1, 1_000).is_empty());
    assert_eq!(desk.reserved_bytes(), 5_000);
    for (request, left) in [(&first, 4_000), (&rest, 3_000), (&next, 1_000), (&last, 0)] {
        give(&mut desk, 50, Input::Used { request: request[0].1.id });
        assert_eq!(desk.reserved_bytes(), left);
    }
    assert_eq!(desk.reservations(), 0);
}

// ROW: F29
#[test]
fn no_list_is_asked_for_while_as_many_bytes_are_kept_as_may_be() {
    let mut desk = desk(40, 64 << 20);
    join(&mut desk, 1);
    let mut sent = want(&mut desk);
    let mut kept = Vec::new();
    while let [request] = &sent[..] {
        let (first, last) = blocks(&request.1);
        kept.push(request.1.id);
        sent = answer(&mut desk, 10, request, last + 1 - first, 1 << 20);
    }
    assert!(sent.is_empty() && kept.len() == 4, "6 % are 3.84 MiB: {}", kept.len());
    assert_eq!(desk.reserved_bytes(), 4 << 20);
    // The lowest blocks are taken.
    let sent = sends(&give(&mut desk, 20, Input::Used { request: kept[0] }));
    assert_eq!(sent.len(), 1);
}

#[test]
fn a_wrong_list_costs_its_sender_and_is_asked_of_another() {
    let mut desk = desk(2, 64 << 20);
    join(&mut desk, 1);
    join(&mut desk, 2);
    let sent = want(&mut desk);
    let (liar, request) = &sent[0];
    give(&mut desk, 10, Input::Arrived { peer: *liar, request: request.id, noun: Noun::Lists, bytes: 5_000 });
    let fault = Fault::WrongList { number: HEAD + 1 };
    let verdict = Verdict::invalid(fault.clone());
    let actions = give(&mut desk, 20, Input::Judged { request: request.id, verdict });
    assert!(actions.contains(&Action::Disconnect { peer: *liar, fault }));
    let again = sends(&actions);
    assert_eq!(blocks(&again[0].1), (1, 2));
    assert_ne!(again[0].0, *liar);
}

#[test]
fn what_is_not_wanted_any_more_is_not_asked_for_and_dropped_when_it_comes() {
    let mut desk = desk(10, 64 << 20);
    join(&mut desk, 1);
    let sent = want(&mut desk);
    assert!(sends(&give(&mut desk, 10, Input::Sync(Event::ListsUnwanted))).is_empty());
    let (peer, request) = &sent[0];
    let late = Input::Arrived { peer: *peer, request: request.id, noun: Noun::Lists, bytes: 5_000 };
    let dropped = Action::Discard { peer: *peer, request: request.id };
    assert_eq!(give(&mut desk, 20, late), [dropped]);
    assert_eq!(desk.reservations(), 0);
}
