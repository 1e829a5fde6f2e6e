//! A peer as a report shows it. It is a copy: nothing is decided by it.

use std::collections::BTreeMap;

use crate::{PeerId, PeerProfile, Rate, Regard};

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
    pub regard: Regard,
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
    /// Rates by noun, in [`crate::Noun::ALL`]'s order.
    pub rates: [Rate; crate::Noun::ALL.len()],
}
