//! Every error once: its word, whether to try again, its exit code; and README's table, which says the same.

use std::{collections::BTreeMap, io, path::PathBuf};

use alloy_primitives::B256;
use signet_libmdbx::MdbxError;
use snapsync_driver::{Ending, Error, Exit, Fatal, Lack, Severity, Stall};
use snapsync_storage::{Chain, Error as Disk};
use snapsync_sync::{Checkpoint, Missing, Standing, TargetId};

const README: &str = include_str!("../../../README.md");

const HASH: B256 = B256::ZERO;

fn missing() -> Fatal {
    Fatal::TargetUnavailable { missing: Missing::Header { hash: HASH } }
}

fn fatals() -> Vec<(Fatal, &'static str, Severity, Exit)> {
    use Severity::{Fatal as Never, Recoverable};
    let wanted = Checkpoint { number: 1, hash: HASH };
    let lack = Lack { spans: vec![], more: 0, count: 0 };
    let (expected, derived) = (HASH, HASH);
    let check = Exit::Verification;
    vec![
        (Fatal::CheckpointMismatch { wanted, found: HASH }, "checkpoint_mismatch", Never, check),
        (Fatal::CheckpointNumber { wanted, found: 2 }, "checkpoint_number", Never, check),
        (Fatal::TargetMismatch { number: 1, wanted: HASH, found: HASH }, "target_mismatch", Never, check),
        (Fatal::GenesisMismatch { wanted: HASH, found: HASH }, "genesis_mismatch", Never, check),
        (Fatal::OtherTarget { have: HASH, asked: HASH }, "other_target", Never, Exit::DataDirectory),
        (missing(), "target_unavailable", Recoverable, Exit::Target),
        (Fatal::HistoryUnavailable { lack }, "history_unavailable", Recoverable, Exit::History),
        (Fatal::RootMismatch { expected, derived }, "root_mismatch", Never, check),
        (Fatal::Unreconciled { oldest: Standing::Mixed, target: TargetId(1) }, "unreconciled", Never, check),
        (
            Fatal::StorageRootMismatch { account: HASH, expected, derived },
            "storage_root_mismatch",
            Never,
            check,
        ),
    ]
}

fn disks() -> Vec<(Disk, &'static str, Severity, Exit)> {
    use Severity::{Fatal as Never, Recoverable};
    let (env, path, table) = ("state", PathBuf::new, "accounts");
    let chain = || Chain { id: 1, genesis: HASH };
    let (damaged, other) = (MdbxError::Corrupted, MdbxError::Busy);
    let io = Disk::Io { what: "open", path: path(), source: io::ErrorKind::NotFound.into() };
    let version = Disk::Version { table, record: "progress", found: 9, known: 1 };
    let checked = Disk::CheckFailed { kind: "corrupt".into(), message: String::new() };
    let (place, disk) = (Exit::DataDirectory, Exit::Disk);
    vec![
        (Disk::Locked { path: path() }, "locked", Recoverable, place),
        (Disk::Absent { path: path() }, "absent", Never, place),
        (io, "io", Recoverable, disk),
        (version, "version", Never, place),
        (Disk::OtherChain { found: chain(), expected: chain() }, "other_chain", Never, place),
        (Disk::Corrupt { table, key: String::new(), why: "it is short" }, "corrupt", Never, disk),
        (Disk::TooLarge { table, part: "key", len: 9, max: 1 }, "too_large", Never, disk),
        (Disk::MapFull { env, size_max: 1 }, "map_full", Recoverable, disk),
        (Disk::DiskFull { env }, "disk_full", Recoverable, disk),
        (Disk::AddressSpace { env, wanted_bytes: 1 }, "address_space", Never, Exit::Failure),
        (Disk::ReadOnly { env }, "read_only", Never, disk),
        (Disk::Damaged { env, source: damaged }, "damaged", Never, disk),
        (Disk::Mdbx { env, source: other }, "mdbx", Never, disk),
        (Disk::Refused { why: "it contradicts itself" }, "refused", Never, disk),
        (Disk::WriterGone { env }, "writer_gone", Recoverable, disk),
        (Disk::Aborted { number: 1 }, "aborted", Recoverable, disk),
        (checked, "check_failed", Never, disk),
        (Disk::CheckerDied { status: String::new() }, "checker_died", Never, disk),
    ]
}

fn stalls() -> Vec<(Stall, &'static str, Severity, Exit)> {
    use Severity::Recoverable;
    vec![
        (Stall::NoPeers, "stalled_no_peers", Recoverable, Exit::Target),
        (Stall::PeersLackState, "stalled_peers_lack_state", Recoverable, Exit::PeersLack),
        (Stall::PeersLackBlocks, "stalled_peers_lack_blocks", Recoverable, Exit::PeersLack),
        (Stall::Disk, "stalled_disk", Recoverable, Exit::Disk),
        (Stall::LosingToHead, "stalled_losing_to_head", Recoverable, Exit::LosingToHead),
    ]
}

