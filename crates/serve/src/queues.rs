//! Who is answered next: a line per peer, and turns between the lines.
//!
//! Pure. Each line is bounded in requests and in bytes, so that a peer can only make itself wait: whoever asks twenty things at once stands behind
//! nobody else's twenty. All lines together are bounded in bytes, at the cost of the longest. At most one request of a peer is in work at a time,
//! which keeps its answers in the order of its requests.

use std::collections::{BTreeMap, VecDeque};

use snapsync_p2p::PeerId;

/// All lines. `R` is what waits in them.
#[derive(Debug)]
pub(crate) struct Queues<R> {
    lines: BTreeMap<PeerId, PeerQueue<R>>,
    /// The peers that have something waiting and nothing in work, in the order in which they get their turn.
    turns: VecDeque<PeerId>,
    /// Bytes of all open requests. Invariant: the sum over the lines.
    bytes: usize,
    bounds: Bounds,
}

/// How long lines may become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Open requests of one peer, the one in work among them.
    pub(crate) per_peer_max: usize,
    /// Bytes of the same.
    pub(crate) per_peer_bytes_max: usize,
    /// Bytes of all open requests.
    pub(crate) bytes_max: usize,
}

#[derive(Debug)]
struct PeerQueue<R> {
    /// Requests, each with its bytes.
    waiting: VecDeque<(R, usize)>,
    work: Work,
    /// Bytes of the request in work.
    in_work_bytes: usize,
    /// Bytes of all open requests.
    bytes: usize,
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

/// A peer has more requests or more bytes open than its line takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineFull;

impl<R> Queues<R> {
    /// No line yet.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { lines: BTreeMap::new(), turns: VecDeque::new(), bytes: 0, bounds }
    }

    /// A peer is there.
    pub(crate) fn join(&mut self, peer: PeerId) {
        let line = PeerQueue { waiting: VecDeque::new(), work: Work::Idle, in_work_bytes: 0, bytes: 0 };
        self.lines.insert(peer, line);
    }

    /// A peer is gone, and what it waited for with it.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        if let Some(line) = self.lines.remove(&peer) {
            self.bytes -= line.bytes;
        }
        self.turns.retain(|other| *other != peer);
    }

    /// Puts a request of so many bytes at the end of its peer's line, and says how many the peer has open now. One of a peer that is
    /// not here (it left while the message was under way) is forgotten.
    pub(crate) fn push(&mut self, peer: PeerId, request: R, bytes: usize) -> Result<usize, LineFull> {
        let Some(line) = self.lines.get_mut(&peer) else {
            return Ok(0);
        };
        if line.open() >= self.bounds.per_peer_max || line.bytes + bytes > self.bounds.per_peer_bytes_max {
            return Err(LineFull);
        }
        line.waiting.push_back((request, bytes));
        line.bytes += bytes;
        self.bytes += bytes;
        if line.work == Work::Idle {
            line.work = Work::InTurn;
            self.turns.push_back(peer);
        }
        Ok(line.open())
    }

    /// Forgets the line that takes most, if all of them take more than they may, and says whose it was.
    pub(crate) fn relieve(&mut self) -> Option<PeerId> {
        if self.bytes <= self.bounds.bytes_max {
            return None;
        }
        let (peer, _) = self.lines.iter().max_by_key(|(_, line)| line.bytes)?;
        let peer = *peer;
        self.leave(peer);
        Some(peer)
    }

    /// The next request whose turn it is; it is in work from now on.
    pub(crate) fn next(&mut self) -> Option<(PeerId, R)> {
        let peer = self.turns.pop_front()?;
        let line = self.lines.get_mut(&peer)?;
        line.work = Work::Busy;
        let (request, bytes) = line.waiting.pop_front()?;
        line.in_work_bytes = bytes;
        Some((peer, request))
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
        let bytes = std::mem::take(&mut line.in_work_bytes);
        line.bytes -= bytes;
        self.bytes -= bytes;
        line.work = if line.waiting.is_empty() { Work::Idle } else { Work::InTurn };
        if line.work == Work::InTurn {
            self.turns.push_back(peer);
        }
    }
}

impl<R> PeerQueue<R> {
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
        let bounds = Bounds { per_peer_max: 4, per_peer_bytes_max: 100, bytes_max: 150 };
        let mut queues = Queues::new(bounds);
        queues.join(A);
        queues.join(B);
        queues
    }

    #[test]
    fn a_flood_of_one_peer_does_not_stand_before_another() {
        let mut queues = queues();
        for request in 0..4 {
            assert_eq!(queues.push(A, request, 1), Ok(request as usize + 1));
        }
        assert_eq!(queues.push(B, 10, 1), Ok(1));
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
            queues.push(A, request, 1).expect("room");
        }
        assert_eq!(queues.push(A, 4, 1), Err(LineFull));
        assert_eq!(queues.next(), Some((A, 0)));
        assert_eq!(queues.push(A, 4, 1), Err(LineFull));
        queues.done(A);
        assert_eq!(queues.push(A, 4, 1), Ok(4));
    }

    // ROW: F38
    #[test]
    fn a_line_is_bounded_in_bytes_with_the_request_in_work_in_it() {
        let mut queues = queues();
        queues.push(A, 0, 60).expect("room");
        assert_eq!(queues.push(A, 1, 41), Err(LineFull));
        assert_eq!(queues.next(), Some((A, 0)));
        assert_eq!(queues.push(A, 1, 41), Err(LineFull));
        queues.done(A);
        assert_eq!(queues.push(A, 1, 41), Ok(1));
        assert_eq!(queues.bytes, 41);
    }

    // ROW: F38
    #[test]
    fn all_lines_are_bounded_at_the_cost_of_the_longest() {
        let mut queues = queues();
        queues.push(A, 0, 50).expect("room");
        queues.push(A, 1, 40).expect("room");
        queues.push(B, 2, 60).expect("room");
        assert_eq!(queues.relieve(), None);
        assert_eq!(queues.next(), Some((A, 0)));
        queues.push(B, 3, 1).expect("room in its line");
        assert_eq!((queues.relieve(), queues.relieve()), (Some(A), None));
        // Whoever came later and took less is served.
        queues.done(A);
        assert_eq!((queues.next(), queues.bytes), (Some((B, 2)), 61));
        queues.done(B);
        queues.leave(B);
        assert_eq!((queues.next(), queues.bytes), (None, 0));
    }

    #[test]
    fn a_peer_that_left_is_forgotten() {
        let mut queues = queues();
        queues.push(A, 0, 1).expect("room");
        queues.leave(A);
        assert_eq!(queues.next(), None);
        assert_eq!(queues.push(A, 1, 1), Ok(0));
        queues.done(A);
        assert_eq!(queues.next(), None);
    }
}
