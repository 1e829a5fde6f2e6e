//! Where a peer's newest block is against the pivot: whether the peer may have the pivot's state, by its own word.
//!
//! ```text
//!   behind            within                                   ahead
//!   ... pivot - 33 │ pivot - 32 ... pivot ... pivot + 127 │ pivot + 128 ...
//! ```
//!
//! Pure. It trusts no peer: what a peer says of itself is told, and keeps nobody from asking it.

use std::fmt;

use snapsync_peers::LATEST_SLACK;

/// Peers serve the states of their newest blocks, so many as snap asks for.
const STATES: u64 = 128;

/// Where a peer's newest block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// So many blocks below the pivot: it does not have that state yet.
    Behind {
        /// How many.
        blocks: u64,
    },
    /// It may have the pivot's state.
    Within,
    /// So many blocks above the pivot: it has dropped that state, unless it keeps more than it must.
    Ahead {
        /// How many.
        blocks: u64,
    },
}

impl Place {
    /// Of a peer whose newest block is this one.
    pub(crate) fn of(pivot: u64, latest: u64) -> Self {
        if latest.saturating_add(LATEST_SLACK) < pivot {
            Self::Behind { blocks: pivot - latest }
        } else if latest.saturating_sub(pivot) >= STATES {
            Self::Ahead { blocks: latest - pivot }
        } else {
            Self::Within
        }
    }

    /// Whether it is the same side of the window, however far off.
    fn is_beside(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// Where one peer was when it was looked at last. Who was not looked at yet is taken to be within.
#[derive(Debug)]
pub(crate) struct Placed(Place);

impl Placed {
    pub(crate) fn new() -> Self {
        Self(Place::Within)
    }

    /// Looks again. Gives the place if that is news.
    pub(crate) fn look(&mut self, pivot: u64, latest: u64) -> Option<Place> {
        let place = Place::of(pivot, latest);
        let before = std::mem::replace(&mut self.0, place);
        (!place.is_beside(before)).then_some(place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Behind { blocks } => write!(f, "{blocks} blocks behind the pivot"),
            Self::Within => f.write_str("where the pivot's state may be had"),
            Self::Ahead { blocks } => {
                write!(f, "{blocks} blocks ahead of the pivot, whose state it need not keep")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ROW: F27
    #[test]
    fn peers_far_below_and_above_the_pivot_are_behind_and_ahead_of_it() {
        let place = |latest| Place::of(1_000, latest);
        assert_eq!(place(500), Place::Behind { blocks: 500 });
        assert_eq!(place(1_000), Place::Within);
        assert_eq!(place(1_500), Place::Ahead { blocks: 500 });
        // What it has said last may be 32 blocks old.
        assert_eq!([967, 968].map(place), [Place::Behind { blocks: 33 }, Place::Within]);
        assert_eq!([1_127, 1_128].map(place), [Place::Within, Place::Ahead { blocks: 128 }]);
        assert_eq!(Place::of(0, 0), Place::Within);
        assert_eq!(Place::of(u64::MAX, u64::MAX), Place::Within);
    }

    // ROW: F27
    #[test]
    fn a_peer_is_told_of_when_it_leaves_the_window_and_when_it_is_back_and_not_in_between() {
        let mut placed = Placed::new();
        assert_eq!(placed.look(1_000, 1_000), None);
        assert_eq!(placed.look(1_000, 500), Some(Place::Behind { blocks: 500 }));
        assert_eq!(placed.look(1_000, 532), None, "it comes nearer, and is not there");
        assert_eq!(placed.look(1_000, 1_064), Some(Place::Within), "it has said that it has more blocks");
        assert_eq!(placed.look(1_564, 1_064), Some(Place::Behind { blocks: 500 }), "the pivot has moved");
        assert_eq!(placed.look(1_564, 2_064), Some(Place::Ahead { blocks: 500 }));
        assert_eq!(placed.look(2_000, 2_064), Some(Place::Within));
    }
}