/// The others, which hold no error of another crate that has kinds of its own.
fn others() -> Vec<(Error, &'static str, Severity, Exit)> {
    use Severity::{Fatal as Never, Recoverable};
    let source = || io::Error::from(io::ErrorKind::NotFound);
    let enode = "".parse::<snapsync_p2p::Enode>().expect_err("it names nobody");
    let (fatal, broken) = (Box::new(missing()), vec![]);
    let target = Exit::Target;
    vec![
        (Error::Network(snapsync_p2p::Error::Closed), "network", Recoverable, Exit::Failure),
        (Error::Enode(enode), "peer_address", Never, Exit::Usage),
        (Error::Trace { path: PathBuf::new(), source: source() }, "trace", Never, Exit::Failure),
        (Error::Thread(source()), "thread", Recoverable, Exit::Failure),
        (Error::NoBlock { hash: HASH }, "no_block", Never, Exit::Usage),
        (Error::NoBodies, "no_bodies", Never, Exit::Usage),
        (Error::PeersDisagree { answers: vec![] }, "peers_disagree", Recoverable, target),
        (Error::OnlyGenesis { peers: 1 }, "only_genesis", Recoverable, target),
        (Error::NoSuchBlock { number: 1 }, "no_such_block", Recoverable, target),
        (Error::NobodyAnswers { seconds: 1 }, "nobody_answers", Recoverable, target),
        (Error::NobodyLeft { met: true, lost: vec![] }, "nobody_left", Recoverable, target),
        (Error::NobodyProves { fatal, broken }, "nobody_proves", Recoverable, target),
        (Error::ShutDown, "shut_down", Recoverable, Exit::Failure),
    ]
}

/// A number for each variant: one that is new does not compile until it has its place in the table.
fn variant(error: &Error) -> usize {
    match error {
        Error::Fatal(_) => 0,
        Error::Storage(_) => 1,
        Error::Network(_) => 2,
        Error::Enode(_) => 3,
        Error::Trace { .. } => 4,
        Error::Thread(_) => 5,
        Error::NoBlock { .. } => 6,
        Error::PeersDisagree { .. } => 7,
        Error::OnlyGenesis { .. } => 8,
        Error::NoSuchBlock { .. } => 9,
        Error::NobodyAnswers { .. } => 10,
        Error::NobodyLeft { .. } => 11,
        Error::NobodyProves { .. } => 12,
        Error::Stalled { .. } => 13,
        Error::NoBodies => 15,
        Error::ShutDown => 14,
    }
}

fn table() -> Vec<(Error, Ending)> {
    let fatals =
        fatals().into_iter().map(|(fatal, label, severity, exit)| (fatal.into(), label, severity, exit));
    let disks = disks().into_iter().map(|(disk, label, severity, exit)| (disk.into(), label, severity, exit));
    let stalls = stalls()
        .into_iter()
        .map(|(stall, label, severity, exit)| (Error::Stalled { stall, seconds: 1 }, label, severity, exit));
    fatals
        .chain(disks)
        .chain(stalls)
        .chain(others())
        .map(|(error, label, severity, exit)| (error, Ending { label, severity, exit }))
        .collect()
}

/// Rows of README's table of exit codes: the code, and the words that it names.
fn readme() -> BTreeMap<u8, Vec<String>> {
    let table = README.lines().skip_while(|line| !line.starts_with("| code |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [code, _, words] = cells[..] else { panic!("{row}") };
        let words = words.split_whitespace().map(|word| word.trim_matches([',', '`']).to_owned()).collect();
        (code.parse().unwrap_or_else(|_| panic!("{row}")), words)
    })
    .collect()
}

// ROW: F52
#[test]
fn every_error_has_a_word_a_severity_and_an_exit_code_and_readme_says_the_same() {
    let mut told: BTreeMap<u8, Vec<String>> =
        [Exit::Interrupted as u8, 0].map(|code| (code, Vec::new())).into();
    let mut made = std::collections::BTreeSet::new();
    for (error, wanted) in table() {
        made.insert(variant(&error));
        assert_eq!(error.ending(), wanted, "{error}");
        told.entry(wanted.exit as u8).or_default().push(wanted.label.to_owned());
    }
    assert_eq!(made.into_iter().collect::<Vec<_>>(), (0..16).collect::<Vec<_>>(), "each variant once");
    let all: Vec<&String> = told.values().flatten().collect();
    let apart: std::collections::BTreeSet<&String> = all.iter().copied().collect();
    assert_eq!(apart.len(), all.len(), "no word stands for two errors");
    let sorted = |mut rows: BTreeMap<u8, Vec<String>>| {
        rows.values_mut().for_each(|words| words.sort());
        rows
    };
    assert_eq!(sorted(readme()), sorted(told));
}
