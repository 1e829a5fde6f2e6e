//! Frames on a socket: a small read buffer a session, and a larger one for as long as a larger frame is read.
//!
//! A frame is decrypted where it was read. The buffer grows with what has arrived and not with what was
//! announced, so an announcement alone costs nothing; above a small size its room is one that all sessions share. Every wait has a
//! limit. Does not know what a message means.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    Error, Limits, Wait,
    frame::{self, Burst, HEADER, Opener, Packing, Sealer},
    ledger::Ledger,
    metrics::{Counted, Metrics},
    parts::{FREE_BURST, FREE_FRAME, SMALL_BUFFER},
    pool::booked,
    room::{Buffers, FrameRoom, Pace, Trust},
};

/// What is read over at most after a farewell: about what a line holds.
const DRAIN_BYTES: usize = 4 << 20;

/// Bytes of a frame while no answer is expected: 4,096 announced transactions are 160 KiB, a packet of transactions ends with
/// the one that passes 100 KiB and may have 128 KiB itself.
const UNASKED_FRAME_MAX: usize = 256 << 10;

/// How often a frame that comes slowly is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// One opened frame, lying in the read buffer.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) code: u64,
    pub(crate) body: &'a [u8],
    pub(crate) bytes_on_wire: usize,
}

/// How large a frame may be.
#[derive(Clone, Debug)]
pub(crate) enum FrameBound {
    /// This, before the peer is known.
    Fixed(usize),
    /// As large as a message can be while an answer is expected, else as large as gossip.
    Asked(Arc<Ledger>),
}

/// Takes frames from a socket.
pub(crate) struct FrameReader<R> {
    socket: R,
    opener: Opener,
    small: Small,
    /// The frame handed out last, if it did not fit the small buffer.
    large: Option<Large>,
    pub(crate) bound: FrameBound,
    frame_bytes_max: usize,
    idle_time: Duration,
    frame_time: Duration,
    trust: Trust,
    buffers: Buffers,
    metrics: Arc<Metrics>,
}

/// The buffer that a session always has.
struct Small {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes at the start that belong to the frame handed out last.
    used: usize,
    held: Counted,
}

/// The buffer of one larger frame, and its room.
struct Large {
    bytes: Vec<u8>,
    held: Counted,
    room: Option<FrameRoom>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(
        socket: R,
        opener: Opener,
        limits: &Limits,
        buffers: &Buffers,
        metrics: Arc<Metrics>,
    ) -> Self {
        let held = buffers.gauge.hold(0);
        Self {
            socket,
            opener,
            small: Small { bytes: Vec::new(), start: 0, end: 0, used: 0, held },
            large: None,
            bound: FrameBound::Fixed(limits.frame_bytes_max()),
            frame_bytes_max: limits.frame_bytes_max(),
            idle_time: limits.idle_time,
            frame_time: limits.frame_time,
            trust: Trust::Unknown,
            buffers: buffers.clone(),
            metrics,
        }
    }

