//! Who is answered next: a line per peer, and turns between the lines.
//!
//! Pure. Each line is bounded, so that a peer can only make itself wait: whoever asks twenty things at once stands behind nobody
//! else's twenty. At most one request of a peer is in work at a time, which keeps its answers in the order of its requests.

use std::collections::{BTreeMap, VecDeque};

use snapsync_p2p::PeerId;

/// All lines. `R` is what waits in them.
#[derive(Debug)]
pub(crate) struct Queues<R> {
    lines: BTreeMap<PeerId, Line<R>>,
    /// The peers that have something waiting and nothing in work, in the order in which they get their turn.
    turns: VecDeque<PeerId>,
    per_peer_max: usize,
}

#[derive(Debug)]
struct Line<R> {
    waiting: VecDeque<R>,
    work: Work,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Nothing is in work, and nothing waits.
    Idle,
    /// Something waits, and the peer stands in `turns`.
    InTurn,
    /// A worker has a request of this peer.
    Busy,
}

/// A peer has more requests open than its line takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineFull;

impl<R> Queues<R> {
    /// Lines of at most `per_peer_max` open requests each, the one in work among them.
    pub(crate) fn new(per_peer_max: usize) -> Self {
        Self { lines: BTreeMap::new(), turns: VecDeque::new(), per_peer_max }
    }

    /// A peer is there.
    pub(crate) fn join(&mut self, peer: PeerId) {
        self.lines.insert(peer, Line { waiting: VecDeque::new(), work: Work::Idle });
    }

    /// A peer is gone, and what it waited for with it.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        self.lines.remove(&peer);
        self.turns.retain(|other| *other != peer);
    }

    /// Puts a request at the end of its peer's line, and says how many the peer has open now. One of a peer that is not here
    /// (it left while the message was under way) is forgotten.
    pub(crate) fn push(&mut self, peer: PeerId, request: R) -> Result<usize, LineFull> {
        let Some(line) = self.lines.get_mut(&peer) else {
            return Ok(0);
        };
        if line.open() >= self.per_peer_max {
            return Err(LineFull);
        }
        line.waiting.push_back(request);
        if line.work == Work::Idle {
            line.work = Work::InTurn;
            self.turns.push_back(peer);
        }
        Ok(line.open())
    }

    /// The next request whose turn it is; it is in work from now on.
    pub(crate) fn next(&mut self) -> Option<(PeerId, R)> {
        let peer = self.turns.pop_front()?;
        let line = self.lines.get_mut(&peer)?;
        line.work = Work::Busy;
        line.waiting.pop_front().map(|request| (peer, request))
    }

    /// A worker is done with a peer's request.
    pub(crate) fn done(&mut self, peer: PeerId) {
        let Some(line) = self.lines.get_mut(&peer) else {
            return;
        };
        if line.work != Work::Busy {
            // The peer left and came back under its old number while the work went on.
            return;
        }
        line.work = if line.waiting.is_empty() { Work::Idle } else { Work::InTurn };
        if line.work == Work::InTurn {
            self.turns.push_back(peer);
        }
    }
}

impl<R> Line<R> {
    fn open(&self) -> usize {
        self.waiting.len() + usize::from(self.work == Work::Busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PeerId = PeerId(1);
    const B: PeerId = PeerId(2);

    fn queues() -> Queues<u32> {
        let mut queues = Queues::new(4);
        queues.join(A);
        queues.join(B);
        queues
    }

    #[test]
    fn a_flood_of_one_peer_does_not_stand_before_another() {
        let mut queues = queues();
        for request in 0..4 {
            assert_eq!(queues.push(A, request), Ok(request as usize + 1));
        }
        assert_eq!(queues.push(B, 10), Ok(1));
        assert_eq!(queues.next(), Some((A, 0)));
        assert_eq!(queues.next(), Some((B, 10)));
        assert_eq!(queues.next(), None);
        queues.done(A);
        assert_eq!(queues.next(), Some((A, 1)));
    }

    #[test]
    fn a_line_is_bounded_with_the_request_in_work_in_it() {
        let mut queues = queues();
        for request in 0..4 {
            queues.push(A, request).expect("room");
        }
        assert_eq!(queues.push(A, 4), Err(LineFull));
        assert_eq!(queues.next(), Some((A, 0)));
        assert_eq!(queues.push(A, 4), Err(LineFull));
        queues.done(A);
        assert_eq!(queues.push(A, 4), Ok(4));
    }

    #[test]
    fn a_peer_that_left_is_forgotten() {
        let mut queues = queues();
        queues.push(A, 0).expect("room");
        queues.leave(A);
        assert_eq!(queues.next(), None);
        assert_eq!(queues.push(A, 1), Ok(0));
        queues.done(A);
        assert_eq!(queues.next(), None);
    }
}
