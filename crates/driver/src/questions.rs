//! Questions that the desk knows nothing of (which block is meant, which one is the newest), until their peers answer.
//!
//! A peer's line may be slow: its answer is awaited as long as it is connected, however little use it will be by then. So nobody
//! is charged for an answer that was asked for, nobody answers for another, and who owes an answer is not asked for more.

use std::collections::BTreeSet;

use snapsync_peers::PeerId;

/// What was asked and is not answered. Few a peer: the agreement asks each for some seconds, the following one at a time.
#[derive(Debug, Default)]
pub(crate) struct Questions(BTreeSet<(PeerId, u64)>);

impl Questions {
    /// A question went out.
    pub(crate) fn asked(&mut self, peer: PeerId, id: u64) {
        self.0.insert((peer, id));
    }

    /// Whether this answers a question that this peer was asked, for the first time.
    pub(crate) fn answered(&mut self, peer: PeerId, id: u64) -> bool {
        self.0.remove(&(peer, id))
    }

    /// Whether the peer owes an answer.
    pub(crate) fn is_owed_by(&self, peer: PeerId) -> bool {
        self.0.range((peer, 0)..=(peer, u64::MAX)).next().is_some()
    }

    /// A peer left.
    pub(crate) fn left(&mut self, peer: PeerId) {
        self.0.retain(|(asked, _)| *asked != peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_own_peers_whenever_it_comes_and_counts_once() {
        let mut questions = Questions::default();
        questions.asked(PeerId(1), 7);
        questions.asked(PeerId(2), 8);
        assert!(!questions.answered(PeerId(2), 7), "nobody answers for another");
        assert!(questions.is_owed_by(PeerId(1)));
        assert!(questions.answered(PeerId(1), 7));
        assert!(!questions.answered(PeerId(1), 7), "once");
        questions.left(PeerId(2));
        assert!(!questions.is_owed_by(PeerId(1)) && !questions.is_owed_by(PeerId(2)));
    }
}
