//! Memory that the allocator keeps: in few pools, and given back to the system when the process comes near its budget.
//!
//! The engine bounds what it uses. But rows are made by one thread and freed by another, and the system's allocator keeps
//! what was freed in a pool for each thread: after a gigabyte of answers as much lay idle in them as was in use. It is this program's
//! allocator, and not the engine's, so it is looked after here.

use std::time::{Duration, Instant};

/// Giving back walks all pools: a millisecond or some, while ten times as much goes by; pools fill up by ~100 MiB a second.
const PAUSE: Duration = Duration::from_millis(100);

/// One would do for threads that allocate a buffer an answer; a second keeps the small allocations of many cores from waiting.
#[cfg(target_env = "gnu")]
const POOLS_MAX: i32 = 2;

/// Has all threads share a few pools, instead of one each: 20 MiB less lay idle at the peak of a sync of ten million leaves, at the
/// same processor time. Comes before the first thread.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the standard library does not speak of the allocator's pools")]
pub(crate) fn share_pools() {
    // SAFETY: it sets a number under the allocator's own lock; a refusal leaves the default, which is correct too.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, POOLS_MAX);
    }
}

/// Other allocators have their own ways.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn share_pools() {}

/// Watches one budget.
#[derive(Debug)]
pub(crate) struct Slack {
    line_bytes: u64,
    given_back: Option<Instant>,
}

impl Slack {
    /// For a process with such a budget of anonymous memory. It gives back from seven eighths of it on, as what it sees is
    /// a little old.
    pub(crate) fn near(budget_bytes: u64) -> Self {
        Self { line_bytes: budget_bytes - budget_bytes / 8, given_back: None }
    }

    /// Gives back what lies idle if `anonymous_bytes` are above the line and the last time is a while ago.
    pub(crate) fn see(&mut self, anonymous_bytes: u64) {
        let is_rested = self.given_back.is_none_or(|at| at.elapsed() > PAUSE);
        if anonymous_bytes > self.line_bytes && is_rested {
            give_back();
            self.given_back = Some(Instant::now());
        }
    }
}

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the standard library does not speak of the allocator's pools")]
fn give_back() {
    // SAFETY: it may be called at any time from any thread; it takes the pools' own locks and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators give back by themselves.
#[cfg(not(target_env = "gnu"))]
fn give_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_above_the_line_is_given_back_and_not_at_once_again() {
        let mut slack = Slack::near(1_000);
        slack.see(875);
        assert!(slack.given_back.is_none());
        slack.see(876);
        let first = slack.given_back.expect("it was above");
        slack.see(2_000);
        assert_eq!(slack.given_back, Some(first));
    }
}
