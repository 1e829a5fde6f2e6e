//! Chance by seed: xoshiro256** filled by splitmix64.
//!
//! Every choice in the world is drawn here, so that one number is a whole story. The generator is our own, because a
//! library's may change its stream between versions and a seed that failed must stay a test. It is not for secrets.

use alloy_primitives::B256;

/// A seeded source of choices.
#[derive(Clone, Debug)]
pub struct Chance {
    state: [u64; 4],
}

impl Chance {
    /// The stream of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut x = seed;
        Self { state: std::array::from_fn(|_| splitmix(&mut x)) }
    }

    /// An independent stream, so that one part's appetite for numbers does not shift another's.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.draw())
    }

    /// Sixty-four bits.
    pub fn draw(&mut self) -> u64 {
        let s = &mut self.state;
        let out = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        out
    }

    /// A number below `n`; zero when `n` is zero. The bias of the remainder is far below what a story could show.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.draw() % n }
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// An index below `n`, for slices.
    pub fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).expect("below a usize")
    }

    /// True `per_mille` times in a thousand.
    pub fn hits(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// A random hash.
    pub fn hash(&mut self) -> B256 {
        let mut out = B256::ZERO;
        for chunk in out.0.chunks_mut(8) {
            chunk.copy_from_slice(&self.draw().to_be_bytes());
        }
        out
    }
}

fn splitmix(x: &mut u64) -> u64 {
    *x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *x;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_stream() {
        let (mut a, mut b) = (Chance::new(7), Chance::new(7));
        assert!((0..100).all(|_| a.draw() == b.draw()));
        assert_ne!(Chance::new(7).draw(), Chance::new(8).draw());
    }

    #[test]
    fn between_stays_inside() {
        let mut chance = Chance::new(1);
        assert!((0..1000).all(|_| (3..=9).contains(&chance.between(3, 9))));
        assert_eq!(chance.below(0), 0);
    }
}
