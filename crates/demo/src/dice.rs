//! Chance for the demo's chain: a small generator whose whole future is its seed.
//!
//! Trusts nobody. It is not for secrets: every number can be foretold, and that is the point, since the same seed must make the
//! same chain on every machine.

use alloy_primitives::{Address, B256, U256};

/// A splitmix64 generator: one addition and three mixes a number, equally distributed, and split-able by salt.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// The dice of one thing (`salt`) in the chain of one seed, so that the order in which things are made does not show.
    pub(crate) fn new(seed: u64, salt: u64) -> Self {
        let mut dice = Self { state: seed ^ salt.wrapping_mul(0xd6e8_feb8_6659_fd93) };
        dice.next();
        dice
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound` (0 for a bound of 0). The bias of the remainder is far below what a demo could show.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// `bytes` filled with noise.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let noise = self.next().to_be_bytes();
            chunk.copy_from_slice(&noise[..chunk.len()]);
        }
    }

    /// `len` bytes of noise.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.fill(&mut bytes);
        bytes
    }

    /// 32 bytes of noise.
    pub(crate) fn word(&mut self) -> B256 {
        let mut word = B256::ZERO;
        self.fill(word.as_mut_slice());
        word
    }

    /// An address that nobody has the key of.
    pub(crate) fn address(&mut self) -> Address {
        Address::from_slice(&self.word()[12..])
    }

    /// An amount in wei as purses hold them: mostly round, seldom above 2^80.
    pub(crate) fn wei(&mut self) -> U256 {
        let magnitude = self.below(8);
        let amount = U256::from(self.below(1_000_000)) * U256::from(10).pow(U256::from(magnitude * 2));
        amount + U256::from(self.below(2) * self.below(1_000_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_numbers() {
        let throws = |seed, salt| {
            let mut dice = Dice::new(seed, salt);
            (0..8).map(|_| dice.next()).collect::<Vec<_>>()
        };
        assert_eq!(throws(1, 2), throws(1, 2));
        assert_ne!(throws(1, 2), throws(1, 3));
        assert_ne!(throws(1, 2), throws(2, 2));
    }

    #[test]
    fn a_bound_of_nothing_gives_nothing() {
        assert_eq!(Dice::new(1, 1).below(0), 0);
    }
}
