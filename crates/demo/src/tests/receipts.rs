//! Receipts of blocks that are executed are those that execution gave: no peer is asked for them.

use snapsync_serve::{RequestKind, ServeEntry};
use snapsync_storage::{HistoryStore, VerifyConfig, verify};

use super::{
    above::{Above, head},
    *,
};

const PARAMS: DemoParams =
    DemoParams { accounts: 900, contracts: 60, slots: 500, blocks: 8, history_from: 0, seed: 15 };
const BLOCKS: u64 = 12;

fn asked(log: &[ServeEntry], kind: RequestKind) -> usize {
    log.iter().filter(|entry| entry.kind == kind).count()
}

// ROW: F13
#[test]
fn receipts_of_blocks_that_are_executed_are_not_asked_of_peers_and_are_held_afterwards() {
    let above = Above::serve(PARAMS, 2, BLOCKS);
    let (demo, top) = (&above.demo, above.top);
    let sync = above.start();
    above.hear(&sync, head(above.base), |event| matches!(event, Event::Complete(_)));
    assert!(asked(&demo.log.drain(), RequestKind::Receipts) > 0, "those below the state come of peers");
    above.hear_top(&sync);
    let after = demo.log.drain();
    assert_eq!((asked(&after, RequestKind::Receipts), demo.log.lost()), (0, 0));
    assert!(asked(&after, RequestKind::Bodies) > 0);
    sync.shutdown_blocking().expect("a clean end");

    let held = HistoryStore::open_read_only(&demo.datadir()).expect("a history");
    assert_eq!(held.journal().expect("a journal").receipts, [], "none is missing");
    let whole = held.snapshot().and_then(|snapshot| snapshot.whole()).expect("rows");
    assert_eq!(whole.map(|blocks| (blocks.first, blocks.last)), Some((1, top.number)));
    drop(held);
    let report = verify(&demo.datadir(), VerifyConfig::all_cores()).expect("it can be read");
    assert!(report.is_clean() && report.complete, "{report:?}");
    assert_eq!(report.receipts, top.number);
    above.chain.close().expect("a clean end");
}
