//! What a sync tells the process that watches it: one JSON value a line.
//!
//! It carries what a story needs and no more; [`crate::story`] makes lines for people of it.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use snapsync_driver::{Event, Progress};

/// Something that a watcher wants to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scene {
    /// The newest figures.
    Figures {
        /// The phase's name.
        phase: String,
        /// Share of the state's leaves that is durable, 0 to 1.
        share: f64,
        /// Storages whose slots are not all held.
        storages: usize,
        /// Trie nodes that were compared in this run.
        nodes: u64,
    },
    /// A phase began.
    Phase(String),
    /// The state of this block is fetched from now on.
    Pivot {
        /// Its height.
        number: u64,
        /// Its hash.
        hash: B256,
    },
    /// A peer was charged, or set aside: who, and for what.
    Fault {
        /// The first digits of its id, and where it was dialled.
        peer: String,
        /// The fault's name.
        kind: String,
    },
    /// All is durable, and the state is that of this block.
    Complete {
        /// Its height.
        number: u64,
        /// Its hash.
        hash: B256,
        /// The state root that was derived.
        root: B256,
    },
}

impl Scene {
    /// The figures; nothing before there are any.
    pub(crate) fn of_progress(progress: &Progress) -> Option<Self> {
        let figures = |phase| Self::Figures {
            phase,
            share: progress.share,
            storages: progress.storages_pending,
            nodes: progress.reconciled.nodes,
        };
        Some(progress.phase.clone()).filter(|phase| !phase.is_empty()).map(figures)
    }

    /// An event, if a watcher wants to know it.
    pub(crate) fn of_event(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Phase(phase) => Self::Phase(format!("{phase:?}").to_lowercase()),
            Event::Pinned(target) | Event::PivotMoved { to: target, .. } => {
                Self::Pivot { number: target.number, hash: target.hash }
            }
            Event::PeerFault { peer, fault } | Event::PeerSetAside { peer, fault } => {
                Self::Fault { peer: peer.clone(), kind: fault.kind().to_owned() }
            }
            Event::Complete(target) => {
                Self::Complete { number: target.number, hash: target.hash, root: target.root }
            }
            _ => return None,
        })
    }

    /// One line.
    pub(crate) fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The scene of a line, if it is one.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_come_back_from_their_lines_and_other_lines_are_none() {
        let figures = Scene::Figures { phase: "download".into(), share: 0.25, storages: 3, nodes: 0 };
        let pivot = Scene::Pivot { number: 7, hash: B256::repeat_byte(7) };
        for scene in [figures, Scene::Phase("heal".into()), pivot] {
            assert_eq!(Scene::from_line(&scene.to_line()), Some(scene));
        }
        assert_eq!(Scene::from_line("error: no"), None);
        assert_eq!(Scene::of_progress(&Progress::default()), None);
    }
}
