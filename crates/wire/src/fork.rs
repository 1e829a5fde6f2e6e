//! Fork ids (EIP-2124, EIP-6122): whether the other side follows the same chain as we do.
//!
//! It knows numbers and times of forks only, from whatever configuration the caller has read; it does not
//! know a single network by name.

use alloy_primitives::B256;

use crate::{
    error::Error,
    rlp::{self, Reader},
};

/// The time of mainnet's genesis. Every fork time of every network is above it, every fork's block number
/// below, so that a number in a fork id can be told apart without its unit.
const TIMESTAMPS_START: u64 = 1_438_269_973;

/// Which forks a chain has passed, in four bytes, and which one comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ForkId {
    /// CRC-32 of the genesis hash and all forks passed.
    pub hash: [u8; 4],
    /// The block or time of the next fork that is planned, 0 if none is.
    pub next: u64,
}

impl ForkId {
    pub(crate) fn read(list: &mut Reader<'_>) -> Result<Self, Error> {
        let mut fields = list.list()?;
        let id = Self { hash: fields.fixed()?, next: fields.u64()? };
        fields.finish()?;
        Ok(id)
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_string(out, &self.hash);
            rlp::put_u64(out, self.next);
        });
    }
}

/// How far our chain has come, as fork rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The head's number.
    pub number: u64,
    /// The head's time, in seconds since 1970.
    pub timestamp: u64,
}

/// Why a fork id does not fit our chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForkFault {
    /// The other side has missed a fork that we have passed.
    #[error("the peer missed the fork after {hash:02x?}: it expects {announced} next, ours is {ours}")]
    RemoteStale {
        /// The forks that the peer has passed.
        hash: [u8; 4],
        /// The fork it expects next.
        announced: u64,
        /// The fork that follows by our configuration.
        ours: u64,
    },
    /// Another chain, or one with a fork that our configuration does not have.
    #[error("the peer's forks {hash:02x?} (next {next}) are not ours: another chain, or we missed a fork")]
    Incompatible {
        /// The forks that the peer has passed.
        hash: [u8; 4],
        /// The fork it expects next.
        next: u64,
    },
}

/// The forks of a chain; makes our fork ids and judges those of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkFilter {
    genesis: B256,
    /// Invariant: ascending within each kind, blocks before times, none at or before the genesis.
    forks: Vec<Fork>,
    /// Invariant: one more than forks; `checksums[i]` is the hash after `i` forks were passed.
    checksums: Vec<[u8; 4]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fork {
    Block(u64),
    Time(u64),
}

impl Fork {
    const fn value(self) -> u64 {
        match self {
            Self::Block(value) | Self::Time(value) => value,
        }
    }

    const fn is_passed(self, head: ChainHead) -> bool {
        match self {
            Self::Block(number) => head.number >= number,
            Self::Time(time) => head.timestamp >= time,
        }
    }
}

impl ForkFilter {
    /// The filter of a chain with these forks, planned ones included.
    ///
    /// The order does not matter, repetitions count once, and forks that hold from the genesis on (block
    /// 0, times up to `genesis_timestamp`) are left out, as the EIPs ask.
    pub fn new(genesis: B256, genesis_timestamp: u64, block_forks: &[u64], time_forks: &[u64]) -> Self {
        let blocks = ascending(block_forks, 0).into_iter().map(Fork::Block);
        let times = ascending(time_forks, genesis_timestamp).into_iter().map(Fork::Time);
        let forks: Vec<Fork> = blocks.chain(times).collect();
        let mut crc = crc32(!0, genesis.as_slice());
        let mut checksums = vec![(!crc).to_be_bytes()];
        for fork in &forks {
            crc = crc32(crc, &fork.value().to_be_bytes());
            checksums.push((!crc).to_be_bytes());
        }
        Self { genesis, forks, checksums }
    }

    /// The hash of the chain's first block.
    pub const fn genesis(&self) -> B256 {
        self.genesis
    }

    /// Our fork id when the chain has come to `head`.
    pub fn fork_id(&self, head: ChainHead) -> ForkId {
        let passed = self.passed(head);
        ForkId { hash: self.checksums[passed], next: self.next_after(passed) }
    }

    /// Judges the other side's fork id by the rules of EIP-2124, when our chain has come to `head`.
    pub fn check(&self, head: ChainHead, theirs: ForkId) -> Result<(), ForkFault> {
        let ForkId { hash, next } = theirs;
        let incompatible = ForkFault::Incompatible { hash, next };
        let passed = self.passed(head);
        let Some(same) = self.checksums.iter().position(|checksum| *checksum == hash) else {
            return Err(incompatible);
        };
        if same < passed {
            // It lags behind, which is fine as long as it knows the fork that follows.
            let ours = self.next_after(same);
            let stale = ForkFault::RemoteStale { hash, announced: next, ours };
            return if next == ours { Ok(()) } else { Err(stale) };
        }
        // It is ahead of us (`same > passed`) on a chain that we know; or level, and then it must not expect
        // a fork that we went by without one.
        // Where times follow the last fork by block, any block number is in the past behind it. On a chain that knows no time
        // a fork that is only planned elsewhere may still be a block.
        let blocks = self.forks.iter().filter(|fork| matches!(fork, Fork::Block(_))).count();
        let is_among_times = passed >= blocks && blocks < self.forks.len();
        let position = if is_among_times { head.timestamp } else { head.number };
        let by_time = next > TIMESTAMPS_START && head.timestamp >= next;
        if same == passed && next != 0 && (position >= next || by_time) { Err(incompatible) } else { Ok(()) }
    }

    fn passed(&self, head: ChainHead) -> usize {
        self.forks.iter().position(|fork| !fork.is_passed(head)).unwrap_or(self.forks.len())
    }

    fn next_after(&self, passed: usize) -> u64 {
        self.forks.get(passed).map_or(0, |fork| fork.value())
    }
}

/// The forks after `start`, each once, in order.
fn ascending(forks: &[u64], start: u64) -> Vec<u64> {
    let mut forks: Vec<u64> = forks.iter().copied().filter(|fork| *fork > start).collect();
    forks.sort_unstable();
    forks.dedup();
    forks
}

/// Carries a CRC-32 (IEEE, reflected) on over `bytes`, bit by bit: a chain's worth of forks is 200 bytes.
fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            let carry = if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
            crc >> 1 ^ carry
        })
    })
}
