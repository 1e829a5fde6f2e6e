//! Answers that weigh far more than was reserved for them, and find no room.
//!
//! What is asked for by its hash is as long as it is, so nobody is to blame for that. The answer is dropped and its piece asked for
//! again, once there is room for as much: so what peers send beyond what was expected never adds up.

use snapsync_peers::PeerId;

use crate::{Action, Desk, RequestId, What};

impl Desk {
    /// Whether an answer finds no room. One that others wait for, or that goes on with what is held already, always does. What is reserved
    /// for its twin comes free with it, so that two peers that are asked for the same cannot put each other off for ever.
    pub(crate) fn is_too_heavy(&self, id: RequestId, bytes: u64) -> bool {
        let Some(flight) = self.flights.live(id) else { return false };
        let what = &flight.piece.what;
        let is_next = self.streams.get(&flight.job).is_some_and(|stream| stream.is_next(what));
        let is_begun = matches!(what, What::Receipts { first_receipt, .. } if *first_receipt > 0);
        !is_next && !is_begun && self.budget.is_beyond(id, flight.twin, bytes)
    }

    /// Drops an answer that finds no room; its piece waits for as much.
    pub(crate) fn put_off(&mut self, peer: PeerId, id: RequestId, bytes: u64) {
        self.act(Action::Discard { peer, request: id });
        let Some((flight, piece)) = self.take_off(id) else { return };
        self.book.dropped(peer, flight.noun());
        if let Some(twin) = flight.twin {
            self.flights.set_heavy(twin, bytes);
        }
        if let (Some(mut piece), Some(stream)) = (piece, self.streams.get_mut(&flight.job)) {
            piece.heavy_bytes = piece.heavy_bytes.max(bytes);
            // Behind what is begun: the first receipts of a block hold some room until the last ones are here, and what needs all of it
            // would wait for them while they wait for it.
            stream.put_back_refused(piece);
        }
        self.sweep(flight.job);
    }
}
