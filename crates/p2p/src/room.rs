//! Room for bytes: how much all sessions together may hold in buffers, and who waits for it.
//!
//! Pure but for the waiting. Small frames and small messages have their room set aside for every session, so that nobody can
//! take it from another. What is larger waits its turn for a part of the rest. Trusts nobody: a session that has not shown that
//! it lives up to an announced frame may fill a part of the room only, the largest frames come one at a time, and whoever is
//! slow while others wait has to go. Does not hold the buffers themselves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{Limits, metrics::Gauge, parts::Parts, pool::Pool};

/// How long a pace is measured before it is judged: longer than a few lost packets take.
const LAP: Duration = Duration::from_secs(2);

/// Bytes that a large frame must make in a lap while others wait: 256 KiB a second.
const LAP_BYTES: usize = 512 << 10;

/// Bytes a second that make a session [`Trust::Quick`].
const QUICK_BYTES_PER_S: u128 = 1 << 20;

/// What a session's last large frame has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// There was none, or it took its time.
    Unknown,
    /// It came at a good pace.
    Quick,
}

impl Trust {
    /// What a whole frame has shown.
    pub(crate) fn of_frame(took: Duration, bytes: usize) -> Self {
        let due = took.saturating_sub(Duration::from_secs(1)).as_millis() * QUICK_BYTES_PER_S / 1000;
        if bytes as u128 >= due { Self::Quick } else { Self::Unknown }
    }
}

/// How a large frame comes along. The last lap counts, so that nobody lives on what it sent at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    lap_begun: Instant,
    bytes_then: usize,
}

impl Pace {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { lap_begun: now, bytes_then: 0 }
    }

    /// Whether a lap ended now in which too little came for one that holds what others wait for; `bytes` came in all.
    pub(crate) fn is_slow(&mut self, now: Instant, bytes: usize) -> bool {
        if now.saturating_duration_since(self.lap_begun) < LAP {
            return false;
        }
        let came = bytes - self.bytes_then;
        *self = Self { lap_begun: now, bytes_then: bytes };
        came < LAP_BYTES
    }
}

/// The room of one network.
#[derive(Debug)]
pub(crate) struct Rooms {
    /// Frames above [`FREE_FRAME`].
    frames: Arc<Semaphore>,
    /// The part of them that sessions of [`Trust::Unknown`] may have: half, without that of the largest frame.
    unknown: Arc<Semaphore>,
    /// Frames above `medium_max`: one at a time, so that the others always find room beside it.
    largest: Arc<Semaphore>,
    messages: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    parts: Parts,
    /// Sessions that wait for room for a frame.
    waiting: AtomicUsize,
    /// Messages that were not taken because too much waits to be written.
    refusals: AtomicUsize,
}

/// Room for one frame, given back when dropped.
#[derive(Debug)]
pub(crate) struct FrameRoom {
    _lane: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Rooms {
    pub(crate) fn new(parts: Parts) -> Self {
        let of = |bytes: usize| Arc::new(Semaphore::new(bytes));
        Self {
            frames: of(parts.largest + parts.frames),
            unknown: of(parts.frames / 2),
            largest: of(1),
            messages: of(parts.messages),
            writes: of(parts.writes),
            parts,
            waiting: AtomicUsize::new(0),
            refusals: AtomicUsize::new(0),
        }
    }

    /// Waits for room for a frame above [`FREE_FRAME`].
    pub(crate) async fn frame(&self, bytes: usize, trust: Trust) -> FrameRoom {
        let _waiting = Waiting::new(&self.waiting);
        let bytes = bytes.min(self.parts.largest + self.parts.frames);
        // First the narrower way: whoever waits there holds nothing that others wait for.
        let lane = if bytes > self.parts.frames / 2 {
            acquire(&self.largest, 1).await
        } else {
            acquire(&self.unknown, if trust == Trust::Unknown { bytes } else { 0 }).await
        };
        FrameRoom { _lane: lane, _bytes: acquire(&self.frames, bytes).await }
    }

    /// Waits for room for an inflated message on its way to the owner.
    pub(crate) async fn message(&self, bytes: usize) -> OwnedSemaphorePermit {
        acquire(&self.messages, bytes.min(self.parts.messages)).await
    }

    /// Room for a message to be written beyond [`FREE_QUEUE`], if there is any now.
    pub(crate) fn try_write(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes).ok()?;
        let room = Arc::clone(&self.writes).try_acquire_many_owned(permits).ok();
        if room.is_none() {
            self.refusals.fetch_add(1, Ordering::Relaxed);
        }
        room
    }

