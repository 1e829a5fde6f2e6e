//! What the tests of the desk share: a desk over a journal, and the words to speak with it.

use std::time::Duration;

use alloy_primitives::{B256, U256};
use snapsync_peers::{Head, PeerId, PeerKind, PeerNode, PeerProfile};
use snapsync_stream::{Action, Config, Desk, Input, Judgement, Request};
use snapsync_sync::{
    BlockRange, Coverage, Effect, Engine, Event, HeaderFloor, Journal, Phase, Pin, Target, TargetId,
};

pub(crate) const HEAD: u64 = 4000;

pub(crate) fn hash(number: u64) -> B256 {
    B256::from(U256::from(number + 1).to_be_bytes())
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn profile(peer: u64) -> PeerProfile {
    let head = Head { number: Some(HEAD), hash: hash(HEAD) };
    let node = PeerNode(hash(peer));
    PeerProfile {
        node,
        eth: 70,
        snap: Some(1),
        head,
        blocks: BlockRange::new(0, HEAD),
        kind: PeerKind::Static,
    }
}

/// A desk over a journal that misses only what `change` takes away, with this many peers.
#[allow(dead_code, reason = "some tests begin with a verified state")]
pub(crate) fn desk(
    peers: u64,
    budget_bytes: u64,
    change: impl FnOnce(&mut Journal, &mut Config),
) -> (Desk, Vec<Action>) {
    let mut journal = Journal::fresh();
    let target = Target { number: HEAD, hash: hash(HEAD), root: hash(77) };
    let pin = Pin { id: TargetId(1), target };
    (journal.pin, journal.targets) = (Some(pin), vec![pin]);
    journal.phase = Phase::Download;
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    journal.accounts = Coverage::all_but([], TargetId(1));
    let mut config = Config::standing(budget_bytes);
    change(&mut journal, &mut config);
    let engine = Engine::resume(snapsync_sync::Config::standing(hash(0)), journal);
    let mut desk = Desk::new(config, engine, 1);
    let mut actions = Vec::new();
    for peer in 1..=peers {
        actions.extend(give(&mut desk, 0, Input::PeerJoined { peer: PeerId(peer), profile: profile(peer) }));
    }
    (desk, actions)
}

pub(crate) fn give(desk: &mut Desk, now: u64, input: Input) -> Vec<Action> {
    desk.handle(ms(now), input);
    drain(desk, now)
}

pub(crate) fn wait(desk: &mut Desk, now: u64) -> Vec<Action> {
    desk.handle_timeout(ms(now));
    drain(desk, now)
}

/// What the desk wants. Where the engine looks for blocks that the chain has left, there are none.
fn drain(desk: &mut Desk, now: u64) -> Vec<Action> {
    let mut actions = Vec::new();
    while let Some(action) = desk.poll() {
        match action {
            Action::Sync(Effect::FindLeft { .. }) => {
                let none = Event::LeftFound { left: vec![], unheld: None };
                desk.handle(ms(now), Input::Sync(none));
            }
            action => actions.push(action),
        }
    }
    actions
}

pub(crate) fn sends(actions: &[Action]) -> Vec<(PeerId, Request)> {
    let send = |action: &Action| match action {
        Action::Send { peer, request } => Some((*peer, request.clone())),
        _ => None,
    };
    actions.iter().filter_map(send).collect()
}

#[allow(dead_code, reason = "not every test has answers judged by hand")]
pub(crate) fn judgements(actions: &[Action]) -> Vec<Judgement> {
    let judge = |action: &Action| match action {
        Action::Judge(judgement) => Some(judgement.clone()),
        _ => None,
    };
    actions.iter().filter_map(judge).collect()
}
