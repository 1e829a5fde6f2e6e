//! `repair`: bytes that rot on the disk, row by row, and what the program makes of it, with peers at hand.

mod program;

use std::path::Path;

use program::{Served, json, snapsync, stderr, stdout};
use signet_libmdbx::{DatabaseFlags, Environment, WriteFlags};
use snapsync_storage::{CommitGate, Config, Error, StateStore, Store, Verdict, mend_behind};

const TINY: [&str; 8] = ["--accounts", "3000", "--contracts", "200", "--slots", "20000", "--blocks", "20"];

/// Something that happens to a row.
type Damage = fn(Vec<u8>) -> Vec<u8>;

fn flipped(mut value: Vec<u8>) -> Vec<u8> {
    if let Some(last) = value.last_mut() {
        *last ^= 0x04;
    }
    value
}

fn cut(mut value: Vec<u8>) -> Vec<u8> {
    value.pop();
    value
}

/// Changes the row in the middle of a table, past everything that the program checks before it writes.
fn damage(environment: &Path, table: &str, damage: Damage) {
    let environment = Environment::builder().set_max_dbs(16).open(environment).expect("it opens");
    let txn = environment.begin_rw_unsync().expect("nobody else writes");
    let db = txn.create_db(Some(table), DatabaseFlags::empty()).expect("a table");
    let rows = txn.db_stat(&db).expect("figures").entries();
    let mut cursor = txn.cursor(db).expect("a cursor");
    let mut row = cursor.first::<Vec<u8>, Vec<u8>>().expect("it reads");
    for _ in 0..rows / 2 {
        row = cursor.next::<Vec<u8>, Vec<u8>>().expect("it reads");
    }
    let (key, value) = row.expect("the table has rows");
    cursor.del().expect("it stands on the row");
    drop(cursor);
    txn.put(db, &key, damage(value), WriteFlags::UPSERT).expect("room");
    txn.commit().expect("a disk");
}

/// A directory that holds a whole chain, and the words that repair it.
fn synced(served: &Served, datadir: &Path) -> Vec<String> {
    let mut words = served.sync_command(datadir);
    let run = snapsync(&words);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    "repair".clone_into(&mut words[0]);
    words
}

fn verified(datadir: &Path) -> (Option<i32>, serde_json::Value) {
    let run = snapsync(["verify", "--json", "--datadir", datadir.to_str().expect("plain")]);
    (run.status.code(), json(&run))
}

fn assert_sound(served: &Served, datadir: &Path) {
    let (code, report) = verified(datadir);
    assert_eq!((code, &report["complete"]), (Some(0), &true.into()), "{report}");
    assert_eq!(report["root"], served.state_root.as_str());
}

// ROW: F32, F24
#[test]
fn whatever_rots_in_a_row_is_mended_from_peers_and_the_root_is_the_same() {
    let served = Served::start(&["--peers", "2", "--bad-peers", "0"], &TINY);
    let folder = tempfile::tempdir().expect("a directory");
    let datadir = folder.path().join("data");
    let repair = synced(&served, &datadir);
    let state = datadir.join("state");
    let all: [(&str, Damage, &str); 7] = [
        ("Accounts", flipped, "healed 1 accounts"),
        ("Accounts", cut, "1 packs dropped"),
        ("Storages", flipped, "1 slots\n"),
        ("Storages", cut, "1 packs dropped"),
        ("AccountNodes", flipped, "branches rewritten"),
        ("StorageNodes", cut, "1 packs dropped"),
        ("Codes", flipped, "1 codes; healed 0 accounts, 0 slots"),
    ];
    for (table, change, told) in all {
        damage(&state, table, change);
        let (code, report) = verified(&datadir);
        let findings = report["findings"].as_array().expect("a list");
        assert_eq!(code, Some(5), "{table}");
        assert!(findings.iter().any(|finding| finding["table"] == table), "{table}: {findings:?}");
        let run = snapsync(&repair);
        let text = stdout(&run);
        assert_eq!(run.status.code(), Some(0), "{table}: {text}{}", stderr(&run));
        assert!(text.contains(told) && text.contains(&served.state_root), "{table}: {text}");
        assert!(!stderr(&run).contains("charged"), "honest peers are told nothing false: {}", stderr(&run));
        assert_sound(&served, &datadir);
    }
    let status = json(&snapsync(["status", "--json", "--datadir", datadir.to_str().expect("plain")]));
    assert_eq!(status["phase"], "complete", "{status}");
}

