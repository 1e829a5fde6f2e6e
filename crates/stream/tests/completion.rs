//! Once the state was verified nothing of it is asked for any more, and what comes late is dropped; the head goes on.

mod setup;

use std::collections::VecDeque;

use snapsync_peers::{Noun, Outcome, PeerId};
use snapsync_stream::{Action, Answered, Desk, Input, Request, RequestId, Verdict, What};
use snapsync_sync::{
    Config, Coverage, Effect, Engine, Event, HashRange, HeaderFloor, History, Journal, Phase, Pin, Target,
    TargetId, Ticket,
};

use setup::{HEAD, give, hash, profile, sends, wait};

const ROOT: u64 = 77;

/// A desk that misses some accounts of block 4000, and two peers.
fn desk() -> (Desk, Vec<(PeerId, Request)>) {
    let mut journal = Journal::fresh();
    let pin = Pin { id: TargetId(1), target: Target { number: HEAD, hash: hash(HEAD), root: hash(ROOT) } };
    (journal.pin, journal.targets, journal.phase) = (Some(pin), vec![pin], Phase::Download);
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    let missing = HashRange::FULL.split(64)[7];
    journal.accounts = Coverage::all_but([missing], TargetId(1));
    let config =
        Config { history: History::None, follow_blocks_max: Some(1024), ..Config::standing(hash(0)) };
    let stream = snapsync_stream::Config::standing(64 << 20);
    let mut desk = Desk::new(stream, Engine::resume(config, journal), 1);
    wait(&mut desk, 0);
    let mut sent = Vec::new();
    for peer in [1, 2] {
        let joined = Input::PeerJoined { peer: PeerId(peer), profile: profile(peer) };
        sent.extend(sends(&give(&mut desk, 0, joined)));
    }
    (desk, sent)
}

fn arrived(peer: PeerId, request: RequestId) -> Input {
    Input::Arrived { peer, request, noun: Noun::Accounts, bytes: 5_000 }
}

/// All accounts that were asked for are here, and durable.
fn answer(desk: &mut Desk, now: u64, (peer, request): &(PeerId, Request)) -> Vec<Action> {
    let What::Accounts { range, target, .. } = request.what else { panic!("{request:?}") };
    let mut actions = give(desk, now, arrived(*peer, request.id));
    let verdict = Verdict { outcome: Outcome::Complete, answered: Answered::Accounts { covered: range } };
    actions.extend(give(desk, now, Input::Judged { request: request.id, verdict }));
    let durable = Event::AccountsDurable {
        job: request.job,
        ticket: Ticket::from(request.id),
        covered: range,
        target,
        storages: vec![],
        codes: vec![],
    };
    actions.extend(give(desk, now, Input::Sync(durable)));
    actions
}

// ROW: F26
#[test]
fn what_comes_after_completion_is_dropped_and_no_range_is_asked_for_any_more() {
    let (mut desk, sent) = desk();
    let mut waiting: VecDeque<(PeerId, Request)> = sent.into();
    let late = waiting.pop_front().expect("something is missing");
    let (mut now, mut rebuilds) = (10, false);
    while !rebuilds {
        let actions = match waiting.pop_front() {
            Some(request) => answer(&mut desk, now, &request),
            None => {
                // The first peer says nothing.
                now = u64::try_from(desk.next_timeout().expect("it is not over").as_millis()).unwrap() + 1;
                wait(&mut desk, now)
            }
        };
        waiting.extend(sends(&actions));
        rebuilds = actions.iter().any(|action| matches!(action, Action::Sync(Effect::Rebuild { .. })));
    }
    let rebuilt = Event::Rebuilt { root: hash(ROOT) };
    assert!(sends(&give(&mut desk, now, Input::Sync(rebuilt))).is_empty());
    assert_eq!(desk.engine().phase(), Phase::Follow);
    let dropped = Action::Discard { peer: late.0, request: late.1.id };
    assert_eq!(give(&mut desk, now, arrived(late.0, late.1.id)), [dropped]);
    assert_eq!((desk.reserved_bytes(), desk.reservations()), (0, 0));

    let named = Event::HeadNamed { hash: hash(HEAD + 9) };
    let mut asked = sends(&give(&mut desk, now, Input::Sync(named)));
    let until = now + 120_000;
    while let Some(at) = desk.next_timeout().map(|at| u64::try_from(at.as_millis()).unwrap() + 1)
        && at < until
    {
        asked.extend(sends(&wait(&mut desk, at)));
    }
    assert!(!asked.is_empty(), "the head is asked for");
    assert!(asked.iter().all(|(_, request)| request.what.noun() == Noun::Headers), "{asked:?}");
}
