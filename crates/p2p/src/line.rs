//! Frames on a socket: one read buffer and one write buffer a session, reused from frame to frame.
//!
//! A frame is decrypted where it was read. The read buffer grows with what has arrived and not with what was
//! announced, so an announcement alone costs nothing. Every wait has a limit. Does not know what a message means.

use std::{sync::Arc, time::Duration};

use alloy_primitives::bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    Error, Limits, Wait,
    frame::{self, Burst, HEADER, Opener, Packing, Sealer},
    metrics::{Gauge, Held, Metrics},
};

/// Bytes that a read buffer starts with, and the least that it grows by.
const READ_STEP: usize = 64 << 10;

/// Bytes of a buffer that are kept between frames: above the usual answer, below the largest.
const KEEP: usize = 1 << 20;

/// One opened frame, lying in the read buffer.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) code: u64,
    pub(crate) body: &'a [u8],
    pub(crate) bytes_on_wire: usize,
}

/// Takes frames from a socket.
pub(crate) struct FrameReader<R> {
    socket: R,
    opener: Opener,
    buffer: BytesMut,
    /// Bytes at the buffer's start that belong to the frame handed out last.
    used: usize,
    /// Frames above this are refused. Low until the peer is known.
    pub(crate) frame_bytes_max: usize,
    idle_time: Duration,
    frame_time: Duration,
    held: Held,
    metrics: Arc<Metrics>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(
        socket: R,
        opener: Opener,
        limits: &Limits,
        buffered: &Gauge,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            socket,
            opener,
            buffer: BytesMut::new(),
            used: 0,
            frame_bytes_max: limits.frame_bytes_max(),
            idle_time: limits.idle_time,
            frame_time: limits.frame_time,
            held: buffered.hold(0),
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
        self.buffer.copy_to_slice(&mut header);
        let length = self.opener.header(&mut header)?;
        if length > self.frame_bytes_max {
            return Err(Error::FrameLong { length, max: self.frame_bytes_max });
        }
        let whole = frame::body_bytes(length);
        self.fill(whole, limit, Wait::Frame).await?;
        let body = &mut self.buffer[..whole];
        self.opener.body(body)?;
        self.used = whole;
        self.metrics.received_frames.add(1);
        self.metrics.received_bytes.add((HEADER + whole) as u64);
        let (code, message) = frame::code(&body[..length])?;
        Ok(Frame { code, body: &body[message], bytes_on_wire: HEADER + whole })
    }

    /// Gives up the frame handed out last, and room that only a large frame needed.
    fn release(&mut self) {
        self.buffer.advance(std::mem::take(&mut self.used));
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP {
            self.buffer = BytesMut::new();
        }
    }

    /// Reads until `length` bytes are there.
    async fn fill(&mut self, length: usize, limit: Instant, what: Wait) -> Result<(), Error> {
        while self.buffer.len() < length {
            let missing = length - self.buffer.len();
            // Twice of what has arrived, at most: an announcement has to be lived up to.
            self.buffer.reserve(missing.clamp(1, self.buffer.len().max(READ_STEP)));
            self.held.set(self.buffer.capacity());
            let read = timeout_at(limit, self.socket.read_buf(&mut self.buffer)).await;
            let read = read.map_err(|_| self.too_slow(what))?;
            if read.map_err(|error| Error::line(&error))? == 0 {
                return Err(Error::Closed);
            }
        }
        Ok(())
    }

    fn too_slow(&self, what: Wait) -> Error {
        let limit = if what == Wait::Traffic { self.idle_time } else { self.frame_time };
        Error::TooSlow { what, limit }
    }

    /// Reads over whatever still comes, until the peer closes: closing with unread bytes would reset the
    /// connection and take our farewell from the peer.
    pub(crate) async fn drain(&mut self, time: Duration) {
        let mut waste = [0; 4096];
        let read = async { while matches!(self.socket.read(&mut waste).await, Ok(1..)) {} };
        // A peer that goes on talking has had its time.
        let _ = timeout(time, read).await;
    }
}

/// Gives frames to a socket.
pub(crate) struct FrameWriter<W> {
    socket: W,
    sealer: Sealer,
    burst: Burst,
    write_time: Duration,
    frame_time: Duration,
    held: Held,
    metrics: Arc<Metrics>,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub(crate) fn new(
        socket: W,
        sealer: Sealer,
        limits: &Limits,
        buffered: &Gauge,
        metrics: Arc<Metrics>,
    ) -> Self {
        let Limits { write_time, frame_time, .. } = *limits;
        let held = buffered.hold(0);
        Self { socket, sealer, burst: Burst::default(), write_time, frame_time, held, metrics }
    }

    /// Seals a message behind those that wait for [`Self::flush`].
    pub(crate) fn put(&mut self, code: u64, body: &[u8], packing: Packing) -> Result<(), Error> {
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
        let last = Instant::now() + self.frame_time;
        let mut rest = self.burst.frames();
        while !rest.is_empty() {
            let limit = last.min(Instant::now() + self.write_time);
            let written = timeout_at(limit, self.socket.write(rest)).await;
            let written =
                written.map_err(|_| Error::TooSlow { what: Wait::Reading, limit: self.write_time })?;
            match written.map_err(|error| Error::line(&error))? {
                0 => return Err(Error::Closed),
                written => rest = &rest[written..],
            }
        }
        self.metrics.sent_bytes.add(self.burst.frames().len() as u64);
        self.burst.clear(KEEP);
        self.held.set(self.burst.capacity());
        Ok(())
    }

    /// Writes the first bytes of what waits, and forgets the rest: a peer that stops in the middle of a frame.
    #[cfg(test)]
    pub(crate) async fn flush_only(&mut self, bytes: usize) {
        self.burst.truncate(bytes);
        self.flush().await.expect("an open socket");
    }

    /// Nothing more will be written.
    pub(crate) async fn close(&mut self) {
        // The peer may have closed before us; there is nothing left to lose.
        let _ = self.socket.shutdown().await;
    }
}