    /// The next frame. Not safe to cancel: a reader that was interrupted has lost its place.
    pub(crate) async fn next(&mut self) -> Result<Frame<'_>, Error> {
        self.release();
        let idle = Instant::now() + self.idle_time;
        self.fill(1, idle, Wait::Traffic).await?;
        let limit = Instant::now() + self.frame_time;
        self.fill(HEADER, limit, Wait::Frame).await?;
        let mut header = [0; HEADER];
        header.copy_from_slice(&self.small.there()[..HEADER]);
        self.small.start += HEADER;
        let length = self.opener.header(&mut header)?;
        let max = self.length_max();
        if length > max {
            return Err(Error::FrameLong { length, max });
        }
        let whole = frame::body_bytes(length);
        let body = if whole <= SMALL_BUFFER {
            self.fill(whole, limit, Wait::Frame).await?;
            self.small.used = whole;
            &mut self.small.bytes[self.small.start..][..whole]
        } else {
            let large = self.read_large(whole).await?;
            &mut self.large.insert(large).bytes[..whole]
        };
        self.opener.body(body)?;
        self.metrics.received_frames.add(1);
        self.metrics.received_bytes.add((HEADER + whole) as u64);
        let (code, message) = frame::code(&body[..length])?;
        Ok(Frame { code, body: &body[message], bytes_on_wire: HEADER + whole })
    }

    fn length_max(&self) -> usize {
        match &self.bound {
            FrameBound::Fixed(max) => *max,
            FrameBound::Asked(ledger) if ledger.expects_answers(Instant::now()) => self.frame_bytes_max,
            FrameBound::Asked(_) => self.frame_bytes_max.min(UNASKED_FRAME_MAX),
        }
    }

    /// Gives up the frame handed out last, with its room.
    pub(crate) fn release(&mut self) {
        self.small.release();
        if let Some(large) = self.large.take() {
            drop((large.held, large.room));
            self.buffers.pool.give_back(large.bytes);
        }
    }

    /// Reads until `length` bytes are there, which the small buffer holds.
    async fn fill(&mut self, length: usize, limit: Instant, what: Wait) -> Result<(), Error> {
        while self.small.there().len() < length {
            let free = self.small.free(length);
            let read = timeout_at(limit, self.socket.read(free)).await;
            let read = read.map_err(|_| self.too_slow(what))?;
            match read.map_err(|error| Error::line(&error))? {
                0 => return Err(Error::Closed),
                read => self.small.end += read,
            }
        }
        Ok(())
    }

    /// Reads a frame that the small buffer does not hold. Waits for room first, if it needs any; the peer then waits too.
    async fn read_large(&mut self, whole: usize) -> Result<Large, Error> {
        let room = if whole > FREE_FRAME { Some(self.room(whole).await?) } else { None };
        let begun = Instant::now();
        let limit = begun + self.frame_time;
        let mut pace = Pace::new(begun);
        let mut large = Large::new(&self.buffers, whole, room);
        let there = self.small.there();
        let mut arrived = there.len().min(whole);
        large.bytes[..arrived].copy_from_slice(&there[..arrived]);
        self.small.start += arrived;
        while arrived < whole {
            large.make_room(&self.buffers, arrived, whole);
            let end = whole.min(large.bytes.len());
            let look = limit.min(Instant::now() + LOOK_EVERY);
            match timeout_at(look, self.socket.read(&mut large.bytes[arrived..end])).await {
                Ok(Ok(0)) => return Err(Error::Closed),
                Ok(Ok(read)) => arrived += read,
                Ok(Err(error)) => return Err(Error::line(&error)),
                Err(_) if Instant::now() >= limit => return Err(self.too_slow(Wait::Frame)),
                Err(_) => (),
            }
            let is_slow = pace.is_slow(Instant::now(), arrived);
            if is_slow && large.room.is_some() && self.buffers.rooms.is_crowded() {
                return Err(Error::Hogging { arrived, length: whole, took: begun.elapsed() });
            }
        }
        self.trust = Trust::of_frame(begun.elapsed(), whole);
        Ok(large)
    }

    async fn room(&self, whole: usize) -> Result<FrameRoom, Error> {
        let limit = self.frame_time;
        let room = self.buffers.rooms.frame(booked(whole), self.trust);
        timeout(limit, room).await.map_err(|_| Error::NoRoom { length: whole, limit })
    }

    fn too_slow(&self, what: Wait) -> Error {
        let limit = if what == Wait::Traffic { self.idle_time } else { self.frame_time };
        Error::TooSlow { what, limit }
    }

    /// Reads over whatever still comes, until the peer closes: closing with unread bytes would reset the
    /// connection and take our farewell from the peer. One that sends on and on is not worth reading, and misses it.
    pub(crate) async fn drain(&mut self, time: Duration) {
        self.release();
        let mut waste = [0; 4096];
        let read = async {
            let mut left = DRAIN_BYTES;
            while left > 0
                && let Ok(bytes @ 1..) = self.socket.read(&mut waste).await
            {
                left = left.saturating_sub(bytes);
            }
        };
        // A peer that goes on talking has had its time.
        let _ = timeout(time, read).await;
    }
}

