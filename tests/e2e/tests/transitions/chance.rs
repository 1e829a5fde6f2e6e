//! Numbers that look like chance and follow from a seed alone (SplitMix64).

use alloy_primitives::U256;

/// A source of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not zero.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.number() as u8).collect()
    }

    /// A word as the EVM meets them: small, at an edge, or anything.
    pub(crate) fn word(&mut self) -> U256 {
        let bits = self.below(257) as usize;
        match self.below(6) {
            0 => U256::from(self.below(4)),
            1 => U256::from(self.below(300)),
            2 if bits > 0 => U256::ONE << (bits - 1),
            3 => U256::MAX >> (256 - bits),
            4 => !(U256::MAX >> (256 - bits)),
            _ => U256::from_be_slice(&self.bytes(32)) >> (256 - bits),
        }
    }
}
