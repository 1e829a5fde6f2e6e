//! The shape of one trie, found from sorted items by what neighbours have in common. It hashes nothing.
//!
//! ```text
//! items      1a..   1b..   27..        A branch stands wherever two neighbours part: 1a and 1b after one nibble,
//! in common      1      0              1b and 27 after none. A frame is an open branch; it closes when the next
//! frames     [0: [1: 1a 1b] 27]        item parts from the last one further up.
//! ```

use crate::forest::{Forest, Id};
use crate::{ChildRef, Path};

/// What can stand in a sorted list of items.
enum Held {
    /// A leaf, whose value is in [`Outline::value`].
    Leaf,
    /// A finished branch, below which nothing is open; an extension may be needed above it.
    Branch(ChildRef),
    /// A node of unknown kind, that must hang directly below a branch, as an extension above it may be one with it.
    Child(ChildRef),
}

/// An item that has no place in a trie with its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) path: Path,
}

/// A branch whose last child has not come yet.
struct Frame {
    path: Path,
    /// Its children are the pending nodes from here on.
    first: usize,
}

/// A finished node whose branch is still open.
struct Pending {
    id: Id,
    height: u8,
    nibble: u8,
}

/// What is left on top when all items have come.
pub(crate) enum Top {
    /// There was no item.
    Nothing,
    /// There was one leaf; its value is still in the outline.
    Leaf { path: Path, value: Vec<u8> },
    /// A branch at `path`.
    Branch { path: Path, id: Id },
}

/// A trie being laid out in a [`Forest`].
#[derive(Default)]
pub(crate) struct Outline {
    frames: Vec<Frame>,
    pending: Vec<Pending>,
    held: Option<(Path, Held)>,
    value: Vec<u8>,
}

impl Outline {
    /// Adds a leaf; items must rise.
    pub(crate) fn leaf(&mut self, forest: &mut Forest, path: Path, value: &[u8]) -> Result<(), Misfit> {
        self.hold(forest, path, Held::Leaf)?;
        self.value.clear();
        self.value.extend_from_slice(value);
        Ok(())
    }

    /// Adds a finished branch.
    pub(crate) fn branch(
        &mut self,
        forest: &mut Forest,
        path: Path,
        reference: ChildRef,
    ) -> Result<(), Misfit> {
        self.hold(forest, path, Held::Branch(reference))
    }

    /// Adds a node of unknown kind, which must be the child of a branch right above it.
    pub(crate) fn child(
        &mut self,
        forest: &mut Forest,
        path: Path,
        reference: ChildRef,
    ) -> Result<(), Misfit> {
        self.hold(forest, path, Held::Child(reference))
    }

    /// An item's place is known when its right neighbour is: settles the one before and holds this one.
    fn hold(&mut self, forest: &mut Forest, path: Path, item: Held) -> Result<(), Misfit> {
        if let Some((before, held)) = self.held.take() {
            let common = before.common_prefix(&path);
            let parts = common < before.len().min(path.len());
            if !parts || before.nibble(common) >= path.nibble(common) {
                return Err(Misfit { path });
            }
            self.settle(forest, before, held, Some(common))?;
            self.close(forest, Some(common), 0);
        }
        self.held = Some((path, item));
        Ok(())
    }

    /// The open branch that is deepest, by its depth.
    fn depth(&self) -> Option<usize> {
        self.frames.last().map(|frame| frame.path.len())
    }

    /// Lays out an item, opening a branch above it if it has more in common with its right neighbour than with its left.
    fn settle(
        &mut self,
        forest: &mut Forest,
        path: Path,
        item: Held,
        right: Option<usize>,
    ) -> Result<(), Misfit> {
        if right > self.depth() {
            self.open(&path, right);
        }
        // Just below the branch it hangs from; from the top when it is all there is.
        let from = self.depth().map_or(0, |depth| depth + 1);
        let (id, height) = match item {
            Held::Leaf => (forest.leaf(&path, from, &self.value), 0),
            Held::Child(reference) if path.len() == from => (forest.known(&reference), 0),
            Held::Child(_) => return Err(Misfit { path }),
            Held::Branch(reference) => {
                let id = forest.known(&reference);
                if path.len() > from { (forest.extension(path, from, id, 1), 1) } else { (id, 0) }
            }
        };
        self.pend(&path, id, height);
        Ok(())
    }

    fn open(&mut self, path: &Path, depth: Option<usize>) {
        if let Some(depth) = depth {
            self.frames.push(Frame { path: path.truncated(depth), first: self.pending.len() });
        }
    }

    fn pend(&mut self, path: &Path, id: Id, height: u8) {
        let nibble = self.depth().map_or(0, |depth| path.nibble(depth));
        self.pending.push(Pending { id, height, nibble });
    }

    /// Closes the branches deeper than `right`, all of them when there is no right neighbour. The topmost of all starts
    /// its own part of the path at `top_from`.
    fn close(&mut self, forest: &mut Forest, right: Option<usize>, top_from: usize) {
        while self.depth() > right {
            let Some(Frame { path, first }) = self.frames.pop() else { return };
            let children = &self.pending[first..];
            let height = 1 + children.iter().map(|child| child.height).max().unwrap_or(0);
            let present = children.iter().fold(0u16, |mask, child| mask | 1 << child.nibble);
            let mut id = forest.branch(path, present, children.iter().map(|child| child.id), height);
            self.pending.truncate(first);
            if right > self.depth() {
                self.open(&path, right);
            }
            let from = self.depth().map_or(top_from, |depth| depth + 1);
            let mut height = height;
            if path.len() > from {
                height += 1;
                id = forest.extension(path, from, id, height);
            }
            self.pend(&path, id, height);
        }
    }

    /// Closes everything: the topmost node, to be read as the trie's root. `None` for an empty trie.
    pub(crate) fn finish(&mut self, forest: &mut Forest) -> Result<Option<Id>, Misfit> {
        let Some((path, held)) = self.held.take() else { return Ok(None) };
        self.settle(forest, path, held, None)?;
        self.close(forest, None, 0);
        Ok(self.pending.pop().map(|top| top.id))
    }

    /// Closes everything but says what is on top instead of making a root of it, as more may stand beside it.
    pub(crate) fn finish_part(&mut self, forest: &mut Forest) -> Result<Top, Misfit> {
        let Some((path, held)) = self.held.take() else { return Ok(Top::Nothing) };
        let Some(top) = self.frames.first().map(|frame| frame.path) else {
            return match held {
                Held::Leaf => Ok(Top::Leaf { path, value: std::mem::take(&mut self.value) }),
                Held::Branch(reference) => Ok(Top::Branch { path, id: forest.known(&reference) }),
                Held::Child(_) => Err(Misfit { path }),
            };
        };
        self.settle(forest, path, held, None)?;
        self.close(forest, None, top.len());
        let id = self.pending.pop().map(|top| top.id);
        Ok(id.map_or(Top::Nothing, |id| Top::Branch { path: top, id }))
    }

    /// The numbers of the finished nodes whose branches are still open.
    pub(crate) fn pending_ids(&mut self) -> impl Iterator<Item = &mut Id> + '_ {
        self.pending.iter_mut().map(|pending| {
            pending.height = 0;
            &mut pending.id
        })
    }
}
