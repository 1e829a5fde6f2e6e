//! `repair`: what is damaged in a data directory is mended from peers, instead of syncing again.
//!
//! ```text
//!   verify, in a process of its own    nothing is touched unless something is wrong
//!   mend, in another one               what rows can tell is put right, what they cannot is missing from then on
//!   sync                               what is missing is fetched, what differs is healed, until the root is the header's
//!   verify                             and so on, until it finds nothing
//! ```
//!
//! It trusts the journal's seals for which block the state is of, and the header's root for all else. Interrupted, the same command goes on, and
//! so does `sync`.

use std::{ffi::OsString, io::Read, path::Path};

use alloy_primitives::B256;
use snapsync_driver::{Config, History, Naming, Phase};
use snapsync_storage::{
    Damaged, DatadirLock, Error as Disk, HistoryStore, Mended, Report, StateStore, VerifyConfig,
    answer_mended, mend_in_child,
};

use crate::{
    args::{HistoryArg, MendArgs, RepairArgs, SyncArgs, SyncMode},
    commands::{sync, verify},
    exit::{Exit, Failure, storage_failure},
    follow_by::FollowBy,
    render::{Screen, count},
    say::{errln, outln},
    session::{self, Order, Session},
    watch::Expected,
};

/// Rounds after which something cannot be mended. Each but the first has to find what two faults at once had hidden.
const ROUNDS_MAX: usize = 4;

/// Tables that only the history has.
const HISTORY_TABLES: [&str; 7] =
    ["Headers", "Canonical", "Numbers", "Bodies", "Receipts", "BodyGaps", "ReceiptGaps"];

/// What the rounds came to.
#[derive(Debug, Default)]
struct Done {
    faults: usize,
    mended: Mended,
    accounts: u64,
    slots: u64,
    codes: u64,
    healed_accounts: u64,
    healed_slots: u64,
}

/// Runs the command.
pub(crate) fn run(args: &RepairArgs) -> Result<(), Failure> {
    let mut config = sync::config(&as_sync(args))?;
    look_at(&config)?;
    if args.history.is_none() {
        config.history = kept(&args.datadir)?;
    }
    let naming = sync::naming(args.target);
    if let Some(warning) = sync::warning_of(naming) {
        errln!("{warning}");
    }
    let mut done = Done::default();
    for _ in 0..ROUNDS_MAX {
        errln!("looking at all that is held in {}", args.datadir.display());
        let report = check(&args.datadir)?;
        if report.is_clean() && report.complete {
            print(&done, &report);
            return Ok(());
        }
        done.found(&report);
        if !report.is_clean() {
            let mended =
                mend_in_child(&this_program()?, &words(args, &report)).map_err(|error| unmendable(&error))?;
            done.mended.add(&mended);
        }
        // A state that is whole stays where it is, whatever peers call their newest block.
        let naming = whole(&args.datadir)?.filter(|_| naming == Naming::Latest).map_or(naming, Naming::Hash);
        let screen = Screen::open();
        let session =
            sync::block_on(session::run(Order::to_end(config.clone(), naming, Expected::default()), screen))?;
        done.synced(&session);
    }
    Err(Failure::new(
        Exit::Verification,
        format!(
            "after {ROUNDS_MAX} rounds something is still wrong: `snapsync verify` names it; what was mended stays"
        ),
    ))
}

/// In the child: mends and answers. It ends when its parent does.
pub(crate) fn mend(args: &MendArgs) -> Result<(), Failure> {
    std::thread::spawn(|| {
        let _closed = std::io::stdin().read(&mut [0]);
        // What was committed stays, and a mending goes on where it stood.
        std::process::exit(Exit::Interrupted as i32);
    });
    let config = snapsync_storage::Config::mainnet(&args.datadir, sync::memory(args.memory)?);
    let damaged = if args.history_only { Damaged::History } else { Damaged::State };
    answer_mended(&config, damaged, Phase::Download.number(), &mut std::io::stdout().lock())
        .map_err(|error| Failure::new(Exit::Failure, error))
}

/// What `sync` would be told.
fn as_sync(args: &RepairArgs) -> SyncArgs {
    SyncArgs {
        genesis: args.genesis.clone(),
        peers: args.peers.clone(),
        target: args.target,
        datadir: args.datadir.clone(),
        networkid: args.networkid,
        checkpoint: None,
        memory: args.memory,
        history: args.history.unwrap_or(HistoryArg::None),
        listen: None,
        wait: args.wait,
        syncmode: SyncMode::Snap,
        follow: false,
        follow_blocks_max: 0,
        follow_by: FollowBy::Execute,
        give_up: None,
        snap_v2: args.snap_v2,
        scenes: false,
        trace: None,
    }
}

