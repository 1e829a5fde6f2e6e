//! Which rules a block follows: the forks of a chain, by the blocks, times and difficulty at which they begin.
//!
//! Made of a genesis file ([`crate::genesis`]) or by hand, for any chain; those of public networks are in genesis files of ours. It trusts whoever made it. It
//! does not know the chain's total difficulty: as in other clients, a block is past the merge if its own difficulty is zero, which is
//! checked to stay so.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};

/// A change of rules. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fork {
    /// The first rules.
    Frontier,
    /// Homestead.
    Homestead,
    /// EIP-150.
    TangerineWhistle,
    /// EIP-158: accounts of which nothing is left go.
    SpuriousDragon,
    /// Byzantium: receipts tell a status, no root.
    Byzantium,
    /// Constantinople with what Petersburg took back of it: the two were one everywhere but on networks that are no more.
    Petersburg,
    /// Istanbul.
    Istanbul,
    /// Berlin.
    Berlin,
    /// London: the base fee.
    London,
    /// The merge: blocks are no longer mined.
    Paris,
    /// Shanghai: withdrawals.
    Shanghai,
    /// Cancun: blobs.
    Cancun,
    /// Prague: requests, delegated code.
    Prague,
    /// Osaka.
    Osaka,
    /// Amsterdam: access lists of blocks.
    Amsterdam,
}

impl Fork {
    /// Those that begin at a block.
    pub const BY_BLOCK: [Self; 8] = [
        Self::Homestead,
        Self::TangerineWhistle,
        Self::SpuriousDragon,
        Self::Byzantium,
        Self::Petersburg,
        Self::Istanbul,
        Self::Berlin,
        Self::London,
    ];
    /// Those that begin at a time.
    pub const BY_TIME: [Self; 5] = [Self::Shanghai, Self::Cancun, Self::Prague, Self::Osaka, Self::Amsterdam];
}

/// What blocks may hold of blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobParams {
    /// Blobs a block at which their fee stands still.
    pub target: u64,
    /// Blobs of a block at most.
    pub max: u64,
    /// How slowly the fee moves; never zero.
    pub update_fraction: u64,
}

impl BlobParams {
    /// Gas of one blob (EIP-4844).
    pub const GAS_PER_BLOB: u64 = 1 << 17;
    /// EIP-4844.
    pub const CANCUN: Self = Self { target: 3, max: 6, update_fraction: 3_338_477 };
    /// EIP-7691.
    pub const PRAGUE: Self = Self { target: 6, max: 9, update_fraction: 5_007_716 };

    /// Gas of all blobs of a block at most.
    pub const fn gas_max(&self) -> u64 {
        self.max.saturating_mul(Self::GAS_PER_BLOB)
    }

    /// Wei for a unit of blob gas, where so much is in excess. Saturates where nobody could pay it.
    pub fn fee(&self, excess_blob_gas: u64) -> u128 {
        // EIP-4844's `fake_exponential`: 1 * e ^ (excess / fraction), by Taylor's series.
        let (numerator, denominator) = (U256::from(excess_blob_gas), U256::from(self.update_fraction.max(1)));
        let (mut sum, mut term) = (U256::ZERO, denominator);
        let mut step = 1u64;
        while !term.is_zero() {
            let (Some(next_sum), Some(product)) = (sum.checked_add(term), term.checked_mul(numerator)) else {
                return u128::MAX;
            };
            // More than anybody holds: the series would only grow from here.
            if next_sum / denominator > U256::from(u128::MAX) {
                return u128::MAX;
            }
            sum = next_sum;
            term = product / (denominator * U256::from(step));
            step += 1;
        }
        u128::try_from(sum / denominator).unwrap_or(u128::MAX)
    }
}

/// The fork after the attack on the DAO: where it is, and which side of it the chain is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaoFork {
    /// The first block of the fork.
    pub block: u64,
    /// Whether the chain moves the ether, and says so in the extra data of ten headers; else it must not say so.
    pub is_supported: bool,
}

