//! A digest that grows: the running MACs of an encrypted connection read it again and again without an end.

use std::fmt;

use alloy_primitives::B256;
use tiny_keccak::{Hasher, Keccak};

/// An incremental Keccak-256 state whose digest may be read at any time without disturbing it.
#[derive(Clone)]
pub struct Stream {
    state: Keccak,
}

impl Stream {
    /// A state that has taken nothing in.
    pub fn new() -> Self {
        Self { state: Keccak::v256() }
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
    }

    /// The digest of everything taken in so far; the state goes on as if it had not been asked.
    pub fn digest(&self) -> B256 {
        let mut out = B256::ZERO;
        self.state.clone().finalize(&mut out.0);
        out
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
    use super::*;

    #[test]
    fn reading_a_digest_does_not_disturb_the_stream() {
        let mut stream = Stream::new();
        assert_eq!(stream.digest(), crate::keccak256(b""));
        stream.update(b"ab");
        assert_eq!(stream.digest(), crate::keccak256(b"ab"));
        stream.update(b"c");
        assert_eq!(stream.digest(), crate::keccak256(b"abc"));
    }
}
