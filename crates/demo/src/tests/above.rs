//! A served chain with blocks above the state that is synced, and a host that executes them.

use snapsync_driver::Head;
use snapsync_execute::{
    Follower,
    evm::{Config as Execution, EvmExecutor},
};
use snapsync_storage::TargetRecord;

use super::*;
use crate::{BlockMaker, MovingChain};

/// A demo whose peers have the blocks from `base` to `top` above its synced state.
pub(super) struct Above {
    pub(super) demo: Demo,
    pub(super) maker: BlockMaker,
    pub(super) chain: MovingChain,
    pub(super) base: TargetRecord,
    pub(super) top: TargetRecord,
}

impl Above {
    /// Serves it by so many honest peers.
    pub(super) fn serve(params: DemoParams, honest: usize, blocks: u64) -> Self {
        let mut demo = Demo::serve(params, honest);
        let mut maker = BlockMaker::new(&demo.chain, params.seed).expect("its genesis is read");
        let mut chain =
            MovingChain::open(&demo.store, &demo.dir.path().join("chain"), params.seed).expect("it goes on");
        let (base, top) = chain.execute_above(&mut maker, params, blocks).expect("executed");
        assert_eq!((head(base), top.number), (head(demo.chain.target), base.number + blocks));
        demo.chain.target = base;
        Self { demo, maker, chain, base, top }
    }

    /// Starts a host that executes what is above its state.
    pub(super) fn start(&self) -> SnapSync {
        let executor = Box::new(EvmExecutor::new(Execution::node()));
        let follower = Follower::executing(self.maker.forks().clone(), executor);
        SnapSync::start_following(self.demo.config(), follower).expect("started")
    }

    /// Names a head to it; what is heard until `is_last`.
    pub(super) fn hear(&self, sync: &SnapSync, named: Head, is_last: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = sync.events();
        sync.forkchoice_updated(Forkchoice::head(named.hash)).expect("it runs");
        let (until, mut heard) = (Instant::now() + PATIENCE, Vec::new());
        self.demo.runtime.block_on(async {
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

    /// The same until its top was taken.
    pub(super) fn hear_top(&self, sync: &SnapSync) -> Vec<Event> {
        let top = head(self.top);
        self.hear(sync, top, |event| matches!(event, Event::BlockTaken { block, .. } if *block == top))
    }
}

pub(super) fn head(block: TargetRecord) -> Head {
    Head { number: block.number, hash: block.hash }
}
