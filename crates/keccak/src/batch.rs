//! Whole messages to digests, one or many at a time. It does not choose batches: callers know what is ready.

use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::B256;

use crate::{
    kernel::{Active, LANES_MAX},
    sponge::blocks,
};

/// Messages hashed by this process through [`keccak256`] and [`keccak256_batch`].
static HASHES_DONE: AtomicU64 = AtomicU64::new(0);

/// Permutations beyond the first of each of these messages: most messages have one, and need no second counter.
static MORE_BLOCKS: AtomicU64 = AtomicU64::new(0);

/// Messages put in order at a time. Of so many, few are left over that fill no group of lanes.
const CHUNK: usize = 128;

/// Numbers of blocks told apart without comparing. A group may hold any mix: order only saves idle lanes.
const CLASSES: usize = 16;

/// The Keccak-256 digest of one message.
pub fn keccak256(message: &[u8]) -> B256 {
    count(1, blocks(message.len()));
    Active::now().digest(message)
}

/// The digests of many messages: `out[i]` becomes the digest of `messages[i]`.
///
/// Messages of equally many blocks are hashed side by side, whatever their order; any mix is correct.
///
/// # Panics
/// When the two slices differ in length, which is the caller's mistake and no input's.
pub fn keccak256_batch(messages: &[&[u8]], out: &mut [B256]) {
    assert_eq!(messages.len(), out.len(), "a digest for each message");
    let permutations = batch(Active::now(), messages, out);
    count(messages.len() as u64, permutations);
}

/// How many messages this process has hashed as a whole; [`Stream`](crate::Stream) is not counted.
pub fn hashes_done() -> u64 {
    HASHES_DONE.load(Ordering::Relaxed)
}

/// How many permutations these messages cost, each counted as if it were hashed alone.
pub fn permutations_done() -> u64 {
    hashes_done() + MORE_BLOCKS.load(Ordering::Relaxed)
}

fn count(messages: u64, permutations: u64) {
    HASHES_DONE.fetch_add(messages, Ordering::Relaxed);
    if permutations > messages {
        MORE_BLOCKS.fetch_add(permutations - messages, Ordering::Relaxed);
    }
}

/// Hashes messages with a kernel and gives the number of their blocks.
fn batch(active: Active, messages: &[&[u8]], out: &mut [B256]) -> u64 {
    let chunks = messages.chunks(CHUNK).zip(out.chunks_mut(CHUNK));
    chunks.map(|(messages, out)| chunk(active, messages, out)).sum()
}

/// Hashes at most [`CHUNK`] messages and gives the number of their blocks.
fn chunk(active: Active, messages: &[&[u8]], out: &mut [B256]) -> u64 {
    let each = messages.first().map_or(0, |message| blocks(message.len()));
    if messages.iter().all(|message| blocks(message.len()) == each) {
        in_their_order(active, messages, out);
        each * messages.len() as u64
    } else {
        longest_first(active, messages, out)
    }
}

/// Hashes messages that all cost equally much.
fn in_their_order(active: Active, messages: &[&[u8]], out: &mut [B256]) {
    let (mut messages, mut out) = (messages, out);
    while !messages.is_empty() {
        let lanes = active.lanes(messages.len()).min(messages.len());
        let (now, later) = messages.split_at(lanes);
        let (digests, rest) = out.split_at_mut(lanes);
        active.digests(now, digests);
        (messages, out) = (later, rest);
    }
}

/// Hashes messages of any lengths, so that those that cost equally much go together.
fn longest_first(active: Active, messages: &[&[u8]], out: &mut [B256]) -> u64 {
    let mut order = [0; CHUNK];
    let order = &mut order[..messages.len()];
    let permutations = sort(messages, order);
    let mut rest = &*order;
    while let Some(first) = rest.first() {
        let cost = |index: &u8| blocks(messages[usize::from(*index)].len());
        let equal = rest.iter().take(LANES_MAX).take_while(|index| cost(index) == cost(first)).count();
        let lanes = active.lanes(equal).min(rest.len());
        let (group, later) = rest.split_at(lanes);
        let mut side_by_side: [&[u8]; LANES_MAX] = [&[]; LANES_MAX];
        for (lane, index) in side_by_side.iter_mut().zip(group) {
            *lane = messages[usize::from(*index)];
        }
        let mut digests = [B256::ZERO; LANES_MAX];
        active.digests(&side_by_side[..lanes], &mut digests[..lanes]);
        for (index, digest) in group.iter().zip(digests) {
            out[usize::from(*index)] = digest;
        }
        rest = later;
    }
    permutations
}

/// Writes the messages' indices, those of the most blocks first, and gives the sum of all blocks.
fn sort(messages: &[&[u8]], order: &mut [u8]) -> u64 {
    let class = |message: &[u8]| CLASSES.saturating_sub(blocks(message.len()) as usize);
    let mut sizes = [0u8; CLASSES];
    let mut sum = 0;
    for message in messages {
        sizes[class(message)] += 1;
        sum += blocks(message.len());
    }
    let mut next = [0u8; CLASSES];
    for class in 1..CLASSES {
        next[class] = next[class - 1] + sizes[class - 1];
    }
    for (index, message) in messages.iter().enumerate() {
        let at = &mut next[class(message)];
        order[usize::from(*at)] = index as u8;
        *at += 1;
    }
    // The class in front holds everything long, codes above all, whose lengths differ widely.
    let long = &mut order[..usize::from(sizes[0])];
    long.sort_unstable_by_key(|index| std::cmp::Reverse(messages[usize::from(*index)].len()));
    sum
}

