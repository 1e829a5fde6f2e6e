//! Blocks that peers do not have: left out of an answer, refused by one peer, refused by all.
//!
//! ```text
//!   answer leaves 7 out      7 is asked of others; the rest goes on
//!   nothing of 4..=9         the peer lacks 4, of 5..=9 nothing is known: servers skip what they lack, or stop there
//!   all refused 4..=9        4..=6 and 7..=9 are asked for apart, until single blocks are left
//!   all refused 4            set aside, so that the blocks behind it go on; after some time the engine is told
//! ```
//!
//! Nobody is blamed here. Headers are no matter of this file: each waits for the one above it.

use std::{collections::BTreeSet, time::Duration};

use snapsync_peers::{Noun, PeerId};
use snapsync_sync::{BlockRange, Event, JobId, Missing};

use crate::{
    Answered, Desk, What,
    flights::Flight,
    patience::PATIENCE_SLACK,
    streams::{Piece, Stream},
};

/// Connections that may end with some blocks asked for, before these are asked for apart.
const LOSSES_MAX: u32 = 3;

/// Connections that may end with one block asked for, before nobody is said to have it.
const LOSSES_OF_ONE_MAX: u32 = 8;

impl What {
    /// The blocks whose bodies or receipts it asks for.
    pub(crate) fn blocks(&self) -> Option<BlockRange> {
        match self {
            Self::Bodies { blocks } | Self::Receipts { blocks, .. } => Some(*blocks),
            _ => None,
        }
    }

    /// The same of other blocks.
    fn of_blocks(&self, blocks: BlockRange) -> Self {
        match self {
            Self::Receipts { .. } => Self::Receipts { blocks, first_receipt: 0 },
            _ => Self::Bodies { blocks },
        }
    }

    /// The blocks that an answer has left out although it gives later ones.
    pub(crate) fn left_out(&self, answered: &Answered) -> Vec<Self> {
        let (found, part) = match answered {
            Answered::Bodies { found } => (found, None),
            Answered::Receipts { found, part } => (found, part.map(|part| part.block)),
            _ => return Vec::new(),
        };
        let part = part.map(|block| BlockRange { first: block, last: block });
        let mut next = self.blocks().map_or(0, |blocks| blocks.first);
        let mut left = Vec::new();
        for range in found.iter().copied().chain(part) {
            left.extend(range.first.checked_sub(1).and_then(|last| BlockRange::new(next, last)));
            next = range.last.saturating_add(1);
        }
        left.into_iter().map(|blocks| self.of_blocks(blocks)).collect()
    }
}

impl Piece {
    /// Cuts it in two. Who refused it lacks its first block; of the second half nothing is known.
    fn halve(&self) -> Option<[Self; 2]> {
        let blocks = self.what.blocks()?;
        let middle = blocks.first + (blocks.count() / 2).checked_sub(1)?;
        let lower = BlockRange { first: blocks.first, last: middle };
        let upper = BlockRange { first: middle + 1, last: blocks.last };
        let lower = Self { what: self.what.of_blocks(lower), ..self.clone() };
        Some([lower, Self::new(self.what.of_blocks(upper))])
    }

    fn refusers(&self) -> Vec<PeerId> {
        self.refused.iter().map(|(peer, _)| *peer).collect()
    }

    /// Whether both were refused by the same peers, and the other lies right below or above.
    fn joins(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (self.what.blocks(), other.what.blocks()) else { return false };
        let touches =
            own.last.checked_add(1) == Some(others.first) || others.last.checked_add(1) == Some(own.first);
        let set = |piece: &Self| -> BTreeSet<PeerId> { piece.refusers().into_iter().collect() };
        touches && set(self) == set(other)
    }
}

impl Stream {
    /// Sets blocks aside that all peers have refused. They join their neighbours: there may be very many.
    fn set_aside(&mut self, mut piece: Piece) {
        while let Some(at) = self.lacking.iter().position(|other| other.joins(&piece)) {
            let other = self.lacking.remove(at);
            if let (Some(own), Some(others)) = (piece.what.blocks(), other.what.blocks()) {
                let blocks =
                    BlockRange { first: own.first.min(others.first), last: own.last.max(others.last) };
                piece.what = piece.what.of_blocks(blocks);
                piece.refused_by_all_since = piece.refused_by_all_since.max(other.refused_by_all_since);
            }
        }
        self.lacking.push(piece);
    }

