//! A process whose address space is limited: the database opens with smaller maps, or says what is too small.
//!
//! Each test runs itself once more, in a shell that sets the limit.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{
    env,
    path::Path,
    process::{Command, Output},
};

use snapsync_storage::{Chain, Config, Error, StateProgress, Store, Ticket, Write};

/// Names the data directory to the process with the limit.
const CHILD: &str = "SNAPSYNC_TEST_DATADIR";

const CHAIN: Chain = Chain { id: 1, genesis: alloy_primitives::B256::ZERO };

/// What a node uses: maps of 2 and 8 TiB.
fn open(datadir: &Path) -> Result<(Store, Config), Error> {
    let config = Config::mainnet(datadir, 64 << 20);
    Store::open(&config, CHAIN).map(|store| (store, config))
}

fn with_address_space(kib: u64, test: &str, datadir: &Path) -> Output {
    Command::new("sh")
        .args(["-c", &format!("ulimit -v {kib}; exec \"$0\" \"$@\"")])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, datadir)
        .output()
        .unwrap()
}

#[test]
fn database_opens_with_smaller_maps_where_the_address_space_is_small() {
    if let Some(datadir) = env::var_os(CHILD) {
        let (store, config) = open(Path::new(&datadir)).unwrap();
        let writer = store.state.writer(&config, Box::new(drop)).unwrap();
        let progress = StateProgress { pin: None, phase: 1, rebuilt: None };
        writer.send(Write::Progress { ticket: Ticket(1), progress }).unwrap();
        return writer.join().unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let name = "database_opens_with_smaller_maps_where_the_address_space_is_small";
    // The second time the file is there, and has the first one's limit.
    for _ in 0..2 {
        let limited = with_address_space(3 << 20, name, dir.path());
        assert!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stdout));
    }
    // Without the limit it grows as ever.
    let (store, _) = open(dir.path()).unwrap();
    assert_eq!(store.state.journal().unwrap().progress.map(|progress| progress.phase), Some(1));
}

#[test]
fn address_space_that_holds_no_map_is_named() {
    if let Some(datadir) = env::var_os(CHILD) {
        let error = open(Path::new(&datadir)).unwrap_err();
        assert_eq!(error.kind(), "address_space", "{error}");
        let text = error.to_string();
        return assert!(
            text.contains("address space is too small") && text.contains("MiB is needed"),
            "{text}"
        );
    }
    let dir = tempfile::tempdir().unwrap();
    let limited = with_address_space(150_000, "address_space_that_holds_no_map_is_named", dir.path());
    assert!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stdout));
}