    /// Bytes of the largest message that can ever be written.
    pub(crate) const fn write_max(&self) -> usize {
        self.parts.writes
    }

    /// Whether somebody waits for room for a frame.
    pub(crate) fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// How often [`Self::try_write`] has said no.
    pub(crate) fn refusals(&self) -> usize {
        self.refusals.load(Ordering::Relaxed)
    }
}

async fn acquire(room: &Arc<Semaphore>, bytes: usize) -> OwnedSemaphorePermit {
    let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
    Arc::clone(room).acquire_many_owned(permits).await.expect("nobody closes it")
}

/// Counts a waiter for as long as it waits, or until it gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What all sessions of a network hold bytes in.
#[derive(Clone, Debug)]
pub(crate) struct Buffers {
    /// Bytes held now.
    pub(crate) gauge: Gauge,
    /// Buffers that are used again.
    pub(crate) pool: Pool,
    /// Who may hold how much.
    pub(crate) rooms: Arc<Rooms>,
}

impl Buffers {
    pub(crate) fn new(limits: &Limits) -> Self {
        let gauge = Gauge::default();
        Self { pool: Pool::new(gauge.clone()), rooms: Arc::new(Rooms::new(limits.parts())), gauge }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rooms() -> Rooms {
        Rooms::new(Parts { largest: 1000, frames: 400, messages: 1000, writes: 100 })
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_fill_half_of_the_room_and_a_quick_session_has_the_rest() {
        let rooms = rooms();
        let _stranger = rooms.frame(200, Trust::Unknown).await;
        assert!(timeout(SECOND, rooms.frame(1, Trust::Unknown)).await.is_err());
        let _largest = rooms.frame(1000, Trust::Unknown).await;
        assert!(
            timeout(SECOND, rooms.frame(201, Trust::Quick)).await.is_err(),
            "one of the largest at a time"
        );
        let quick = timeout(SECOND, rooms.frame(200, Trust::Quick)).await;
        assert!(quick.is_ok());
        assert!(!rooms.is_crowded(), "whoever gave up does not wait");
    }

    #[tokio::test(start_paused = true)]
    async fn room_comes_back_to_whoever_waits() {
        let rooms = Arc::new(rooms());
        let first = rooms.frame(1000, Trust::Quick).await;
        let waiter = tokio::spawn({
            let rooms = Arc::clone(&rooms);
            async move { rooms.frame(900, Trust::Quick).await }
        });
        tokio::time::sleep(SECOND).await;
        assert!(rooms.is_crowded());
        drop(first);
        waiter.await.unwrap();
        assert!(!rooms.is_crowded());
    }

    #[test]
    fn pace_is_judged_by_the_last_lap() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!(!pace.is_slow(start + SECOND, 0), "too early to tell");
        assert!(!pace.is_slow(start + 2 * SECOND, 11 << 20));
        assert!(!pace.is_slow(start + 3 * SECOND, 11 << 20));
        assert!(pace.is_slow(start + 4 * SECOND, (11 << 20) + 100), "what came before does not help");
        assert_eq!(Trust::of_frame(SECOND, 1), Trust::Quick);
        assert_eq!(Trust::of_frame(3 * SECOND, 1 << 20), Trust::Unknown);
        assert_eq!(Trust::of_frame(3 * SECOND, 2 << 20), Trust::Quick);
    }

    #[test]
    fn a_refused_write_is_counted_and_room_returns() {
        let rooms = rooms();
        let first = rooms.try_write(80);
        assert!(first.is_some() && rooms.try_write(30).is_none());
        assert_eq!(rooms.refusals(), 1);
        drop(first);
        assert!(rooms.try_write(30).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn every_limit_admits_its_largest_frame_and_message() {
        for bytes in [0, 64 << 20, 1 << 30] {
            let limits = Limits::mainnet().within(bytes);
            let rooms = Rooms::new(limits.parts());
            let frame = rooms.frame(limits.frame_bytes_max(), Trust::Unknown);
            let begun = Instant::now();
            drop(timeout(SECOND, frame).await.unwrap());
            drop(timeout(SECOND, rooms.message(limits.message_bytes_max)).await.unwrap());
            assert_eq!(begun.elapsed(), Duration::ZERO);
        }
    }
}
