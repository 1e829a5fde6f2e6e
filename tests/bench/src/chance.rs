//! Numbers that look random and are the same in every run. Not for secrets.

use alloy_primitives::B256;

/// What is added between two numbers of a sequence.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A number that looks random, for each other number another one: the step and the finaliser of splitmix64.
pub const fn scramble(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(STEP);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A sequence of numbers that a seed fixes (splitmix64).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        let drawn = scramble(self.0);
        self.0 = self.0.wrapping_add(STEP);
        drawn
    }

    /// The next number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// The next 32 bytes: a key spreads as a digest does.
    pub fn hash(&mut self) -> B256 {
        let mut bytes = B256::ZERO;
        for part in bytes.chunks_exact_mut(8) {
            part.copy_from_slice(&self.number().to_be_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn seed_fixes_the_sequence() {
        let draw = |seed| Chance::new(seed).hash();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
