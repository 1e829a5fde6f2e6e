//! Where a sync stands, and which moves between phases are legal.

use serde::{Deserialize, Serialize};

/// The phases of a sync. History (bodies, receipts) runs beside all of them and has none of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// No target yet.
    Idle,
    /// A target is named; its root is not authenticated yet.
    Headers,
    /// Rows come in.
    Download,
    /// Lists bring the rows to a newer target.
    CatchUp,
    /// Tries are derived from rows. Should the target move before their root was compared, it is Download again.
    Rebuild,
    /// What differs from the target is looked for, down its tries: by nodes, or by ranges where nobody gives nodes.
    Heal,
    /// The derived root is the header's and nothing is open.
    Complete = 7,
    /// Blocks after the target are executed, or their lists applied.
    Follow,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 8] = [
        Self::Idle,
        Self::Headers,
        Self::Download,
        Self::CatchUp,
        Self::Rebuild,
        Self::Heal,
        Self::Complete,
        Self::Follow,
    ];

    /// How the disk keeps it. 6 was never kept.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The phase of a number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.number() == number)
    }

    /// Whether a move from this phase to `next` is legal. Staying is no move.
    pub fn may_become(self, next: Self) -> bool {
        use Phase::{CatchUp, Complete, Download, Follow, Headers, Heal, Idle, Rebuild};
        match self {
            Idle => matches!(next, Headers),
            Headers => matches!(next, Download),
            Download => matches!(next, CatchUp | Rebuild),
            CatchUp => matches!(next, Download | Rebuild),
            Rebuild => matches!(next, Download | Heal | CatchUp | Complete),
            Heal => matches!(next, CatchUp | Rebuild),
            Complete => matches!(next, Follow | Download),
            Follow => matches!(next, Download),
        }
    }
}
