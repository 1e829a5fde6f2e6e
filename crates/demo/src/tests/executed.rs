//! Blocks above a verified state are executed by a host that names heads, taken back where the chain leaves them, and refused where they are bad.

use snapsync_driver::TakenBy;
use snapsync_storage::{StateStore, VerifyConfig, verify};

use super::{
    above::{Above, head},
    *,
};

const PARAMS: DemoParams =
    DemoParams { accounts: 900, contracts: 60, slots: 500, blocks: 8, history_from: 0, seed: 5 };
const BLOCKS: u64 = 6;

// ROW: F26
#[test]
fn nothing_of_the_state_is_asked_for_once_it_was_verified_and_blocks_follow() {
    use snapsync_serve::RequestKind::{self, Bodies, Headers, Receipts};
    // One peer: nothing is asked of a second one, which may be slow to hear of it.
    let above = Above::serve(PARAMS, 1, BLOCKS);
    let sync = above.start();
    above.hear(&sync, head(above.base), |event| matches!(event, Event::StateVerified(_)));
    let asked = |demo: &Demo| demo.log.drain().iter().map(|entry| entry.kind).collect::<Vec<RequestKind>>();
    assert!(asked(&above.demo).contains(&RequestKind::Accounts), "the state came by ranges");
    above.hear_top(&sync);
    sync.shutdown_blocking().expect("a clean end");
    above.chain.close().expect("a clean end");
    let after = asked(&above.demo);
    assert!(after.contains(&Bodies) && after.contains(&Headers), "blocks follow: {after:?}");
    let is_of_blocks = |kind: &RequestKind| [Bodies, Headers, Receipts].contains(kind);
    assert!(after.iter().all(is_of_blocks), "{after:?}");
}

// ROW: F7, F53
#[test]
fn a_host_that_names_heads_has_blocks_executed_taken_back_and_refused() {
    let mut above = Above::serve(PARAMS, 2, BLOCKS);
    let (base, top) = (above.base, above.top);
    let again = above.chain.execute_above(&mut above.maker, PARAMS, BLOCKS).expect("executed");
    assert_eq!(again, (base, top), "as many as are wanted are there");

    let sync = above.start();
    above.hear(&sync, head(above.base), |event| matches!(event, Event::StateVerified(_)));
    let heard = above.hear_top(&sync);
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
    let turned = above.chain.turn(3).expect("it turns");
    let other = head(above.chain.head().expect("a head"));
    let heard = above.hear(&sync, other, |event| matches!(event, Event::BlockRefused { .. }));
    let taken_back = heard.iter().filter(|event| matches!(event, Event::BlockTakenBack { .. })).count();
    assert_eq!(taken_back, 3, "{heard:?}");
    let Some(Event::BlockRefused { block, reason }) = heard.last() else { panic!("{heard:?}") };
    assert_eq!(block.number, turned.fork + 1, "{reason}");
    assert!(reason.contains("transaction 0"), "{reason}");
    sync.shutdown_blocking().expect("a clean end");
    above.chain.close().expect("a clean end");
    let report = verify(&above.demo.datadir(), VerifyConfig::all_cores()).expect("it can be read");
    assert!(report.is_clean(), "{:?}", report.findings);
    assert!(report.complete, "{report:?}");
    let disk = StateStore::open_read_only(&above.demo.datadir()).expect("it is there");
    let progress = disk.snapshot().and_then(|state| state.progress()).expect("it can be read");
    let state = progress.and_then(|progress| progress.whole());
    assert_eq!(state.map(|state| state.number), Some(turned.fork));
}