/// Nobody writes to the directory, and it is of this chain.
fn look_at(config: &Config) -> Result<(), Failure> {
    let failure = |error: Disk| storage_failure(&error);
    // Without a database there is nothing to be locked, and nothing is made.
    let found = StateStore::open_read_only(&config.datadir).map_err(failure)?.chain();
    drop(DatadirLock::acquire(&config.datadir).map_err(failure)?);
    let expected = snapsync_storage::Chain { id: config.chain.chain_id, genesis: config.chain.genesis_hash };
    if found == expected { Ok(()) } else { Err(failure(Disk::OtherChain { found, expected })) }
}

/// The bodies and receipts that the directory was made to keep.
fn kept(datadir: &Path) -> Result<History, Failure> {
    let history = HistoryStore::open_read_only(datadir).map_err(|error| storage_failure(&error))?;
    let journal = history.journal().map_err(|error| storage_failure(&error))?;
    Ok(journal.wanted.map_or(History::None, |wanted| History::From(wanted.first)))
}

/// The block whose state is whole, if one is.
fn whole(datadir: &Path) -> Result<Option<B256>, Failure> {
    let journal = StateStore::open_read_only(datadir).and_then(|state| state.journal());
    let journal = journal.map_err(|error| storage_failure(&error))?;
    Ok(journal.progress.and_then(|progress| progress.whole()).map(|target| target.hash))
}

fn this_program() -> Result<std::path::PathBuf, Failure> {
    std::env::current_exe().map_err(|error| Failure::new(Exit::Failure, error))
}

/// The words that lead a child to [`mend`].
fn words(args: &RepairArgs, report: &Report) -> Vec<OsString> {
    let memory = args.memory.to_string();
    let mut words: Vec<OsString> = vec![
        "mend".into(),
        "--datadir".into(),
        args.datadir.clone().into(),
        "--memory".into(),
        memory.into(),
    ];
    let is_of_history = |table: &str| HISTORY_TABLES.contains(&table);
    if report.findings.iter().all(|finding| is_of_history(&finding.table)) {
        words.push("--history-only".into());
    }
    words
}

fn check(datadir: &Path) -> Result<Report, Failure> {
    verify::check(datadir)?.map_err(|error| unmendable(&error))
}

/// Why a process of ours could not do its work: pages that cannot be read are beyond what is mended.
fn unmendable(error: &Disk) -> Failure {
    match error {
        Disk::CheckerDied { .. } => Failure::new(
            Exit::Disk,
            format!(
                "{error}, which no repair can mend; `snapsync reset` erases it, and a sync makes it anew"
            ),
        ),
        Disk::CheckFailed { kind, .. } => {
            let exit = match kind.as_str() {
                "locked" | "absent" | "version" | "other_chain" => Exit::DataDirectory,
                "corrupt" => Exit::Verification,
                _ => Exit::Disk,
            };
            Failure::new(exit, error)
        }
        _ => storage_failure(error),
    }
}

impl Done {
    fn found(&mut self, report: &Report) {
        for finding in &report.findings {
            errln!("wrong        {} at {}: {}", finding.table, finding.key, finding.what);
        }
        self.faults += report.findings.len();
        if report.findings.len() >= VerifyConfig::all_cores().findings_max {
            errln!("and more: the first {} were told", report.findings.len());
        }
    }

    fn synced(&mut self, session: &Session) {
        let (durable, reconciled) = (&session.progress.durable, &session.progress.reconciled);
        self.accounts += durable.accounts;
        self.slots += durable.slots;
        self.codes += durable.codes;
        self.healed_accounts += reconciled.accounts;
        self.healed_slots += reconciled.slots;
    }
}

fn print(done: &Done, report: &Report) {
    if done.faults == 0 {
        outln!("nothing is damaged");
    } else {
        let Mended { records, packs, ranges, storages, branches, codes, headers, blocks, rows } = done.mended;
        outln!("found        {} faults", count(done.faults as u64));
        outln!(
            "mended       {} packs dropped, {} branches rewritten, {} codes dropped, {} records made anew, {} rows of blocks dropped",
            count(packs),
            count(branches),
            count(codes),
            count(records),
            count(rows)
        );
        outln!(
            "asked for    {} ranges of accounts, {} storages in whole or in part, {} chains of headers, {} bodies and receipts",
            count(ranges),
            count(storages),
            count(headers),
            count(blocks)
        );
    }
    outln!(
        "fetched      {} accounts, {} slots, {} codes; healed {} accounts, {} slots",
        count(done.accounts),
        count(done.slots),
        count(done.codes),
        count(done.healed_accounts),
        count(done.healed_slots)
    );
    if let Some(root) = report.root {
        outln!("state root   {root} (derived from our rows, equal to the header's)");
    }
}
