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
    /// Differing nodes are asked for by path.
    Heal,
    /// Differing ranges are asked for again.
    Repair,
    /// The derived root is the header's and nothing is open.
    Complete,
    /// Blocks after the target are executed, or their lists applied.
    Follow,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 9] = [
        Self::Idle,
        Self::Headers,
        Self::Download,
        Self::CatchUp,
        Self::Rebuild,
        Self::Heal,
        Self::Repair,
        Self::Complete,
        Self::Follow,
    ];

    /// Its place in [`Phase::ALL`], which is how the disk keeps it.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Whether a move from this phase to `next` is legal. Staying is no move.
    pub fn may_become(self, next: Self) -> bool {
        use Phase::{CatchUp, Complete, Download, Follow, Headers, Heal, Idle, Rebuild, Repair};
        match self {
            Idle => matches!(next, Headers),
            Headers => matches!(next, Download),
            Download => matches!(next, CatchUp | Rebuild),
            CatchUp => matches!(next, Download | Rebuild),
            Rebuild => matches!(next, Download | Heal | Repair | CatchUp | Complete),
            Heal | Repair => matches!(next, CatchUp | Rebuild),
            Complete => matches!(next, Follow),
            Follow => false,
        }
    }
}
