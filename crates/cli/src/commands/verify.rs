//! `verify`: derives every root again from the rows and compares it with what is stored.
//!
//! The scan runs in a process of its own: a corrupt inner page can crash libmdbx, and that must end as an answer too.

use std::{ffi::OsString, path::Path};

use snapsync_storage::{Report, VerifyConfig, answer_parent, verify_in_child};

use crate::{
    args::VerifyArgs,
    exit::{Exit, Failure, storage_failure},
    render::count,
    say::outln,
};

/// Runs the command; exit code 5 if anything is wrong.
pub(crate) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    if args.in_process {
        return answer_parent(&args.datadir, VerifyConfig::all_cores(), &mut std::io::stdout().lock())
            .map_err(|error| Failure::new(Exit::Failure, error));
    }
    let report = check(&args.datadir)?.map_err(|error| match &error {
        snapsync_storage::Error::CheckerDied { .. } | snapsync_storage::Error::CheckFailed { .. } => {
            Failure::new(Exit::Verification, error)
        }
        _ => storage_failure(&error),
    })?;
    if args.json {
        let text =
            serde_json::to_string_pretty(&report).map_err(|error| Failure::new(Exit::Failure, error))?;
        outln!("{text}");
    } else {
        print(&report);
    }
    match report.findings.len() {
        0 => Ok(()),
        wrong => Err(Failure::new(
            Exit::Verification,
            format!("{wrong} faults found; nothing was changed; `snapsync repair` mends them from peers"),
        )),
    }
}

/// Has a process of its own look at a data directory; the inner result is what that one says.
pub(crate) fn check(datadir: &Path) -> Result<snapsync_storage::Result<Report>, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::new(Exit::Failure, error))?;
    let words: [OsString; 4] = ["verify".into(), "--in-process".into(), "--datadir".into(), datadir.into()];
    Ok(verify_in_child(&program, &words))
}

fn print(report: &Report) {
    outln!(
        "read         {} accounts, {} slots, {} codes, {} branches",
        count(report.accounts),
        count(report.slots),
        count(report.codes),
        count(report.nodes)
    );
    outln!(
        "read         {} headers, {} bodies, {} receipts",
        count(report.headers),
        count(report.bodies),
        count(report.receipts)
    );
    if let Some(root) = report.root {
        outln!("derived root {root}");
    }
    if let Some(expected) = report.expected_root {
        let whole =
            if report.complete { "" } else { " (the sync is not finished: only what is held was checked)" };
        outln!("target root  {expected}{whole}");
    }
    for finding in &report.findings {
        outln!("wrong        {} at {}: {}", finding.table, finding.key, finding.what);
    }
    if report.is_clean() {
        outln!("all of it is what it claims to be");
    }
}
