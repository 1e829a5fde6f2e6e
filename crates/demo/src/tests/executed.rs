//! Blocks above a verified state are executed by a host that names heads, taken back where the chain leaves them, and refused where they are bad.

use snapsync_driver::{Head, TakenBy};
use snapsync_execute::{
    Follower,
    evm::{Config as Execution, EvmExecutor},
};
use snapsync_storage::{StateStore, TargetRecord, VerifyConfig, verify};

use super::*;
use crate::{BlockMaker, MovingChain};

const PARAMS: DemoParams =
    DemoParams { accounts: 900, contracts: 60, slots: 500, blocks: 8, history_from: 0, seed: 5 };
const BLOCKS: u64 = 6;

fn head(block: TargetRecord) -> Head {
    Head { number: block.number, hash: block.hash }
}

/// What is heard until `is_last`.
fn hear(demo: &Demo, sync: &SnapSync, named: Head, is_last: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut events = sync.events();
    sync.forkchoice_updated(Forkchoice::head(named.hash)).expect("it runs");
    let (until, mut heard) = (Instant::now() + PATIENCE, Vec::new());
    demo.runtime.block_on(async {
        loop {
            assert!(Instant::now() < until, "{:?}", sync.progress());
            match events.next().await {
                Some(Event::PeerFault { peer, fault }) => panic!("{peer} is honest: {fault}"),
                Some(event) => {
                    let is_over = is_last(&event);
                    heard.push(event);
                    if is_over {
                        return heard;
                    }
                }
                None => panic!("the sync ended early"),
            }
        }
    })
}

// ROW: F26
#[test]
fn nothing_of_the_state_is_asked_for_once_it_was_verified_and_blocks_follow() {
    use snapsync_serve::RequestKind::{self, Bodies, Headers, Receipts};
    // One peer: nothing is asked of a second one, which may be slow to hear of it.
    let mut demo = Demo::serve(PARAMS, 1);
    let mut maker = BlockMaker::new(&demo.chain, PARAMS.seed).expect("its genesis is read");
    let mut chain =
        MovingChain::open(&demo.store, &demo.dir.path().join("chain"), PARAMS.seed).expect("it goes on");
    let (base, top) = chain.execute_above(&mut maker, PARAMS, BLOCKS).expect("executed");
    demo.chain.target = base;
    let executor = Box::new(EvmExecutor::new(Execution::node()));
    let follower = Follower::executing(maker.forks().clone(), executor);
    let sync = SnapSync::start_following(demo.config(), follower).expect("started");
    hear(&demo, &sync, head(base), |event| matches!(event, Event::StateVerified(_)));
    let asked = |demo: &Demo| demo.log.drain().iter().map(|entry| entry.kind).collect::<Vec<RequestKind>>();
    assert!(asked(&demo).contains(&RequestKind::Accounts), "the state came by ranges");
    let is_top = |event: &Event| matches!(event, Event::BlockTaken { block, .. } if *block == head(top));
    hear(&demo, &sync, head(top), is_top);
    sync.shutdown_blocking().expect("a clean end");
    chain.close().expect("a clean end");
    let after = asked(&demo);
    assert!(after.contains(&Bodies) && after.contains(&Headers), "blocks follow: {after:?}");
    let is_of_blocks = |kind: &RequestKind| [Bodies, Headers, Receipts].contains(kind);
    assert!(after.iter().all(is_of_blocks), "{after:?}");
}

// ROW: F7, F53
#[test]
fn a_host_that_names_heads_has_blocks_executed_taken_back_and_refused() {
    let mut demo = Demo::serve(PARAMS, 2);
    let mut maker = BlockMaker::new(&demo.chain, PARAMS.seed).expect("its genesis is read");
    let mut chain =
        MovingChain::open(&demo.store, &demo.dir.path().join("chain"), PARAMS.seed).expect("it goes on");
    let (base, top) = chain.execute_above(&mut maker, PARAMS, BLOCKS).expect("executed");
    assert_eq!((head(base), top.number), (head(demo.chain.target), base.number + BLOCKS));
    let again = chain.execute_above(&mut maker, PARAMS, BLOCKS).expect("executed");
    assert_eq!(again, (base, top), "as many as are wanted are there");
    demo.chain.target = base;

    let executor = Box::new(EvmExecutor::new(Execution::node()));
    let follower = Follower::executing(maker.forks().clone(), executor);
    let sync = SnapSync::start_following(demo.config(), follower).expect("started");
    hear(&demo, &sync, head(base), |event| matches!(event, Event::StateVerified(_)));
    let is_top = |event: &Event| matches!(event, Event::BlockTaken { block, .. } if *block == head(top));
    let heard = hear(&demo, &sync, head(top), is_top);
    let taken = heard.iter().filter_map(|event| match event {
        Event::BlockTaken { block, transactions, by, .. } => Some((block.number, *transactions, *by)),
        _ => None,
    });
    let taken: Vec<(u64, usize, TakenBy)> = taken.collect();
    let numbers: Vec<u64> = taken.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (base.number + 1..=top.number).collect::<Vec<_>>(), "each once, in order");
    assert!(taken.iter().all(|(_, _, by)| *by == TakenBy::Execution));
    assert!(taken[1..].iter().all(|(_, transactions, _)| *transactions > 0), "{taken:?}");

    // The signatures of the other branch are noise: whoever made its first block is to blame, and nobody who sent it.
    let turned = chain.turn(3).expect("it turns");
    let other = head(chain.head().expect("a head"));
    let heard = hear(&demo, &sync, other, |event| matches!(event, Event::BlockRefused { .. }));
    let taken_back = heard.iter().filter(|event| matches!(event, Event::BlockTakenBack { .. })).count();
    assert_eq!(taken_back, 3, "{heard:?}");
    let Some(Event::BlockRefused { block, reason }) = heard.last() else { panic!("{heard:?}") };
    assert_eq!(block.number, turned.fork + 1, "{reason}");
    assert!(reason.contains("transaction 0"), "{reason}");
    sync.shutdown_blocking().expect("a clean end");
    chain.close().expect("a clean end");
    let report = verify(&demo.datadir(), VerifyConfig::all_cores()).expect("it can be read");
    assert!(report.is_clean(), "{:?}", report.findings);
    assert!(report.complete, "{report:?}");
    let disk = StateStore::open_read_only(&demo.datadir()).expect("it is there");
    let progress = disk.snapshot().and_then(|state| state.progress()).expect("it can be read");
    let state = progress.and_then(|progress| progress.whole());
    assert_eq!(state.map(|state| state.number), Some(turned.fork));
}
