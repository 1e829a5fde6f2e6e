//! Commands without a network: what they print and how they exit.

mod program;

use program::{json, snapsync, stderr, stdout};

const TINY: [&str; 12] = [
    "--accounts",
    "2000",
    "--contracts",
    "100",
    "--slots",
    "1000",
    "--blocks",
    "20",
    "--peers",
    "1",
    "--bad-peers",
    "0",
];

fn word(path: &std::path::Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}

// ROW: F60
#[test]
fn version_names_the_program_its_protocols_and_its_layout() {
    let run = snapsync(["version"]);
    assert_eq!(run.status.code(), Some(0));
    let text = stdout(&run);
    assert!(text.starts_with(concat!("snapsync ", env!("CARGO_PKG_VERSION"), "\n")), "{text}");
    assert!(
        text.contains("eth/69") && text.contains("snap/1") && text.contains("database layout: "),
        "{text}"
    );
    assert_eq!(snapsync(["--version"]).status.code(), Some(0));
    assert_eq!(snapsync(["--help"]).status.code(), Some(0));
}

// ROW: F60
#[test]
fn bad_arguments_are_named_and_exit_with_2() {
    let hash = format!("0x{}", "11".repeat(32));
    let sync = |change: fn(&mut Vec<String>), hash: &str| {
        let mut words: Vec<String> = [
            "sync",
            "--genesis",
            "/nowhere.json",
            "--peer",
            "enode://",
            "--datadir",
            "/nowhere",
            "--target",
            hash,
        ]
        .map(str::to_owned)
        .to_vec();
        change(&mut words);
        words
    };
    let cases = [
        (vec![], "Usage"),
        (vec!["fly".to_owned()], "fly"),
        (vec!["demo".to_owned(), "--accounts".to_owned(), "many".to_owned()], "many"),
        (vec!["status".to_owned()], "--datadir"),
        (sync(|_| {}, "yesterday"), "neither a block hash, nor a number, nor `latest`"),
        (sync(|words| words.extend(["--checkpoint".to_owned(), "five".to_owned()]), &hash), "five"),
        (sync(|words| words.extend(["--history".to_owned(), "some".to_owned()]), &hash), "some"),
        (sync(|words| words.extend(["--follow-by", "execute"].map(str::to_owned)), "latest"), "--follow"),
        (
            sync(|words| words.extend(["--follow", "--follow-by", "luck"].map(str::to_owned)), "latest"),
            "luck",
        ),
        (sync(|_| {}, &hash), "/nowhere.json"),
    ];
    for (words, named) in cases {
        let run = snapsync(&words);
        assert_eq!(run.status.code(), Some(2), "{words:?}: {}", stderr(&run));
        assert!(stderr(&run).contains(named), "{words:?}: {}", stderr(&run));
    }
}

// ROW: F60
#[test]
fn a_genesis_and_a_peer_that_make_no_sense_are_named_and_exit_with_2() {
    let here = tempfile::tempdir().expect("a directory");
    let genesis = here.path().join("genesis.json");
    let hash = format!("0x{}", "11".repeat(32));
    let datadir = word(&here.path().join("data"));
    let good = r#"{"config":{"chainId":1},"difficulty":1,"gasLimit":1,"alloc":{}}"#;
    // The key is that of the secret 1. No name has an empty label, so that nobody is asked for it.
    let nowhere = "enode://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
                   483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8@nobody..example:30303";
    for (text, peer, named) in [
        (r#"{"config":3}"#, "enode://nobody", "`config` is not an object"),
        ("{}", "enode://nobody", "`config` is missing"),
        (good, "enode://nobody", "peer enode://nobody: "),
        (good, nowhere, "the name `nobody..example` cannot be resolved"),
        (good, "enr:-IS4", "peer enr:-IS4: the node record"),
    ] {
        std::fs::write(&genesis, text).expect("written");
        let run = snapsync([
            "sync",
            "--genesis",
            &word(&genesis),
            "--peer",
            peer,
            "--target",
            &hash,
            "--datadir",
            &datadir,
        ]);
        assert_eq!(run.status.code(), Some(2), "{}", stderr(&run));
        assert_eq!(stderr(&run).lines().count(), 1, "one clear line: {}", stderr(&run));
        assert!(stderr(&run).contains(named), "{}", stderr(&run));
    }
}

// ROW: F60
#[test]
fn a_directory_without_a_database_is_named_and_exits_with_3() {
    let here = tempfile::tempdir().expect("a directory");
    let nothing = word(&here.path().join("nothing"));
    for words in [vec!["status", "--datadir", &nothing], vec!["reset", "-y", "--datadir", &nothing]] {
        let run = snapsync(&words);
        assert_eq!(run.status.code(), Some(3), "{words:?}: {}", stderr(&run));
        assert!(stderr(&run).contains(&nothing), "{}", stderr(&run));
    }
    assert!(!here.path().join("nothing").exists(), "looking makes nothing");
}

// ROW: F60
#[test]
fn a_directory_is_shown_then_reset_only_when_it_is_said_twice() {
    let here = tempfile::tempdir().expect("a directory");
    let place = word(here.path());
    let made = snapsync(["demo", "--above", "0", "--datadir", &place].into_iter().chain(TINY));
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let synced = word(&here.path().join("sync"));
    let status = json(&snapsync(["status", "--json", "--datadir", &synced]));
    assert_eq!(status["phase"], "complete");
    assert_eq!(status["state"]["accounts"], 2_000);
    assert_eq!(status["state"]["slots"], 1_000);
    assert_eq!(status["history"]["headers"], 20);
    let for_people = stdout(&snapsync(["status", "--datadir", &synced]));
    assert!(for_people.contains("2,000 accounts, 1,000 slots"), "{for_people}");
    let unsaid = snapsync(["reset", "--datadir", &synced]);
    assert_eq!(unsaid.status.code(), Some(2), "{}", stderr(&unsaid));
    assert_eq!(json(&snapsync(["status", "--json", "--datadir", &synced])), status, "nothing was erased");
    let reset = snapsync(["reset", "-y", "--datadir", &synced]);
    assert_eq!(reset.status.code(), Some(0), "{}", stderr(&reset));
    assert_eq!(snapsync(["status", "--datadir", &synced]).status.code(), Some(3));
    // The chain beside it is untouched, and can be synced again.
    let again = snapsync(["demo", "--above", "0", "--datadir", &place].into_iter().chain(TINY));
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert!(!stdout(&again).contains("already complete"));
}
