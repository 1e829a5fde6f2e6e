//! A chain that moves beside a sync, in virtual time: how much longer lists make it, and that it ends. `pace` does the same with a state as large as
//! mainnet's.

use std::time::Duration;

use snapsync_world::big::{Course, MovingWorld, Pace, Passage, Scene, Way};

/// Four million leaves from ten peers; a block each seventh of a second changes three accounts and seven slots, so many times. Peers keep a state for twenty
/// seconds, so that most of what was claimed is asked for again.
fn sync(times: u64) -> Passage {
    let course = Course::like_mainnet(Duration::from_millis(150), 1, Way::Lists);
    let pace = Pace { accounts: 3 * times, slots: 7 * times, ..course.pace };
    let mut scene = Scene::of_leaves(1, 4_000_000, 10);
    scene.lines.truncate(10);
    scene.leaves.clear();
    MovingWorld::new(scene, Course { pace, ..course }).run()
}

// ROW: F22
#[test]
fn lists_bring_rows_to_a_moving_chain_in_a_small_share_of_the_download() {
    let passage = sync(1);
    assert!(passage.moves >= 2 && passage.lists > 64, "{passage:?}");
    assert!(passage.share() <= 0.05, "{passage:?}");
}

// ROW: F22
#[test]
fn a_chain_that_changes_ten_times_as_much_is_caught_up_with_in_the_end() {
    let passage = sync(10);
    assert!(passage.moves >= 2 && passage.lists > 64, "{passage:?}");
    assert!(passage.share() <= 0.15, "{passage:?}");
}