// ROW: F32
#[test]
fn many_faults_at_once_are_mended_and_what_is_sound_is_not_touched() {
    let served = Served::start(&["--peers", "2", "--bad-peers", "0"], &TINY);
    let folder = tempfile::tempdir().expect("a directory");
    let datadir = folder.path().join("data");
    let mut repair = synced(&served, &datadir);
    let run = snapsync(&repair);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert!(stdout(&run).contains("nothing is damaged"), "{}", stdout(&run));
    for (table, change) in [
        ("Accounts", flipped as Damage),
        ("Storages", flipped),
        ("AccountNodes", cut),
        ("StorageNodes", flipped),
        ("Codes", flipped),
        ("Targets", flipped),
    ] {
        damage(&datadir.join("state"), table, change);
    }
    let target = repair.iter().position(|word| word == "--target").expect("it is named");
    repair.drain(target..target + 2);
    let run = snapsync(&repair);
    assert_eq!(run.status.code(), Some(0), "{}{}", stdout(&run), stderr(&run));
    assert!(stderr(&run).contains("by `latest`"), "what is not said is followed: {}", stderr(&run));
    assert_sound(&served, &datadir);
}

/// Stands for a kill between two commits.
struct KillAt(u64);

impl CommitGate for KillAt {
    fn before_commit(&mut self, number: u64) -> Verdict {
        if number == self.0 { Verdict::Abort } else { Verdict::Pass }
    }
}

// ROW: F32, F30
#[test]
fn a_mending_that_was_killed_is_brought_to_its_end_by_a_sync() {
    let served = Served::start(&["--peers", "2", "--bad-peers", "0"], &TINY);
    let folder = tempfile::tempdir().expect("a directory");
    let datadir = folder.path().join("data");
    let mut sync = synced(&served, &datadir);
    "sync".clone_into(&mut sync[0]);
    for commit in [2, 4, 12] {
        damage(&datadir.join("state"), "Accounts", flipped);
        damage(&datadir.join("state"), "Storages", cut);
        {
            let chain = StateStore::open_read_only(&datadir).expect("it is there").chain();
            let store = Store::open(&Config::mainnet(&datadir, 64 << 20), chain).expect("it opens");
            let killed = mend_behind(&store.state, 2, &mut KillAt(commit));
            assert!(matches!(killed, Err(Error::Aborted { .. })), "{killed:?}");
            assert!(store.state.is_being_mended().expect("it reads"));
        }
        let run = snapsync(&sync);
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
        assert_sound(&served, &datadir);
    }
}

// ROW: F32
#[test]
fn blocks_that_rot_are_fetched_again_and_the_state_stays_whole() {
    let served = Served::start(&["--peers", "2", "--bad-peers", "0"], &TINY);
    let folder = tempfile::tempdir().expect("a directory");
    let datadir = folder.path().join("data");
    let repair = synced(&served, &datadir);
    let all = [
        ("Headers", "1 chains of headers, 0 bodies and receipts"),
        ("Canonical", "1 records made anew"),
        ("Bodies", "1 bodies and receipts"),
        ("Receipts", "1 bodies and receipts"),
    ];
    for (table, told) in all {
        damage(&datadir.join("history"), table, flipped);
        assert_eq!(verified(&datadir).0, Some(5), "{table}");
        let run = snapsync(&repair);
        let text = stdout(&run);
        assert_eq!(run.status.code(), Some(0), "{table}: {text}{}", stderr(&run));
        assert!(text.contains(told), "{table}: {text}");
        assert!(
            text.contains("fetched      0 accounts, 0 slots, 0 codes; healed 0 accounts, 0 slots"),
            "{text}"
        );
        assert_sound(&served, &datadir);
    }
}

// ROW: F32, F60
#[test]
fn what_no_repair_can_mend_is_said_and_touched_by_nobody() {
    let served = Served::start(&["--peers", "1", "--bad-peers", "0"], &TINY);
    let folder = tempfile::tempdir().expect("a directory");
    let mut repair = served.sync_command(&folder.path().join("nothing"));
    "repair".clone_into(&mut repair[0]);
    let run = snapsync(&repair);
    assert_eq!(run.status.code(), Some(3), "{}", stderr(&run));
    assert!(!folder.path().join("nothing").exists(), "nothing is made");

    let datadir = folder.path().join("data");
    let repair = synced(&served, &datadir);
    let file = datadir.join("state/mdbx.dat");
    let sound = std::fs::read(&file).expect("a file");
    // A file that ends too early, and pages in which nothing makes sense: libmdbx says so, or its process ends of it.
    let torn: [fn(&mut Vec<u8>); 2] = [
        |bytes| bytes.truncate(8_192),
        |bytes| {
            let page = 4096;
            for at in (16..bytes.len() / page).step_by(3) {
                bytes[at * page + 8..at * page + 200].fill(0xa5);
            }
        },
    ];
    for tear in torn {
        let mut bytes = sound.clone();
        tear(&mut bytes);
        std::fs::write(&file, &bytes).expect("room");
        let run = snapsync(&repair);
        assert_eq!(run.status.code(), Some(6), "{}{}", stdout(&run), stderr(&run));
        let text = stderr(&run);
        assert!(text.contains("is damaged") || text.contains("cannot be read"), "{text}");
        assert_eq!(std::fs::read(&file).expect("a file").len(), bytes.len(), "nothing was written");
    }
    std::fs::write(&file, &sound).expect("room");
    assert_sound(&served, &datadir);
}