/// The forks of a chain. A fork that is not there never comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forks {
    /// The chain id of EIP-155.
    pub chain_id: u64,
    /// First blocks of forks [by block](Fork::BY_BLOCK).
    pub blocks: BTreeMap<Fork, u64>,
    /// First times of forks [by time](Fork::BY_TIME), in seconds since 1970.
    pub times: BTreeMap<Fork, u64>,
    /// The first block in which transactions may name the chain that they are for (EIP-155).
    pub replay_protection: Option<u64>,
    /// The total difficulty at which mining ends; `None`: never.
    pub terminal_total_difficulty: Option<U256>,
    /// The DAO's fork, if the chain knows of it.
    pub dao: Option<DaoFork>,
    /// From which time on which blobs hold; any order, and of two at one time the later one holds.
    pub blobs: Vec<(u64, BlobParams)>,
    /// Whose logs are deposits (EIP-6110).
    pub deposit_contract: Address,
}

/// The rules of one block: all that whoever executes it has to know of its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The chain id of EIP-155.
    pub chain_id: u64,
    /// The newest fork.
    pub fork: Fork,
    /// Whether London's are the parent's rules too: the first base fee is a constant.
    pub is_first_of_london: bool,
    /// Whether transactions may name their chain.
    pub has_replay_protection: bool,
    /// Of blobs, from Cancun on.
    pub blobs: Option<BlobParams>,
    /// Whether the DAO's ether moves in this block.
    pub moves_dao: bool,
    /// What the extra data must say of the DAO; `None`: anything.
    pub says_dao: Option<bool>,
    /// Whose logs are deposits (EIP-6110), from Prague on.
    pub deposit_contract: Address,
}

/// How many headers say that they are of the DAO's fork.
const DAO_HEADERS: u64 = 10;

impl Forks {
    /// A chain without any fork.
    pub fn frontier(chain_id: u64) -> Self {
        Self {
            chain_id,
            blocks: BTreeMap::new(),
            times: BTreeMap::new(),
            replay_protection: None,
            terminal_total_difficulty: None,
            dao: None,
            blobs: Vec::new(),
            deposit_contract: Address::ZERO,
        }
    }

    /// A chain that was never mined, and follows the rules of `fork` from its first block on; blobs are those of EIPs 4844 and 7691.
    pub fn since_genesis(chain_id: u64, fork: Fork) -> Self {
        let upto = |forks: &[Fork]| forks.iter().filter(|one| **one <= fork).map(|one| (*one, 0)).collect();
        let (cancun, prague) = (fork >= Fork::Cancun, fork >= Fork::Prague);
        let blobs = [cancun.then_some((0, BlobParams::CANCUN)), prague.then_some((0, BlobParams::PRAGUE))];
        Self {
            blocks: upto(&Fork::BY_BLOCK),
            times: upto(&Fork::BY_TIME),
            replay_protection: (fork >= Fork::SpuriousDragon).then_some(0),
            terminal_total_difficulty: (fork >= Fork::Paris).then_some(U256::ZERO),
            blobs: blobs.into_iter().flatten().collect(),
            ..Self::frontier(chain_id)
        }
    }

    /// The rules of a block with this number, time and difficulty.
    pub fn rules(&self, number: u64, time: u64, difficulty: U256) -> Rules {
        let fork = self.fork(number, time, difficulty);
        let london = self.blocks.get(&Fork::London);
        let blobs = self.blobs.iter().filter(|(from, _)| *from <= time).max_by_key(|(from, _)| *from);
        let dao = self.dao.filter(|dao| number >= dao.block && number - dao.block < DAO_HEADERS);
        Rules {
            chain_id: self.chain_id,
            fork,
            is_first_of_london: london == Some(&number) && number > 0,
            has_replay_protection: self.replay_protection.is_some_and(|first| first <= number),
            blobs: blobs.map(|(_, blobs)| *blobs).filter(|_| fork >= Fork::Cancun),
            moves_dao: self.dao.is_some_and(|dao| dao.is_supported && dao.block == number),
            says_dao: dao.map(|dao| dao.is_supported),
            deposit_contract: self.deposit_contract,
        }
    }

