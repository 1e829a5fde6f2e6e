//! How large each peer's answers of history were lately.
//!
//! A memory and no rule: what fits is said in `surplus.rs`.

use std::collections::BTreeMap;

use snapsync_peers::PeerId;

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

    /// Whether it has shown anything.
    pub(crate) fn is_known(&self, peer: PeerId) -> bool {
        self.0.contains_key(&peer)
    }

    /// What an answer for which so much is reserved may come to.
    pub(crate) fn worst(&self, peer: PeerId, reserved_bytes: u64) -> u64 {
        self.0.get(&peer).copied().unwrap_or(UNKNOWN_BYTES).max(reserved_bytes)
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
