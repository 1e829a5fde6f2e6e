//! How long what everybody refuses is waited for, and when the engine is told that nobody has it.
//!
//! It blames nobody, and asks nobody. Bodies and receipts wait by themselves, so that the others go on: `lacking.rs`.

use std::time::Duration;

use snapsync_peers::{Noun, PeerId};
use snapsync_sync::{Event, JobId, Missing};

use crate::Desk;

/// How late a wake-up may be before patience counts as broken.
pub(crate) const PATIENCE_SLACK: Duration = Duration::from_secs(1);

impl Desk {
    /// Nobody can be asked now: says when that may change, and tells the engine when all have refused for long.
    pub(crate) fn nobody(&mut self, now: Duration, job: JobId) {
        let patience = self.patience(job);
        let Some(piece) = self.streams.get_mut(&job).and_then(|stream| stream.todo.front_mut()) else {
            return;
        };
        let refused: Vec<PeerId> = piece.refused.iter().map(|(peer, _)| *peer).collect();
        let next_try = piece.next_try(now);
        let mut missing = None;
        let mut patience_ends = None;
        // Where nobody serves access lists there is another way.
        let ask = piece.what.ask();
        let is_unknown = ask.noun() == Noun::Lists && !self.book.is_served(&ask);
        if is_unknown || self.book.all_refuse(&ask, &refused) {
            // We ask to be woken when patience ends; looked at much later, it was not refused all the time.
            let unbroken = |since: &Duration| now <= *since + patience + PATIENCE_SLACK;
            let since = piece.refused_by_all_since.filter(unbroken).unwrap_or(now);
            piece.refused_by_all_since = Some(since);
            if since + patience <= now {
                piece.refused_by_all_since = Some(now);
                missing = Some(piece.what.missing());
            }
            patience_ends = piece.refused_by_all_since.map(|since| since + patience);
        } else {
            piece.refused_by_all_since = None;
        }
        let change = self.book.next_change(now);
        for at in [next_try, patience_ends, change] {
            self.wake_at(at);
        }
        if let Some(missing) = missing {
            self.feed(now, Event::NoPeerHas { missing });
        }
    }

    /// How long everybody must have refused what a job asks for next before the engine is told.
    fn patience(&self, job: JobId) -> Duration {
        let front = self.streams.get(&job).and_then(|stream| stream.todo.front());
        let target = match front.map(|piece| piece.what.missing()) {
            Some(Missing::State { target }) => Some(target),
            _ => None,
        };
        let is_older = self.engine.pin().zip(target).is_some_and(|(newest, target)| target < newest.id);
        Duration::from_millis(if is_older { self.config.outdated_ms } else { self.config.unavailable_ms })
    }
}
