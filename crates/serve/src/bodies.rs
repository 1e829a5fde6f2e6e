//! Block bodies by the hashes of their blocks, out of one snapshot of the history.
//!
//! Bodies that we lack are left out: which body is whose is for the asker to prove.

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

/// Answers with the bodies that we hold, in the order of the request.
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
        let Some(raw) = snapshot.body(hash)? else { continue };
        if !allowance.fits(raw.len()) {
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
        ProvenBodies::prove(blocks.headers[1..].iter().cloned().zip(bodies).collect())
            .expect("they are true");
    }

    #[test]
    fn unknown_blocks_are_left_out_and_count_as_lookups() {
        let blocks = SampleBlocks::shared();
        let hashes = vec![B256::repeat_byte(1), blocks.hashes[1], blocks.hashes[2]];
        assert_eq!(ask(hashes.clone(), &Limits::mainnet()).len(), 2);
        assert_eq!(ask(hashes, &Limits { blocks_max: 2, ..Limits::mainnet() }).len(), 1);
    }

    #[test]
    fn one_byte_still_gives_the_first_body() {
        let blocks = SampleBlocks::shared();
        let limits = Limits { response_bytes_soft: 1, ..Limits::mainnet() };
        assert_eq!(ask(blocks.hashes[1..].to_vec(), &limits).len(), 1);
    }
}
