//! A geth whose chain moves on while we sync from it, past the states that it keeps: the sync ends with the state of one of its
//! blocks.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

mod blocks;
mod held;
mod rows;

use std::time::Duration;

use held::{PATIENCE, assert_holds_a_block_of_geths};
use snapsync_e2e::{
    cache::Tools,
    mover::Made,
    moving::{Header, Lists, MovingGeth, Pace, Speaks, header},
    order::{self, Order},
    patience,
    presence::geth_or_report,
    recipe::Size,
};

#[test]
fn chain_that_moved_is_synced_with_all_that_it_changed() {
    let Some(tools) = geth_or_report("chain_that_moved_is_synced_with_all_that_it_changed") else { return };
    let folder = tempfile::tempdir().unwrap();
    let pace = Pace { block_every: Duration::ZERO, bytes_per_second: None, ..Pace::OUTLASTING };
    let moving = MovingGeth::start(&tools, Size::SMALL, folder.path(), pace).unwrap();
    moving.wait_for_blocks(10).unwrap();
    moving.mover().reorganise(3).unwrap();
    let datadir = folder.path().join("snapsync");
    let order = moving.order(&datadir);
    let standing = moving.stand().unwrap();
    let head = header(standing.geth.rpc(), "latest").unwrap();
    let finished = order.run(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stdout, finished.stderr);
    assert_eq!(assert_holds_a_block_of_geths(&datadir, &tools, standing), head);
}

/// A sync that has not ended when geth drops the state of its first target; `twist` happens to the chain once that is recorded. Gives
/// the first target, and the block whose state it ended with.
fn outlast(tools: &Tools, twist: impl FnOnce(&MovingGeth, Made)) -> (Made, Header) {
    let folder = tempfile::tempdir().unwrap();
    let moving = MovingGeth::start(tools, Size::SMALL, folder.path(), Pace::OUTLASTING).unwrap();
    let order = moving.order(folder.path().join("snapsync"));
    outlast_on(tools, moving, &order, "healing", twist)
}

/// The same by this order, whose rows are reconciled in this way.
fn outlast_on(
    tools: &Tools,
    moving: MovingGeth,
    order: &Order,
    way: &str,
    twist: impl FnOnce(&MovingGeth, Made),
) -> (Made, Header) {
    let datadir = order.datadir.clone();
    let running = order.start().unwrap();
    let first = patience::until(
        "a target",
        PATIENCE,
        || order::target(&datadir, PATIENCE).unwrap(),
        || running.stderr(),
    )
    .unwrap();
    twist(&moving, first);
    moving.wait_until_dropped(first.hash, PATIENCE).unwrap();
    let status = order::status(&datadir, PATIENCE).unwrap().unwrap();
    assert_ne!(status["phase"], "complete", "the line is too wide: {status}");
    // What is left to do is not a matter of the line.
    moving.relay().throttle(None);

    // Nor of the chain: a state that it leaves behind could not be compared.
    let standing = moving.stand().unwrap();
    let finished = running.wait(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stdout, finished.stderr);
    let reconciled = format!("reconciled   by {way}: the pivot moved");
    assert!(finished.stdout.contains(&reconciled), "{}", finished.stdout);
    println!("{}", finished.stdout);
    assert!(!finished.stdout.contains("charged"), "an honest geth was charged:\n{}", finished.stdout);
    let block = assert_holds_a_block_of_geths(&datadir, tools, standing);
    assert!(finished.stdout.contains(&block.root.to_string()), "{}", finished.stdout);
    (first, block)
}

// ROW: F5, F23
#[test]
fn sync_that_outlasts_its_first_targets_state_ends_with_a_later_one() {
    let name = "sync_that_outlasts_its_first_targets_state_ends_with_a_later_one";
    let Some(tools) = geth_or_report(name) else { return };
    let (first, block) = outlast(&tools, |_, _| {});
    assert!(block.number > first.number, "{block:?} is not above {first:?}");
}

// ROW: F5, F24
#[test]
fn peer_without_trie_nodes_is_asked_for_ranges() {
    let Some(tools) = geth_or_report("peer_without_trie_nodes_is_asked_for_ranges") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (size, pace) = (Size::SMALL, Pace::OUTLASTING);
    let moving = MovingGeth::start_as(&tools, size, folder.path(), pace, Speaks::Snap2, Lists::None).unwrap();
    let order = moving.order(folder.path().join("snapsync")).with(["--snap.v2"]);
    let (first, block) = outlast_on(&tools, moving, &order, "ranges", |_, _| {});
    assert!(block.number > first.number, "{block:?} is not above {first:?}");
}

#[test]
fn sync_whose_first_target_is_left_by_the_chain_ends_on_another_branch() {
    let name = "sync_whose_first_target_is_left_by_the_chain_ends_on_another_branch";
    let Some(tools) = geth_or_report(name) else { return };
    outlast(&tools, |moving, first| {
        let head = header(moving.geth().rpc(), "latest").unwrap();
        // Below the target, which is above the first blocks that were made; the head may have moved on meanwhile.
        let told = moving.mover().reorganise((head.number - first.number + 2) as usize).unwrap();
        let there = header(moving.geth().rpc(), &format!("{:#x}", first.number)).unwrap();
        assert_ne!(there.hash, first.hash, "{told:?}");
    });
}