impl Small {
    fn there(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn release(&mut self) {
        self.start += std::mem::take(&mut self.used);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Where to read into, so that `length` bytes from the start on can be there.
    fn free(&mut self, length: usize) -> &mut [u8] {
        if self.bytes.is_empty() {
            self.bytes = vec![0; SMALL_BUFFER];
            self.held.set(SMALL_BUFFER);
        }
        if self.start + length > SMALL_BUFFER {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.bytes[self.end..]
    }
}

impl Large {
    fn new(buffers: &Buffers, whole: usize, room: Option<FrameRoom>) -> Self {
        let bytes = if room.is_some() {
            // An idle buffer is there whether it is used or not; a new one has to be lived up to.
            buffers.pool.idle(whole, booked(whole)).unwrap_or_else(|| buffers.pool.take(FREE_FRAME))
        } else {
            buffers.pool.idle(FREE_FRAME, FREE_FRAME).unwrap_or_else(|| vec![0; FREE_FRAME])
        };
        Self { held: buffers.gauge.hold(bytes.len()), bytes, room }
    }

    /// Grows when it is full: to four times of what has arrived, at most.
    fn make_room(&mut self, buffers: &Buffers, arrived: usize, whole: usize) {
        if arrived < self.bytes.len() {
            return;
        }
        let mut bytes = buffers.pool.take(whole.min(4 * arrived));
        bytes[..arrived].copy_from_slice(&self.bytes[..arrived]);
        self.held.set(bytes.len());
        buffers.pool.give_back(std::mem::replace(&mut self.bytes, bytes));
    }
}

/// Gives frames to a socket.
pub(crate) struct FrameWriter<W> {
    socket: W,
    sealer: Sealer,
    burst: Burst,
    write_time: Duration,
    frame_time: Duration,
    held: Counted,
    buffers: Buffers,
    metrics: Arc<Metrics>,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub(crate) fn new(
        socket: W,
        sealer: Sealer,
        limits: &Limits,
        buffers: &Buffers,
        metrics: Arc<Metrics>,
    ) -> Self {
        let Limits { write_time, frame_time, .. } = *limits;
        let (held, buffers) = (buffers.gauge.hold(0), buffers.clone());
        Self { socket, sealer, burst: Burst::default(), write_time, frame_time, held, buffers, metrics }
    }

    /// Seals a message behind those that wait for [`Self::flush`].
    pub(crate) fn put(&mut self, code: u64, body: &[u8], packing: Packing) -> Result<(), Error> {
        let needed = self.burst.bytes_with(body.len(), packing);
        if needed > self.burst.capacity().max(FREE_BURST) {
            let before = self.burst.move_into(self.buffers.pool.take(needed));
            self.buffers.pool.give_back(before);
        }
        self.metrics.sent_frames.add(1);
        self.sealer.seal(code, body, packing, &mut self.burst)?;
        self.held.set(self.burst.capacity());
        Ok(())
    }

    /// Bytes that wait for [`Self::flush`].
    pub(crate) fn waiting(&self) -> usize {
        self.burst.frames().len()
    }

    /// Writes what waits. Not safe to cancel, unless the session ends with it.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        let (last, refusals) = (begun + self.frame_time, self.buffers.rooms.refusals());
        let (mut written, mut patience) = (0, begun + self.write_time);
        let mut pace = Pace::new(begun);
        while written < self.burst.frames().len() {
            let limit = last.min(patience);
            let look = limit.min(Instant::now() + LOOK_EVERY);
            match timeout_at(look, self.socket.write(&self.burst.frames()[written..])).await {
                Ok(Ok(0)) => return Err(Error::Closed),
                Ok(Ok(more)) => {
                    written += more;
                    patience = Instant::now() + self.write_time;
                }
                Ok(Err(error)) => return Err(Error::line(&error)),
                Err(_) if Instant::now() >= limit => {
                    return Err(Error::TooSlow { what: Wait::Reading, limit: self.write_time });
                }
                Err(_) => (),
            }
            // Others were refused room since: a peer that does not read has none to spare.
            let is_slow = pace.is_slow(Instant::now(), written);
            let is_large = self.burst.frames().len() > FREE_BURST;
            if is_slow && is_large && self.buffers.rooms.refusals() != refusals {
                return Err(Error::TooSlow { what: Wait::Reading, limit: begun.elapsed() });
            }
        }
        self.metrics.sent_bytes.add(written as u64);
        self.burst.clear();
        if self.burst.capacity() > FREE_BURST {
            let buffer = self.burst.move_into(Vec::new());
            self.held.set(0);
            self.buffers.pool.give_back(buffer);
        }
        Ok(())
    }

    /// Begins a frame of this length: as many zeros of its body as are wanted, and no end. No session of ours does that.
    pub(crate) async fn begin(&mut self, length: u32, bytes: usize) -> std::io::Result<()> {
        let header = self.sealer.announce(length);
        self.socket.write_all(&header).await?;
        self.socket.write_all(&vec![0; bytes]).await
    }

    /// Nothing more will be written.
    pub(crate) async fn close(&mut self) {
        // The peer may have closed before us; there is nothing left to lose.
        let _ = self.socket.shutdown().await;
    }
}
