//! What answers of history may weigh above what was reserved for them.
//!
//! A request of snap tells its peer a limit; one for headers, bodies or receipts cannot, and an answer may be as large as a
//! message. Small answers show that the next one will hardly be larger; of a peer that has shown nothing, what servers stop at by
//! themselves is expected. What is larger still and finds no room is put off, see `heavy.rs`.

use snapsync_peers::{Noun, PeerId};

use crate::{Desk, flights::Flight};

impl Desk {
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
