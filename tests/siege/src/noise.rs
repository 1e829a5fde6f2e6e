//! Bytes that do not compress, from a seed.

use alloy_primitives::{B256, Bytes};

/// A source of noise.
#[derive(Debug)]
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Bytes {
        (0..length).map(|_| (self.number() >> 32) as u8).collect()
    }

    pub(crate) fn hash(&mut self) -> B256 {
        B256::from_slice(&self.bytes(32))
    }
}
