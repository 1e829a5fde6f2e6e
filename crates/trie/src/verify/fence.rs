//! What stands to both sides of an answer's rows, and what range the rows therefore cover.
//!
//! Both sides are laid out in one trie with the rows: the left one before them, the right one behind. It does not read rows.

use std::ops::Range;

use alloy_primitives::B256;

use super::More;
use super::edge::{Proof, Side};
use crate::forest::Forest;
use crate::outline::{Misfit, Outline};
use crate::references::Id;
use crate::{EMPTY_ROOT, Fault, HashRange};

/// What was asked for and what an answer shows beside its rows.
#[derive(Clone, Copy)]
pub(super) struct Fence<'a> {
    /// The trie's root.
    pub(super) root: &'a B256,
    /// What was asked for.
    pub(super) range: &'a HashRange,
    pub(super) proof: &'a Proof<'a>,
}

/// What rows between the two sides of a fence stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The range in which they are all there is.
    pub(super) covered: HashRange,
    /// Whether the trie goes on behind it.
    pub(super) more: More,
}

impl Part {
    /// The whole trie.
    pub(super) const WHOLE: Self = Self { covered: HashRange::FULL, more: More::Nothing };
}

impl Fence<'_> {
    /// Whether there is nothing beside the rows: they must be the whole trie.
    #[inline]
    pub(super) fn is_absent(&self) -> bool {
        self.proof.is_empty() && *self.range == HashRange::FULL
    }

    /// What an answer without rows stands for: nothing is left to derive.
    pub(super) fn without_rows(&self) -> Result<Part, Fault> {
        let origin = self.range.start();
        // An empty trie has no node to show; any other says that it ends here with the path to the origin, where the digests
        // along the walk say by themselves what lies to its right.
        if *self.root != EMPTY_ROOT {
            if self.proof.is_empty() {
                return Err(Fault::Unproven { origin });
            }
            let edge = self.proof.walk(*self.root, &origin, Side::Right)?;
            if edge.is_leaf || !edge.outside.is_empty() {
                return Err(Fault::NotEmpty { origin });
            }
        }
        Ok(Part { covered: *self.range, more: More::Nothing })
    }

    /// Lays out what lies before the rows.
    #[inline]
    pub(super) fn left(&self, forest: &mut Forest, outline: &mut Outline) -> Result<(), Fault> {
        let origin = self.range.start();
        // Nothing lies before the first key there is.
        if origin == B256::ZERO {
            return Ok(());
        }
        // Without a proof the rows must be the whole trie.
        if self.proof.is_empty() {
            return Err(Fault::Unproven { origin });
        }
        for (path, reference) in self.proof.walk(*self.root, &origin, Side::Left)?.outside {
            fits(outline.child(forest, path, &reference), outline)?;
        }
        Ok(())
    }

    /// Lays out what lies behind the last row: what the rows stand for, by that.
    #[inline]
    pub(super) fn right(
        &self,
        last: &B256,
        forest: &mut Forest,
        outline: &mut Outline,
    ) -> Result<Part, Fault> {
        let limit = self.range.last();
        let mut goes_on = false;
        // Nothing lies behind the last key there is.
        if !self.proof.is_empty() && *last != HashRange::FULL.last() {
            for (path, reference) in self.proof.walk(*self.root, last, Side::Right)?.outside {
                fits(outline.child(forest, path, &reference), outline)?;
                goes_on = true;
            }
        }
        // Up to the limit when the trie goes on behind it or not at all, else up to the last row.
        let covered_last = if goes_on { limit.min(*last) } else { limit };
        let covered = HashRange::new(self.range.start(), covered_last).unwrap_or(*self.range);
        let more = if goes_on || *last > limit { More::Right } else { More::Nothing };
        Ok(Part { covered, more })
    }
}

/// A trie among others in a forest.
pub(super) struct Layout {
    top: Option<Id>,
    /// Its nodes.
    pub(super) nodes: Range<u32>,
}

impl Layout {
    /// The trie that was laid out since there were `first` nodes.
    #[inline]
    pub(super) fn since(first: u32, forest: &mut Forest, outline: &mut Outline) -> Result<Self, Fault> {
        let top = fits(outline.finish(forest), outline)?;
        Ok(Self { top, nodes: first..forest.nodes_len() })
    }

    /// Its root, once the forest is hashed.
    #[inline]
    pub(super) fn root(&self, forest: &mut Forest) -> B256 {
        self.top.map_or(EMPTY_ROOT, |top| forest.root(top))
    }
}

/// The rows leave no place for what the proof shows, or the other way round.
#[inline]
pub(super) fn fits<T>(placed: Result<T, Misfit>, outline: &Outline) -> Result<T, Fault> {
    placed.map_err(|Misfit| Fault::EdgeMismatch { path: outline.at() })
}
