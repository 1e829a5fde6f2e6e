//! Whole messages to digests, one or many at a time. It does not choose batches: callers know what is ready.

use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::B256;
use tiny_keccak::{Hasher, Keccak};

/// Messages hashed by this process through [`keccak256`] and [`keccak256_batch`].
static HASHES_DONE: AtomicU64 = AtomicU64::new(0);

/// The Keccak-256 digest of one message.
pub fn keccak256(message: &[u8]) -> B256 {
    HASHES_DONE.fetch_add(1, Ordering::Relaxed);
    digest(message)
}

/// The digests of many messages: `out[i]` becomes the digest of `messages[i]`.
///
/// Batches of messages of similar length are what a multi-lane kernel wants; any mix is correct.
///
/// # Panics
/// When the two slices differ in length, which is the caller's mistake and no input's.
pub fn keccak256_batch(messages: &[&[u8]], out: &mut [B256]) {
    assert_eq!(messages.len(), out.len(), "a digest for each message");
    HASHES_DONE.fetch_add(messages.len() as u64, Ordering::Relaxed);
    for (message, out) in messages.iter().zip(out) {
        *out = digest(message);
    }
}

/// How many messages this process has hashed as a whole; [`Stream`](crate::Stream) is not counted.
pub fn hashes_done() -> u64 {
    HASHES_DONE.load(Ordering::Relaxed)
}

fn digest(message: &[u8]) -> B256 {
    let mut hasher = Keccak::v256();
    hasher.update(message);
    let mut out = B256::ZERO;
    hasher.finalize(&mut out.0);
    out
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{b256, keccak256 as reference};

    use super::*;

    #[test]
    fn the_empty_message_has_its_known_digest() {
        let known = b256!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
        assert_eq!(keccak256(b""), known);
    }

    #[test]
    fn a_batch_equals_single_digests_at_every_length_around_the_block_size() {
        let bytes: Vec<u8> = (0..600u32).map(|i| (i * 7) as u8).collect();
        let messages: Vec<&[u8]> = (0..=bytes.len()).map(|len| &bytes[..len]).collect();
        let mut out = vec![B256::ZERO; messages.len()];
        let before = hashes_done();
        keccak256_batch(&messages, &mut out);
        assert!(hashes_done() - before >= messages.len() as u64);
        for (message, digest) in messages.iter().zip(&out) {
            assert_eq!(*digest, reference(message));
        }
    }
}
