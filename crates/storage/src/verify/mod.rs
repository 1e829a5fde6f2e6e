//! Everything checked against what stands above it: rows against nodes and roots, roots against the header.
//!
//! All roots are derived again from rows alone, in sub-tries that a few threads share, with a new snapshot for each, so that
//! memory stays bounded at any size. It trusts nothing on the disk, and it repairs nothing. In an unfinished directory
//! it checks what can be checked: a row at the edge of what is held has no node above it yet.

mod child;
mod codes;
mod history;
mod nodes;
mod report;
mod share;
mod state;
mod storages;

use std::path::Path;

pub use child::{answer_parent, verify_in_child};
pub(crate) use codes::hashed_codes;
pub(crate) use history::{check_beside, check_raw_body, check_raw_receipts};
pub(crate) use nodes::is_stored;
pub use report::{Finding, Report};
pub use share::VerifyConfig;

use crate::{
    error::{Error, Result},
    history::store::HistoryStore,
    state::store::StateStore,
    verify::report::Findings,
};

/// Checks the data directory, beside a writer or without one.
///
/// A page that MDBX itself cannot read may end the process: [`verify_in_child`] survives that.
///
/// # Errors
/// When the databases cannot be opened or read at all. What is wrong *in* them is in the report.
pub fn verify(datadir: &Path, config: VerifyConfig) -> Result<Report> {
    let findings = Findings::new(config.findings_max);
    let mut report = Report::default();
    let state = findings.note(StateStore::open_read_only(datadir))?;
    let history = match HistoryStore::open_read_only(datadir) {
        Err(Error::Absent { .. }) => None,
        other => findings.note(other)?,
    };
    if let Some(state) = &state {
        // What cannot be read ends its part of the check, and is a finding like any other.
        findings.note(state::check(state, config, &findings, &mut report))?;
        findings.note(codes::check(state, &findings, &mut report))?;
    }
    if let Some(history) = &history {
        findings.note(history::check(history, state.as_ref(), config, &findings, &mut report))?;
    }
    report.findings = findings.into_list();
    Ok(report)
}
