//! Where strangers go: a node, and the chain that they claim to be on.

use alloy_primitives::B256;
use snapsync_p2p::{Enode, LocalChain};
use snapsync_wire::{BlockRange, ForkFilter};

use crate::Error;

/// A node under siege.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it listens.
    pub enode: Enode,
    /// Its network.
    pub network_id: u64,
    /// The hash of its genesis.
    pub genesis: B256,
    /// The genesis' time, in seconds since 1970.
    pub genesis_time: u64,
}

impl Place {
    /// As words of a command line.
    pub fn to_words(&self) -> [String; 4] {
        let Self { enode, network_id, genesis, genesis_time } = self;
        [enode.to_string(), network_id.to_string(), genesis.to_string(), genesis_time.to_string()]
    }

    /// From such words.
    ///
    /// # Errors
    /// When one of them is something else.
    pub fn from_words([enode, network_id, genesis, genesis_time]: &[String; 4]) -> Result<Self, Error> {
        let wrong =
            || Error::unreadable("the place", format!("{enode} {network_id} {genesis} {genesis_time}"));
        Ok(Self {
            enode: enode.parse().map_err(|_| wrong())?,
            network_id: network_id.parse().map_err(|_| wrong())?,
            genesis: genesis.parse().map_err(|_| wrong())?,
            genesis_time: genesis_time.parse().map_err(|_| wrong())?,
        })
    }

    /// The chain as strangers tell of it: they have every block, so that they are asked.
    pub(crate) fn claimed(&self) -> LocalChain {
        // Every fork of the chain that is synced holds from the genesis on.
        let forks = ForkFilter::new(self.genesis, self.genesis_time, &[], &[]);
        let range = BlockRange { earliest: 0, latest: 1_000_000, latest_hash: B256::repeat_byte(0x5a) };
        LocalChain { range, ..LocalChain::at_genesis(self.network_id, forks, self.genesis_time) }
    }
}
