//! Planted bugs: a check that nothing can fail is a comment. Each mistake that the machine can be told to make is caught
//! by some seed, by a breach or by the machine's own assertion.

use std::panic;

use snapsync_storage::{WriterBug, plant};
use snapsync_sync::Bug;
use snapsync_world::{Echo, Story, World};

/// Seeds in which a bug must show itself.
const SEEDS_MAX: u64 = 300;

/// The first seed that catches a bug, and how.
fn caught(bug: Bug) -> Option<(u64, String)> {
    (0..SEEDS_MAX).find_map(|seed| Some((seed, breach(seed, Some(bug))?)))
}

/// How a story goes wrong.
fn breach(seed: u64, bug: Option<Bug>) -> Option<String> {
    match panic::catch_unwind(|| World::new(Story::draw(seed), Echo::Nowhere, bug).run()) {
        Ok(Ok(_)) => None,
        Ok(Err(breach)) => Some(breach.what),
        Err(_) => Some("the machine's own assertion".to_owned()),
    }
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

/// Mistakes of the state's writer about lists and marks; those about packs, derivations and undo rows its own stories catch.
const OF_LISTS: [WriterBug; 5] = [
    WriterBug::ListAheadOfCursor,
    WriterBug::ListOutOfOrder,
    WriterBug::DirtyKeyMissing,
    WriterBug::NamedKeyKept,
    WriterBug::RetreatTooFar,
];

// ROW: F22 F30
#[test]
fn each_planted_bug_of_the_writer_is_caught() {
    let mut missed = Vec::new();
    for bug in OF_LISTS {
        plant(Some(bug));
        let told = (0..SEEDS_MAX).find_map(|seed| Some((seed, breach(seed, None)?)));
        plant(None);
        match told {
            Some((seed, what)) => println!("{bug:?}: seed {seed}: {what:.180}"),
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "no seed below {SEEDS_MAX} catches {missed:?}");
}
