//! A sync that goes on once its state is verified: it executes the blocks of a geth whose chain moves, up to geth's head, also where
//! geth turns to another branch, and after a kill.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

mod blocks;
mod held;
mod rows;

use std::{path::Path, time::Duration};

use held::{PATIENCE, assert_holds_a_block_of_geths};
use snapsync_e2e::{
    cache::Tools,
    life::Bustle,
    mover::Made,
    moving::{Lists, MovingGeth, Pace, Speaks, header},
    order, patience,
    presence::geth_or_report,
    program::Running,
    recipe::Size,
};
use snapsync_storage::UNDO_BLOCKS_MAX;

const PACE: Pace =
    Pace { block_every: Duration::from_millis(150), bustle: Bustle::Calm, bytes_per_second: None };

/// Of a geth that makes more blocks than can be taken back while it is told of.
const FAST: Pace =
    Pace { block_every: Duration::from_millis(60), bustle: Bustle::Calm, bytes_per_second: None };

/// Blocks that are missed, so that the lowest of them are too deep to be taken back.
const DEEP: u64 = UNDO_BLOCKS_MAX + 24;

/// Blocks that are executed one after the other to reach the head, at most.
const BLOCKS_MAX: u64 = 40;

/// Waits until the state is of a block that is as wanted.
fn wait_for_state(what: &str, datadir: &Path, running: &Running, wanted: impl Fn(Made) -> bool) -> Made {
    let look = || {
        assert!(!running.has_ended(), "it has ended:\n{}", running.stderr());
        order::verified(datadir, PATIENCE).unwrap().filter(|made| wanted(*made))
    };
    patience::until(what, PATIENCE, look, || running.stderr()).unwrap()
}

/// Follows a geth: to another branch, after a kill that left a few blocks to execute, and after one that left more than are executed, which are reconciled in
/// this way; and to where it stands at last.
fn follow(tools: &Tools, lists: Lists, way: &str) {
    let folder = tempfile::tempdir().unwrap();
    let moving = MovingGeth::start_as(tools, Size::SMALL, folder.path(), PACE, Speaks::Snap1, lists).unwrap();
    let datadir = folder.path().join("snapsync");
    let order = moving.order(&datadir).with(["--follow", "--follow-blocks-max", &BLOCKS_MAX.to_string()]);
    let running = order.start().unwrap();
    let verified = wait_for_state("a verified state", &datadir, &running, |_| true);
    let above =
        wait_for_state("blocks above it", &datadir, &running, |made| made.number >= verified.number + 12);

    // Below the state's block, whatever geth makes meanwhile, and above the first that it made.
    let head = header(moving.geth().rpc(), "latest").unwrap();
    let turned = moving.mover().reorganise((head.number - above.number + 8) as usize).unwrap();
    assert!(turned.fork.number < above.number, "{turned:?}");
    let is_beyond = |made: Made| made.number > turned.left.number;
    let beyond = wait_for_state("the other branch", &datadir, &running, is_beyond);
    assert!(running.stderr().contains("taken back: the chain has left it"), "{}", running.stderr());

    running.kill().unwrap();
    let running = order.start().unwrap();
    let after =
        wait_for_state("blocks after a kill", &datadir, &running, |made| made.number >= beyond.number + 4);
    assert!(
        !running.stderr().contains("the pivot moved"),
        "a few blocks are executed:\n{}",
        running.stderr()
    );

    running.kill().unwrap();
    moving.wait_for_blocks(BLOCKS_MAX + 1).unwrap();
    let running = order.start().unwrap();
    let is_far = |made: Made| made.number >= after.number + BLOCKS_MAX + 4;
    let reconciled = wait_for_state("what a long time has changed", &datadir, &running, is_far);
    wait_for_state("blocks above that", &datadir, &running, |made| made.number > reconciled.number + 2);
    let told = running.stderr();
    assert!(told.contains("the pivot moved from block") && told.contains(way), "{told}");
    let standing = moving.stand().unwrap();
    let head = header(standing.geth.rpc(), "latest").unwrap();
    wait_for_state("the head", &datadir, &running, |made| made.hash == head.hash);
    running.interrupt().unwrap();
    let finished = running.wait(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains("followed     the state is of block"), "{}", finished.stdout);
    let executed = finished.stderr.matches(" executed: ").count();
    assert!(executed > 0, "{}", finished.stderr);
    assert!(!finished.stdout.contains("charged"), "{}", finished.stdout);
    assert_eq!(assert_holds_a_block_of_geths(&datadir, tools, standing), head);
}

