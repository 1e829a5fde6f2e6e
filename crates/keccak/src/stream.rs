//! A digest that grows: the running MACs of an encrypted connection read it again and again without an end.

use std::fmt;

use alloy_primitives::B256;

use crate::{
    kernel::Active,
    permutation::State,
    sponge::{PAD_FIRST, PAD_LAST, RATE, squeeze},
};

/// An incremental Keccak-256 state whose digest may be read at any time without disturbing it.
#[derive(Clone)]
pub struct Stream {
    state: State,
    /// Bytes of the block in hand that are in the state already. Invariant: less than [`RATE`].
    filled: usize,
    active: Active,
}

impl Stream {
    /// A state that has taken nothing in.
    pub fn new() -> Self {
        Self::on(Active::now())
    }

    fn on(active: Active) -> Self {
        Self { state: [0; 25], filled: 0, active }
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        if self.filled > 0 {
            let (now, later) = bytes.split_at(bytes.len().min(RATE - self.filled));
            self.add(now);
            bytes = later;
            if self.filled < RATE {
                return;
            }
            self.active.permute(&mut self.state);
            self.filled = 0;
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % RATE);
        if !whole.is_empty() {
            self.active.absorb(&mut self.state, whole);
        }
        self.add(rest);
    }

    /// The digest of everything taken in so far; the state goes on as if it had not been asked.
    pub fn digest(&self) -> B256 {
        let mut state = self.state;
        state[self.filled / 8] ^= u64::from(PAD_FIRST) << (self.filled % 8 * 8);
        state[(RATE - 1) / 8] ^= u64::from(PAD_LAST) << 56;
        self.active.permute(&mut state);
        squeeze(&state)
    }

    /// Adds bytes to the block in hand, which has room for them.
    fn add(&mut self, bytes: &[u8]) {
        let (lanes, rest) = bytes.as_chunks::<8>();
        let shift = self.filled % 8 * 8;
        let first = self.filled / 8;
        for (at, bytes) in (first..).zip(lanes) {
            let lane = u64::from_le_bytes(*bytes);
            self.state[at] ^= lane << shift;
            if shift > 0 {
                self.state[at + 1] ^= lane >> (64 - shift);
            }
        }
        self.filled += bytes.len();
        for (at, byte) in (self.filled - rest.len()..).zip(rest) {
            self.state[at / 8] ^= u64::from(*byte) << (at % 8 * 8);
        }
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The state of a MAC is a secret: it does not belong in a log.
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Kernel, keccak256};

    fn streams() -> impl Iterator<Item = (Kernel, Stream)> {
        assert_eq!(Kernel::available().next(), Some(Kernel::Portable));
        Kernel::available().map(|kernel| (kernel, Stream::on(kernel.active().expect("available"))))
    }

    #[test]
    fn reading_a_digest_does_not_disturb_the_stream() {
        for (_, mut stream) in streams() {
            assert_eq!(stream.digest(), keccak256(b""));
            stream.update(b"ab");
            assert_eq!(stream.digest(), keccak256(b"ab"));
            stream.update(b"c");
            assert_eq!(stream.digest(), keccak256(b"abc"));
        }
    }

    #[test]
    fn two_pieces_of_any_lengths_are_one_message() {
        let bytes: Vec<u8> = (0..300u32).map(|i| (i * 11) as u8).collect();
        for (kernel, empty) in streams() {
            for first in 0..bytes.len() {
                let mut stream = empty.clone();
                stream.update(&bytes[..first]);
                stream.update(&bytes[first..]);
                assert_eq!(stream.digest(), keccak256(&bytes), "{kernel:?} {first}");
            }
        }
    }

    #[test]
    fn debug_output_holds_nothing_of_the_state() {
        assert_eq!(format!("{:?}", Stream::new()), "Stream { .. }");
    }

    proptest! {
        #[test]
        fn any_pieces_are_one_message(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..450), 0..12),
        ) {
            let whole = pieces.concat();
            for (kernel, mut stream) in streams() {
                let mut taken = 0;
                for piece in &pieces {
                    stream.update(piece);
                    taken += piece.len();
                    prop_assert_eq!(stream.digest(), keccak256(&whole[..taken]), "{:?}", kernel);
                }
            }
        }
    }
}
