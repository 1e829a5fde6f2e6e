//! Block bodies by the hashes of their blocks, out of one snapshot of the history.
//!
//! The first body that we lack ends the answer: whoever matches bodies to its request by their places would take the next
//! one for a forged one.

use alloy_primitives::Bytes;
use snapsync_storage::HistorySnapshot;
use snapsync_wire::{
    Body,
    eth::{BlockBodies, GetBlockBodies},
};

use crate::{
    error::{Error, Result},
    limits::{Allowance, Limits},
};

/// Answers with the bodies of the first blocks, as far as we hold them without a gap.
///
/// # Errors
/// When our disk fails.
pub fn answer_block_bodies(
    snapshot: &HistorySnapshot,
    request: &GetBlockBodies,
    limits: &Limits,
) -> Result<BlockBodies> {
    let mut allowance = Allowance::new(limits.response_bytes_soft);
    let mut bodies = Vec::new();
    for hash in request.hashes.iter().take(limits.blocks_max) {
        let Some(raw) = snapshot.body(hash)? else { break };
        if !allowance.fits(raw.len()) || !limits.carries(&allowance, raw.len()) {
            break;
        }
        allowance.take(raw.len());
        let body = Body::decode(&Bytes::copy_from_slice(raw));
        bodies.push(body.map_err(|why| Error::Stored { what: "body", why })?);
    }
    Ok(BlockBodies { id: request.id, bodies })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use snapsync_storage::ProvenBodies;

    use super::*;
    use crate::sample::SampleBlocks;

    fn ask(hashes: Vec<B256>, limits: &Limits) -> Vec<Body> {
        let request = GetBlockBodies { id: 5, hashes };
        answer_block_bodies(&SampleBlocks::shared().snapshot(), &request, limits)
            .expect("our own disk")
            .bodies
    }

    #[test]
    fn bodies_prove_themselves_against_their_headers() {
        let blocks = SampleBlocks::shared();
        let bodies = ask(blocks.hashes[1..].to_vec(), &Limits::mainnet());
        assert_eq!(bodies.len(), blocks.hashes.len() - 1);
        ProvenBodies::prove(&blocks.headers[1..], bodies).expect("they are true");
    }

    #[test]
    fn the_first_unknown_block_ends_the_answer() {
        let blocks = SampleBlocks::shared();
        let gap = B256::repeat_byte(1);
        let hashes = vec![blocks.hashes[1], blocks.hashes[2], gap, blocks.hashes[3]];
        let bodies = ask(hashes.clone(), &Limits::mainnet());
        ProvenBodies::prove(&blocks.headers[1..3], bodies.clone()).expect("they are in their places");
        assert_eq!(bodies.len(), 2);
        assert!(ask(hashes[2..].to_vec(), &Limits::mainnet()).is_empty());
        assert_eq!(ask(hashes, &Limits { blocks_max: 1, ..Limits::mainnet() }).len(), 1);
    }

    #[test]
    fn a_body_that_no_message_carries_ends_the_answer() {
        let blocks = SampleBlocks::shared();
        let bytes =
            blocks.snapshot().body(&blocks.hashes[1]).expect("our own disk").expect("it is held").len();
        let limits = Limits { message_bytes_max: bytes, ..Limits::mainnet() };
        assert_eq!(ask(blocks.hashes[1..].to_vec(), &limits).len(), 1);
        assert!(ask(blocks.hashes[2..].to_vec(), &limits).is_empty());
    }

    #[test]
    fn one_byte_still_gives_the_first_body() {
        let blocks = SampleBlocks::shared();
        let limits = Limits { response_bytes_soft: 1, ..Limits::mainnet() };
        assert_eq!(ask(blocks.hashes[1..].to_vec(), &limits).len(), 1);
    }
}
