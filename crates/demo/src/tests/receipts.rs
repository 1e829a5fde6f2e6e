//! Receipts of blocks that are executed are those that execution gave: no peer is asked for them.

use snapsync_execute::{
    Follower,
    evm::{Config as Execution, EvmExecutor},
};
use snapsync_serve::{RequestKind, ServeEntry};
use snapsync_storage::{HistoryStore, VerifyConfig, verify};

use super::*;
use crate::{BlockMaker, MovingChain};

const PARAMS: DemoParams =
    DemoParams { accounts: 900, contracts: 60, slots: 500, blocks: 8, history_from: 0, seed: 15 };
const BLOCKS: u64 = 12;

fn asked(log: &[ServeEntry], kind: RequestKind) -> usize {
    log.iter().filter(|entry| entry.kind == kind).count()
}

// ROW: F13
#[test]
fn receipts_of_blocks_that_are_executed_are_not_asked_of_peers_and_are_held_afterwards() {
    let mut demo = Demo::serve(PARAMS, 2);
    let mut maker = BlockMaker::new(&demo.chain, PARAMS.seed).expect("its genesis is read");
    let mut chain =
        MovingChain::open(&demo.store, &demo.dir.path().join("chain"), PARAMS.seed).expect("it goes on");
    let (base, top) = chain.execute_above(&mut maker, PARAMS, BLOCKS).expect("executed");
    demo.chain.target = base;

    let executor = Box::new(EvmExecutor::new(Execution::node()));
    let follower = Follower::executing(maker.forks().clone(), executor);
    let sync = SnapSync::start_following(demo.config(), follower).expect("started");
    let mut events = sync.events();
    let mut wait = |is: &dyn Fn(&Event) -> bool| {
        let until = Instant::now() + PATIENCE;
        loop {
            let next = async { tokio::time::timeout_at(until.into(), events.next()).await };
            match demo.runtime.block_on(next).expect("in time").expect("it runs") {
                Event::PeerFault { peer, fault } => panic!("{peer} is honest: {fault}"),
                event if is(&event) => return,
                _ => {}
            }
        }
    };
    sync.forkchoice_updated(Forkchoice::head(base.hash)).expect("it runs");
    wait(&|event| matches!(event, Event::Complete(_)));
    assert!(asked(&demo.log.drain(), RequestKind::Receipts) > 0, "those below the state come of peers");
    sync.forkchoice_updated(Forkchoice::head(top.hash)).expect("it runs");
    wait(&|event| matches!(event, Event::BlockTaken { block, .. } if block.hash == top.hash));
    let after = demo.log.drain();
    assert_eq!((asked(&after, RequestKind::Receipts), demo.log.lost()), (0, 0));
    assert!(asked(&after, RequestKind::Bodies) > 0);
    sync.shutdown_blocking().expect("a clean end");
    chain.close().expect("a clean end");

    let held = HistoryStore::open_read_only(&demo.datadir()).expect("a history");
    assert_eq!(held.journal().expect("a journal").receipts, [], "none is missing");
    let whole = held.snapshot().and_then(|snapshot| snapshot.whole()).expect("rows");
    assert_eq!(whole.map(|blocks| (blocks.first, blocks.last)), Some((1, top.number)));
    drop(held);
    let report = verify(&demo.datadir(), VerifyConfig::all_cores()).expect("it can be read");
    assert!(report.is_clean() && report.complete, "{report:?}");
    assert_eq!(report.receipts, top.number);
}
