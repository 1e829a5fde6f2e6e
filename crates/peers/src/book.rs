//! The book of peers: who is there, how each answered, and whom to ask next.

use std::{collections::BTreeMap, time::Duration};

use alloy_primitives::B256;
use snapsync_sync::BlockRange;

use crate::{Config, Head, Noun, Outcome, PeerId, PeerProfile, Rate, Score, Seed, Standing};

/// What a request needs of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// State under a root.
    State {
        /// The noun.
        noun: Noun,
        /// The root.
        root: B256,
    },
    /// Codes, from a peer that has state.
    Codes,
    /// The header of this hash.
    Header {
        /// The hash.
        hash: B256,
    },
    /// Headers, bodies or receipts of these blocks.
    Blocks {
        /// The noun.
        noun: Noun,
        /// The blocks.
        blocks: BlockRange,
    },
}

/// A peer as a report shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSummary {
    /// The peer.
    pub peer: PeerId,
    /// What it said about itself.
    pub profile: PeerProfile,
    /// Points of score.
    pub points: i32,
    /// Where it stands.
    pub standing: Standing,
    /// Requests in flight.
    pub flights: usize,
    /// Useful answers.
    pub useful: u64,
    /// Time-outs.
    pub timeouts: u64,
    /// Refusals.
    pub refusals: u64,
    /// Kinds of faults, each with its count.
    pub faults: BTreeMap<&'static str, u64>,
    /// Rates by noun, in [`Noun::ALL`]'s order.
    pub rates: [Rate; 6],
}

#[derive(Debug)]
struct Entry {
    profile: PeerProfile,
    score: Score,
}

/// The peers and what is known of them.
#[derive(Debug)]
pub struct Book {
    config: Config,
    seed: Seed,
    peers: BTreeMap<PeerId, Entry>,
}

impl Book {
    /// An empty book; `seed` decides draws.
    pub fn new(config: Config, seed: u64) -> Self {
        Self { config, seed: Seed::new(seed), peers: BTreeMap::new() }
    }

    /// A peer connected.
    pub fn join(&mut self, now: Duration, peer: PeerId, profile: PeerProfile) {
        self.peers.insert(peer, Entry { profile, score: Score::new(now) });
    }

    /// A peer left.
    pub fn leave(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
    }

    /// A peer told which blocks it has now.
    pub fn update(&mut self, peer: PeerId, blocks: BlockRange, head: Head) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.profile.blocks = Some(blocks);
            entry.profile.head = head;
        }
    }

    /// Connected peers.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.peers.keys().copied()
    }

    /// An answer was judged.
    pub fn judged(&mut self, _now: Duration, _peer: PeerId, _outcome: &Outcome) {}

    /// All peers, for a report.
    pub fn summary(&self) -> Vec<PeerSummary> {
        let _ =
            (&self.seed, &self.config, self.peers.values().map(|entry| entry.score.points()).sum::<i32>());
        Vec::new()
    }
}
