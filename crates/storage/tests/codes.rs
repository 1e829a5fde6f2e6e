//! Codes that rows name no more.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

mod synth;

use alloy_primitives::B256;
use snapsync_storage::{MemoryDisk, Open, StateProgress, Store, Summary, Write};
use snapsync_trie::HashRange;

use synth::{Place, Run, World, fetch_accounts};

fn drop_codes(store: &Store, run: &mut Run, hashes: &[B256], is_late: impl FnOnce(&mut Run)) -> Vec<B256> {
    let seen = store.state.snapshot().unwrap().number().unwrap();
    is_late(run);
    let hashes = hashes.to_vec();
    match run.write(|ticket| Write::DropCodes { ticket, hashes, seen }).unwrap() {
        Summary::CodesDropped { hashes } => hashes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn codes_are_waited_for_no_more_unless_a_row_that_names_a_missing_one_came_since_it_was_looked() {
    let world = World::new(90, 5);
    let place = Place::Memory(MemoryDisk::default());
    let store = place.open();
    let mut run = place.run(&store, Box::new(Open));
    let progress = StateProgress { pin: Some(world.target), phase: 1, rebuilt: None };
    run.write(|ticket| Write::Progress { ticket, progress }).unwrap();
    let quarters = HashRange::FULL.split(4);
    fetch_accounts(&world, &mut run, quarters[0]).unwrap();
    let pending = || store.state.snapshot().unwrap().pending_codes().unwrap();
    let first = pending();
    assert!(first.len() > 3, "{first:?}");
    let late = |run: &mut Run| fetch_accounts(&world, run, quarters[1]).unwrap();
    assert_eq!(
        drop_codes(&store, &mut run, &first, late),
        Vec::<B256>::new(),
        "rows came that name some of them"
    );
    assert!(first.iter().all(|code| pending().contains(code)));
    let dropped = drop_codes(&store, &mut run, &first, |_| {});
    assert_eq!(dropped, first);
    assert!(!first.iter().any(|code| pending().contains(code)));
    // One that is named again is missing again.
    fetch_accounts(&world, &mut run, quarters[2]).unwrap();
    assert!(first.iter().any(|code| pending().contains(code)));
    run.end().unwrap();
}
