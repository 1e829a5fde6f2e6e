//! How a check is run, and its work on some threads.

use std::{sync::atomic::AtomicUsize, thread};

use crate::error::Result;

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

/// Runs `job(0..jobs)` on some threads; the results in order, or the first error.
pub(super) fn share<T: Send>(
    threads: usize,
    jobs: usize,
    job: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
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
