//! Pieces of a storage that did not fit into an answer: sub-ranges, each fetched by a job of its own.

use snapsync_trie::{Gaps, HashRange};

use crate::{Config, JobId, PartialStorage};

/// What is missing of a storage in one stretch, and who fetches it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) range: HashRange,
    pub(crate) job: Option<JobId>,
}

impl Piece {
    /// What is left of it when `covered` is here.
    pub(crate) fn without(self, covered: HashRange) -> Vec<Self> {
        let mut gaps: Gaps = [self.range].into_iter().collect();
        gaps.remove(covered);
        gaps.iter().map(|range| Self { range, ..self }).collect()
    }
}

/// Cuts what lies behind a cut answer into pieces of about the wanted number of slots, by the density seen so far.
pub(crate) fn pieces_after(config: &Config, partial: PartialStorage) -> Vec<Piece> {
    #[cfg(feature = "planted-bugs")]
    if config.planted == Some(crate::Bug::HugeStorageCutShort) {
        return Vec::new();
    }
    let Some(rest) = HashRange::after(partial.covered.last()).map(HashRange::from_start) else {
        return Vec::new();
    };
    let slots_left = partial.slots as f64 / partial.covered.share() * rest.share();
    let wanted = (slots_left / config.slots_per_range.max(1) as f64).ceil();
    // A float to integer cast saturates, so a silly density only means the most pieces.
    let parts = (wanted as usize).clamp(1, config.ranges_per_storage.max(1));
    rest.split(parts).into_iter().map(|range| Piece { range, job: None }).collect()
}
