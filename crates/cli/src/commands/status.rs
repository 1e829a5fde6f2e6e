//! `status`: what a data directory holds. It reads beside a running sync and changes nothing.

use std::path::Path;

use alloy_primitives::B256;
use serde::Serialize;
use snapsync_driver::Phase;
use snapsync_storage::{HistoryJournal, HistoryStore, StateJournal, StateStore};

use crate::{
    args::DirArgs,
    beacon::Running,
    exit::{Exit, Failure, storage_failure},
    render::{self, count},
    say::outln,
};

/// What `status` shows; with `--json` under these names.
#[derive(Debug, Serialize)]
struct Status {
    chain_id: u64,
    genesis: B256,
    phase: String,
    target: Option<TargetStatus>,
    /// The version of snap that was spoken last.
    snap: Option<u8>,
    state: StateStatus,
    history: HistoryStatus,
    /// What the sync that runs there says of itself; nothing if none does.
    running: Option<Running>,
}

#[derive(Debug, Serialize)]
struct TargetStatus {
    number: u64,
    hash: B256,
    state_root: B256,
    /// Whether the root derived from our rows was found equal.
    verified: bool,
}

#[derive(Debug, Serialize)]
struct StateStatus {
    /// Share of the account key space that is held, 0 to 1.
    share: f64,
    accounts: u64,
    slots: u64,
    codes: u64,
    account_gaps: usize,
    storages_pending: usize,
    codes_pending: usize,
    file_bytes: u64,
}

#[derive(Debug, Serialize)]
struct HistoryStatus {
    headers: u64,
    header_floor: Option<u64>,
    bodies: u64,
    bodies_missing: u64,
    receipts: u64,
    receipts_missing: u64,
    file_bytes: u64,
}

/// Prints the status.
pub(crate) fn run(args: &DirArgs) -> Result<(), Failure> {
    let status = read(&args.datadir)?;
    if args.json {
        let text =
            serde_json::to_string_pretty(&status).map_err(|error| Failure::new(Exit::Failure, error))?;
        outln!("{text}");
    } else {
        print(&status);
    }
    Ok(())
}

/// The same of a directory that is open, in JSON.
pub(crate) fn json(
    datadir: &Path,
    state: &StateStore,
    history: &HistoryStore,
) -> Result<serde_json::Value, Failure> {
    let status = of(datadir, state, history)?;
    serde_json::to_value(&status).map_err(|error| Failure::new(Exit::Failure, error))
}

fn read(datadir: &Path) -> Result<Status, Failure> {
    let failure = |error| storage_failure(&error);
    let state = StateStore::open_read_only(datadir).map_err(failure)?;
    let history = HistoryStore::open_read_only(datadir).map_err(failure)?;
    of(datadir, &state, &history)
}

fn of(datadir: &Path, state: &StateStore, history: &HistoryStore) -> Result<Status, Failure> {
    let failure = |error| storage_failure(&error);
    let journal = state.journal().map_err(failure)?;
    let blocks = history.journal().map_err(failure)?;
    let progress = journal.progress.unwrap_or_default();
    let phase = Phase::from_number(progress.phase).unwrap_or(Phase::Idle);
    Ok(Status {
        chain_id: journal.chain.id,
        genesis: journal.chain.genesis,
        phase: format!("{phase:?}").to_lowercase(),
        target: progress.pin.map(|pin| TargetStatus {
            number: pin.number,
            hash: pin.hash,
            state_root: pin.root,
            verified: progress.rebuilt == Some(pin.root),
        }),
        snap: journal.snap,
        state: state_status(&journal, state.file_bytes().map_err(failure)?),
        history: history_status(&blocks, history.file_bytes().map_err(failure)?),
        running: Running::read(datadir),
    })
}

fn state_status(journal: &StateJournal, file_bytes: u64) -> StateStatus {
    let started = journal.progress.is_some_and(|progress| progress.pin.is_some());
    StateStatus {
        share: if started { (1.0 - journal.accounts.share_missing()).clamp(0.0, 1.0) } else { 0.0 },
        accounts: journal.counters.accounts,
        slots: journal.counters.slots,
        codes: journal.counters.codes,
        account_gaps: if started { journal.accounts.gaps().count() } else { 0 },
        storages_pending: journal.storages.len(),
        codes_pending: journal.codes.len(),
        file_bytes,
    }
}

fn history_status(journal: &HistoryJournal, file_bytes: u64) -> HistoryStatus {
    let blocks = |spans: &[snapsync_storage::BlockSpan]| {
        spans.iter().map(|span| span.last - span.first + 1).sum::<u64>()
    };
    HistoryStatus {
        headers: journal.counters.headers,
        header_floor: journal.headers.map(|piece| piece.floor),
        bodies: journal.counters.bodies,
        bodies_missing: blocks(&journal.bodies),
        receipts: journal.counters.receipts,
        receipts_missing: blocks(&journal.receipts),
        file_bytes,
    }
}

fn print(status: &Status) {
    outln!("chain        {} with genesis {}", status.chain_id, status.genesis);
    outln!("phase        {}", status.phase);
    match &status.target {
        None => outln!("target       none yet"),
        Some(target) => {
            outln!("target       block {} {}", target.number, target.hash);
            let verified = if target.verified { "derived from our rows" } else { "not derived yet" };
            outln!("state root   {} ({verified})", target.state_root);
        }
    }
    if let Some(snap) = status.snap {
        outln!("speaks       snap/{snap}");
    }
    let state = &status.state;
    outln!(
        "state        {:.2} % of the key space, {} accounts, {} slots, {} codes",
        state.share * 100.0,
        count(state.accounts),
        count(state.slots),
        count(state.codes)
    );
    outln!(
        "missing      {} account ranges, {} storages, {} codes",
        count(state.account_gaps as u64),
        count(state.storages_pending as u64),
        count(state.codes_pending as u64)
    );
    let history = &status.history;
    outln!(
        "blocks       {} headers, {} bodies ({} missing), {} receipts ({} missing)",
        count(history.headers),
        count(history.bodies),
        count(history.bodies_missing),
        count(history.receipts),
        count(history.receipts_missing)
    );
    outln!("on disk      state {} MiB, history {} MiB", state.file_bytes >> 20, history.file_bytes >> 20);
    if let Some(running) = &status.running {
        outln!("running      {}", told(running));
    }
}

/// What a running sync says, in a line.
fn told(running: &Running) -> String {
    let Running { process, peers, idle_seconds, .. } = running;
    let mut line = format!("process {process}, {peers} peers, {idle_seconds} s since the last commit");
    if let Some(stalled) = &running.stalled {
        line += &format!(", stalled for {} s: {stalled}", running.stalled_seconds);
    }
    if let Some(seconds) = running.silence_seconds {
        line += &format!(", the consensus client spoke {seconds} s ago");
    }
    if let (Some(rows), Some(head)) = (running.rows_at, running.head) {
        line += &format!(", rows of block {rows}, head {head}");
    }
    if let Some(gain) = &running.gain {
        line += &format!(", {}", render::gain(gain));
    }
    line
}
