//! Heavy blocks: what the digest of a block's receipts says of their number and of their bytes.
//!
//! Most blocks have one receipt here. One in some hundred has dozens, of megabytes, which a server of eth/70 sends in parts. It makes no
//! bytes: where rows are real, `blocks` does.

use std::ops::Range;

/// One block in so many is heavy.
const ONE_IN: u64 = 151;
const HEAVY: u64 = 7;
const LEAST_BYTES: u64 = 1 << 20;
const MORE_BYTES: u64 = 5 << 20;

/// Whether a block with these receipts is heavy.
#[must_use]
pub fn is_heavy(digest: u64) -> bool {
    digest % ONE_IN == HEAVY
}

/// A digest like this one that stands for the receipts of a heavy block.
#[must_use]
pub fn like(digest: u64) -> u64 {
    (digest - digest % ONE_IN).saturating_sub(ONE_IN) + HEAVY
}

/// How many receipts the block has.
#[must_use]
pub fn count(digest: u64) -> u64 {
    if is_heavy(digest) { 8 + digest / ONE_IN % 57 } else { 1 }
}

/// What some of them weigh.
#[must_use]
pub fn weight(digest: u64, receipts: Range<u64>) -> u64 {
    let one = if is_heavy(digest) {
        (LEAST_BYTES + digest / ONE_IN % MORE_BYTES) / count(digest)
    } else {
        block_weight(digest)
    };
    one * (receipts.end - receipts.start.min(receipts.end))
}

/// Bodies and light receipts weigh what their digest says: most a few KiB, some 200.
#[must_use]
pub fn block_weight(digest: u64) -> u64 {
    if digest.is_multiple_of(17) { 200 << 10 } else { 500 + digest % 8_000 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    #[test]
    fn a_heavy_block_weighs_megabytes_and_no_message_is_too_short_for_it() {
        let mut chance = Chance::new(1);
        for _ in 0..1000 {
            let digest = like(chance.draw());
            assert!(is_heavy(digest));
            let all = weight(digest, 0..count(digest));
            assert!((LEAST_BYTES - 64..=LEAST_BYTES + MORE_BYTES).contains(&all), "{all}");
            assert_eq!(weight(digest, 0..3) + weight(digest, 3..count(digest)), all);
        }
    }
}
