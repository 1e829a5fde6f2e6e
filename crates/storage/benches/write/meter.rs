//! Processor time of the writer's thread, taken where the writer calls out: at its gate and at its notices.
//!
//! Between the end of a commit and the next gate lies everything that brings a batch into the transaction; between the gate
//! and the first notice lies the commit. It changes nothing of what it measures.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use snapsync_bench::anonymous_bytes;
use snapsync_storage::{CommitGate, Notice, Notify, Summary, Verdict};

use crate::Outcome;

/// What the writer's thread has spent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Gathering, sorting and putting; telling, and letting go of what was written.
    pub(crate) apply: Duration,
    /// Committing.
    pub(crate) commit: Duration,
    pub(crate) commits: u64,
    /// The most anonymous memory of the whole process that a commit has seen, the bench's own answers among it.
    pub(crate) anonymous_peak_kib: u64,
}

impl Cost {
    pub(crate) fn total(&self) -> Duration {
        self.apply + self.commit
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.apply += other.apply;
        self.commit += other.commit;
        self.commits += other.commits;
        self.anonymous_peak_kib = self.anonymous_peak_kib.max(other.anonymous_peak_kib);
    }
}

#[derive(Debug, Default)]
struct Clock {
    cost: Cost,
    /// Thread time at the last mark.
    mark: Duration,
    is_committing: bool,
}

impl Clock {
    fn lap(&mut self) -> Duration {
        let now = thread_time();
        now - std::mem::replace(&mut self.mark, now)
    }
}

/// Reads what the gate and the notices have marked.
pub(crate) struct Meter {
    clock: Arc<Mutex<Clock>>,
    notices: mpsc::Receiver<Result<(), String>>,
}

struct Gate(Arc<Mutex<Clock>>);

impl CommitGate for Gate {
    fn before_commit(&mut self, _number: u64) -> Verdict {
        let mut clock = self.0.lock().expect("nobody panics with the clock");
        let lap = clock.lap();
        clock.cost.apply += lap;
        clock.cost.commits += 1;
        clock.cost.anonymous_peak_kib = clock.cost.anonymous_peak_kib.max(anonymous_bytes() >> 10);
        clock.is_committing = true;
        // What was read just now is not the writer's.
        clock.lap();
        Verdict::Pass
    }
}

impl Meter {
    pub(crate) fn new() -> (Self, Box<dyn CommitGate>, Notify<Summary>) {
        let clock = Arc::new(Mutex::new(Clock::default()));
        let (tell, notices) = mpsc::channel();
        let told = clock.clone();
        let notify = Box::new(move |notice| {
            let mut clock = told.lock().expect("nobody panics with the clock");
            if std::mem::take(&mut clock.is_committing) {
                let lap = clock.lap();
                clock.cost.commit += lap;
            }
            let outcome = match notice {
                Notice::Committed { .. } => Ok(()),
                Notice::Failed { message, .. } => Err(message),
            };
            let _the_bench_is_over = tell.send(outcome);
        });
        (Self { clock: clock.clone(), notices }, Box::new(Gate(clock)), notify)
    }

    /// BLOCKING: until so many writes are durable.
    pub(crate) fn wait(&self, writes: usize) -> Outcome<()> {
        for _ in 0..writes {
            self.notices.recv()??;
        }
        Ok(())
    }

    /// What was spent since the last call.
    pub(crate) fn take(&self) -> Cost {
        std::mem::take(&mut self.clock.lock().expect("nobody panics with the clock").cost)
    }

    /// What was spent.
    pub(crate) fn cost(&self) -> Cost {
        self.clock.lock().expect("nobody panics with the clock").cost
    }
}

/// Time that this thread has spent on a processor. Linux only, and as exact as the scheduler's tick.
fn thread_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0))
}
