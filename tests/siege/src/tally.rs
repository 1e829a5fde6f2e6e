//! What the strangers of each kind have done so far.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::{Error, Kind};

/// Counts of all kinds, written by many tasks.
#[derive(Debug, Default)]
pub struct Tally {
    rows: [Row; Kind::ALL.len()],
}

#[derive(Debug, Default)]
struct Row {
    sessions: AtomicU64,
    refused: AtomicU64,
    messages: AtomicU64,
    bytes: AtomicU64,
    hang_ups: AtomicU64,
}

/// Counts of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Sessions that were taken; of silent ones, connections.
    pub sessions: u64,
    /// Attempts that were refused.
    pub refused: u64,
    /// Messages that were sent.
    pub messages: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Sessions that the other side has ended.
    pub hang_ups: u64,
}

/// Something to count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Session,
    Refusal,
    Message { bytes: usize },
    HangUp,
}

impl Tally {
    pub(crate) fn add(&self, kind: Kind, deed: Deed) {
        let row = &self.rows[kind as usize];
        let add = |cell: &AtomicU64, more: u64| {
            cell.fetch_add(more, Ordering::Relaxed);
        };
        match deed {
            Deed::Session => add(&row.sessions, 1),
            Deed::Refusal => add(&row.refused, 1),
            Deed::HangUp => add(&row.hang_ups, 1),
            Deed::Message { bytes } => {
                add(&row.messages, 1);
                add(&row.bytes, bytes as u64);
            }
        }
    }

    /// The counts of a kind as of now.
    pub fn count(&self, kind: Kind) -> Count {
        let row = &self.rows[kind as usize];
        let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Count {
            sessions: read(&row.sessions),
            refused: read(&row.refused),
            messages: read(&row.messages),
            bytes: read(&row.bytes),
            hang_ups: read(&row.hang_ups),
        }
    }

    /// All counts, for another process.
    pub fn to_json(&self) -> Value {
        let row = |kind| {
            let Count { sessions, refused, messages, bytes, hang_ups } = self.count(kind);
            json!([sessions, refused, messages, bytes, hang_ups])
        };
        Kind::ALL.map(row).into()
    }
}

impl Count {
    /// All counts, as another process has written them.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read_all(text: &str) -> Result<[Self; Kind::ALL.len()], Error> {
        let rows: [[u64; 5]; Kind::ALL.len()] =
            serde_json::from_str(text).map_err(|_| Error::unreadable("the tally", text))?;
        Ok(rows.map(|[sessions, refused, messages, bytes, hang_ups]| Self {
            sessions,
            refused,
            messages,
            bytes,
            hang_ups,
        }))
    }

    /// Adds those of another time.
    pub fn add(&mut self, more: &Self) {
        self.sessions += more.sessions;
        self.refused += more.refused;
        self.messages += more.messages;
        self.bytes += more.bytes;
        self.hang_ups += more.hang_ups;
    }
}
