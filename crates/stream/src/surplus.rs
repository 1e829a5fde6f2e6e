//! What answers of history may weigh above what was reserved for them.
//!
//! A request of snap tells its peer a limit; one for headers, bodies or receipts cannot, and an answer may be as large as a
//! message. Small answers show that the next one will hardly be larger; of a peer that has shown nothing, what servers stop at by
//! themselves is expected. What is larger still and finds no room is put off, see `heavy.rs`.

use std::collections::BTreeMap;

use snapsync_peers::{Noun, PeerId};

use crate::{Desk, flights::Flight};

/// What a server's answer reaches at most before it stops by itself: the soft limit of all clients.
const UNKNOWN_BYTES: u64 = 2 << 20;

/// The largest recent answer of history of each peer.
#[derive(Debug, Default)]
pub(crate) struct Largest(BTreeMap<PeerId, u64>);

impl Largest {
    /// An answer came. A large one is forgotten in some tens of smaller ones.
    pub(crate) fn learn(&mut self, peer: PeerId, bytes: u64) {
        let largest = self.0.entry(peer).or_default();
        *largest = bytes.max(*largest - *largest / 8);
    }

    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.0.remove(&peer);
    }

    fn is_known(&self, peer: PeerId) -> bool {
        self.0.contains_key(&peer)
    }

    /// What an answer for which so much is reserved may come to.
    fn worst(&self, peer: PeerId, reserved_bytes: u64) -> u64 {
        self.0.get(&peer).copied().unwrap_or(UNKNOWN_BYTES).max(reserved_bytes)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_peer_that_has_shown_nothing_a_full_answer_is_expected() {
        let mut largest = Largest::default();
        assert_eq!(largest.worst(PeerId(1), 100), UNKNOWN_BYTES);
        largest.learn(PeerId(1), 4000);
        assert_eq!((largest.worst(PeerId(1), 100), largest.worst(PeerId(1), 9000)), (4000, 9000));
        largest.learn(PeerId(1), 10);
        assert_eq!(largest.worst(PeerId(1), 100), 3500);
        largest.forget(PeerId(1));
        assert!(!largest.is_known(PeerId(1)));
    }
}
