//! What a disk does to a database: no room, files that end too early, pages that are torn. Each is an error with its kind, and what was
//! committed stays.
//!
//! A file size limit is met as a full disk is, by a real write that fails: such a test runs itself once more, in a shell that sets it.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

mod synth;

use std::{
    env,
    ffi::OsString,
    fs,
    path::Path,
    process::{Command, Output},
};

use snapsync_storage::{
    Config, Error, Open, Store, VerifyConfig, answer_parent, mend, verify, verify_in_child,
};
use synth::{CHAIN, Run, World, config, mended::go_on, scan, sync};

/// Names the data directory to the process with the limit, or to the one that may die.
const CHILD: &str = "SNAPSYNC_TEST_DATADIR";

/// A file may grow as far as tables and some rows need, and no further.
fn tight(datadir: &Path) -> Config {
    let mut config = config(datadir);
    (config.state.growth_step_bytes, config.history.growth_step_bytes) = (16 << 10, 16 << 10);
    config
}

/// Runs a test of this file once more, where files may have so many KiB.
fn with_file_size(kib: u64, test: &str, datadir: &Path) -> Output {
    Command::new("bash")
        .args(["-c", &format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"")])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, datadir)
        .output()
        .unwrap()
}

fn world() -> World {
    World::new(400, 3_000)
}

fn assert_passed(run: &Output) {
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

// ROW: F32
#[test]
fn a_disk_that_is_full_ends_the_writer_and_a_sync_goes_on_once_there_is_room() {
    if let Some(datadir) = env::var_os(CHILD) {
        let config = tight(Path::new(&datadir));
        let store = Store::open(&config, CHAIN).unwrap();
        let mut run = Run::new(&store, &config, Box::new(Open));
        let error = sync(&world(), &store, &mut run).unwrap_err();
        assert_eq!(error.kind, "disk_full", "{}", error.message);
        assert!(run.end().unwrap_err().is_space());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let name = "a_disk_that_is_full_ends_the_writer_and_a_sync_goes_on_once_there_is_room";
    assert_passed(&with_file_size(256, name, dir.path()));
    let (world, config) = (world(), tight(dir.path()));
    let store = Store::open(&config, CHAIN).unwrap();
    scan(&world, &store);
    assert!(store.state.journal().unwrap().counters.accounts > 0, "it had begun");
    let mut run = Run::new(&store, &config, Box::new(Open));
    sync(&world, &store, &mut run).unwrap();
    scan(&world, &store);
}

// ROW: F32
#[test]
fn a_mending_that_meets_a_full_disk_goes_on_once_there_is_room() {
    if let Some(datadir) = env::var_os(CHILD) {
        let store = Store::open(&tight(Path::new(&datadir)), CHAIN).unwrap();
        assert_eq!(mend(&store.state, 2).unwrap_err().kind(), "disk_full");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (world, config) = (world(), tight(dir.path()));
    {
        let store = Store::open(&config, CHAIN).unwrap();
        let mut run = Run::new(&store, &config, Box::new(Open));
        sync(&world, &store, &mut run).unwrap();
        run.end().unwrap();
    }
    // Not even the first transaction finds room.
    assert_passed(&with_file_size(
        16,
        "a_mending_that_meets_a_full_disk_goes_on_once_there_is_room",
        dir.path(),
    ));
    let check = VerifyConfig { threads: 1, findings_max: 9 };
    assert!(verify(dir.path(), check).unwrap().complete, "nothing was touched");
    let store = Store::open(&config, CHAIN).unwrap();
    mend(&store.state, 2).unwrap();
    let mut run = Run::new(&store, &config, Box::new(Open));
    go_on(&world, &store, &mut run).unwrap();
    run.end().unwrap();
    scan(&world, &store);
}

// ROW: F32
#[test]
fn torn_pages_end_the_check_and_nothing_else() {
    if let Some(datadir) = env::var_os(CHILD) {
        // What libmdbx makes of it is its matter: this process may end here.
        let check = VerifyConfig { threads: 1, findings_max: 9 };
        let mut line = Vec::new();
        answer_parent(Path::new(&datadir), check, &mut line).unwrap();
        println!("\n{}", String::from_utf8(line).unwrap());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    {
        let (world, config) = (world(), config(dir.path()));
        let store = Store::open(&config, CHAIN).unwrap();
        let mut run = Run::new(&store, &config, Box::new(Open));
        sync(&world, &store, &mut run).unwrap();
        run.end().unwrap();
    }
    let file = dir.path().join("state/mdbx.dat");
    let sound = fs::read(&file).unwrap();
    let pages = sound.len() / 4096;
    let name = "torn_pages_end_the_check_and_nothing_else";
    let child = format!("{CHILD}=\"$1\" exec \"$0\" --exact {name} --nocapture --test-threads=1");
    let words: [OsString; 4] =
        ["-c".into(), child.into(), env::current_exe().unwrap().into(), dir.path().into()];
    // Headers of pages, what they hold, and all of them.
    for (at, len) in [(8, 8), (20, 400), (0, 4096)] {
        for every in [1, 7, 31] {
            let mut torn = sound.clone();
            // The three first are the meta pages.
            for page in (3..pages).step_by(every) {
                torn[page * 4096 + at..][..len].fill(0xa5);
            }
            fs::write(&file, torn).unwrap();
            match verify_in_child(Path::new("sh"), &words) {
                Ok(report) => assert!(!report.is_clean(), "pages from {at}, each of {every}"),
                Err(Error::CheckerDied { .. } | Error::CheckFailed { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    fs::write(&file, &sound).unwrap();
    assert!(verify_in_child(Path::new("sh"), &words).unwrap().is_clean());
}
