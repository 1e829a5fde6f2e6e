//! The check in a process of its own: its answer goes through a pipe, and its death is an answer too.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::path::Path;

use snapsync_storage::{Error, Store, VerifyConfig, answer_parent, verify_in_child};
use synth::{CHAIN, config};

/// The line that a child writes for `datadir`, in a file that `cat` can print.
fn answer(datadir: &Path) -> std::path::PathBuf {
    let mut line = Vec::new();
    answer_parent(datadir, VerifyConfig { threads: 1, findings_max: 1 }, &mut line).unwrap();
    let file = datadir.join("answer");
    std::fs::write(&file, line).unwrap();
    file
}

#[test]
fn a_report_comes_through_the_pipe() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(&config(dir.path()), CHAIN).unwrap());
    let report = verify_in_child(Path::new("cat"), &[answer(dir.path())]).unwrap();
    assert!(report.is_clean() && !report.complete);
}

#[test]
fn a_database_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = verify_in_child(Path::new("cat"), &[answer(dir.path())]).unwrap_err();
    assert!(matches!(&error, Error::CheckFailed { kind, .. } if kind == "absent"), "{error}");
}

#[test]
fn a_child_that_dies_is_told() {
    let error = verify_in_child(Path::new("sh"), &["-c", "kill -SEGV $$"]).unwrap_err();
    assert!(matches!(error, Error::CheckerDied { .. }), "{error}");
}
