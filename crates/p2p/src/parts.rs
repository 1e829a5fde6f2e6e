//! How the bytes of all buffers are divided: what every session has in any case, the largest frame and message once, and what is
//! shared.
//!
//! Arithmetic on [`Limits`] and nothing else; who gets what of it is the rooms' matter.

use crate::{
    Limits,
    frame::{self, HEADER},
    pool::{IDLE_BYTES_MAX, booked},
};

/// Bytes of the read buffer that every session has. Requests and most of gossip fit.
pub(crate) const SMALL_BUFFER: usize = 16 << 10;

/// Bytes of a frame that every session may hold at any time. The first answers that are asked of a peer fit, as do requests.
pub(crate) const FREE_FRAME: usize = 192 << 10;

/// Bytes of messages that may wait to be written to every session at any time: a request of 1,024 hashes, and some.
pub(crate) const FREE_QUEUE: usize = 64 << 10;

/// Bytes of sealed frames that every session may hold at any time.
pub(crate) const FREE_BURST: usize = 128 << 10;

/// Least bytes that sessions share: a few answers of the usual soft limit, 2 MiB, and requests.
const SHARED_BYTES_MIN: usize = 8 << 20;

/// How the limits divide the bytes of all buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The largest frame; one at a time.
    pub(crate) largest: usize,
    /// Frames between the free ones and the largest.
    pub(crate) frames: usize,
    /// Messages that wait for the owner.
    pub(crate) messages: usize,
    /// Messages that wait to be written, beyond the free ones.
    pub(crate) writes: usize,
}

impl Limits {
    /// The same limits with so many bytes for all buffers, or the least that can hold the largest message and what every session
    /// may always have: 55 MiB with mainnet's numbers.
    #[must_use]
    pub fn within(self, buffer_bytes: usize) -> Self {
        let least = self.fixed_bytes() + SHARED_BYTES_MIN;
        Self { buffer_bytes: buffer_bytes.max(least), ..self }
    }

    /// How `buffer_bytes` are divided.
    pub(crate) fn parts(&self) -> Parts {
        let shared = self.buffer_bytes.saturating_sub(self.fixed_bytes()).max(SHARED_BYTES_MIN);
        Parts {
            largest: self.largest_frame(),
            frames: shared / 8 * 5,
            messages: self.largest_message(),
            writes: shared / 8 * 3,
        }
    }

    /// Bytes that are set aside: what each session may always hold, idle buffers, the largest frame and message once.
    fn fixed_bytes(&self) -> usize {
        (self.peers_max + self.handshakes_max) * SMALL_BUFFER
            + self.peers_max * (FREE_FRAME + FREE_QUEUE + FREE_BURST)
            + IDLE_BYTES_MAX
            + self.largest_frame()
            + self.largest_message()
    }

    fn largest_frame(&self) -> usize {
        booked(HEADER + frame::body_bytes(self.frame_bytes_max()))
    }

    fn largest_message(&self) -> usize {
        booked(self.message_bytes_max).max(4 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_buffers_do_not_exceed_them() {
        let least = Limits::mainnet().within(0);
        assert_eq!(least.buffer_bytes >> 20, 55);
        for limits in [least, Limits::mainnet(), Limits::mainnet().within(60 << 20)] {
            let Parts { largest, frames, messages, writes } = limits.parts();
            assert_eq!((largest, messages), (limits.largest_frame(), limits.largest_message()));
            let shared = limits.buffer_bytes - limits.fixed_bytes();
            assert!(frames + writes <= shared, "{frames} and {writes} of {shared}");
        }
    }
}
