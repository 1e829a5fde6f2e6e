//! `sync` where peers are of no use, and where there is nothing to fetch: how it ends, and what it says.

mod fake;
mod program;

use std::{path::Path, process::Output};

use fake::{Fake, genesis_file, genesis_hash};
use program::{Served, json, snapsync, stderr, stdout};
use snapsync_wire::SnapVersion;

/// Port 1 is nobody's; the key is that of the secret 1.
const NOBODY: &str = "enode://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
                      483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8@127.0.0.1:1";

const TINY: [&str; 8] = ["--accounts", "2000", "--contracts", "100", "--slots", "1000", "--blocks", "20"];

fn sync(folder: &Path, peers: &[&str], target: &str) -> Output {
    let (genesis, datadir) = (genesis_file(folder), folder.join("data"));
    let mut words = vec!["sync", "--genesis", genesis.to_str().expect("plain"), "--target", target];
    words.extend(["--datadir", datadir.to_str().expect("plain")]);
    words.extend(peers.iter().flat_map(|peer| ["--peer", peer]));
    snapsync(words)
}

fn hash(byte: u8) -> String {
    alloy_primitives::B256::repeat_byte(byte).to_string()
}

// ROW: F60
#[test]
fn peer_given_twice_that_nobody_is_at_ends_the_sync_with_4() {
    let folder = tempfile::tempdir().expect("a directory");
    let run = sync(folder.path(), &[NOBODY, NOBODY], &hash(1));
    assert_eq!(run.status.code(), Some(4), "{}", stderr(&run));
    assert!(stderr(&run).contains("1 peers"), "{}", stderr(&run));
    let told = stderr(&run)
        .lines()
        .filter(|line| line.starts_with("error: no peer can be reached: 79be667e"))
        .count();
    assert_eq!(told, 1, "{}", stderr(&run));
}

// ROW: F60
#[test]
fn peer_without_snap_ends_the_sync_with_4_and_is_named() {
    let folder = tempfile::tempdir().expect("a directory");
    let fake = Fake::start(None);
    let run = sync(folder.path(), &[&fake.enode], &hash(1));
    assert_eq!(run.status.code(), Some(4), "{}", stderr(&run));
    let text = stderr(&run);
    assert!(text.contains("error: no peer is left that can help: "), "{text}");
    assert!(text.lines().any(|line| line.contains("does not speak snap")), "{text}");
}

// ROW: F6
#[test]
fn only_liars_end_the_sync_with_4_and_are_named_with_their_faults() {
    let served = Served::start(&["--peers", "0", "--bad-peers", "1"], &TINY);
    let folder = tempfile::tempdir().expect("a directory");
    let run = snapsync(served.sync_command(&folder.path().join("data")));
    assert_eq!(run.status.code(), Some(4), "{}", stderr(&run));
    let text = stderr(&run);
    assert!(text.contains("error: no connected peer has what the target needs: "), "{text}");
    assert!(text.contains("of its ranges did not prove, the last: "), "{text}");
    assert_eq!(
        text.matches("set aside for a moment").count(),
        1,
        "each fault of a peer is told once: {text}"
    );
}

// ROW: F60
#[test]
fn latest_is_what_the_peers_say_and_genesis_is_no_latest_block() {
    let served = Served::start(&["--peers", "3", "--bad-peers", "0"], &TINY);
    let folder = tempfile::tempdir().expect("a directory");
    let mut words = served.sync_command(&folder.path().join("a"));
    let target = words.iter().position(|word| word == "--target").expect("it is named") + 1;
    words[target] = "latest".into();
    let run = snapsync(&words);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert!(stdout(&run).contains(&served.state_root), "{}", stdout(&run));
    assert!(stderr(&run).contains(": 3 peers say so, none says otherwise"), "{}", stderr(&run));

    let fake = Fake::start(Some(SnapVersion::Snap1));
    let run = sync(folder.path(), &[&fake.enode], "latest");
    assert_eq!(run.status.code(), Some(4), "{}", stderr(&run));
    assert!(stderr(&run).contains("their newest block is the genesis"), "{}", stderr(&run));
}

// ROW: F6 F60
#[test]
fn history_that_nobody_has_is_named_when_the_state_is_complete_and_exits_with_7() {
    let served = Served::start(&["--peers", "2", "--bad-peers", "0", "--history-from", "15"], &TINY);
    let folder = tempfile::tempdir().expect("a directory");
    let datadir = folder.path().join("data");
    let command = served.sync_command(&datadir);
    let run = snapsync(&command);
    assert_eq!(run.status.code(), Some(7), "{}", stderr(&run));
    let text = stderr(&run);
    let missing =
        "error: nobody has bodies of blocks 1 to 14, receipts of blocks 1 to 14; all else is complete";
    assert!(text.contains(missing), "{text}");
    let datadir = datadir.to_str().expect("plain");
    let status = json(&snapsync(["status", "--json", "--datadir", datadir]));
    assert_eq!(status["target"]["verified"], true, "{status}");
    assert_eq!(status["history"]["bodies_missing"], 14, "{status}");
    // Less is asked for: then all of it is there.
    let wanted = ["--history", "from:15"].map(str::to_owned);
    let run = snapsync(command.iter().chain(&wanted));
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let verified = snapsync(["verify", "--datadir", datadir]);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
}

// ROW: F60
#[test]
fn hash_of_no_block_is_refused_at_the_door() {
    let folder = tempfile::tempdir().expect("a directory");
    for byte in [0, 0xff] {
        let run = sync(folder.path(), &[NOBODY], &hash(byte));
        assert_eq!(run.status.code(), Some(2), "{}", stderr(&run));
        assert!(stderr(&run).contains("no block has this hash"), "{}", stderr(&run));
    }
    assert!(!folder.path().join("data").exists());
}

// ROW: F38
#[test]
fn empty_state_is_complete_and_nobody_is_asked_for_it() {
    let folder = tempfile::tempdir().expect("a directory");
    let fake = Fake::start(Some(SnapVersion::Snap1));
    let target = genesis_hash().to_string();
    let run = sync(folder.path(), &[&fake.enode], &target);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert_eq!(fake.state_asked(), 0);
    let datadir = folder.path().join("data");
    let datadir = datadir.to_str().expect("plain");
    let status = json(&snapsync(["status", "--json", "--datadir", datadir]));
    assert_eq!((&status["phase"], &status["state"]["share"]), (&"complete".into(), &1.0.into()), "{status}");
    assert_eq!(status["state"]["account_gaps"], 0, "{status}");
    let verified = snapsync(["verify", "--datadir", datadir]);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
    // A finished directory needs nobody.
    let again = sync(folder.path(), &[NOBODY], &target);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
}
