//! What stands to both sides of an answer's rows, and what range the rows therefore cover.

use std::ops::Range;

use alloy_primitives::B256;

use super::More;
use super::edge::{Proof, Side};
use crate::forest::Forest;
use crate::outline::{Misfit, Outline};
use crate::references::Id;
use crate::{ChildRef, EMPTY_ROOT, Fault, HashRange, Path};

/// The nodes beside an answer's rows, by their references, and what the rows cover between them.
pub(super) struct Fence {
    left: Vec<(Path, ChildRef)>,
    right: Vec<(Path, ChildRef)>,
    /// The range in which the rows are all there is.
    pub(super) covered: HashRange,
    /// Whether the trie goes on behind it.
    pub(super) more: More,
    /// Whether the proof alone shows that there are no rows, so that nothing is left to derive.
    pub(super) is_settled: bool,
}

/// The first and the last key of an answer.
pub(super) type Ends = Option<(B256, B256)>;

impl Fence {
    /// Puts up the fence around rows from `ends.0` to `ends.1` that answer a request for `range`.
    pub(super) fn around(root: B256, range: HashRange, ends: Ends, proof: &Proof<'_>) -> Result<Self, Fault> {
        let unproven = Fault::Unproven { origin: range.start() };
        let Some((_, last)) = ends else {
            // An empty trie has no node to show; any other says that it ends here with the path to the origin.
            return match (root == EMPTY_ROOT, proof.is_empty()) {
                (true, _) => Ok(Self::without_rows(range)),
                (false, true) => Err(unproven),
                (false, false) => Self::behind_everything(root, range, proof),
            };
        };
        let (mut left, mut right) = (Vec::new(), Vec::new());
        if proof.is_empty() {
            // Without a proof the rows must be the whole trie.
            if range.start() != B256::ZERO {
                return Err(unproven);
            }
        } else {
            // Nothing lies before the first key there is, nor behind the last.
            if range.start() != B256::ZERO {
                left = proof.walk(root, &range.start(), Side::Left)?.outside;
            }
            if last != HashRange::FULL.last() {
                right = proof.walk(root, &last, Side::Right)?.outside;
            }
        }
        let goes_on = !right.is_empty();
        // Up to the limit when the trie goes on behind it or not at all, else up to the last row.
        let covered_last = if goes_on { last.min(range.last()) } else { range.last() };
        let covered = HashRange::new(range.start(), covered_last).unwrap_or(range);
        let more = if goes_on || last > range.last() { More::Right } else { More::Nothing };
        Ok(Self { left, right, covered, more, is_settled: false })
    }

    /// Whether there is nothing beside the rows: they must be the whole trie.
    pub(super) fn is_absent(range: HashRange, ends: Ends, proof: &Proof<'_>) -> bool {
        proof.is_empty() && ends.is_some() && range == HashRange::FULL
    }

    fn without_rows(range: HashRange) -> Self {
        Self { left: Vec::new(), right: Vec::new(), covered: range, more: More::Nothing, is_settled: true }
    }

    /// No rows but a proof. The digests along the walk say by themselves what lies to its right.
    fn behind_everything(root: B256, range: HashRange, proof: &Proof<'_>) -> Result<Self, Fault> {
        let edge = proof.walk(root, &range.start(), Side::Right)?;
        if edge.is_leaf || !edge.outside.is_empty() {
            return Err(Fault::NotEmpty { origin: range.start() });
        }
        Ok(Self::without_rows(range))
    }

    /// Lays out the trie of the fence and the rows between, which `leaves` adds.
    pub(super) fn lay_out(
        &self,
        forest: &mut Forest,
        outline: &mut Outline,
        leaves: impl FnOnce(&mut Forest, &mut Outline) -> Result<(), Misfit>,
    ) -> Result<Layout, Fault> {
        Layout::of(forest, outline, |forest, outline| {
            for (path, reference) in &self.left {
                outline.child(forest, *path, reference)?;
            }
            leaves(forest, outline)?;
            self.right.iter().try_for_each(|(path, reference)| outline.child(forest, *path, reference))
        })
    }
}

/// A trie among others in a forest.
pub(super) struct Layout {
    top: Option<Id>,
    /// Its nodes.
    pub(super) nodes: Range<usize>,
}

impl Layout {
    /// Lays out the trie of what `items` adds.
    pub(super) fn of(
        forest: &mut Forest,
        outline: &mut Outline,
        items: impl FnOnce(&mut Forest, &mut Outline) -> Result<(), Misfit>,
    ) -> Result<Self, Fault> {
        let first = forest.nodes_len();
        let top = items(forest, outline).and_then(|()| outline.finish(forest));
        let top = top.map_err(|Misfit { path }| Fault::EdgeMismatch { path })?;
        Ok(Self { top, nodes: first..forest.nodes_len() })
    }

    /// Its root, once the forest is hashed.
    pub(super) fn root(&self, forest: &mut Forest) -> B256 {
        self.top.map_or(EMPTY_ROOT, |top| forest.root(top))
    }
}
