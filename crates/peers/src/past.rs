//! Peers that left: what was learned of them, for when they come back.
//!
//! A connection is cheap, and a peer that could shed its record with it would be as good as new each time, and be tried out
//! first. It keeps no addresses and bans nobody.

use std::{collections::BTreeMap, time::Duration};

use crate::{PeerNode, entry::Entry};

/// Nodes that are remembered; about a kilobyte each. With more, the one that left first is forgotten.
const PAST_MAX: usize = 1024;

/// Peers that left, by node.
#[derive(Debug, Default)]
pub(crate) struct Past(BTreeMap<PeerNode, (Duration, Entry)>);

impl Past {
    /// A peer left.
    pub(crate) fn keep(&mut self, now: Duration, entry: Entry) {
        self.0.insert(entry.profile.node, (now, entry));
        if self.0.len() > PAST_MAX
            && let Some(oldest) =
                self.0.iter().min_by_key(|(node, (left, _))| (*left, **node)).map(|at| *at.0)
        {
            self.0.remove(&oldest);
        }
    }

    /// Whoever comes back is asked as if it had lacked nothing.
    pub(crate) fn ask_anew(&mut self) {
        self.0.values_mut().for_each(|(_, entry)| entry.ask_anew());
    }

    /// It is back.
    pub(crate) fn take(&mut self, node: PeerNode) -> Option<Entry> {
        self.0.remove(&node).map(|(_, entry)| entry)
    }
}
