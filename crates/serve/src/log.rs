//! What was asked, in the order in which it came: for whoever wants to see how a peer behaves.
//!
//! Decides nothing, and never makes a peer wait: a reader that is too slow loses entries, and the log says how many.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::B256;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use snapsync_p2p::PeerId;

/// What a request is about: the nouns of the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// Block headers.
    Headers,
    /// Block bodies.
    Bodies,
    /// Receipts.
    Receipts,
    /// Block access lists, by eth or by snap.
    Lists,
    /// A range of accounts.
    Accounts,
    /// Slots of one or more accounts.
    Storages,
    /// Codes by hash.
    Codes,
    /// Trie nodes by path.
    Nodes,
}

/// One request as it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeEntry {
    /// Who asked.
    pub peer: PeerId,
    /// What for.
    pub kind: RequestKind,
    /// Where the asked range begins; only ranges of accounts and slots have such a place.
    pub origin: Option<B256>,
    /// How many requests the peer had open then, this one among them.
    pub in_flight: usize,
    /// When it came, since the start of the server.
    pub at: Duration,
}

/// The end of the log that the server writes to.
#[derive(Clone, Debug)]
pub struct LogWriter {
    entries: Sender<ServeEntry>,
    lost: Arc<AtomicU64>,
}

/// The end of the log that an observer reads.
#[derive(Debug)]
pub struct ServeLog {
    entries: Receiver<ServeEntry>,
    lost: Arc<AtomicU64>,
}

impl ServeLog {
    /// A log that holds up to `entries_max` unread entries. Several servers may write to one.
    pub fn bounded(entries_max: usize) -> (LogWriter, Self) {
        let (sender, receiver) = bounded(entries_max);
        let lost = Arc::new(AtomicU64::new(0));
        (LogWriter { entries: sender, lost: Arc::clone(&lost) }, Self { entries: receiver, lost })
    }

    /// Everything since the last call.
    pub fn drain(&self) -> Vec<ServeEntry> {
        self.entries.try_iter().collect()
    }

    /// How many entries were lost because nobody read.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl LogWriter {
    pub(crate) fn write(&self, entry: ServeEntry) {
        if let Err(TrySendError::Full(_)) = self.entries.try_send(entry) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_nobody_reads_counts_what_it_lost() {
        let (writer, log) = ServeLog::bounded(2);
        let entry = ServeEntry {
            peer: PeerId(1),
            kind: RequestKind::Codes,
            origin: None,
            in_flight: 1,
            at: Duration::ZERO,
        };
        for _ in 0..3 {
            writer.write(entry);
        }
        assert_eq!(log.drain(), [entry; 2]);
        assert_eq!(log.lost(), 1);
    }
}
