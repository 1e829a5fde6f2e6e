//! What a sync still needs of peers.
//!
//! It says what is wanted, not whether somebody has it.

use snapsync_sync::{Phase, Tally};

/// What a sync still needs of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it is complete, or works on what it has.
    Nothing,
    /// Headers, bodies, receipts or access lists: every peer may have them.
    Blocks,
    /// State: peers that speak snap have it.
    State,
}

impl Needs {
    /// What is needed in this phase.
    pub fn of(phase: Phase, tally: &Tally) -> Self {
        match phase {
            Phase::Idle | Phase::Complete | Phase::Follow => Self::Nothing,
            // A walk asks for nodes until it ends, however little is known to be missing.
            Phase::Headers | Phase::Heal => Self::State,
            Phase::CatchUp if tally.lists_missing > 0 => Self::Blocks,
            Phase::Download | Phase::CatchUp if tally.is_state_wanted() => Self::State,
            // What nobody has of history does not end a sync whose state is being derived.
            _ if tally.share < 1.0 => Self::Nothing,
            _ if tally.are_blocks_wanted() => Self::Blocks,
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use snapsync_sync::{Config, Engine};

    use super::*;

    #[test]
    fn healing_needs_peers_that_have_state_although_all_of_it_is_held() {
        let nothing_missing = Engine::new(Config::standing(alloy_primitives::B256::ZERO)).tally();
        let nothing_missing = Tally { share: 1.0, account_gaps: 0, ..nothing_missing };
        let needed = |phase| Needs::of(phase, &nothing_missing);
        assert_eq!(needed(Phase::Heal), Needs::State);
        assert_eq!([Phase::Download, Phase::Rebuild, Phase::Complete].map(needed), [Needs::Nothing; 3]);
        let renewed = Tally { renewals_open: 1, ..nothing_missing };
        assert_eq!(Needs::of(Phase::Download, &renewed), Needs::State, "it waits for an account's row");
    }
}
