//! What the host hears: events through a broadcast, figures through a latest-only slot.
//!
//! Nothing here waits for a listener: one that lags loses the oldest events, and sees the newest figures.

use std::time::{Duration, Instant};

use snapsync_stream::Desk;
use tokio::sync::{broadcast, watch};

use crate::{Event, Hashed, Leaves, Progress};

/// What this run counted.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) answers: u64,
    pub(crate) answer_bytes: u64,
    pub(crate) hashed: Hashed,
    pub(crate) wakes: u64,
    pub(crate) durable: Leaves,
    pub(crate) durable_at: Instant,
}

/// The two ways out, and what was counted.
#[derive(Debug)]
pub(crate) struct Outlets {
    events: broadcast::Sender<Event>,
    progress: watch::Sender<Progress>,
    pub(crate) figures: Figures,
}

impl Outlets {
    pub(crate) fn new(events: broadcast::Sender<Event>, progress: watch::Sender<Progress>) -> Self {
        let figures = Figures {
            answers: 0,
            answer_bytes: 0,
            hashed: Hashed::default(),
            wakes: 0,
            durable: Leaves::default(),
            durable_at: Instant::now(),
        };
        Self { events, progress, figures }
    }

    /// Tells whoever listens; nobody may.
    pub(crate) fn event(&self, event: Event) {
        tracing::debug!(?event, "event");
        let _nobody_listens = self.events.send(event);
    }

    /// Shows the newest figures.
    pub(crate) fn publish(&self, desk: &Desk, peers: usize, elapsed: Duration) {
        let engine = desk.engine();
        let tally = engine.tally();
        let target = engine.pin().map(|pin| pin.target);
        let _nobody_looks = self.progress.send(Progress {
            phase: format!("{:?}", engine.phase()).to_lowercase(),
            target_number: target.map(|target| target.number),
            target_hash: target.map(|target| target.hash),
            share: tally.share,
            peers,
            in_flight: desk.in_flight().len(),
            reserved_bytes: desk.reserved_bytes(),
            durable: self.figures.durable,
            answer_bytes: self.figures.answer_bytes,
            answers: self.figures.answers,
            hashed: self.figures.hashed,
            wakes: self.figures.wakes,
            storages_pending: tally.storages_pending,
            codes_pending: tally.codes_pending,
            headers_missing: tally.headers_missing,
            bodies_missing: tally.bodies_missing,
            receipts_missing: tally.receipts_missing,
            elapsed,
            idle: self.figures.durable_at.elapsed(),
        });
    }
}
