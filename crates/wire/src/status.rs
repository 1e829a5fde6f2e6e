//! Status (eth 0x00): which chain the other side is on and which blocks it has.
//!
//! Nothing in it is proved. It decides whether to go on talking and what to ask for, never what is true.

use alloy_primitives::{B256, Bytes};

use crate::{
    error::Error,
    fork::{ChainHead, ForkFault, ForkFilter, ForkId},
    rlp::{self, Reader},
    version::EthVersion,
};

/// The first message of eth in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The network's number, by convention its chain id.
    pub network_id: u64,
    /// The hash of the chain's first block.
    pub genesis: B256,
    /// The forks that the sender has passed and expects.
    pub fork_id: ForkId,
    /// The blocks that the sender can serve. eth/68 tells the last block's hash only: then both numbers
    /// are 0, and its header has to be asked for.
    pub range: BlockRange,
}

/// Why the other side's Status ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusFault {
    /// Another network.
    #[error("the peer is on network {theirs}, we are on {ours}")]
    Network {
        /// Our network's number.
        ours: u64,
        /// The peer's.
        theirs: u64,
    },
    /// Another genesis.
    #[error("the peer's genesis is {theirs}, ours {ours}")]
    Genesis {
        /// Our genesis' hash.
        ours: B256,
        /// The peer's.
        theirs: B256,
    },
    /// Other forks.
    #[error(transparent)]
    Forks(#[from] ForkFault),
}

impl Status {
    /// Reads the body of message 0x00 in the form of the negotiated version.
    pub fn decode(version: EthVersion, body: &Bytes) -> Result<Self, Error> {
        let mut fields = Reader::message("Status", body)?;
        let told = fields.u64()?;
        if told != version.number() {
            return Err(Error::StatusVersion { negotiated: version.number(), told });
        }
        let network_id = fields.u64()?;
        let status = if version == EthVersion::Eth68 {
            // The total difficulty has meant nothing since the merge.
            fields.u256()?;
            let range = BlockRange { earliest: 0, latest: 0, latest_hash: fields.b256()? };
            Self { network_id, genesis: fields.b256()?, fork_id: ForkId::read(&mut fields)?, range }
        } else {
            let genesis = fields.b256()?;
            let fork_id = ForkId::read(&mut fields)?;
            Self { network_id, genesis, fork_id, range: BlockRange::read(&mut fields)? }
        };
        fields.finish()?;
        Ok(status)
    }

    /// Appends the body of message 0x00 in the form of the negotiated version.
    pub fn encode(&self, version: EthVersion, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_u64(out, version.number());
            rlp::put_u64(out, self.network_id);
            if version == EthVersion::Eth68 {
                rlp::put_u64(out, 0);
                rlp::put_string(out, self.range.latest_hash.as_slice());
                rlp::put_string(out, self.genesis.as_slice());
                self.fork_id.put(out);
            } else {
                rlp::put_string(out, self.genesis.as_slice());
                self.fork_id.put(out);
                self.range.put(out);
            }
        });
    }

    /// Whether `theirs` is on the chain that this Status, our own, is on; `head` is how far we have come.
    pub fn check(&self, theirs: &Self, forks: &ForkFilter, head: ChainHead) -> Result<(), StatusFault> {
        if self.network_id != theirs.network_id {
            return Err(StatusFault::Network { ours: self.network_id, theirs: theirs.network_id });
        }
        if self.genesis != theirs.genesis {
            return Err(StatusFault::Genesis { ours: self.genesis, theirs: theirs.genesis });
        }
        Ok(forks.check(head, theirs.fork_id)?)
    }
}

/// The blocks that a node can serve (BlockRangeUpdate, eth 0x11, and the end of a Status).
///
/// Before it has any, a node sends `0, 0, genesis`: a zero hash gets it disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRange {
    /// The first block whose body and receipts are there.
    pub earliest: u64,
    /// The last block.
    pub latest: u64,
    /// The last block's hash.
    pub latest_hash: B256,
}

impl BlockRange {
    pub(crate) fn read(fields: &mut Reader<'_>) -> Result<Self, Error> {
        let range = Self { earliest: fields.u64()?, latest: fields.u64()?, latest_hash: fields.b256()? };
        if range.earliest > range.latest || range.latest_hash.is_zero() {
            let Self { earliest, latest, latest_hash } = range;
            return Err(Error::BlockRange { earliest, latest, latest_hash });
        }
        Ok(range)
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        rlp::put_u64(out, self.earliest);
        rlp::put_u64(out, self.latest);
        rlp::put_string(out, self.latest_hash.as_slice());
    }
}
