//! A geth whose blocks have access lists, and whose chain moves on while we sync from it: its lists bring the rows to the last block.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

mod blocks;
mod held;
mod rows;

use held::{PATIENCE, assert_holds_a_block_of_geths};
use snapsync_e2e::{
    moving::{Lists, MovingGeth, Pace, Speaks},
    order, patience,
    presence::geth_or_report,
    recipe::Size,
};

// ROW: F5, F22
#[test]
fn rows_of_several_blocks_are_brought_to_the_last_one_by_access_lists() {
    let name = "rows_of_several_blocks_are_brought_to_the_last_one_by_access_lists";
    let Some(tools) = geth_or_report(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (size, lists) = (Size::SMALL, Lists::After(0));
    let moving =
        MovingGeth::start_as(&tools, size, folder.path(), Pace::OUTLASTING, Speaks::Snap1, lists).unwrap();
    let datadir = folder.path().join("snapsync");
    let running = moving.order(&datadir).start().unwrap();
    let first = patience::until(
        "a target",
        PATIENCE,
        || order::target(&datadir, PATIENCE).unwrap(),
        || running.stderr(),
    )
    .unwrap();
    moving.wait_until_dropped(first.hash, PATIENCE).unwrap();
    let status = order::status(&datadir, PATIENCE).unwrap().unwrap();
    assert_ne!(status["phase"], "complete", "the line is too wide: {status}");
    moving.relay().throttle(None);

    let finished = running.wait(PATIENCE).unwrap();
    let standing = moving.stand().unwrap();
    assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stdout, finished.stderr);
    let told = finished.stdout;
    println!("{told}");
    assert!(told.contains("reconciled   by access lists"), "{told}");
    assert!(!told.contains("charged"), "an honest geth was charged:\n{told}");
    let block = assert_holds_a_block_of_geths(&datadir, &tools, standing);
    assert!(block.number > first.number, "{block:?} is not above {first:?}");
}
