//! Answers that wait for room in their peers' write queues: one a peer, and bounded in bytes over all.
//!
//! Pure. A peer that reads slowly is no liar, so what finds no room here is not held against it: it is told that we have nothing.

use std::collections::BTreeMap;

use snapsync_p2p::PeerId;

/// An answer that could not be sent yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnsentAnswer<A> {
    /// What is to be sent.
    pub(crate) answer: A,
    /// The bytes that it takes in memory, about.
    pub(crate) bytes: usize,
    /// What is sent instead if there is no room for it.
    pub(crate) empty: A,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Unsent<A> {
    held: BTreeMap<PeerId, (A, usize)>,
    /// Invariant: the sum over `held`, which is within `bytes_max`.
    bytes: usize,
    bytes_max: usize,
}

impl<A> Unsent<A> {
    /// None yet.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { held: BTreeMap::new(), bytes: 0, bytes_max }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Keeps a peer's answer, or the empty one where it has no room: that one takes next to nothing. A peer has one at a time.
    pub(crate) fn hold(&mut self, peer: PeerId, held: UnsentAnswer<A>) {
        self.leave(peer);
        let fits = self.bytes.saturating_add(held.bytes) <= self.bytes_max;
        let (answer, bytes) = if fits { (held.answer, held.bytes) } else { (held.empty, 0) };
        self.bytes += bytes;
        self.held.insert(peer, (answer, bytes));
    }

    /// A peer is gone, and what it waited for with it.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        if let Some((_, bytes)) = self.held.remove(&peer) {
            self.bytes -= bytes;
        }
    }

    /// Offers each answer again; those that are taken are no longer held.
    pub(crate) fn offer(&mut self, mut takes: impl FnMut(PeerId, &A) -> bool) {
        let bytes = &mut self.bytes;
        self.held.retain(|peer, (answer, of_it)| {
            let is_taken = takes(*peer, answer);
            if is_taken {
                *bytes -= *of_it;
            }
            !is_taken
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PeerId = PeerId(1);
    const B: PeerId = PeerId(2);
    const C: PeerId = PeerId(3);

    fn held(answer: &'static str, bytes: usize) -> UnsentAnswer<&'static str> {
        UnsentAnswer { answer, bytes, empty: "nothing" }
    }

    // ROW: F38
    #[test]
    fn an_answer_without_room_becomes_the_empty_one() {
        let mut unsent = Unsent::new(100);
        unsent.hold(A, held("first", 60));
        unsent.hold(B, held("second", 41));
        unsent.hold(C, held("third", 40));
        let mut offered = Vec::new();
        unsent.offer(|peer, answer| {
            offered.push((peer, *answer));
            peer == A
        });
        assert_eq!(offered, [(A, "first"), (B, "nothing"), (C, "third")]);
        assert_eq!(unsent.bytes, 40);
        unsent.hold(A, held("fourth", 60));
        unsent.leave(C);
        assert_eq!(unsent.bytes, 60);
        unsent.offer(|_, _| true);
        assert!(unsent.is_empty() && unsent.bytes == 0);
    }
}
