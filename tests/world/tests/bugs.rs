//! Planted bugs: a check that nothing can fail is a comment. Each mistake that the machine can be told to make is caught
//! by some seed, by a breach or by the machine's own assertion.

use std::panic;

use snapsync_sync::Bug;
use snapsync_world::{Echo, Story, World};

/// Seeds in which a bug must show itself.
const SEEDS_MAX: u64 = 300;

/// The first seed that catches a bug, and how.
fn caught(bug: Bug) -> Option<(u64, String)> {
    (0..SEEDS_MAX).find_map(|seed| {
        let run = || World::new(Story::draw(seed), Echo::Nowhere, Some(bug)).run();
        match panic::catch_unwind(run) {
            Ok(Ok(_)) => None,
            Ok(Err(breach)) => Some((seed, breach.what)),
            Err(_) => Some((seed, "the machine's own assertion".to_owned())),
        }
    })
}

// ROW: F19 F30 F34 F36 F41
#[test]
fn each_planted_bug_is_caught() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        match caught(bug) {
            Some((seed, what)) => println!("{bug:?}: seed {seed}: {what:.180}"),
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "no seed below {SEEDS_MAX} catches {missed:?}");
}
