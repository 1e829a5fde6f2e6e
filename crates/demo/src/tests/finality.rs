//! Blocks that the chain has left go from the disk once a host names what is final, over real sockets.

use std::pin::Pin;

use alloy_primitives::B256;
use futures::Stream;
use snapsync_driver::{Head, MoveReason};
use snapsync_storage::{HistoryStore, TargetRecord, VerifyConfig, verify};

use super::*;
use crate::MovingChain;

const PARAMS: DemoParams =
    DemoParams { accounts: 900, contracts: 60, slots: 500, blocks: 20, history_from: 0, seed: 12 };
/// Blocks that are left, and how many more the chain has by then than it had.
const LEFT: u64 = 4;
const MORE: u64 = 3;

/// Waits until this is told; it may have been before.
fn wait(
    demo: &Demo,
    events: &mut Pin<Box<dyn Stream<Item = Event> + Send>>,
    all: &mut Vec<Event>,
    is: impl Fn(&Event) -> bool,
) {
    let until = Instant::now() + PATIENCE;
    while !all.iter().any(&is) {
        let next = async { tokio::time::timeout_at(until.into(), events.next()).await };
        match demo.runtime.block_on(next).unwrap_or_else(|_| panic!("in time: {all:?}")) {
            Some(Event::PeerFault { peer, fault }) => panic!("{peer} is honest: {fault}"),
            Some(event) => all.push(event),
            None => panic!("the sync ended early: {all:?}"),
        }
    }
}

// ROW: F28
#[test]
fn blocks_that_the_chain_has_left_go_once_a_host_names_what_is_final() {
    let demo = Demo::serve(PARAMS, 2);
    let mut chain =
        MovingChain::open(&demo.store, &demo.dir.path().join("chain"), PARAMS.seed).expect("it goes on");
    let grow = |chain: &mut MovingChain, blocks: u64| -> TargetRecord {
        (0..blocks).map(|_| chain.grow().expect("a block")).last().expect("some")
    };
    let left = grow(&mut chain, LEFT);
    let fork = chain.turn(LEFT).expect("it turns").fork;
    assert_eq!((left.number, fork), (PARAMS.blocks + LEFT, PARAMS.blocks));
    let head = grow(&mut chain, LEFT + MORE - 1);
    demo.peers.as_ref().expect("they run").announcer().look(&demo.store.history).expect("our own disk");
    let canonical = demo.store.history.snapshot().expect("a snapshot").canonical(left.number);
    let last = Head { number: left.number, hash: canonical.expect("rows").expect("it is held") };

    // The first target is on the branch that was left, and so are the headers below it.
    let sync = SnapSync::start(demo.config()).expect("started");
    let (mut events, mut all): (Pin<Box<dyn Stream<Item = Event> + Send>>, _) =
        (Box::pin(sync.events()), Vec::new());
    sync.forkchoice_updated(Forkchoice::head(left.hash)).expect("it runs");
    wait(&demo, &mut events, &mut all, |event| matches!(event, Event::Pinned(to) if to.hash == left.hash));
    let named = |finalized| Forkchoice { head: head.hash, safe: B256::ZERO, finalized };
    sync.forkchoice_updated(named(last.hash)).expect("it runs");
    let is_final = |event: &Event| matches!(event, Event::Finalized { block, .. } if *block == last);
    wait(&demo, &mut events, &mut all, is_final);
    wait(&demo, &mut events, &mut all, |event| matches!(event, Event::Complete(_)));
    let is_left = |event: &Event| matches!(event, Event::PivotMoved { why: MoveReason::Orphaned, .. });
    assert!(all.iter().any(is_left), "{all:?}");
    assert!(all.contains(&Event::Finalized { block: last, pruned: LEFT }), "{all:?}");

    // Somebody who contradicts himself is told so, once of each block, and takes nothing away.
    let refused = |hash: B256| move |event: &Event| *event == Event::FinalRejected { hash };
    sync.forkchoice_updated(named(left.hash)).expect("it runs");
    wait(&demo, &mut events, &mut all, refused(left.hash));
    for finalized in [left.hash, B256::repeat_byte(1)] {
        sync.forkchoice_updated(named(finalized)).expect("it runs");
    }
    wait(&demo, &mut events, &mut all, refused(B256::repeat_byte(1)));
    assert_eq!(all.iter().filter(|event| refused(left.hash)(event)).count(), 1, "{all:?}");
    sync.shutdown_blocking().expect("a clean end");
    chain.close().expect("durable");

    let held = HistoryStore::open_read_only(&demo.datadir()).expect("a history").snapshot().expect("rows");
    assert_eq!(held.header_by_hash(&left.hash).expect("rows"), None);
    let rows = held.rows().expect("rows");
    assert_eq!((rows.headers, rows.bodies, rows.receipts), (head.number, head.number, head.number));
    drop(held);
    let report = verify(&demo.datadir(), VerifyConfig::all_cores()).expect("it can be read");
    assert!(report.is_clean() && report.complete, "{report:?}");
}
