//! The shape of one trie, found from sorted items by what neighbours have in common. It hashes nothing.
//!
//! ```text
//! items      1a..   1b..   27..        A branch stands wherever two neighbours part: 1a and 1b after one nibble,
//! in common      1      0              1b and 27 after none. A frame is an open branch; it closes when the next
//! frames     [0: [1: 1a 1b] 27]        item parts from the last one further up.
//! ```

use alloy_primitives::B256;

use crate::batch::Batch;
use crate::forest::Forest;
use crate::path::{Path, nibble_of};
use crate::references::Id;
use crate::{Branch, ChildRef};

/// What can stand in a sorted list of items.
#[derive(Clone, Copy, Default)]
enum Item {
    #[default]
    Nothing,
    /// A leaf, whose value is open in the forest's batch.
    Leaf,
    /// A finished branch, below which nothing is open; an extension may be needed above it.
    Branch { id: Id, height: u8 },
    /// A node that is no leaf or of unknown kind, that must hang directly below a branch, as an extension above it may be one with it.
    Child { id: Id },
}

/// An item has no place in a trie with its neighbours: the one at [`Outline::at`]. It does not carry that path itself, so
/// that the results of millions of leaves fit registers.
#[derive(Debug)]
pub(crate) struct Misfit;

/// A branch whose last child has not come yet.
#[derive(Clone, Copy)]
struct Frame {
    depth: u8,
    /// Its children are the pending nodes from here on.
    first: u32,
    /// Below it are the forest's nodes from here on.
    first_below: u32,
}

/// A finished node whose branch is still open.
#[derive(Clone, Copy)]
struct Finished {
    id: Id,
    height: u8,
    nibble: u8,
    is_leaf: bool,
}

/// What is left on top when all items have come.
pub(crate) enum Top {
    /// There was no item.
    Nothing,
    /// There was one leaf.
    Leaf { path: Path, value: Vec<u8> },
    /// A branch at `path`.
    Branch { path: Path, id: Id },
}

/// A trie being laid out in a [`Forest`].
#[derive(Default)]
pub(crate) struct Outline {
    frames: Vec<Frame>,
    pending: Vec<Finished>,
    /// The last item, whose place is known when its right neighbour is.
    held: Item,
    /// Where the last item stands.
    at: Path,
}

impl Outline {
    /// Adds a leaf, whose value `open` puts into the batch; items must rise.
    #[inline]
    pub(crate) fn leaf(
        &mut self,
        forest: &mut Forest,
        path: Path,
        open: impl FnOnce(&mut Batch),
    ) -> Result<(), Misfit> {
        self.meet(forest, &path)?;
        open(forest.batch());
        self.hold(path, Item::Leaf);
        Ok(())
    }

    /// Adds a finished branch, as it is stored; `leaves` are the rows of those of its children that are leaves.
    pub(crate) fn stored<'l>(
        &mut self,
        forest: &mut Forest,
        path: Path,
        branch: &Branch,
        leaves: impl Iterator<Item = (B256, &'l [u8])>,
    ) -> Result<(), Misfit> {
        // With this no leaf is open any more: the forest can take in others.
        self.meet(forest, &path)?;
        self.hold(path, Item::Branch { id: forest.stored(path, branch, leaves), height: 1 });
        Ok(())
    }

    /// Adds a finished branch by its reference.
    pub(crate) fn branch(
        &mut self,
        forest: &mut Forest,
        path: Path,
        reference: &ChildRef,
    ) -> Result<(), Misfit> {
        self.meet(forest, &path)?;
        self.hold(path, Item::Branch { id: forest.known(reference), height: 0 });
        Ok(())
    }

    /// Adds a node that is no leaf or of unknown kind, which must be the child of a branch right above it. If it is a leaf, that
    /// branch must not be stored.
    pub(crate) fn child(
        &mut self,
        forest: &mut Forest,
        path: Path,
        reference: &ChildRef,
    ) -> Result<(), Misfit> {
        self.meet(forest, &path)?;
        self.hold(path, Item::Child { id: forest.known(reference) });
        Ok(())
    }

    /// Where the last item stands, or the one that does not fit.
    pub(crate) fn at(&self) -> Path {
        self.at
    }

    fn hold(&mut self, path: Path, item: Item) {
        (self.at, self.held) = (path, item);
    }

    /// Settles the item before `path`.
    #[inline]
    fn meet(&mut self, forest: &mut Forest, path: &Path) -> Result<(), Misfit> {
        if let Item::Nothing = self.held {
            return Ok(());
        }
        let Some(common) = self.at.parts_from(path) else {
            self.at = *path;
            return Err(Misfit);
        };
        self.settle(forest, common + 1)?;
        if self.from() > common + 1 {
            self.close(forest, common + 1, 0);
        }
        Ok(())
    }

    /// Where what hangs from the deepest open branch starts its own part of the path: one nibble below it, from the top
    /// when none is open.
    #[inline]
    fn from(&self) -> usize {
        self.frames.last().map_or(0, |frame| usize::from(frame.depth) + 1)
    }

