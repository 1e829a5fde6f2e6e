//! The engine: one event in, effects out.

use std::{collections::VecDeque, time::Duration};

use crate::{Config, Effect, Event, Journal, Phase, Pin, Progress, Tally};

/// Plans a sync. See the crate's documentation.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    effects: VecDeque<Effect>,
}

impl Engine {
    /// An engine over an empty disk.
    pub fn new(config: Config) -> Self {
        Self::resume(config, Journal::fresh())
    }

    /// An engine that goes on where the disk stands.
    pub fn resume(config: Config, _journal: Journal) -> Self {
        Self { config, effects: VecDeque::new() }
    }

    /// Takes one event. Drain [`Engine::poll`] before the next one.
    pub fn handle(&mut self, _now: Duration, _event: Event) {}

    /// Time has come that [`Engine::next_timeout`] named.
    pub fn handle_timeout(&mut self, _now: Duration) {}

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Engine::handle_timeout`] wants to be called, if ever.
    pub fn next_timeout(&self) -> Option<Duration> {
        None
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        Phase::Idle
    }

    /// The target, once its header is known.
    pub fn pin(&self) -> Option<Pin> {
        None
    }

    /// What would be recorded now.
    pub fn progress(&self) -> Progress {
        Progress { pin: None, phase: Phase::Idle, rebuilt: None, blocks: None }
    }

    /// Figures for a watcher.
    pub fn tally(&self) -> Tally {
        Tally {
            share: 0.0,
            account_gaps: 0,
            storages_pending: 0,
            storages_huge: 0,
            codes_pending: 0,
            header_floor: None,
            headers_missing: 0,
            bodies_missing: 0,
            receipts_missing: 0,
        }
    }
}