    /// Has what was set aside asked for again.
    pub(crate) fn take_up(&mut self) {
        for piece in self.lacking.drain(..) {
            self.todo.push_back(Piece { refused_by_all_since: None, ..piece });
        }
    }
}

impl Desk {
    /// Whether nobody has the first of these, by refusal or by what peers say of themselves.
    fn is_first_lacked(&self, piece: &Piece) -> bool {
        self.book.all_refuse(&piece.what.ask(), &piece.refusers())
    }

    /// Whether somebody may have one of these.
    fn is_hopeful(&self, piece: &Piece, refused: &[PeerId]) -> bool {
        let blocks = piece.what.blocks();
        blocks.is_some_and(|blocks| self.book.may_have(piece.what.noun(), blocks, refused))
    }

    /// A peer has blocks that it did not have before. What nobody had of them is asked for again.
    pub(crate) fn on_more_blocks(&mut self, now: Duration, more: impl IntoIterator<Item = BlockRange>) {
        for blocks in more {
            if self.engine.lacks_history() {
                self.feed(now, Event::PeerHas { blocks });
            }
        }
    }

    /// If this is the host, it has given a block, which may be one that it did not have: the headers that it has refused it is asked for again. Peers
    /// have more above only, as they say it; the host fills gaps, and a body comes with each header.
    pub(crate) fn on_given(&mut self, peer: PeerId) {
        if !self.book.is_host(peer) {
            return;
        }
        for stream in self.streams.values_mut() {
            let pieces = stream.todo.iter_mut().chain(&mut stream.lacking);
            let headers = pieces.filter(|piece| piece.what.blocks().is_none());
            headers.for_each(|piece| piece.refused.retain(|(other, _)| *other != peer));
        }
    }

    /// If the first piece of a job is of blocks that all peers have refused: cuts it in two, or sets it aside. Then
    /// another piece is the first, and it is to be looked at again.
    pub(crate) fn pass_over(&mut self, now: Duration, job: JobId) -> bool {
        let front = self.streams.get(&job).and_then(|stream| stream.todo.front());
        let Some(piece) = front.filter(|piece| piece.what.blocks().is_some() && self.is_first_lacked(piece))
        else {
            return false;
        };
        let halves = if self.is_hopeful(piece, &[]) { piece.halve() } else { None };
        let Some(stream) = self.streams.get_mut(&job) else { return false };
        let Some(mut piece) = stream.todo.pop_front() else { return false };
        match halves {
            Some([lower, upper]) => {
                stream.todo.push_front(upper);
                stream.todo.push_front(lower);
            }
            None => {
                piece.refused_by_all_since = Some(now);
                stream.set_aside(piece);
                // It may be the last thing that happens.
                self.wake_at(Some(now + Duration::from_millis(self.config.unavailable_ms)));
            }
        }
        true
    }

    /// Looks at what was set aside: somebody may have come who has it, or it is time to tell the engine that nobody has.
    pub(crate) fn watch_lacking(&mut self, now: Duration) {
        let patience = Duration::from_millis(self.config.unavailable_ms);
        let waiting: Vec<JobId> = self
            .streams
            .iter()
            .filter(|(_, stream)| !stream.lacking.is_empty())
            .map(|(job, _)| *job)
            .collect();
        for job in waiting {
            let Some(stream) = self.streams.get_mut(&job) else { continue };
            let mut given_up = Vec::new();
            for mut piece in std::mem::take(&mut stream.lacking) {
                // Looked at much later, it was not refused all the time.
                let unbroken = |since: &Duration| now <= *since + patience + PATIENCE_SLACK;
                let since = piece.refused_by_all_since.filter(unbroken).unwrap_or(now);
                let is_lacked = self.is_first_lacked(&piece) && !self.is_hopeful(&piece, &piece.refusers());
                let Some(stream) = self.streams.get_mut(&job) else { continue };
                if !is_lacked {
                    stream.todo.push_back(Piece { refused_by_all_since: None, ..piece });
                } else if since + patience <= now {
                    given_up.push(piece);
                } else {
                    piece.refused_by_all_since = Some(since);
                    stream.lacking.push(piece);
                    self.wake_at(Some(since + patience));
                }
            }
            for piece in given_up {
                self.give_up(now, &piece);
            }
            self.sweep(job);
        }
    }

