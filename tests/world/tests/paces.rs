//! A chain that moves beside a sync of a state that is counted and not held, in virtual time. `pace` does the same with one as large as mainnet's.

use std::time::Duration;

use snapsync_world::big::{Course, MovingWorld, Pace, Passage, Scene, Way};

/// Four hundred thousand leaves from two peers that keep a state for twenty seconds; a block each seventh of a second changes three accounts and seven
/// slots.
fn sync(way: Way) -> Passage {
    let course = Course::like_mainnet(Duration::from_millis(150), 1, way);
    let pace = Pace { accounts: 3, slots: 7, ..course.pace };
    let mut scene = Scene::of_leaves(1, 400_000, 10);
    scene.lines.truncate(2);
    scene.leaves.clear();
    MovingWorld::new(scene, Course { pace, ..course }).run()
}

// ROW: F22
#[test]
fn lists_bring_counted_rows_to_a_chain_that_moves_in_a_small_share_of_the_download() {
    let passage = sync(Way::Lists);
    assert!(passage.moves >= 2 && passage.lists > 64 && passage.share() <= 0.05, "{passage:?}");
}

// ROW: F23
#[test]
fn walks_bring_counted_rows_to_a_chain_that_moves() {
    let passage = sync(Way::Nodes);
    assert!(passage.moves >= 2 && passage.nodes > 64, "{passage:?}");
}