    /// Lays out the item that is held, opening a branch above it if it has more in common with its right neighbour, which
    /// parts from it before nibble `right` (0 when there is none), than with its left.
    #[inline]
    fn settle(&mut self, forest: &mut Forest, right: usize) -> Result<(), Misfit> {
        let held = std::mem::take(&mut self.held);
        if right > self.from() {
            // A stored branch is the last node, and hangs below the branch to be opened.
            let is_last = matches!(held, Item::Branch { height: 1, .. });
            self.open(right, forest.nodes_len() - u32::from(is_last));
        }
        match held {
            Item::Nothing => {}
            Item::Leaf => {
                let id = forest.leaf(&self.at, self.from());
                self.pending.push(Finished { id, height: 0, nibble: self.nibble(), is_leaf: true });
            }
            Item::Child { id } if self.at.len() == self.from() => self.pend(id, 0),
            Item::Child { .. } => return Err(Misfit),
            Item::Branch { id, height } => {
                let (id, height) = self.extend(forest, id, height);
                self.pend(id, height);
            }
        }
        Ok(())
    }

    /// Lays out an extension above the branch that is held, if it needs one.
    fn extend(&self, forest: &mut Forest, id: Id, height: u8) -> (Id, u8) {
        if self.at.len() == self.from() {
            return (id, height);
        }
        let first_below = forest.nodes_len() - u32::from(height);
        (forest.extension(self.at, self.from(), id, first_below, height + 1), height + 1)
    }

    fn open(&mut self, below: usize, first_below: u32) {
        self.frames.push(Frame { depth: (below - 1) as u8, first: self.pending.len() as u32, first_below });
    }

    /// Adds a node that is no leaf to the deepest open branch.
    #[inline]
    fn pend(&mut self, id: Id, height: u8) {
        self.pending.push(Finished { id, height, nibble: self.nibble(), is_leaf: false });
    }

    /// As which child of the deepest open branch the last item, or what is above it, hangs.
    #[inline]
    fn nibble(&self) -> u8 {
        self.frames.last().map_or(0, |frame| nibble_of(self.at.packed(), usize::from(frame.depth)))
    }

    /// Closes the branches on the way to the last item that are at nibble `right` or deeper. The topmost of all starts its
    /// own part of the path at `top_from`.
    fn close(&mut self, forest: &mut Forest, right: usize, top_from: usize) {
        while self.from() > right {
            let Some(Frame { depth, first, first_below }) = self.frames.pop() else { return };
            let children = &self.pending[first as usize..];
            let (mut height, mut present, mut nodes) = (0, 0u16, 0u16);
            for child in children {
                height = height.max(child.height);
                present |= 1 << child.nibble;
                nodes |= u16::from(!child.is_leaf) << child.nibble;
            }
            height += 1;
            let path = self.at.truncated(usize::from(depth));
            let ids = children.iter().map(|child| child.id);
            let mut id = forest.branch(path, present, nodes, ids, first_below, height);
            self.pending.truncate(first as usize);
            if right > self.from() {
                self.open(right, first_below);
            }
            let from = if self.frames.is_empty() { top_from } else { self.from() };
            if path.len() > from {
                height += 1;
                id = forest.extension(path, from, id, first_below, height);
            }
            self.pend(id, height);
        }
    }

    /// Closes everything: the topmost node, to be read as the trie's root. `None` for an empty trie.
    pub(crate) fn finish(&mut self, forest: &mut Forest) -> Result<Option<Id>, Misfit> {
        self.settle(forest, 0)?;
        if !self.frames.is_empty() {
            self.close(forest, 0, 0);
        }
        Ok(self.pending.pop().map(|top| top.id))
    }

    /// Closes everything but says what is on top instead of making a root of it, as more may stand beside it.
    pub(crate) fn finish_part(&mut self, forest: &mut Forest) -> Result<Top, Misfit> {
        let path = self.at;
        let Some(top) = self.frames.first().map(|frame| path.truncated(usize::from(frame.depth))) else {
            return match std::mem::take(&mut self.held) {
                Item::Nothing => Ok(Top::Nothing),
                Item::Leaf => Ok(Top::Leaf { path, value: forest.batch().take_value() }),
                Item::Branch { id, .. } => Ok(Top::Branch { path, id }),
                Item::Child { .. } => Err(Misfit),
            };
        };
        self.settle(forest, 0)?;
        self.close(forest, 0, top.len());
        let id = self.pending.pop().map(|top| top.id);
        Ok(id.map_or(Top::Nothing, |id| Top::Branch { path: top, id }))
    }

    /// Forgets what is laid out, so that another trie may be.
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.pending.clear();
        self.held = Item::Nothing;
    }

    /// The forest has hashed its nodes and forgets them: returns the numbers of those whose branches are still open.
    pub(crate) fn keep(&mut self) -> impl Iterator<Item = &mut Id> + '_ {
        for frame in &mut self.frames {
            frame.first_below = 0;
        }
        let held = match &mut self.held {
            Item::Nothing | Item::Leaf => None,
            Item::Child { id } => Some(id),
            Item::Branch { id, height } => {
                *height = 0;
                Some(id)
            }
        };
        let pending = self.pending.iter_mut().map(|pending| {
            pending.height = 0;
            &mut pending.id
        });
        pending.chain(held)
    }
}
