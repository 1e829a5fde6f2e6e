//! What the planner waits for, in words for a person, and when it waits for nobody any more.
//!
//! It reads the planner's state and sends nothing.

use std::time::Duration;

use snapsync_sync::{Fatal, Missing, Phase, Tally};

use crate::{Error, planner::FetchSnapState, prospects::Needs};

/// What is on its way from the answers to the disk may still complete a sync that nobody helps any more: so long after the last
/// commit it is certain that nothing comes.
const DIGEST: Duration = Duration::from_secs(5);

impl FetchSnapState {
    /// Ends a sync that nobody can help any more.
    pub(crate) fn look_for_hope(&mut self) {
        let Some(lost) = self.prospects.all_lost(self.now(), self.needs()) else { return };
        let is_digesting =
            self.desk.reserved_bytes() > 0 && self.outlets.figures.durable_at.elapsed() < DIGEST;
        if self.ended.is_none() && !is_digesting {
            self.ended = Some(Err(Error::NobodyLeft { met: self.prospects.was_any_met(), lost }));
        }
    }

    /// What the next thing that becomes durable waits for.
    pub(crate) fn waiting_for(&self) -> Option<String> {
        let (engine, needs, connected) = (self.desk.engine(), self.needs(), self.people.count());
        if matches!(engine.phase(), Phase::Complete)
            || engine.phase() == Phase::Idle && self.agreement.is_none()
        {
            return None;
        }
        let under_way = self.desk.in_flight().len();
        let target = engine.pin().map(|pin| pin.target);
        Some(match needs {
            Needs::Nothing => "tries to be derived".into(),
            _ if connected == 0 => {
                format!("a peer: none of the {} given is connected", self.prospects.count())
            }
            _ if self.agreement.is_some() => format!("{connected} peers to say which block is meant"),
            Needs::State if self.people.snap_count() == 0 => {
                format!("a peer that serves state: {connected} are connected, none speaks snap")
            }
            _ if under_way > 0 => format!("answers: {under_way} requests to {connected} peers are under way"),
            _ if self.desk.reserved_bytes() > 0 => "answers to be proved and written".into(),
            Needs::State => match target {
                Some(target) => format!(
                    "a peer that has the state of block {}: {connected} are connected, none has root {}",
                    target.number, target.root
                ),
                None => format!("a peer that has the target: {connected} are connected, none has its header"),
            },
            Needs::Blocks => {
                format!("a peer that has the missing blocks: {connected} are connected, none does")
            }
        })
    }

    fn needs(&self) -> Needs {
        let engine = self.desk.engine();
        match engine.phase() {
            // Whatever the peers say the target is, its state comes next.
            Phase::Idle if self.agreement.is_some() => Needs::State,
            phase => needed(phase, &engine.tally()),
        }
    }

    /// The engine cannot go on.
    pub(crate) fn fail(&mut self, fatal: Fatal) {
        let is_state = matches!(fatal, Fatal::TargetUnavailable { missing: Missing::State { .. } });
        let broken = if is_state { self.prospects.broken() } else { Vec::new() };
        let error = if broken.is_empty() {
            fatal.into()
        } else {
            Error::NobodyProves { fatal: Box::new(fatal), broken }
        };
        self.ended = Some(Err(error));
    }
}

/// What a sync still needs of peers in this phase.
fn needed(phase: Phase, tally: &Tally) -> Needs {
    match phase {
        Phase::Idle | Phase::Complete => Needs::Nothing,
        // A walk asks for nodes until it ends, however little is known to be missing.
        Phase::Headers | Phase::Heal => Needs::State,
        Phase::CatchUp if tally.lists_missing > 0 => Needs::Blocks,
        Phase::Download | Phase::CatchUp if tally.is_state_wanted() => Needs::State,
        // What nobody has of history does not end a sync whose state is being derived.
        _ if tally.share < 1.0 => Needs::Nothing,
        _ if tally.are_blocks_wanted() => Needs::Blocks,
        _ => Needs::Nothing,
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
        let needed = |phase| needed(phase, &nothing_missing);
        assert_eq!(needed(Phase::Heal), Needs::State);
        assert_eq!([Phase::Download, Phase::Rebuild, Phase::Complete].map(needed), [Needs::Nothing; 3]);
    }
}
