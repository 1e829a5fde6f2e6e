//! The demo as a person runs it: the real program, its output and its exit code.
//!
//! The chains are small; what is shown is the same as of the large one.

mod program;

use std::collections::BTreeSet;

use program::{Served, json, snapsync, stdout};

/// Many codes and blocks for few rows: each noun is asked for in more requests than there are peers.
const SMALL: [&str; 8] =
    ["--accounts", "30000", "--contracts", "8000", "--slots", "40000", "--blocks", "4800"];

// ROW: F60
#[test]
fn six_bad_peers_are_each_named_with_the_fault_that_was_detected() {
    let run = snapsync(["demo", "--bad-peers", "6", "--peers", "2"].into_iter().chain(SMALL));
    let text = stdout(&run);
    assert_eq!(run.status.code(), Some(0), "{text}");
    let kinds = [
        // Which of them depends on what it was asked: accounts from the first or from a later one on, or whole storages without a proof.
        ("truncated tail claimed complete", ["missing_node", "root_mismatch", "unproven"].as_slice()),
        ("omitted storage set", &["omitted_storage_set"]),
        ("forged value", &["root_mismatch"]),
        ("wrong receipts", &["wrong_receipts"]),
        ("silent", &["silent"]),
        ("wrong code", &["wrong_code"]),
    ];
    for (kind, faults) in kinds {
        let line = text.lines().find(|line| line.starts_with("bad peer ") && line.contains(kind));
        let found = line.and_then(|line| line.split(&format!(" {kind}: ")).nth(1)).unwrap_or_default();
        let told = found.split(", ").all(|fault| faults.contains(&fault));
        assert!(told, "{kind}: none of {faults:?} is told:\n{text}");
    }
    // Who lies about what it is asked for by hash is charged. Who sends ranges that do not prove is set aside, and charged as well if
    // others prove enough of them before the end. An honest peer is neither.
    let told = |word: &str| {
        let lines = text.lines().filter(|line| line.starts_with(word) && !line.contains(": silent "));
        lines
            .filter_map(|line| line.split_whitespace().find(|word| word.contains('@')))
            .collect::<BTreeSet<_>>()
    };
    let caught = told("charged ").union(&told("set aside ")).count();
    assert_eq!((caught, told("set aside ").len()), (kinds.len() - 1, 3), "{text}");
    let root = |start: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(start));
        line.and_then(|rest| rest.split_whitespace().find(|word| word.starts_with("0x"))).map(str::to_owned)
    };
    assert!(root("verified     state root").is_some(), "{text}");
    assert_eq!(root("verified     state root"), root("state root"), "{text}");
    // The blocks above that state are executed, up to the head.
    assert!(text.contains("\nfollowed     the state is of block 4832 0x"), "{text}");
    assert!(text.contains("\nexecuted     up to the head, block 4,832 0x"), "{text}");
}

// ROW: F60
#[test]
fn a_served_chain_is_synced_by_its_genesis_file() {
    let served = Served::start(&["--peers", "2", "--bad-peers", "0"], &SMALL);
    let here = tempfile::tempdir().expect("a directory");
    let datadir = here.path().join("data");
    let command = served.sync_command(&datadir);
    let run = snapsync(&command);
    assert_eq!(run.status.code(), Some(0), "{}", program::stderr(&run));
    assert!(stdout(&run).contains(&served.state_root), "{}", stdout(&run));
    // The line for people says the same as the JSON.
    assert_eq!(served.told_command(&datadir), command);
    let again = snapsync(&command);
    assert_eq!(again.status.code(), Some(0), "{}", program::stderr(&again));
    assert!(stdout(&again).contains("already complete"), "{}", stdout(&again));
    for dir in [served.chain_dir(), datadir] {
        let dir = dir.to_str().expect("a plain path");
        let status = json(&snapsync(["status", "--json", "--datadir", dir]));
        assert_eq!(status["phase"], "complete");
        assert_eq!(status["target"]["verified"], true);
        assert_eq!(status["target"]["state_root"], served.state_root.as_str());
        assert_eq!(status["state"]["share"], 1.0);
        assert_eq!(status["history"]["bodies_missing"], 0);
        let verified = snapsync(["verify", "--json", "--datadir", dir]);
        assert_eq!(verified.status.code(), Some(0), "{}", stdout(&verified));
        let report = json(&verified);
        assert_eq!(report["root"], served.state_root.as_str());
        assert_eq!(report["findings"].as_array().map(Vec::len), Some(0));
    }
}
