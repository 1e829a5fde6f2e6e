//! What the planner waits for, in words for a person, and when it waits for nobody any more.
//!
//! It reads the planner's state and sends nothing.

use std::time::Duration;

use snapsync_stream::{Alarm, Input, Needs, Sight, Stall};
use snapsync_sync::{Fatal, Missing, Phase};

use crate::{Error, Event, planner::FetchSnapState};

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

    /// Looks whether things still come on; a stall that lasts longer than is allowed ends the sync under its name.
    pub(crate) fn watch(&mut self) {
        let now = self.now();
        let needs = self.needs();
        let helpers = if needs == Needs::State { self.people.snap_count() } else { self.people.count() };
        for alarm in self.watchdog.look(now, &self.desk, Sight { needs, helpers }) {
            let event = match alarm {
                Alarm::Begins(stall) => {
                    tracing::info!(stall = stall.label(), "{stall}");
                    Event::Stalled(stall)
                }
                Alarm::Ends(stall) => {
                    tracing::info!(stall = stall.label(), "it goes on");
                    Event::Resumed(stall)
                }
                Alarm::BeginAnew(stall) => self.begin_anew(now, stall),
            };
            self.outlets.event(event);
        }
        let Some(limit) = self.stalled_max else { return };
        let Some((stall, since)) = self.watchdog.stall().filter(|(_, since)| *since + limit <= now) else {
            return;
        };
        if self.ended.is_none() {
            let seconds = now.saturating_sub(since).as_secs();
            self.ended = Some(Err(Error::Stalled { stall, seconds }));
        }
    }

    /// Everybody is dialled and asked anew. What follows for the desk waits with all else.
    fn begin_anew(&mut self, now: Duration, stall: Stall) -> Event {
        self.people.redial();
        if let Some(following) = &mut self.following {
            following.hurry(now);
        }
        self.pending.push_back(Input::AskAnew);
        self.outlets.figures.fresh_cycles += 1;
        let cycles = self.outlets.figures.fresh_cycles;
        tracing::info!(stall = stall.label(), cycles, "a fresh cycle begins");
        Event::FreshCycle { stall, cycles }
    }

    /// The stall that lasts, and for how long.
    pub(crate) fn stalled(&self) -> Option<(Stall, Duration)> {
        let (stall, since) = self.watchdog.stall()?;
        Some((stall, self.now().saturating_sub(since)))
    }

    /// What the next thing that becomes durable waits for.
    pub(crate) fn waiting_for(&self) -> Option<String> {
        let (engine, needs, connected) = (self.desk.engine(), self.needs(), self.people.count());
        if matches!(engine.phase(), Phase::Complete | Phase::Follow)
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

    pub(crate) fn needs(&self) -> Needs {
        let engine = self.desk.engine();
        match engine.phase() {
            // Whatever the peers say the target is, its state comes next.
            Phase::Idle if self.agreement.is_some() => Needs::State,
            phase => Needs::of(phase, &engine.tally()),
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
