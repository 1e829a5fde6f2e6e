//! What the engine was told, written down, and what it answered, hashed: a recorded sync replays to the same hash.

use std::time::Duration;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{Config, Effect, Engine, Event, Journal};

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TraceLine {
    /// The engine was made. The first line of a trace.
    Start {
        /// Its settings.
        config: Box<Config>,
        /// Where the disk stood.
        journal: Box<Journal>,
    },
    /// It was told something.
    Event {
        /// Time since start, in microseconds.
        now_us: u64,
        /// What.
        event: Event,
    },
    /// Its time came.
    Timeout {
        /// Time since start, in microseconds.
        now_us: u64,
    },
}

impl TraceLine {
    /// The line as it is written.
    ///
    /// # Errors
    /// None are known; a type that JSON cannot say would be one.
    pub fn to_json(&self) -> Result<String, TraceError> {
        Ok(serde_json::to_string(self)?)
    }
}

/// Why a trace does not replay.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// A line is not one of ours.
    #[error("trace line is not readable: {0}")]
    Line(#[from] serde_json::Error),
    /// The first line does not start an engine, or a later one does.
    #[error("trace line {line} is out of place")]
    Order {
        /// Its number, from 1.
        line: usize,
    },
}

/// A running hash over effects, in the order in which they are polled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EffectHash(B256);

impl EffectHash {
    /// The hash over no effect.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an effect.
    pub fn add(&mut self, effect: &Effect) {
        let mut message = self.0.to_vec();
        serde_json::to_writer(&mut message, effect)
            .expect("effects are plain data, and a Vec takes any bytes");
        self.0 = snapsync_keccak::keccak256(&message);
    }

    /// The hash so far.
    pub fn value(&self) -> B256 {
        self.0
    }
}

/// Runs an engine over a trace and gives the hash of all its effects.
///
/// # Errors
/// A line that cannot be read or stands in the wrong place.
pub fn replay<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<B256, TraceError> {
    let mut engine: Option<Engine> = None;
    let mut hash = EffectHash::new();
    for (index, line) in lines.into_iter().enumerate() {
        let out_of_place = TraceError::Order { line: index + 1 };
        match (serde_json::from_str(line)?, &mut engine) {
            (TraceLine::Start { config, journal }, slot @ None) => {
                *slot = Some(Engine::resume(*config, *journal))
            }
            (TraceLine::Event { now_us, event }, Some(engine)) => {
                engine.handle(Duration::from_micros(now_us), event)
            }
            (TraceLine::Timeout { now_us }, Some(engine)) => {
                engine.handle_timeout(Duration::from_micros(now_us))
            }
            _ => return Err(out_of_place),
        }
        while let Some(effect) = engine.as_mut().and_then(Engine::poll) {
            hash.add(&effect);
        }
    }
    Ok(hash.value())
}
