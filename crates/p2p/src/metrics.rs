//! What this crate counts. Relaxed atomics: figures for people, no order between them is implied.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The count so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one network, all since its start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// `snapsync_p2p_received_bytes_total`: bytes of whole frames taken from sessions.
    pub received_bytes: Counter,
    /// `snapsync_p2p_sent_bytes_total`: bytes of whole frames given to sessions' sockets.
    pub sent_bytes: Counter,
    /// `snapsync_p2p_received_frames_total`
    pub received_frames: Counter,
    /// `snapsync_p2p_sent_frames_total`
    pub sent_frames: Counter,
    /// `snapsync_p2p_dials_total`: attempts to connect.
    pub dials: Counter,
    /// `snapsync_p2p_sessions_total`: sessions that came up.
    pub sessions: Counter,
    /// `snapsync_p2p_refused_handshakes_total`: connections, of either direction, that never became sessions.
    pub refused_handshakes: Counter,
    /// `snapsync_p2p_unheard_connections_total`: closed at once, since too many were in their handshake or came from one place.
    pub unheard_connections: Counter,
}

/// Bytes held now: read buffers, messages on their way to the owner, write queues.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts `bytes` until the hold is dropped.
    pub(crate) fn hold(&self, bytes: usize) -> Counted {
        self.add(bytes);
        Counted { gauge: self.clone(), bytes }
    }
}

/// Bytes that are counted in a gauge for as long as this lives.
#[derive(Debug)]
pub(crate) struct Counted {
    gauge: Gauge,
    bytes: usize,
}

impl Counted {
    /// The bytes changed in number.
    pub(crate) fn set(&mut self, bytes: usize) {
        self.gauge.add(bytes);
        self.gauge.sub(self.bytes);
        self.bytes = bytes;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.sub(self.bytes);
    }
}
