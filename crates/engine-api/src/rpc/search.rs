//! Where a transaction is, by its hash: no table on the disk has it.
//!
//! Blocks are looked through from the head down, so many at most as the limits say; what was seen is remembered. What a reader sees of a chain that
//! moves is one moment of it: a transaction that is in another block there is found there.

use alloy_primitives::B256;
use snapsync_keccak::keccak256;

use super::{block_name::BlockName, failure::Result, moment::Moment};

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) block: BlockName,
    pub(super) index: usize,
}

/// Where a transaction stands, if that is in one of the newest blocks and its body is held.
pub(super) fn find(moment: &Moment<'_>, hash: &B256) -> Result<Option<Place>> {
    let (limits, recent) = (&moment.served.parts.limits, &moment.served.recent);
    let latest = moment.latest()?.number;
    let lowest = latest.saturating_sub(limits.transaction_blocks_max.saturating_sub(1));
    for number in (lowest..=latest).rev() {
        let Some(block) = moment.canonical(number)? else { continue };
        let knows = recent.knows(number, &block, hash);
        if knows == Some(false) {
            continue;
        }
        let name = BlockName::Hash { hash: block, must_be_canonical: false };
        let Some(found) = moment.header(name)? else { continue };
        let Some(body) = moment.body(&found)? else { continue };
        let hashes: Vec<B256> = body.transaction_payloads().into_iter().map(keccak256).collect();
        if knows.is_none() {
            recent.remember(number, block, &hashes, lowest);
        }
        if let Some(index) = hashes.iter().position(|one| one == hash) {
            return Ok(Some(Place { block: name, index }));
        }
    }
    Ok(None)
}
