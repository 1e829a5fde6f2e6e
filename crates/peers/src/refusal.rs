//! Who is not to be asked for what: it said that it has not got it, or what it sent last did not prove.
//!
//! It chooses nobody.

use std::time::Duration;

use crate::{Ask, Book, ask::Served, doubt::Company, entry::Entry};

impl Book {
    /// Whether a peer has this, as far as we know.
    pub(crate) fn has_it(&self, now: Duration, company: Company, entry: &Entry, ask: &Ask) -> bool {
        ask.served_by(&entry.profile) == Served::Yes && !self.is_refused(now, company, entry, ask)
    }

    /// Whether a peer that nobody doubts is there for state.
    pub(crate) fn company(&self) -> Company {
        let steady =
            |entry: &Entry| entry.is_asked() && entry.profile.snap.is_some() && !entry.doubt.is_doubted();
        if self.peers.values().any(steady) { Company::Others } else { Company::Alone }
    }

    /// Whether the peer is not to be asked for this: it said that it has no such root, or what it sent last did not prove.
    pub(crate) fn is_refused(&self, now: Duration, company: Company, entry: &Entry, ask: &Ask) -> bool {
        #[cfg(feature = "planted-bugs")]
        if self.config.planted == Some(snapsync_sync::Bug::RefusedAskedAgain) {
            return false;
        }
        ask.root().is_some_and(|_| {
            let refuses = entry.refuses(ask).is_some_and(|until| now < until);
            #[cfg(feature = "planted-bugs")]
            if self.config.planted == Some(snapsync_sync::Bug::BrokenAskedAgain) {
                return refuses;
            }
            refuses || now < entry.doubt.rests_until(company)
        })
    }
}
