//! What a crash at any commit leaves: the journal says exactly what is held.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use snapsync_storage::{Error, MemoryDisk, Open, Store, Verdict};
use synth::{At, CHAIN, Place, Run, World, config, scan, sync};

/// Aborts at each commit in turn, each time in a new place.
fn abort_at_every_commit(mut fresh: impl FnMut() -> Place) {
    let world = World::new(60, 70);
    let (commits, fetches) = {
        let place = fresh();
        let store = place.open();
        let mut run = place.run(&store, Box::new(Open));
        sync(&world, &store, &mut run).unwrap();
        scan(&world, &store);
        let counts = (run.commits, run.fetches);
        run.end().unwrap();
        counts
    };
    assert!(commits > 25, "{commits} commits");
    for commit in 1..=commits {
        let place = fresh();
        let before = {
            let store = place.open();
            let gate = At { commit: Some(commit), verdict: || Verdict::Abort };
            let mut run = place.run(&store, Box::new(gate));
            let error = sync(&world, &store, &mut run).unwrap_err();
            assert_eq!(error.message, Error::Aborted { number: commit }.to_string());
            let before = run.fetches;
            // The thread must have let go of the environment before it is opened again.
            let _why = run.end();
            before
        };
        let store = place.open();
        scan(&world, &store);
        let mut run = place.run(&store, Box::new(Open));
        sync(&world, &store, &mut run).unwrap();
        scan(&world, &store);
        assert_eq!(
            before + run.fetches,
            fetches,
            "aborted at {commit}: what was committed is not fetched again"
        );
        run.end().unwrap();
    }
}

// ROW: F30, F31
#[test]
fn abort_at_every_commit_leaves_what_the_journal_claims() {
    let mut kept = Vec::new();
    abort_at_every_commit(|| {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::Disk(Box::new(config(dir.path())));
        kept.push(dir);
        place
    });
}

// ROW: F30, F31
#[test]
fn abort_at_every_commit_leaves_what_the_journal_claims_in_memory() {
    abort_at_every_commit(|| Place::Memory(MemoryDisk::default()));
}

// ROW: F32
#[test]
fn a_full_disk_ends_the_writer_with_its_name_and_leaves_no_torn_state() {
    let world = World::new(60, 70);
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    {
        let store = Store::open(&config, CHAIN).unwrap();
        let full = || Verdict::Fail(Error::DiskFull { env: "state" });
        let mut run = Run::new(&store, &config, Box::new(At { commit: Some(9), verdict: full }));
        let error = sync(&world, &store, &mut run).unwrap_err();
        assert_eq!(error.kind, "disk_full");
        // The thread must have let go of the environment before it is opened again; it returns the reason, whoever else was told.
        let error = run.end().unwrap_err();
        assert_eq!(error.kind(), "disk_full", "{error}");
    }
    let store = Store::open(&config, CHAIN).unwrap();
    scan(&world, &store);
    let mut run = Run::new(&store, &config, Box::new(Open));
    sync(&world, &store, &mut run).unwrap();
    scan(&world, &store);
}

// ROW: F32
#[test]
fn a_map_limit_is_a_typed_error_and_no_torn_state() {
    let world = World::new(400, 2000);
    let dir = tempfile::tempdir().unwrap();
    let mut small = config(dir.path());
    small.state.size_max_bytes = 160 << 10;
    small.state.growth_step_bytes = 4 << 10;
    {
        let store = Store::open(&small, CHAIN).unwrap();
        let mut run = Run::new(&store, &small, Box::new(Open));
        let error = sync(&world, &store, &mut run).unwrap_err();
        assert_eq!(error.kind, "map_full", "{}", error.message);
        let error = run.end().unwrap_err();
        assert!(error.is_space(), "{error}");
    }
    let config = config(dir.path());
    let store = Store::open(&config, CHAIN).unwrap();
    scan(&world, &store);
    let mut run = Run::new(&store, &config, Box::new(Open));
    sync(&world, &store, &mut run).unwrap();
    scan(&world, &store);
}
