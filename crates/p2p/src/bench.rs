//! Both ends of one direction of a connection, without sockets: for `benches/frames.rs` and nobody else.

use alloy_primitives::Bytes;
use snapsync_keccak::Stream;

use crate::{
    Error,
    frame::{self, Burst, HEADER, Opener, Packing, Sealer, Secrets},
    metrics::Gauge,
    pool::Pool,
};

/// A sealer and an opener that share their secrets.
pub struct Ends {
    sealer: Sealer,
    opener: Opener,
    burst: Burst,
    pool: Pool,
}

impl Ends {
    /// Both ends of a connection on which nothing was said yet.
    #[expect(clippy::new_without_default, reason = "a bench starts a connection on purpose")]
    pub fn new() -> Self {
        let secrets =
            || Secrets { cipher: [1; 32], mac: [2; 32], egress: Stream::new(), ingress: Stream::new() };
        let (sealer, opener) = (secrets().split().0, secrets().split().1);
        Self { sealer, opener, burst: Burst::default(), pool: Pool::new(Gauge::default()) }
    }

    /// The frame of one message.
    ///
    /// # Errors
    /// When it is too long for a frame.
    pub fn seal(&mut self, body: &[u8]) -> Result<&[u8], Error> {
        self.burst.clear();
        self.sealer.seal(0x22, body, Packing::Snappy, &mut self.burst)?;
        Ok(self.burst.frames())
    }

    /// The message in a frame, which is decrypted in place.
    ///
    /// # Errors
    /// When it is not the next frame, in its place, unchanged.
    pub fn open(&mut self, frame: &mut [u8]) -> Result<Bytes, Error> {
        let (header, body) = frame.split_first_chunk_mut::<HEADER>().ok_or(Error::FrameEmpty)?;
        let length = self.opener.header(header)?;
        self.opener.body(body)?;
        let (_, message) = frame::code(&body[..length])?;
        self.pool.inflate(&body[message], 16 << 20)
    }
}
