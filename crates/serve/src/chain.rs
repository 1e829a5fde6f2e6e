//! What we tell of our chain: the Status that our disk stands behind.

use alloy_primitives::Bytes;
use snapsync_p2p::LocalChain;
use snapsync_storage::HistorySnapshot;
use snapsync_wire::{BlockRange, ChainHead, ForkFilter, Header};

use crate::error::{Error, Result};

/// Our chain: how far its headers go, and the highest blocks of which nothing is missing. Without such a block it tells of the highest
/// header's alone, the least that a range can say; without a header, of the genesis.
///
/// # Errors
/// When our disk fails.
pub fn local_chain(
    snapshot: &HistorySnapshot,
    network_id: u64,
    forks: ForkFilter,
    genesis_timestamp: u64,
) -> Result<LocalChain> {
    let Some((latest, latest_hash)) = snapshot.highest()? else {
        return Ok(LocalChain::at_genesis(network_id, forks, genesis_timestamp));
    };
    let timestamp = match snapshot.header(latest)? {
        Some(raw) => {
            let header = Header::decode(&Bytes::copy_from_slice(raw));
            header.map_err(|why| Error::Stored { what: "header", why })?.timestamp
        }
        None => genesis_timestamp,
    };
    let head = ChainHead { number: latest, timestamp };
    let mut range = BlockRange { earliest: latest, latest, latest_hash };
    if let Some(whole) = snapshot.whole()?
        && let Some(latest_hash) = snapshot.canonical(whole.last)?
    {
        range = BlockRange { earliest: whole.first, latest: whole.last, latest_hash };
    }
    Ok(LocalChain { network_id, forks, head, range })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::SampleBlocks;

    fn told(blocks: &SampleBlocks) -> LocalChain {
        let forks = ForkFilter::new(blocks.hashes[0], 0, &[], &[]);
        local_chain(&blocks.snapshot(), 5, forks, 0).expect("our own disk")
    }

    #[test]
    fn the_status_names_the_blocks_that_we_hold_whole() {
        let all = 0..16;
        // Which bodies and receipts are there, and what is said.
        for (bodies, receipts, earliest, latest) in [
            (all.clone(), all.clone(), 0, 15),
            (4..16, 6..16, 6, 15),
            (0..12, 3..14, 3, 11),
            (all.clone(), 0..1, 0, 0),
            (0..0, all, 15, 15),
            (0..0, 0..0, 15, 15),
        ] {
            let blocks = SampleBlocks::with(bodies, receipts);
            let chain = told(&blocks);
            assert_eq!((chain.range.earliest, chain.range.latest), (earliest, latest));
            assert_eq!(chain.range.latest_hash, blocks.hashes[latest as usize]);
            assert_eq!(chain.head.number, 15);
        }
    }

    #[test]
    fn the_status_names_our_highest_block() {
        let blocks = SampleBlocks::shared();
        let chain = told(blocks);
        let latest = blocks.hashes.len() - 1;
        assert_eq!(chain.range.latest, latest as u64);
        assert_eq!(chain.range.latest_hash, blocks.hashes[latest]);
        assert_eq!(chain.head.timestamp, blocks.headers[latest].timestamp);
        assert_eq!(chain.status().genesis, blocks.hashes[0]);
    }
}
