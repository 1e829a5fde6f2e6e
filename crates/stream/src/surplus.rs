//! What answers of history may weigh above what was reserved for them.
//!
//! A request of snap tells its peer a limit; one for headers, bodies or receipts cannot, and an answer may be as large as a
//! message. Small answers show that the next one will hardly be larger; of a peer that has shown nothing, what servers stop at by
//! themselves is expected. What is larger still and finds no room is put off, see `heavy.rs`.

use snapsync_peers::{Noun, PeerId};
use snapsync_sync::JobId;

use crate::{
    Desk, What,
    flights::{Flight, Stage},
};

impl Desk {
    /// Whether others wait with their bytes for this: headers below, or the first receipts of its block.
    pub(crate) fn is_waited_for(&self, job: JobId, what: &What) -> bool {
        what.begun().is_some() || self.streams.get(&job).is_some_and(|stream| stream.is_next(what))
    }

    /// Whether a request may go out although there is no room for it: all that history holds waits for headers, or for the rest of a
    /// block, so that without it nothing would ever be given back. What is on its way, or goes to the disk, is: then it waits. So what is
    /// above the share is one answer, whatever a slow disk holds.
    pub(crate) fn may_overdraw(&self, job: JobId, what: &What) -> bool {
        if !self.is_waited_for(job, what) {
            return false;
        }
        let history = self.flights.iter().filter(|(_, flight)| !flight.noun().is_state());
        let waiting = history.filter(|(_, flight)| flight.stage == Stage::Waiting);
        let waiting: u64 = waiting.map(|(_, flight)| flight.bytes).sum();
        let is_stuck = self.budget.history() <= waiting + self.parts_bytes();
        is_stuck && what.begun().is_none_or(|block| self.largest_part() == Some((job, block)))
    }

    /// Whether one more answer of history fits into history's share even if it and all that are on their way are as large as
    /// their peers' largest. A single one always does.
    pub(crate) fn has_room_for(&self, peer: PeerId, noun: Noun, reserved_bytes: u64) -> bool {
        if noun.is_state() {
            return true;
        }
        let history =
            || self.flights.sent().map(|(_, flight)| flight).filter(|flight| !flight.noun().is_state());
        if history().next().is_none() {
            return true;
        }
        if !self.largest.is_known(peer) && history().any(|flight| flight.peer == peer) {
            return false;
        }
        let surplus =
            |flight: &Flight| self.largest.worst(flight.peer, flight.response_bytes) - flight.response_bytes;
        let surplus: u64 = history().map(surplus).sum();
        self.budget.history_fits(surplus + self.largest.worst(peer, reserved_bytes))
    }
}