    /// A connection ended when this was the next to be answered. Where that happens again and again it may be for these blocks:
    /// an answer that no message can carry ends a connection, whoever gives it. Then the block at fault is found, and the others
    /// go on.
    pub(crate) fn put_back_suspect(&mut self, now: Duration, job: JobId, mut piece: Piece) {
        piece.losses += u32::from(piece.what.blocks().is_some());
        let halves = if piece.losses >= LOSSES_MAX { piece.halve() } else { None };
        let Some(stream) = self.streams.get_mut(&job) else { return };
        match halves {
            Some(halves) => stream.todo.extend(halves.map(|half| Piece::new(half.what))),
            None if piece.losses < LOSSES_OF_ONE_MAX => stream.put_back_refused(piece),
            None => self.give_up(now, &piece),
        }
    }

    fn give_up(&mut self, now: Duration, piece: &Piece) {
        let Some(blocks) = piece.what.blocks() else { return };
        // What all peers have pruned is told at once, not job by job.
        let below = BlockRange { first: 0, last: blocks.last };
        let is_pruned = !self.book.may_have(piece.what.noun(), below, &[]);
        let blocks = if is_pruned { below } else { blocks };
        let missing = match piece.what.noun() {
            Noun::Receipts => Missing::Receipts { blocks },
            _ => Missing::Bodies { blocks },
        };
        self.feed(now, Event::NoPeerHas { missing });
    }

    /// An answer has left blocks out: its peer is not asked for them again, others are.
    pub(crate) fn ask_others(&mut self, now: Duration, flight: &Flight, answered: &Answered) {
        let until = now + Duration::from_millis(self.config.peers.refusal_ms);
        let Some(stream) = self.streams.get_mut(&flight.job) else { return };
        for what in flight.piece.what.left_out(answered) {
            let mut piece = Piece::new(what);
            piece.refuse(flight.peer, until);
            // Behind all else, so that what does have a peer goes on.
            stream.todo.push_back(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64) -> BlockRange {
        BlockRange { first, last }
    }

    fn piece(first: u64, last: u64, peer: u64) -> Piece {
        let mut piece = Piece::new(What::Bodies { blocks: range(first, last) });
        piece.refuse(PeerId(peer), Duration::ZERO);
        piece
    }

    #[test]
    fn what_an_answer_leaves_out_is_told_from_what_lies_behind_it() {
        let what = What::Bodies { blocks: range(4, 20) };
        let answered = Answered::Bodies { found: vec![range(5, 6), range(9, 9)] };
        let left: Vec<_> = what.left_out(&answered).iter().filter_map(What::blocks).collect();
        assert_eq!(left, [range(4, 4), range(7, 8)]);
        assert!(what.left_out(&Answered::Bodies { found: vec![range(4, 8)] }).is_empty());
    }

    #[test]
    fn whoever_refused_a_piece_lacks_its_first_block_and_may_have_the_others() {
        let [lower, upper] = piece(4, 8, 1).halve().expect("five blocks");
        assert_eq!((lower.what.blocks(), upper.what.blocks()), (Some(range(4, 5)), Some(range(6, 8))));
        assert_eq!((lower.refusers(), upper.refusers()), (vec![PeerId(1)], vec![]));
        assert!(piece(4, 4, 1).halve().is_none());
    }

    #[test]
    fn what_is_set_aside_joins_neighbours_that_the_same_peers_refused() {
        let job = snapsync_sync::Job::Bodies { blocks: range(9, 9) };
        let mut stream = Stream::new(&crate::Config::standing(1 << 20), job);
        for (block, peer) in [(4, 1), (6, 1), (5, 1), (7, 2)] {
            stream.set_aside(piece(block, block, peer));
        }
        let spans: Vec<_> = stream.lacking.iter().filter_map(|piece| piece.what.blocks()).collect();
        assert_eq!(spans, [range(4, 6), range(7, 7)]);
        stream.take_up();
        assert_eq!((stream.todo.len(), stream.lacking.len()), (3, 0));
    }
}
