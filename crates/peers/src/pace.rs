//! How much a peer's line holds: its width, its shortest round trip, and the bytes that are asked of it now.
//!
//! A server answers a connection's requests one after the other, so its line stands idle unless the next request is there
//! when an answer is done. The window is what keeps it busy: width times round trip, and a queue on top that outlasts the
//! jitter. It is found by looking at arrivals alone: the gap between two answers of which the second had to queue is what
//! the line needs for the second. Trust: none; a peer that lies about its speed by waiting is asked for less.

use std::time::Duration;

use crate::{Config, Noun};

/// Arrivals older than about this count half.
const MEMORY: Duration = Duration::from_secs(1);

/// No round trip is taken for longer than this.
const SHORTEST_MAX: Duration = Duration::from_secs(3);

/// An answer that came, and the request that it answers.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// When the request went out.
    pub sent_at: Duration,
    /// What was expected, as told to [`crate::Book::load`].
    pub expected_bytes: u64,
    /// What came.
    pub bytes: u64,
}

/// One peer's line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The shortest time from sending to an answer; of a line that got slower it is raised step by step.
    shortest: Option<Duration>,
    /// Bytes that came after a gap in which the line was busy, and the length of these gaps.
    bytes: u64,
    busy: Duration,
    arrived_at: Duration,
    /// Bytes that are asked for and expected.
    load: u64,
    window: u64,
    /// Of the window, what the round trip alone takes; the rest is queue.
    trip: u64,
    /// Until when history waits for state, see [`Pace::rest`].
    pub(crate) rests_until: Duration,
}

impl Pace {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            shortest: None,
            bytes: 0,
            busy: Duration::ZERO,
            arrived_at: Duration::ZERO,
            load: 0,
            window: config.window_first_bytes,
            trip: config.window_first_bytes,
            rests_until: Duration::ZERO,
        }
    }

    /// The line of a peer that is back: nothing is asked for on it.
    pub(crate) fn unloaded(self) -> Self {
        Self { load: 0, rests_until: Duration::ZERO, ..self }
    }

    /// Bytes a second; none before two answers came in a row.
    pub(crate) fn bytes_per_s(&self) -> Option<u64> {
        let micros = u64::try_from(self.busy.as_micros()).unwrap_or(u64::MAX);
        self.bytes.saturating_mul(1_000_000).checked_div(micros)
    }

    /// What the line holds: what may be asked for at once when memory is plenty.
    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    /// Of that, what the round trip takes.
    pub(crate) fn trip(&self) -> u64 {
        self.trip
    }

    /// What may be asked for at once when so many thousandths of all queues fit into memory.
    pub(crate) fn fitted(&self, config: &Config, queue_per_mille: u64) -> u64 {
        let queue = (self.window - self.trip).saturating_mul(queue_per_mille) / 1000;
        (self.trip + queue).max(config.window_min_bytes)
    }

    /// Whether more may be asked for.
    pub(crate) fn has_room(&self, config: &Config, queue_per_mille: u64) -> bool {
        self.load < self.fitted(config, queue_per_mille)
    }

    pub(crate) fn load(&mut self, bytes: u64) {
        self.load += bytes;
    }

    pub(crate) fn unload(&mut self, bytes: u64) {
        self.load = self.load.saturating_sub(bytes);
    }

    /// When an answer of so many bytes would be here if it were asked for now.
    pub(crate) fn forecast(&self, bytes: u64) -> Option<Duration> {
        let width = self.bytes_per_s()?.max(1);
        Some(self.shortest? + Duration::from_micros((self.load + bytes).saturating_mul(1_000_000) / width))
    }

    /// An answer came: the line is measured, the window follows. Gives the time that server and line spent on it.
    pub(crate) fn delivered(
        &mut self,
        config: &Config,
        now: Duration,
        noun: Noun,
        delivery: &Delivery,
    ) -> Duration {
        self.unload(delivery.expected_bytes);
        let took = now.saturating_sub(delivery.sent_at);
        let before = self.shortest.unwrap_or(took);
        let spent = now.saturating_sub(self.arrived_at.max(delivery.sent_at + before.min(took)));
        // The first answer after a pause says nothing of the width: nobody knows when the line began with it.
        let queued = self.shortest.is_some() && delivery.sent_at + before <= self.arrived_at;
        let burst = self.arrived_at > delivery.sent_at;
        let counts = noun.is_state() || self.busy.is_zero();
        if counts && (queued || (burst && self.busy.is_zero())) {
            self.bytes += delivery.bytes;
            self.busy += now.saturating_sub(self.arrived_at).max(Duration::from_micros(1));
            if self.busy > MEMORY {
                (self.bytes, self.busy) = (self.bytes / 2, self.busy / 2);
            }
        }
        self.arrived_at = now;
        self.shortest = Some(before.min(took));
        // How long a server searches for old blocks says nothing of what its line holds of state.
        if !noun.is_state() && !self.busy.is_zero() {
            return spent;
        }
        let queue = self.queue(config, before);
        if took > (before + queue) * 2 {
            // Longer than our own queue explains: the way has become longer, or the line narrower, which shows as well.
            self.shortest = Some((before + before / 16).min(SHORTEST_MAX));
        }
        self.resize(config, queued, delivery.bytes, before, queue);
        spent
    }

    /// How much longer than the round trip the requests in flight should last.
    fn queue(&self, config: &Config, shortest: Duration) -> Duration {
        Duration::from_millis(config.queue_ms).max(shortest / 2)
    }

    fn resize(&mut self, config: &Config, queued: bool, bytes: u64, trip: Duration, queue: Duration) {
        let lasts = |time: Duration| {
            let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            self.bytes_per_s().map(|width| (u128::from(width) * u128::from(micros) / 1_000_000) as u64)
        };
        // A line that ran dry before this answer holds more than we thought.
        let dry = self.window + bytes / 2;
        let wanted = if queued { lasts(trip + queue).unwrap_or(self.window) } else { dry };
        let trip = if queued { lasts(trip).unwrap_or(u64::MAX) } else { u64::MAX };
        let most = self.window + self.window / 2 + bytes;
        self.window = wanted.min(most).clamp(config.window_min_bytes, config.window_max_bytes);
        self.trip = trip.min(self.window);
    }

    /// No answer came in time: half the window.
    pub(crate) fn timed_out(&mut self, config: &Config) {
        self.window = (self.window / 2).max(config.window_min_bytes);
        self.trip = self.trip.min(self.window);
        self.bytes /= 2;
    }

    /// Bodies and receipts took the line for so long; while there is state to be asked for, they wait many times as long.
    pub(crate) fn rest(&mut self, config: &Config, now: Duration, spent: Duration) {
        self.rests_until = now + spent * config.history_rests;
    }
}
