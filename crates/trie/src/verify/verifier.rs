//! Room to verify in, kept between answers. It remembers nothing of them.

use std::fmt;

use crate::forest::Forest;
use crate::outline::Outline;

/// Verifies one answer after another in the same room, so that none of them asks the system for memory: a worker's own.
///
/// Holds what the largest answer so far took, about 70 bytes a row.
#[derive(Default)]
pub struct Verifier {
    pub(super) forest: Forest,
    pub(super) outline: Outline,
}

impl Verifier {
    /// One without room yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the answer before.
    pub(super) fn clear(&mut self) {
        self.forest.clear();
        self.outline.clear();
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}
