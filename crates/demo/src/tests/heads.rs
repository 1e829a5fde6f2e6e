//! The chain of a demo moves: heads above and beside the one that was synced to, over real sockets.

use alloy_primitives::B256;
use snapsync_driver::Head;
use snapsync_storage::{Config as StorageConfig, Descent, VerifyConfig, verify};

use super::*;
use crate::{
    blocks::ChainMaker,
    chain::{CHAIN_ID, write_segment},
};

const PARAMS: DemoParams =
    DemoParams { accounts: 3_000, contracts: 200, slots: 2_000, blocks: 60, history_from: 0, seed: 6 };

impl Demo {
    /// The peers' chain goes on above one of its blocks; its new head.
    fn go_on(&self, above: Head, count: u64, seed: u64) -> Head {
        let mut maker = ChainMaker::on(above.number, above.hash, seed, CHAIN_ID);
        let blocks: Vec<_> = (0..count).map(|_| maker.next_block(B256::repeat_byte(0x5e))).collect();
        let top = blocks.last().map(|block| Head { number: block.number, hash: block.hash });
        let config = StorageConfig::small(&self.dir.path().join("chain"));
        let writer = self.store.history.writer(&config, Box::new(drop)).expect("one writer");
        write_segment(blocks, 0, Descent::Begins, |write| writer.send(write)).expect("they are true");
        writer.join().expect("they are durable");
        top.expect("at least one block")
    }

    fn target(&self) -> Head {
        Head { number: self.chain.target.number, hash: self.chain.target.hash }
    }

    fn hash(&self, number: u64) -> Head {
        let hash = self.store.history.snapshot().expect("a snapshot").canonical(number).expect("rows");
        Head { number, hash: hash.expect("it is held") }
    }

    /// Names a head, and waits until it is the top of the chain and all below it is held; the figures then.
    fn follow(&self, sync: &SnapSync, head: Head) -> Progress {
        let mut events = sync.events();
        sync.forkchoice_updated(Forkchoice::head(head.hash)).expect("it runs");
        let until = Instant::now() + PATIENCE;
        self.runtime.block_on(async {
            loop {
                assert!(Instant::now() < until, "{:?}", sync.progress());
                match events.next().await {
                    Some(Event::Head(top)) if top == head => break,
                    Some(Event::PeerFault { peer, fault }) => panic!("{peer} is honest: {fault}"),
                    Some(_) => {}
                    None => panic!("the sync ended early"),
                }
            }
        });
        wait(sync, |figures| figures.bodies_missing + figures.receipts_missing + figures.headers_missing == 0)
    }
}

/// Figures that are published a moment later.
fn wait(sync: &SnapSync, is: impl Fn(&Progress) -> bool) -> Progress {
    let until = Instant::now() + PATIENCE;
    // Those from before the join may say that nothing is missing; five times a second there are newer ones.
    std::thread::sleep(Duration::from_millis(500));
    loop {
        let figures = sync.progress();
        if is(&figures) {
            return figures;
        }
        assert!(Instant::now() < until, "{figures:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn later_heads_cost_their_own_headers_and_a_fork_is_followed() {
    let demo = Demo::serve(PARAMS, 2);
    let sync = SnapSync::start(demo.config()).expect("started");
    sync.forkchoice_updated(Forkchoice::head(demo.target().hash)).expect("it runs");
    let first = wait(&sync, |figures| figures.phase == "complete");
    assert_eq!((first.durable.headers, first.durable.bodies, first.durable.receipts), (60, 60, 60));

    let above = demo.go_on(demo.target(), 7, 1);
    let second = demo.follow(&sync, above);
    assert_eq!((second.durable.headers, second.durable.bodies), (67, 67), "its own headers only");
    assert_eq!((second.phase.as_str(), second.target_number), ("complete", Some(60)), "the state stays");

    // Three blocks are left, five come.
    let beside = demo.go_on(demo.hash(64), 5, 2);
    let third = demo.follow(&sync, beside);
    let headers = third.durable.headers - second.durable.headers;
    assert!((5..=5 + 2 * 3).contains(&headers), "{headers} headers for five");
    assert_eq!(third.durable.bodies - second.durable.bodies, 5);
    sync.shutdown_blocking().expect("a clean end");

    // The next run goes on from the head that is held.
    let last = demo.go_on(beside, 2, 3);
    let sync = SnapSync::start(demo.config()).expect("started");
    let fourth = demo.follow(&sync, last);
    assert_eq!((fourth.durable.headers, fourth.durable.bodies, fourth.durable.accounts), (2, 2, 0));
    sync.shutdown_blocking().expect("a clean end");

    let check = VerifyConfig { threads: 2, findings_max: 9 };
    let report = verify(&demo.datadir(), check).expect("a directory");
    assert_eq!((report.findings.len(), report.headers, report.bodies), (0, 71, 71), "{:?}", report.findings);
    let store = snapsync_storage::HistoryStore::open_read_only(&demo.datadir()).expect("a history");
    let journal = store.journal().expect("a journal");
    assert_eq!(journal.counters.headers, 60 + 7 + 5 + 2, "none is written twice");
    assert_eq!(journal.headers.map(|piece| (piece.top.number, piece.floor)), Some((71, 1)));
}

#[test]
fn head_that_is_named_while_the_sync_runs_is_followed_and_the_target_completes() {
    let demo = Demo::serve(PARAMS, 2);
    let head = demo.go_on(demo.target(), 20, 1);
    let sync = SnapSync::start(demo.config()).expect("started");
    sync.forkchoice_updated(Forkchoice::head(demo.target().hash)).expect("it runs");
    let figures = demo.follow(&sync, head);
    let figures = if figures.phase == "complete" {
        figures
    } else {
        wait(&sync, |figures| figures.phase == "complete" && figures.bodies_missing == 0)
    };
    assert_eq!((figures.durable.headers, figures.durable.bodies), (80, 80));
    sync.shutdown_blocking().expect("a clean end");
}
