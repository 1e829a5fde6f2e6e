//! Heads on other branches: below the first state, where nothing can be taken back any more, and two that are named in turn.

use snapsync_driver::{ForkchoiceVerdict, PayloadVerdict};

use super::{
    above::{Above, head},
    payloads::{EXTRA_DATA, Host, hash, payload, with},
    *,
};

const PARAMS: DemoParams =
    DemoParams { accounts: 900, contracts: 60, slots: 500, blocks: 8, history_from: 0, seed: 26 };
const BLOCKS: u64 = 6;

// ROW: F1
#[test]
fn a_head_below_the_first_state_that_no_peer_has_is_waited_for_and_the_way_back_is_open() {
    let host = Host::start(Above::serve(PARAMS, 1, BLOCKS));
    let (base, top) = (host.above.base, host.above.top);
    host.sync_to(head(base));
    for block in &host.blocks() {
        assert_eq!(host.give(block), PayloadVerdict::Valid);
    }
    host.reach(top.hash);

    // Of this one the parent's state was never here, and its own no peer has.
    let below = with(&payload(&host.above, base.number - 1), EXTRA_DATA, b"below");
    assert_eq!(host.give(&below), PayloadVerdict::Accepted);
    for turn in 0..3 {
        let mut events = host.sync.events();
        assert_eq!(host.choose(hash(&below)), ForkchoiceVerdict::Syncing, "{turn}");
        host.reach(top.hash);
        assert_eq!(host.state(), Some((top.number, top.hash)), "{turn}");
        let mut moves = 0;
        while let Some(Some(event)) = futures::FutureExt::now_or_never(events.next()) {
            moves += usize::from(matches!(event, Event::PivotMoved { .. }));
        }
        assert!(moves <= 4, "there, and back by way of one that nobody has: {moves} moves in turn {turn}");
    }
    host.end();
}

// ROW: F1, F9
#[test]
fn a_head_below_the_first_state_that_peers_have_is_reached_by_what_differs() {
    let mut host = Host::start(Above::serve(PARAMS, 1, BLOCKS));
    let top = host.above.top;
    host.sync_to(head(top));
    let accounts = host.sync.progress().durable.accounts;
    let turned = host.above.chain.turn(3).expect("it turns");
    assert!(turned.fork < top.number, "{turned:?}");
    // As high as the state is: the signatures above it are noise.
    let history = host.above.chain.history().snapshot().expect("a snapshot");
    let other = history.canonical(top.number).expect("rows").expect("it is held");
    drop(history);
    host.reach(other);
    assert_eq!(host.state(), Some((top.number, other)));
    let progress = host.sync.progress();
    assert_eq!(progress.durable.accounts, accounts, "no range is fetched again: {progress:?}");
    host.end();
}

// ROW: F1
#[test]
fn two_heads_that_are_named_in_turn_are_both_valid_each_time_and_nothing_grows() {
    let host = Host::start(Above::serve(PARAMS, 1, BLOCKS));
    let (base, top) = (host.above.base, host.above.top);
    host.sync_to(head(base));
    let blocks = host.blocks();
    let beside = with(&blocks[2], EXTRA_DATA, b"beside");
    for block in blocks.iter().chain([&beside]) {
        assert_eq!(host.give(block), PayloadVerdict::Valid);
    }
    host.above.demo.log.drain();
    let held = || {
        let rows = host.sync.remote().stores().1.snapshot().and_then(|history| history.rows()).expect("rows");
        (rows.headers, rows.bodies, rows.receipts)
    };
    let mut after = Vec::new();
    for _ in 0..16 {
        host.reach(top.hash);
        assert_eq!(host.state(), Some((top.number, top.hash)));
        host.reach(hash(&beside));
        assert_eq!(host.state(), Some((base.number + 3, hash(&beside))));
        after.push(held());
    }
    assert!(after.iter().all(|held| *held == after[0]), "{after:?}");
    assert_eq!(host.above.demo.log.drain().len(), 0, "nobody was asked for anything");
    host.end();
}
