//! A fresh cycle: everything that is wanted is planned anew and asked of everybody, as after a restart, and no row is lost.
//!
//! What was learned of peers that may have passed is forgotten: what they lacked, what of theirs did not prove, how long they are left alone.
//! Lies are not. Whoever watches for stalls says when.

use std::time::Duration;

use snapsync_sync::{BlockRange, Ended, Event, JobId};

use crate::Desk;

impl Desk {
    /// Begins anew. What is in flight is asked of others; what is being proved or written goes on to the disk.
    pub(crate) fn ask_anew(&mut self, now: Duration) {
        self.book.ask_anew();
        let jobs: Vec<JobId> = self.streams.keys().copied().collect();
        for job in jobs {
            // A job that was given back may have stopped others.
            if self.streams.contains_key(&job) {
                self.stop(job);
                self.feed(now, Event::JobEnded { job, why: Ended::GivenUp });
            }
        }
        self.on_more_blocks(now, [BlockRange { first: 0, last: u64::MAX }]);
    }
}
