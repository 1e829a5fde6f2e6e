//! What a request needs of a peer, and whether a peer says it has that.

use alloy_primitives::B256;
use snapsync_sync::BlockRange;

use crate::{Noun, PeerKind, PeerProfile};

/// Peers announce their newest block every 32 blocks only, so they may have this many more than they said.
pub const LATEST_SLACK: u64 = 32;

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
    /// The header of a hash.
    Header,
    /// Headers, bodies, receipts or access lists of these blocks.
    Blocks {
        /// The noun.
        noun: Noun,
        /// The blocks.
        blocks: BlockRange,
    },
}

/// Whether a peer has something, by its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    Yes,
    /// It serves such things, though not these.
    OutOfRange,
    /// It serves no such things.
    OtherKind,
}

impl Ask {
    /// The noun.
    pub fn noun(&self) -> Noun {
        match self {
            Self::State { noun, .. } | Self::Blocks { noun, .. } => *noun,
            Self::Codes => Noun::Codes,
            Self::Header => Noun::Headers,
        }
    }

    pub(crate) fn root(&self) -> Option<B256> {
        match self {
            Self::State { root, .. } => Some(*root),
            _ => None,
        }
    }

    pub(crate) fn served_by(&self, profile: &PeerProfile) -> Served {
        let if_served = |is_served: bool| if is_served { Served::Yes } else { Served::OtherKind };
        match self {
            // SPEC: snap/2 has no trie nodes (EIP-8189).
            Self::State { noun: Noun::Nodes, .. } => if_served(profile.snap == Some(1)),
            Self::State { .. } | Self::Codes => if_served(profile.snap.is_some()),
            Self::Header => Served::Yes,
            Self::Blocks { noun, .. } if is_host(profile) && !given(*noun) => Served::OtherKind,
            Self::Blocks { noun: Noun::Lists, .. } if !profile.has_lists() => Served::OtherKind,
            Self::Blocks { noun, blocks } => {
                let Some(has) = profile.blocks else { return Served::Yes };
                let is_host = is_host(profile);
                let latest = if is_host { has.last } else { has.last.saturating_add(LATEST_SLACK) };
                // Headers are kept by those who prune bodies, too.
                let is_above = *noun == Noun::Headers && !is_host || has.first <= blocks.first;
                let fits = blocks.last <= latest && is_above;
                if fits { Served::Yes } else { Served::OutOfRange }
            }
        }
    }
}

/// Whether a peer has any of these blocks, by its own word.
pub(crate) fn has_any(profile: &PeerProfile, noun: Noun, blocks: BlockRange) -> bool {
    let Some(has) = profile.blocks else { return true };
    if is_host(profile) {
        return given(noun) && blocks.first <= has.last && has.first <= blocks.last;
    }
    let latest = has.last.saturating_add(LATEST_SLACK);
    blocks.first <= latest && (noun == Noun::Headers || has.first <= blocks.last)
}

fn is_host(profile: &PeerProfile) -> bool {
    profile.kind == PeerKind::Host
}

/// Whether a host's blocks come with it.
fn given(noun: Noun) -> bool {
    matches!(noun, Noun::Headers | Noun::Bodies)
}

/// Requests in flight on one peer, by noun.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load([usize; Noun::ALL.len()]);

impl Load {
    pub(crate) fn all(&self) -> usize {
        self.0.iter().sum()
    }

    pub(crate) fn of(&self, noun: Noun) -> usize {
        self.0[noun.index()]
    }

    /// Of state if the noun is state, else of history.
    pub(crate) fn of_class(&self, noun: Noun) -> usize {
        Noun::ALL
            .into_iter()
            .filter(|other| other.is_state() == noun.is_state())
            .map(|other| self.of(other))
            .sum()
    }

    pub(crate) fn add(&mut self, noun: Noun) {
        self.0[noun.index()] += 1;
    }

    pub(crate) fn remove(&mut self, noun: Noun) {
        let slot = &mut self.0[noun.index()];
        *slot = slot.saturating_sub(1);
    }
}
