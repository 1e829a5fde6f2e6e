//! What we tell of our chain: the Status that our disk stands behind.

use alloy_primitives::Bytes;
use snapsync_p2p::LocalChain;
use snapsync_storage::HistorySnapshot;
use snapsync_wire::{BlockRange, ChainHead, ForkFilter, Header};

use crate::error::{Error, Result};

/// Our chain up to its highest block; the genesis alone if we hold no header.
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
    Ok(LocalChain { network_id, forks, head, range: BlockRange { earliest: 0, latest, latest_hash } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::SampleBlocks;

    #[test]
    fn the_status_names_our_highest_block() {
        let blocks = SampleBlocks::shared();
        let forks = ForkFilter::new(blocks.hashes[0], 0, &[], &[]);
        let chain = local_chain(&blocks.snapshot(), 5, forks, 0).expect("our own disk");
        let latest = blocks.hashes.len() - 1;
        assert_eq!(chain.range.latest, latest as u64);
        assert_eq!(chain.range.latest_hash, blocks.hashes[latest]);
        assert_eq!(chain.head.timestamp, blocks.headers[latest].timestamp);
        assert_eq!(chain.status().genesis, blocks.hashes[0]);
    }
}