// ROW: F7, F9
#[test]
fn blocks_above_a_verified_state_are_executed_up_to_a_head_that_moves() {
    let name = "blocks_above_a_verified_state_are_executed_up_to_a_head_that_moves";
    let Some(tools) = geth_or_report(name) else { return };
    follow(&tools, Lists::None, "phase: heal");
}

// ROW: F9
#[test]
fn blocks_with_access_lists_are_executed_across_the_fork_that_brings_them() {
    let name = "blocks_with_access_lists_are_executed_across_the_fork_that_brings_them";
    let Some(tools) = geth_or_report(name) else { return };
    follow(&tools, Lists::After(8), "phase: catchup");
}

// ROW: F8, F9
#[test]
fn blocks_above_a_verified_state_are_brought_by_their_access_lists_alone() {
    let name = "blocks_above_a_verified_state_are_brought_by_their_access_lists_alone";
    let Some(tools) = geth_or_report(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (size, lists) = (Size::SMALL, Lists::After(0));
    let moving = MovingGeth::start_as(&tools, size, folder.path(), FAST, Speaks::Snap1, lists).unwrap();
    let datadir = folder.path().join("snapsync");
    let order = moving.order(&datadir).with(["--follow", "--follow-by", "apply-lists"]);
    let running = order.start().unwrap();
    let verified = wait_for_state("a verified state", &datadir, &running, |_| true);
    let above =
        wait_for_state("blocks above it", &datadir, &running, |made| made.number >= verified.number + 12);

    let head = header(moving.geth().rpc(), "latest").unwrap();
    let turned = moving.mover().reorganise((head.number - above.number + 8) as usize).unwrap();
    let beyond = |made: Made| made.number > turned.left.number;
    let beyond = wait_for_state("the other branch", &datadir, &running, beyond);
    assert!(running.stderr().contains("taken back: the chain has left it"), "{}", running.stderr());

    running.kill().unwrap();
    moving.wait_for_blocks(DEEP).unwrap();
    let running = order.start().unwrap();
    let is_far = |made: Made| made.number >= beyond.number + DEEP;
    wait_for_state("blocks that were missed", &datadir, &running, is_far);
    let standing = moving.stand().unwrap();
    let head = header(standing.geth.rpc(), "latest").unwrap();
    wait_for_state("the head", &datadir, &running, |made| made.hash == head.hash);
    running.interrupt().unwrap();
    let finished = running.wait(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stdout, finished.stderr);
    assert!(finished.stderr.contains("brought by access lists: "), "{}", finished.stderr);
    assert!(finished.stderr.contains(" of them together: "), "{}", finished.stderr);
    assert!(!finished.stderr.contains(" executed: "), "{}", finished.stderr);
    assert!(!finished.stderr.contains("the pivot moved"), "{}", finished.stderr);
    assert!(!finished.stdout.contains("charged"), "{}", finished.stdout);
    assert_eq!(assert_holds_a_block_of_geths(&datadir, &tools, standing), head);
}

// ROW: F8
#[test]
fn where_blocks_have_no_access_lists_that_is_told_and_the_pivot_moves_until_they_have() {
    let name = "where_blocks_have_no_access_lists_that_is_told_and_the_pivot_moves_until_they_have";
    let Some(tools) = geth_or_report(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (size, lists) = (Size::SMALL, Lists::After(100));
    let moving = MovingGeth::start_as(&tools, size, folder.path(), PACE, Speaks::Snap1, lists).unwrap();
    let datadir = folder.path().join("snapsync");
    let most = BLOCKS_MAX.to_string();
    let words = ["--follow", "--follow-by", "apply-lists", "--follow-blocks-max", &most];
    let running = moving.order(&datadir).with(words).start().unwrap();
    let is_told = |what: &'static str| {
        let told = || {
            assert!(!running.has_ended(), "it has ended:\n{}", running.stderr());
            running.stderr().contains(what).then_some(())
        };
        patience::until(what, PATIENCE, told, || running.stderr()).unwrap();
    };
    is_told(" not taken, and tried again: block ");
    assert!(running.stderr().contains(" has no access list"), "{}", running.stderr());
    is_told("the pivot moved from block");
    is_told("brought by access lists: ");
    running.interrupt().unwrap();
    let finished = running.wait(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stdout, finished.stderr);
    assert!(!finished.stdout.contains("charged"), "{}", finished.stdout);
    let standing = moving.stand().unwrap();
    assert_holds_a_block_of_geths(&datadir, &tools, standing);
}