#[cfg(test)]
mod tests {
    use alloy_primitives::b256;
    use proptest::prelude::*;
    use tiny_keccak::{Hasher, Keccak};

    use super::*;
    use crate::{kernel::Kernel, sponge::RATE};

    /// Longest message of these tests: five blocks and one byte.
    const LEN_MAX: usize = 5 * RATE + 1;

    fn kernels() -> Vec<(Kernel, Active)> {
        let kernels: Vec<_> =
            Kernel::available().map(|kernel| (kernel, kernel.active().expect("available"))).collect();
        assert_eq!(kernels[0].0, Kernel::Portable);
        kernels
    }

    /// Somebody else's Keccak.
    fn reference(message: &[u8]) -> B256 {
        let mut hasher = Keccak::v256();
        hasher.update(message);
        let mut digest = B256::ZERO;
        hasher.finalize(&mut digest.0);
        digest
    }

    fn bytes() -> Vec<u8> {
        (0..2 * LEN_MAX as u32).map(|i| (i * 7 + (i >> 8) * 13) as u8).collect()
    }

    fn agree(messages: &[&[u8]]) {
        let expected: Vec<B256> = messages.iter().map(|message| reference(message)).collect();
        let permutations: u64 = messages.iter().map(|message| blocks(message.len())).sum();
        for (kernel, active) in kernels() {
            let mut out = vec![B256::ZERO; messages.len()];
            assert_eq!(batch(active, messages, &mut out), permutations);
            let lens = || messages.iter().map(|message| message.len()).collect::<Vec<_>>();
            assert_eq!(out, expected, "{kernel:?} on {:?}", lens());
        }
    }

    #[test]
    fn every_kernel_knows_the_known_answers() {
        let fox = "The quick brown fox jumps over the lazy dog";
        let known = [
            ("", b256!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")),
            ("abc", b256!("4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45")),
            (fox, b256!("4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15")),
        ];
        for (kernel, active) in kernels() {
            for (message, digest) in known {
                assert_eq!(active.digest(message.as_bytes()), digest, "{kernel:?}");
            }
            let messages = known.map(|(message, _)| message.as_bytes());
            let mut out = [B256::ZERO; 3];
            batch(active, &messages, &mut out);
            assert_eq!(out, known.map(|(_, digest)| digest), "{kernel:?}");
        }
    }

    #[test]
    fn a_lone_message_has_its_digest_at_every_length() {
        let bytes = bytes();
        for len in 0..=LEN_MAX {
            let expected = reference(&bytes[..len]);
            for (kernel, active) in kernels() {
                assert_eq!(active.digest(&bytes[..len]), expected, "{kernel:?} on {len}");
            }
        }
    }

    #[test]
    fn every_batch_size_of_every_length_agrees() {
        let bytes = bytes();
        for count in 0..=20 {
            for len in (0..=5).flat_map(|blocks| (blocks * RATE).saturating_sub(1)..=blocks * RATE + 1) {
                // All equal in length, none in content.
                let messages: Vec<&[u8]> = (0..count).map(|at| &bytes[at..at + len]).collect();
                agree(&messages);
            }
        }
    }

    #[test]
    fn a_batch_of_all_lengths_agrees() {
        let bytes = bytes();
        let mut messages: Vec<&[u8]> = (0..=LEN_MAX).map(|len| &bytes[..len]).collect();
        agree(&messages);
        messages.reverse();
        agree(&messages);
    }

    #[test]
    fn long_messages_of_different_lengths_go_together() {
        let bytes: Vec<u8> = (0..40_000u32).map(|i| (i ^ (i >> 7)) as u8).collect();
        let lens = [24_576, 1, 40_000, 2176, 2175, 2177, 0, 9000, 8999, 136, 30_000, 17];
        let messages: Vec<&[u8]> = lens.iter().map(|len| &bytes[..*len]).collect();
        agree(&messages);
    }

    #[test]
    fn counters_count_messages_and_their_blocks() {
        let (hashes, permutations) = (hashes_done(), permutations_done());
        let bytes = [0; 3 * RATE];
        keccak256_batch(&[&bytes, &bytes[..RATE], &[]], &mut [B256::ZERO; 3]);
        keccak256(&bytes[..RATE - 1]);
        // Other tests may count at the same time.
        assert!(hashes_done() >= hashes + 4);
        assert!(permutations_done() >= permutations + 8);
    }

    proptest! {
        #[test]
        fn any_batch_agrees(
            bytes in proptest::collection::vec(any::<u8>(), LEN_MAX + 64),
            places in proptest::collection::vec((0..64usize, 0..=LEN_MAX), 0..=20),
        ) {
            let messages: Vec<&[u8]> = places.iter().map(|(at, len)| &bytes[*at..*at + *len]).collect();
            agree(&messages);
        }

        #[test]
        fn any_big_batch_of_small_messages_agrees(
            bytes in proptest::collection::vec(any::<u8>(), 700),
            places in proptest::collection::vec((0..100usize, 0..600usize), 100..=300),
        ) {
            let messages: Vec<&[u8]> = places.iter().map(|(at, len)| &bytes[*at..*at + *len]).collect();
            agree(&messages);
        }
    }
}
