//! Buffers of large messages, used again when the last view into them is gone.
//!
//! A fresh buffer of half a megabyte costs more than inflating into it: the system hands it out page by page, each zeroed. What
//! a buffer held before is never seen: a message fills all of it that is shown, or fails. Does not know what a message means.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::{Bytes, bytes};

use crate::{
    Error,
    frame::{self, Packing},
    metrics::Gauge,
};

/// Messages below this get a buffer of their own: allocating it is cheap, and a small view must not hold a large buffer.
const POOLED_BYTES_MIN: usize = 64 << 10;

/// Buffers are made in multiples of this, so that answers of about one size can take each other's place.
const BUFFER_STEP: usize = 64 << 10;

/// Buffers above this do not come back: answers have a soft limit of 2 MiB, and one larger message would push out all others.
const BUFFER_BYTES_MAX: usize = 3 << 20;

/// Bytes of idle buffers that are kept: what a few peers' answers need between one and the next.
pub(crate) const IDLE_BYTES_MAX: usize = 6 << 20;

/// What a buffer of this length takes at most: an idle one may be a quarter or a step longer than what is asked for.
pub(crate) const fn booked(length: usize) -> usize {
    let whole = length.next_multiple_of(BUFFER_STEP);
    if length > BUFFER_BYTES_MAX {
        whole
    } else if length / 4 > BUFFER_STEP {
        whole + length / 4
    } else {
        whole + BUFFER_STEP
    }
}

/// The idle buffers of one network.
#[derive(Clone)]
pub(crate) struct Pool {
    shelf: Arc<Shelf>,
}

struct Shelf {
    idle: Mutex<Idle>,
    /// Idle buffers count as held.
    buffered: Gauge,
}

#[derive(Default)]
struct Idle {
    buffers: Vec<Vec<u8>>,
    /// Invariant: the sum of the buffers' lengths, at most [`IDLE_BYTES_MAX`].
    bytes: usize,
}

impl Pool {
    pub(crate) fn new(buffered: Gauge) -> Self {
        Self { shelf: Arc::new(Shelf { idle: Mutex::default(), buffered }) }
    }

    /// A buffer of at least this length, an idle one if there is one that is not much longer, see [`booked`].
    pub(crate) fn take(&self, length: usize) -> Vec<u8> {
        self.idle(length, booked(length)).unwrap_or_else(|| vec![0; length.next_multiple_of(BUFFER_STEP)])
    }

    /// An idle buffer of a length between these, both included.
    pub(crate) fn idle(&self, least: usize, most: usize) -> Option<Vec<u8>> {
        self.shelf.take(least, most)
    }

    /// Takes a buffer back.
    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        self.shelf.give_back(buffer);
    }

    /// Inflates a compressed message whose announced length is within the limit, once, into what is handed on.
    pub(crate) fn inflate(&self, message: &[u8], bytes_max: usize) -> Result<Bytes, Error> {
        let length = frame::inflated_length(message, Packing::Snappy, bytes_max)?;
        if length < POOLED_BYTES_MIN {
            return frame::inflate(message, Packing::Snappy, bytes_max);
        }
        let shelf = Arc::clone(&self.shelf);
        let mut lent = Lent { bytes: self.take(length), length, shelf };
        frame::inflate_into(message, Packing::Snappy, &mut lent.bytes[..length])?;
        Ok(bytes::Bytes::from_owner(lent).into())
    }
}

impl Shelf {
    /// A poisoned lock guards a list that is whole at each step: it is taken all the same.
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last buffer that came back and fits.
    fn take(&self, least: usize, most: usize) -> Option<Vec<u8>> {
        let mut idle = self.idle();
        let at = idle.buffers.iter().rposition(|buffer| (least..=most).contains(&buffer.len()))?;
        let buffer = idle.buffers.remove(at);
        idle.bytes -= buffer.len();
        drop(idle);
        self.buffered.sub(buffer.len());
        Some(buffer)
    }

    /// Takes a buffer back. The oldest ones make room for it.
    fn give_back(&self, buffer: Vec<u8>) {
        if buffer.is_empty() || buffer.len() > BUFFER_BYTES_MAX {
            return;
        }
        let mut idle = self.idle();
        self.buffered.add(buffer.len());
        idle.bytes += buffer.len();
        idle.buffers.push(buffer);
        while idle.bytes > IDLE_BYTES_MAX {
            let oldest = idle.buffers.remove(0);
            idle.bytes -= oldest.len();
            self.buffered.sub(oldest.len());
        }
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.buffered.sub(self.idle().bytes);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle_bytes", &self.shelf.idle().bytes).finish_non_exhaustive()
    }
}

/// A buffer in use.
struct Lent {
    bytes: Vec<u8>,
    length: usize,
    shelf: Arc<Shelf>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.shelf.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(byte: u8, length: usize) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(&vec![byte; length]).unwrap()
    }

    #[test]
    fn a_buffer_comes_back_with_its_last_view_and_shows_only_the_next_message() {
        let gauge = Gauge::default();
        let pool = Pool::new(gauge.clone());
        let first = pool.inflate(&packed(1, 200_000), 1 << 20).unwrap();
        let (at, view) = (first.as_ptr(), first.slice(10..20));
        drop(first);
        assert_eq!(gauge.now(), 0, "a view is left");
        drop(view);
        assert!(gauge.now() >= 200_000);
        let second = pool.inflate(&packed(2, 180_000), 1 << 20).unwrap();
        assert_eq!((second.as_ptr(), gauge.now()), (at, 0));
        assert_eq!(second, vec![2; 180_000]);
    }

    #[test]
    fn a_message_that_does_not_fill_its_length_shows_nothing_of_the_one_before() {
        let pool = Pool::new(Gauge::default());
        drop(pool.inflate(&packed(1, 100_000), 1 << 20).unwrap());
        let mut short = packed(2, 100_000);
        short.truncate(short.len() - 3);
        assert_eq!(pool.inflate(&short, 1 << 20).unwrap_err(), Error::Snappy);
        assert!(matches!(pool.inflate(&packed(1, 100_000), 99_999), Err(Error::MessageLong { .. })));
    }

    #[test]
    fn idle_buffers_are_bounded_and_counted() {
        let gauge = Gauge::default();
        let pool = Pool::new(gauge.clone());
        let messages: Vec<Bytes> =
            (0..20).map(|byte| pool.inflate(&packed(byte, 1 << 20), 1 << 20).unwrap()).collect();
        assert_eq!(gauge.now(), 0);
        drop(messages);
        assert_eq!(gauge.now(), IDLE_BYTES_MAX);
        drop(pool.inflate(&packed(0, 8 << 20), 16 << 20).unwrap());
        assert_eq!(gauge.now(), IDLE_BYTES_MAX, "too large to be kept");
        // A small message does not take a large buffer.
        let small = pool.inflate(&packed(7, 100_000), 1 << 20).unwrap();
        assert_eq!((small.len(), gauge.now()), (100_000, IDLE_BYTES_MAX));
    }
}
