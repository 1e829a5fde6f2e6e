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
mod state;
mod storages;

use std::{path::Path, sync::atomic::AtomicUsize, thread};

pub use child::{answer_parent, verify_in_child};
pub use report::{Finding, Report};

use crate::{
    error::{Error, Result},
    history::store::HistoryStore,
    state::store::StateStore,
    verify::report::Findings,
};

/// How a check is run.
#[derive(Clone, Copy, Debug)]
pub struct VerifyConfig {
    /// Threads that share the work.
    pub threads: usize,
    /// Faults after which it ends early.
    pub findings_max: usize,
}

impl VerifyConfig {
    /// One thread a core, the first 100 faults.
    pub fn all_cores() -> Self {
        Self { threads: thread::available_parallelism().map_or(1, usize::from), findings_max: 100 }
    }
}

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

/// Runs `job(0..jobs)` on some threads; the results in order, or the first error.
fn share<T: Send>(threads: usize, jobs: usize, job: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if at >= jobs {
                return Ok(done);
            }
            done.push((at, job(at)?));
        }
    };
    let results: Vec<Result<Vec<(usize, T)>>> = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let join = |handle: thread::ScopedJoinHandle<'_, _>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        handles.into_iter().map(join).collect()
    });
    let mut all = Vec::with_capacity(jobs);
    for result in results {
        all.extend(result?);
    }
    all.sort_unstable_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}
