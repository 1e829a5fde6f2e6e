//! Opening a directory that is locked, of another chain, of another version, or damaged: one clear error, nothing touched.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::{fs, path::Path};

use signet_libmdbx::{DatabaseFlags, Environment, WriteFlags};
use snapsync_storage::{Chain, Error, StateStore, Store};
use synth::{CHAIN, config};

fn bytes(datadir: &Path) -> Vec<Vec<u8>> {
    ["state/mdbx.dat", "history/mdbx.dat"].map(|file| fs::read(datadir.join(file)).unwrap()).to_vec()
}

#[test]
fn a_second_writer_is_told_who_and_a_reader_is_not_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let _store = Store::open(&config(dir.path()), CHAIN).unwrap();
    assert!(matches!(Store::open(&config(dir.path()), CHAIN), Err(Error::Locked { .. })));
    assert!(matches!(Store::wipe(dir.path()), Err(Error::Locked { .. })));
}

// ROW: F31
#[test]
fn another_chain_s_directory_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(&config(dir.path()), CHAIN).unwrap());
    let before = bytes(dir.path());
    let other = Chain { id: 5, ..CHAIN };
    match Store::open(&config(dir.path()), other) {
        Err(Error::OtherChain { found, expected }) => assert_eq!((found, expected), (CHAIN, other)),
        result => panic!("{result:?}"),
    }
    assert!(before == bytes(dir.path()), "nothing is touched");
    assert_eq!(StateStore::open_read_only(dir.path()).unwrap().chain(), CHAIN);
}

// ROW: F31
#[test]
fn another_version_s_directory_is_refused_with_both_numbers() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(&config(dir.path()), CHAIN).unwrap());
    {
        let env = Environment::builder().set_max_dbs(16).open(&dir.path().join("history")).unwrap();
        let txn = env.begin_rw_unsync().unwrap();
        let db = txn.create_db(Some("Progress"), DatabaseFlags::empty()).unwrap();
        txn.put(db, [0u8], [9u8, 1, 2, 3], WriteFlags::UPSERT).unwrap();
        txn.commit().unwrap();
    }
    let before = bytes(dir.path());
    match Store::open(&config(dir.path()), CHAIN) {
        Err(Error::Version { found: 9, known: 4, .. }) => {}
        result => panic!("{result:?}"),
    }
    assert!(before == bytes(dir.path()), "nothing is touched");
}

// ROW: F31
#[test]
fn a_directory_of_an_older_version_is_refused_as_such_and_stays_as_it_is() {
    // Version 2 knew no undo; version 3 kept every leaf's hash.
    for version in [2, 3] {
        let dir = tempfile::tempdir().unwrap();
        for env in ["state", "history"] {
            let path = dir.path().join(env);
            fs::create_dir_all(&path).unwrap();
            let env = Environment::builder().set_max_dbs(16).open(&path).unwrap();
            let txn = env.begin_rw_unsync().unwrap();
            let db = txn.create_db(Some("Progress"), DatabaseFlags::empty()).unwrap();
            txn.put(db, [0u8], [version; 45], WriteFlags::UPSERT).unwrap();
            txn.commit().unwrap();
        }
        fs::write(dir.path().join("LOCK"), "").unwrap();
        let before = bytes(dir.path());
        for error in [
            Store::open(&config(dir.path()), CHAIN).unwrap_err(),
            StateStore::open_read_only(dir.path()).unwrap_err(),
        ] {
            let Error::Version { found, known: 4, .. } = error else { panic!("{error}") };
            assert_eq!(found, version);
        }
        assert!(before == bytes(dir.path()), "nothing is touched");
    }
}

// ROW: F32
#[test]
fn no_directory_and_damaged_files_are_errors_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(StateStore::open_read_only(dir.path()), Err(Error::Absent { .. })));
    drop(Store::open(&config(dir.path()), CHAIN).unwrap());
    let file = dir.path().join("state/mdbx.dat");
    let whole = fs::read(&file).unwrap();
    for len in [0, 100, 4096, 3 * 4096] {
        fs::write(&file, &whole[..len]).unwrap();
        let opened = StateStore::open_read_only(dir.path());
        assert!(opened.is_err(), "cut to {len}");
    }
    fs::write(&file, vec![0xa5; whole.len()]).unwrap();
    let error = Store::open(&config(dir.path()), CHAIN).unwrap_err();
    assert_eq!(error.kind(), "damaged", "{error}");
}

#[test]
fn wiping_leaves_an_empty_directory_that_opens_for_any_chain() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(&config(dir.path()), CHAIN).unwrap());
    Store::wipe(dir.path()).unwrap();
    let store = Store::open(&config(dir.path()), Chain { id: 5, ..CHAIN }).unwrap();
    assert!(store.state.journal().unwrap().progress.is_none());
}
