//! The block whose state is fetched, while the chain moves on: when another one takes its place.
//!
//! ```text
//!   the head is far past it          peers drop old states: a younger one, while they still have the old
//!   no peer has its state            a younger one, if there is one; else the sync cannot go on
//!   it is on a branch that was left  one of the canonical chain
//! ```
//!
//! It follows heads that somebody who is trusted named: no peer moves it, and none holds it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Head, Target};

/// Why another pivot took the place of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoveReason {
    /// The head is so far past it that peers are about to drop its state.
    Aged,
    /// No connected peer has its state any more.
    Lost,
    /// The chain has left it.
    Orphaned,
    /// No block leads from it to the head: the chain has left blocks that cannot be taken back any more.
    Stranded,
}

impl fmt::Display for MoveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aged => "the head is far past it",
            Self::Lost => "no connected peer has its state",
            Self::Orphaned => "the chain has left it",
            Self::Stranded => "no block leads from it to the head",
        })
    }
}

/// Another pivot: its height, and the head that it is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextPivot {
    number: u64,
    head: Head,
}

/// Why the pivot may not stay, and what was done about it.
#[derive(Debug, Default)]
pub(crate) struct Pivot {
    /// No connected peer has its state.
    pub(crate) is_lost: bool,
    /// The canonical chain does not have it any more.
    pub(crate) is_orphaned: bool,
    /// The state was verified, blocks brought it on, and the chain has left more of them than can be taken back.
    pub(crate) is_stranded: bool,
    /// The head under which another one was asked for.
    sought_at: Option<Head>,
}

impl Pivot {
    /// What the disk says of it.
    pub(crate) fn resumed(is_orphaned: bool) -> Self {
        Self { is_orphaned, ..Self::default() }
    }

    /// Why it makes way for another.
    pub(crate) fn why(&self) -> MoveReason {
        if self.is_stranded {
            return MoveReason::Stranded;
        }
        match (self.is_orphaned, self.is_lost) {
            (true, _) => MoveReason::Orphaned,
            (false, true) => MoveReason::Lost,
            (false, false) => MoveReason::Aged,
        }
    }

    /// The pivot that is due under this head, if one is, as it is if the head is more than `age_max` blocks past the old one: so many blocks
    /// below the head, where that is a later one.
    pub(crate) fn next(&self, age_max: u64, distance: u64, pivot: Target, head: Head) -> Option<NextPivot> {
        let is_old = head.number > pivot.number.saturating_add(age_max);
        let is_later = head.number > pivot.number;
        let is_left = self.is_orphaned || self.is_stranded;
        if !(is_old || is_left || self.is_lost && is_later) {
            return None;
        }
        let usual = head.number.saturating_sub(distance);
        let number = match usual > pivot.number {
            true => usual,
            // As near to what is held as the canonical chain has one.
            false if is_left => pivot.number.min(head.number),
            false => head.number,
        };
        Some(NextPivot { number, head })
    }

    /// The height of the next pivot, if it was not sought under this head before.
    pub(crate) fn seek(&mut self, next: NextPivot) -> Option<u64> {
        let is_new = self.sought_at != Some(next.head);
        self.sought_at = Some(next.head);
        is_new.then_some(next.number)
    }
}
