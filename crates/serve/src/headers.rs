//! Block headers, out of one snapshot of the history.
//!
//! Walks the canonical chain by numbers. A block beside it is known by its hash alone: from there its ancestors are given, and nothing in
//! another direction.

use alloy_primitives::{B256, Bytes};
use snapsync_storage::HistorySnapshot;
use snapsync_wire::{
    Header,
    eth::{BlockHeaders, BlockStart, Direction, GetBlockHeaders},
};

use crate::{
    error::{Error, Result},
    limits::{Allowance, Limits},
};

/// Answers with the header that the request starts from and those that follow in its direction, as far as we hold them.
///
/// # Errors
/// When our disk fails.
pub fn answer_block_headers(
    snapshot: &HistorySnapshot,
    request: &GetBlockHeaders,
    limits: &Limits,
) -> Result<BlockHeaders> {
    let mut headers = Vec::new();
    let mut allowance = Allowance::new(limits.response_bytes_soft);
    let mut number = match request.start {
        BlockStart::Number(number) => Some(number),
        BlockStart::Hash(hash) => {
            let number = snapshot.number_of(&hash)?;
            if let Some(number) = number
                && request.limit > 0
                && snapshot.canonical(number)? != Some(hash)
            {
                let is_down = request.direction == Direction::Falling && request.skip == 0;
                let count = if is_down { request.limit.min(limits.headers_max) } else { 1 };
                let headers = ancestors(snapshot, hash, count, &mut allowance)?;
                return Ok(BlockHeaders { id: request.id, headers });
            }
            number
        }
    };
    while let Some(at) = number
        && (headers.len() as u64) < request.limit.min(limits.headers_max)
        && allowance.is_open()
    {
        let Some(raw) = snapshot.header(at)? else { break };
        allowance.take(raw.len());
        headers.push(decode(raw)?);
        // A step past either end of the numbers ends the walk: the request may say anything.
        let step = request.skip.checked_add(1);
        number = step.and_then(|step| match request.direction {
            Direction::Rising => at.checked_add(step),
            Direction::Falling => at.checked_sub(step),
        });
    }
    Ok(BlockHeaders { id: request.id, headers })
}

/// A header and those below it, each the parent of the one before.
fn ancestors(
    snapshot: &HistorySnapshot,
    hash: B256,
    count: u64,
    allowance: &mut Allowance,
) -> Result<Vec<Header>> {
    let (mut headers, mut next) = (Vec::new(), hash);
    while (headers.len() as u64) < count
        && allowance.is_open()
        && let Some(raw) = snapshot.header_by_hash(&next)?
    {
        allowance.take(raw.len());
        let header = decode(raw)?;
        next = header.parent_hash;
        headers.push(header);
    }
    Ok(headers)
}

fn decode(raw: &[u8]) -> Result<Header> {
    Header::decode(&Bytes::copy_from_slice(raw)).map_err(|why| Error::Stored { what: "header", why })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;
    use crate::sample::SampleBlocks;

    fn numbers(start: BlockStart, limit: u64, skip: u64, direction: Direction) -> Vec<u64> {
        let blocks = SampleBlocks::shared();
        let request = GetBlockHeaders { id: 4, start, limit, skip, direction };
        let answer =
            answer_block_headers(&blocks.snapshot(), &request, &Limits::mainnet()).expect("our own disk");
        answer.headers.iter().map(|header| header.number).collect()
    }

    #[test]
    fn headers_are_walked_in_both_directions_with_gaps() {
        let hash = |number: usize| BlockStart::Hash(SampleBlocks::shared().hashes[number]);
        assert_eq!(numbers(BlockStart::Number(3), 4, 0, Direction::Rising), [3, 4, 5, 6]);
        assert_eq!(numbers(hash(9), 3, 2, Direction::Falling), [9, 6, 3]);
        assert_eq!(numbers(hash(10), 4, 1, Direction::Rising), [10, 12, 14]);
        assert_eq!(numbers(BlockStart::Number(2), 10, 0, Direction::Falling), [2, 1, 0]);
    }

    #[test]
    fn what_is_not_there_or_out_of_bounds_ends_the_answer() {
        assert!(numbers(BlockStart::Number(99), 4, 0, Direction::Rising).is_empty());
        assert!(numbers(BlockStart::Hash(B256::repeat_byte(1)), 4, 0, Direction::Rising).is_empty());
        assert!(numbers(BlockStart::Number(1), 0, 0, Direction::Rising).is_empty());
        assert_eq!(numbers(BlockStart::Number(5), 4, u64::MAX, Direction::Rising), [5]);
        assert_eq!(numbers(BlockStart::Number(5), 4, u64::MAX - 2, Direction::Rising), [5]);
    }

    #[test]
    fn the_number_of_headers_is_clamped_on_our_side() {
        let blocks = SampleBlocks::shared();
        let limits = Limits { headers_max: 5, ..Limits::mainnet() };
        let request = GetBlockHeaders {
            id: 4,
            start: BlockStart::Number(0),
            limit: u64::MAX,
            skip: 0,
            direction: Direction::Rising,
        };
        let answer = answer_block_headers(&blocks.snapshot(), &request, &limits).expect("our own disk");
        assert_eq!(answer.headers.len(), 5);
    }
}
