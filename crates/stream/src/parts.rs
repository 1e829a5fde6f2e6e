//! Blocks whose receipts come in parts (eth/70): who is asked for the rest of each, and until when.
//!
//! ```text
//!   10..=20 asked of a peer   10 and 11 whole, and 300 receipts of 12
//!   12 from receipt 300 on    asked of the same peer, alone: only it cut the block there
//!   13..=20                   asked of anybody
//! ```
//!
//! The receipts themselves lie with the caller, which drops them when told to; here are their books. Nothing of a part is
//! proved before its block is whole, so a peer may not go on for ever: see [`Held::is_too_slow`].

use std::{cmp::Reverse, time::Duration};

use snapsync_peers::{Fault, Noun, PeerId};
use snapsync_sync::{BlockRange, JobId};

use crate::{
    Action, Answered, Desk, ReceiptPart, RequestId, What, flights::Flight, held::Held, streams::Piece,
};

impl What {
    /// The block that it goes on with.
    pub(crate) fn begun(&self) -> Option<u64> {
        match self {
            Self::Receipts { blocks, first_receipt } if *first_receipt > 0 => Some(blocks.first),
            _ => None,
        }
    }
}

/// Whether an answer gave nothing but a part of a block. Nobody knows yet what it is worth.
pub(crate) fn is_only_part(answered: &Answered) -> bool {
    matches!(answered, Answered::Receipts { found, part: Some(_) } if found.is_empty())
}

impl Desk {
    /// An answer was of use. Keeps the books of the block that it cut, or that is whole now; asks for the rest of it.
    pub(crate) fn keep_part(&mut self, now: Duration, id: RequestId, flight: &Flight, answered: &Answered) {
        let Answered::Receipts { found, part } = answered else { return };
        let begun = flight.piece.what.begun();
        if let Some(block) = begun.filter(|block| part.is_none_or(|part| part.block != *block)) {
            // The whole block goes to the disk under this answer's name.
            let held = self.parts.remove(&(flight.job, block));
            if let Some(held) = held {
                self.budget.free(held.reservation);
                self.budget.correct(id, flight.bytes + held.bytes);
            }
        }
        if found.is_empty() {
            // Nothing of it becomes durable, so no event would free it; the part has a reservation of its own.
            self.budget.free(id);
        }
        if let Some(part) = part {
            self.go_on(now, flight, *part);
        }
    }

    fn go_on(&mut self, now: Duration, flight: &Flight, part: ReceiptPart) {
        let (key, peer) = ((flight.job, part.block), flight.peer);
        if !self.parts.contains_key(&key) {
            let reservation = self.flights.next_id();
            self.budget.reserve(reservation, Noun::Receipts, 0);
            self.parts.insert(key, Held::new(reservation));
        }
        let Some(held) = self.parts.get_mut(&key) else { return };
        held.grow(part.bytes, flight.took);
        #[cfg(feature = "planted-bugs")]
        let part = match self.config.planted {
            Some(snapsync_sync::Bug::PartUncounted) => ReceiptPart { bytes: 0, ..part },
            _ => part,
        };
        self.budget.correct(held.reservation, part.bytes);
        let is_too_slow = held.is_too_slow();
        let blocks = BlockRange { first: part.block, last: part.block };
        if is_too_slow {
            self.charge(peer, Fault::Dripping { number: part.block });
            let Some(stream) = self.streams.get_mut(&flight.job) else { return };
            let mut piece = Piece::new(What::Receipts { blocks, first_receipt: 0 });
            piece.refuse(peer, now + Duration::from_millis(self.config.peers.refusal_ms));
            return stream.put_back_refused(piece);
        }
        let Some(stream) = self.streams.get_mut(&flight.job) else { return };
        let mut piece = Piece::new(What::Receipts { blocks, first_receipt: part.receipts });
        piece.stick = Some(peer);
        #[cfg(feature = "planted-bugs")]
        if self.config.planted == Some(snapsync_sync::Bug::PartOfAnybody) {
            piece.stick = None;
        }
        stream.put_back(piece);
    }

    /// Bytes of blocks of which the rest is still to come.
    pub(crate) fn parts_bytes(&self) -> u64 {
        self.parts.values().map(|held| held.bytes).sum()
    }

    /// The block of which most is held: the one that goes on where there is room for none, so that no second one grows beside it.
    pub(crate) fn largest_part(&self) -> Option<(JobId, u64)> {
        self.parts.iter().max_by_key(|(key, held)| (held.bytes, Reverse(**key))).map(|(key, _)| *key)
    }

    /// Drops the parts of which nobody asks for the rest: their peer is gone or was too slow, or their job is. Says whether there were any.
    pub(crate) fn drop_idle_parts(&mut self) -> bool {
        if self.parts.is_empty() {
            return false;
        }
        let goes_on = |key: &(JobId, u64)| {
            let (job, block) = *key;
            let todo = self.streams.get(&job).into_iter().flat_map(|stream| stream.todo.iter());
            let open = self.flights.iter().filter(|(_, flight)| flight.job == job);
            todo.chain(open.map(|(_, flight)| &flight.piece)).any(|piece| piece.what.begun() == Some(block))
        };
        let idle: Vec<(JobId, u64)> = self.parts.keys().filter(|key| !goes_on(key)).copied().collect();
        for key in &idle {
            let Some(held) = self.parts.remove(key) else { continue };
            self.budget.free(held.reservation);
            self.act(Action::DropPart { job: key.0, block: key.1 });
        }
        !idle.is_empty()
    }

    /// A peer is gone: nobody else can go on where it stopped.
    pub(crate) fn unstick_from(&mut self, peer: PeerId) {
        let pieces = self.streams.values_mut().flat_map(|stream| stream.todo.iter_mut());
        pieces.filter(|piece| piece.stick == Some(peer)).for_each(Piece::unstick);
    }
}