    /// Whether the chain's blocks may come without work.
    pub const fn merges(&self) -> bool {
        self.terminal_total_difficulty.is_some()
    }

    fn fork(&self, number: u64, time: u64, difficulty: U256) -> Fork {
        let newest = |forks: &BTreeMap<Fork, u64>, at: u64| {
            forks.iter().filter(|(_, first)| **first <= at).map(|(fork, _)| *fork).max()
        };
        let by_block = newest(&self.blocks, number).unwrap_or(Fork::Frontier);
        let is_merged = self.merges() && difficulty.is_zero();
        let by_time = newest(&self.times, time).filter(|_| is_merged);
        // SPEC: go-ethereum has no fork by time without London.
        match by_time.filter(|_| by_block >= Fork::London) {
            Some(by_time) => by_time,
            None if is_merged => Fork::Paris,
            None => by_block,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_fork_that_has_begun_holds() {
        let mut forks = Forks::since_genesis(1, Fork::Frontier);
        forks.blocks.extend([(Fork::Homestead, 3), (Fork::Byzantium, 5), (Fork::London, 8)]);
        forks.terminal_total_difficulty = Some(U256::from(100));
        forks.times.extend([(Fork::Shanghai, 1_000), (Fork::Cancun, 2_000)]);
        let work = U256::from(7);
        let at = |number, time, difficulty| forks.rules(number, time, difficulty).fork;
        assert_eq!(at(2, 9_999, work), Fork::Frontier);
        assert_eq!(at(3, 0, work), Fork::Homestead);
        assert_eq!(at(7, 0, work), Fork::Byzantium);
        assert_eq!(at(9, 9_999, work), Fork::London, "no fork by time while there is work");
        assert_eq!(at(9, 999, U256::ZERO), Fork::Paris);
        assert_eq!(at(9, 1_999, U256::ZERO), Fork::Shanghai);
        assert_eq!(at(9, 2_000, U256::ZERO), Fork::Cancun);
        assert!(forks.rules(8, 0, work).is_first_of_london && !forks.rules(9, 0, work).is_first_of_london);
    }

    #[test]
    fn the_newest_schedule_of_blobs_holds_and_of_two_at_one_time_the_later_one() {
        let mut forks = Forks::since_genesis(1, Fork::Osaka);
        let bigger = BlobParams { target: 10, max: 15, update_fraction: 8_346_193 };
        forks.blobs.push((50, bigger));
        assert_eq!(forks.rules(1, 49, U256::ZERO).blobs, Some(BlobParams::PRAGUE));
        assert_eq!(forks.rules(1, 50, U256::ZERO).blobs, Some(bigger));
        assert_eq!(Forks::since_genesis(1, Fork::Shanghai).rules(1, 50, U256::ZERO).blobs, None);
    }

    #[test]
    fn the_dao_is_told_of_in_ten_headers_on_either_side() {
        let mut forks = Forks::frontier(1);
        for is_supported in [true, false] {
            forks.dao = Some(DaoFork { block: 10, is_supported });
            let told = |number| forks.rules(number, 0, U256::ONE).says_dao;
            assert_eq!(
                [told(9), told(10), told(19), told(20)],
                [None, Some(is_supported), Some(is_supported), None]
            );
            assert_eq!(forks.rules(10, 0, U256::ONE).moves_dao, is_supported);
            assert!(!forks.rules(11, 0, U256::ONE).moves_dao);
        }
    }

    #[test]
    fn the_fee_of_blobs_is_that_of_the_eip_and_never_overflows() {
        // From EIP-4844's own test vectors.
        let fee = |excess| BlobParams::CANCUN.fee(excess);
        assert_eq!([fee(0), fee(2_314_057), fee(2_314_058), fee(10 * 1024 * 1024)], [1, 1, 2, 23]);
        assert_eq!(fee(u64::MAX), u128::MAX);
    }
}
