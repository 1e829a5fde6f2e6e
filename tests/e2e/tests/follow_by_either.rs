//! A host whose executor fails at one block of a geth's chain that moves on: that block and the next are brought by their access lists, and
//! later ones are executed again.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

mod blocks;
mod held;
mod rows;

use std::time::{Duration, Instant};

use futures::{StreamExt, executor::block_on};
use held::{PATIENCE, assert_holds_a_block_of_geths};
use snapsync_driver::{Chain, Config, Event, Naming, SnapSync, TakenBy};
use snapsync_e2e::{
    life::Bustle,
    moving::{Lists, MovingGeth, Pace, Speaks},
    presence::geth_or_report,
    recipe::Size,
};
use snapsync_execute::{
    Block, BlockExecutor, Error, Executed, Follower, ParentState, Rules,
    evm::{self, EvmExecutor},
    genesis::Genesis,
};
use snapsync_wire::Header;

/// Twenty blocks' time.
const PAUSE: Duration = Duration::from_secs(3);

const PACE: Pace =
    Pace { block_every: Duration::from_millis(150), bustle: Bustle::Calm, bytes_per_second: None };

/// Fails at its fifth block, once.
struct FailsOnce {
    inner: EvmExecutor,
    asked: u64,
}

impl BlockExecutor for FailsOnce {
    fn execute(
        &mut self,
        rules: &Rules,
        block: &Block,
        parent: &Header,
        state: &mut dyn ParentState,
    ) -> Result<Executed, Error> {
        self.asked += 1;
        if self.asked == 5 {
            return Err(Error::Host("the machine is out of order".into()));
        }
        self.inner.execute(rules, block, parent, state)
    }
}

/// What was told of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Failed(u64),
    Executed(u64),
    Brought(u64),
}

/// What is told until three blocks were executed after some that were not, each with its moment.
fn follow(sync: &SnapSync) -> Vec<(Instant, Told)> {
    let began = Instant::now();
    let (mut events, mut told) = (sync.events(), Vec::new());
    let is_over = |told: &[(Instant, Told)]| {
        let executed = |(_, told): &&(Instant, Told)| matches!(told, Told::Executed(_));
        let last = told.iter().rev().take_while(executed).count();
        told.iter().any(|(_, told)| matches!(told, Told::Brought(_))) && last == 3
    };
    while !is_over(&told) {
        assert!(began.elapsed() < PATIENCE, "{told:?}");
        // Figures come as long as it runs.
        let what = match block_on(events.next()).unwrap() {
            Event::BlockFailed { block, .. } => Told::Failed(block.number),
            Event::BlockTaken { block, by: TakenBy::Execution, .. } => Told::Executed(block.number),
            Event::BlockTaken { block, by: TakenBy::List, .. } => Told::Brought(block.number),
            Event::Failed { reason, .. } => panic!("{reason}"),
            _ => continue,
        };
        told.push((Instant::now(), what));
    }
    told
}

// ROW: F8
#[test]
fn an_executor_that_fails_once_has_its_block_and_the_next_brought_by_lists_and_later_ones_executed() {
    let name =
        "an_executor_that_fails_once_has_its_block_and_the_next_brought_by_lists_and_later_ones_executed";
    let Some(tools) = geth_or_report(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (size, lists) = (Size::SMALL, Lists::After(0));
    let moving = MovingGeth::start_as(&tools, size, folder.path(), PACE, Speaks::Snap1, lists).unwrap();
    let datadir = folder.path().join("snapsync");
    let order = moving.order(&datadir);
    let genesis = Genesis::read(&order.genesis).unwrap();
    let chain = Chain {
        chain_id: genesis.chain_id().unwrap(),
        network_id: order.network_id,
        genesis_hash: genesis.hash(),
        genesis_time: genesis.timestamp(),
        fork_blocks: genesis.fork_blocks(),
        fork_times: genesis.fork_times(),
    };
    let peers = order.peers.iter().map(|peer| peer.parse().unwrap()).collect();
    let executor = FailsOnce { inner: EvmExecutor::new(evm::Config::node()), asked: 0 };
    let forks = genesis.forks(chain.chain_id);
    let follower = Follower::executing_or_applying(forks, Box::new(executor), PAUSE);
    let config = Config::standing(chain, datadir.clone(), peers);
    let sync = SnapSync::start_following(config, follower).unwrap();
    sync.sync_to(Naming::Latest).unwrap();
    let told = follow(&sync);
    sync.shutdown_blocking().unwrap();
    let standing = moving.stand().unwrap();

    // A failure is told at once, what was taken when it is on the disk.
    let mut taken = told.clone();
    let failed = taken.extract_if(.., |(_, told)| matches!(told, Told::Failed(_))).next();
    let Some((failed_at, Told::Failed(failed))) = failed else { panic!("{told:?}") };
    let last = taken.len() - 3;
    let count = taken[4..last].len() as u64;
    let executed = (failed - 4..failed).map(Told::Executed);
    let brought = (failed..failed + count).map(Told::Brought);
    let later = (failed + count..failed + count + 3).map(Told::Executed);
    let wanted: Vec<Told> = executed.chain(brought).chain(later).collect();
    let found: Vec<Told> = taken.iter().map(|(_, told)| *told).collect();
    assert_eq!(found, wanted, "that block by its list, and the next; four before and three behind executed");
    assert!(count > 1, "{told:?}");
    let rested = taken[last].0 - failed_at;
    assert!(rested >= PAUSE, "it rested for {rested:?}");
    assert_holds_a_block_of_geths(&datadir, &tools, standing);
}
