//! From sorted leaves to nodes and a root, at once or as independent sub-tries.
//!
//! It trusts its caller's order: rows come from our own disk or from a verified answer. It starts no thread:
//! [`subtries`] names the jobs, [`join`] puts their parts together.

use std::fmt;

use alloy_primitives::B256;

use crate::forest::Forest;
use crate::hashed::Hashed;
use crate::outline::{Misfit, Outline, Top};
use crate::{Branch, ChildRef, EMPTY_ROOT, HashRange, InlineNode, Nodes, Path};

/// References after which finished nodes are hashed and let go: ~0.5 MiB with their nodes, which a second-level cache
/// holds beside the rows that come and the branches that go.
const REFERENCES_MAX: usize = 8 << 10;

/// A finished trie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its root.
    pub root: B256,
    /// Those of its branches that are stored and were not taken before, by rising path.
    pub nodes: Nodes,
    /// Paths above the joined sub-tries at which no branch stands: one stored there is out of date.
    pub removed: Vec<Path>,
    /// What was hashed on the way.
    pub hashed: Hashed,
}

/// A finished sub-trie, ready to be joined with its neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    prefix: Path,
    top: PartTop,
    nodes: Nodes,
    hashed: Hashed,
}

/// The topmost node of a part. How long its own path is depends on its neighbours, so it is not encoded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PartTop {
    Nothing,
    Leaf { path: Path, value: Vec<u8> },
    Branch { path: Path, reference: ChildRef },
}

/// Builds a trie, or the part of one below a prefix, from items in rising order.
///
/// Holds a bounded number of open nodes, and those finished ones that [`Builder::take_nodes`] has not taken.
pub struct Builder {
    prefix: Path,
    forest: Forest,
    outline: Outline,
    nodes: Nodes,
}

impl Builder {
    /// A builder of a whole trie.
    pub fn new() -> Self {
        Self::below(Path::ROOT)
    }

    /// A builder of the sub-trie below `prefix`.
    pub fn below(prefix: Path) -> Self {
        Self { prefix, forest: Forest::default(), outline: Outline::default(), nodes: Nodes::default() }
    }

    /// Adds a leaf.
    ///
    /// # Panics
    /// When items do not rise or leave the prefix: our own rows are sorted.
    pub fn push_leaf(&mut self, key: B256, value: &[u8]) {
        let path = self.inside(Path::of_key(&key));
        fits(self.outline.leaf(&mut self.forest, path, |batch| batch.open(value)), &self.outline);
        self.settle();
    }

    /// Adds a finished sub-trie whose topmost branch stands at `path`. Its reference is derived from its children's; `leaves` are the
    /// rows of those that are leaves, rising.
    ///
    /// # Panics
    /// As [`Builder::push_leaf`], and when there are less rows than leaves.
    pub fn push_subtree<'l>(
        &mut self,
        path: Path,
        branch: &Branch,
        leaves: impl Iterator<Item = (B256, &'l [u8])>,
    ) {
        let path = self.inside(path);
        fits(self.outline.stored(&mut self.forest, path, branch, leaves), &self.outline);
        self.settle();
    }

    /// Adds the child at `path`, a branch or an extension above one, of a branch that is certain to stand right above it.
    ///
    /// # Panics
    /// As [`Builder::push_leaf`], and when the items leave no branch there.
    pub fn push_child(&mut self, path: Path, child: ChildRef) {
        let path = self.inside(path);
        fits(self.outline.child(&mut self.forest, path, &child), &self.outline);
        self.settle();
    }

    /// The branches finished since the last call, by rising path within a call; keeps a build of any size in bounded memory.
    pub fn take_nodes(&mut self) -> Nodes {
        self.nodes.sort();
        std::mem::take(&mut self.nodes)
    }

    /// How many finished branches wait for [`Builder::take_nodes`].
    pub fn nodes_waiting(&self) -> usize {
        self.nodes.len()
    }

    /// The part of the trie below the prefix.
    pub fn finish_part(mut self) -> Part {
        let top = fits(self.outline.finish_part(&mut self.forest), &self.outline);
        self.hash();
        let top = match top {
            Top::Nothing => PartTop::Nothing,
            Top::Leaf { path, value } => PartTop::Leaf { path, value },
            Top::Branch { path, id } => PartTop::Branch { path, reference: self.forest.reference(id) },
        };
        let hashed = self.forest.hashed();
        self.nodes.sort();
        Part { prefix: self.prefix, top, nodes: self.nodes, hashed }
    }

    /// The whole trie.
    pub fn finish(self) -> Built {
        join(vec![self.finish_part()])
    }

    fn inside(&self, path: Path) -> Path {
        assert!(self.prefix.is_prefix_of(&path), "{path} is not below {}", self.prefix);
        path
    }

    /// Hashes and lets go of what is finished, once that is much.
    fn settle(&mut self) {
        if self.forest.len() < REFERENCES_MAX {
            return;
        }
        self.hash();
        self.forest.keep(self.outline.keep());
    }

    fn hash(&mut self) {
        self.forest.hash();
        self.forest.make_room(&mut self.nodes);
        self.forest.emit(0..self.forest.nodes_len(), &HashRange::FULL, &mut self.nodes);
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Part {
    /// The branches of the part that were not taken before, by rising path.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Takes these branches out, as [`Builder::take_nodes`].
    pub fn take_nodes(&mut self) -> Nodes {
        std::mem::take(&mut self.nodes)
    }

    /// What was hashed on the way.
    pub fn hashed(&self) -> Hashed {
        self.hashed
    }

    /// The prefix that it was built below.
    pub fn prefix(&self) -> Path {
        self.prefix
    }
}

/// The prefixes of `16^depth` independent sub-tries, rising: a job each, for as many cores as there are.
///
/// # Panics
/// When `depth` is above 3: more than 4096 jobs are of no use.
pub fn subtries(depth: usize) -> Vec<Path> {
    assert!(depth <= 3, "16^{depth} sub-tries");
    let mut prefixes = vec![Path::ROOT];
    for _ in 0..depth {
        prefixes = prefixes.iter().flat_map(|prefix| (0..16).map(|nibble| prefix.child(nibble))).collect();
    }
    prefixes
}

/// Joins the parts below all prefixes of one depth, in order. The nodes of the result are those above the parts, and those
/// of the parts that were not taken.
///
/// # Panics
/// When parts do not rise.
pub fn join(parts: Vec<Part>) -> Built {
    let depth = parts.first().map_or(0, |part| part.prefix.len());
    let (mut forest, mut outline) = (Forest::default(), Outline::default());
    let (mut nodes, mut hashed) = (Nodes::default(), Hashed::default());
    for part in parts {
        hashed.add(part.hashed);
        if nodes.is_empty() {
            nodes = part.nodes;
        } else {
            nodes.append(&part.nodes);
        }
        match part.top {
            PartTop::Nothing => {}
            PartTop::Leaf { path, value } => {
                fits(outline.leaf(&mut forest, path, |batch| batch.open(&value)), &outline);
            }
            PartTop::Branch { path, reference } => {
                fits(outline.branch(&mut forest, path, &reference), &outline)
            }
        }
    }
    let top = fits(outline.finish(&mut forest), &outline);
    forest.hash();
    let root = top.map_or(EMPTY_ROOT, |top| forest.root(top));
    hashed.add(forest.hashed());
    let mut upper = Nodes::default();
    forest.emit(0..forest.nodes_len(), &HashRange::FULL, &mut upper);
    let standing: Vec<Path> = upper.iter().map(|(path, _)| path).collect();
    let removed = (0..depth).flat_map(subtries).filter(|path| !standing.contains(path)).collect();
    nodes.append(&upper);
    nodes.sort();
    Built { root, nodes, removed, hashed }
}

/// The reference to a node of this encoding.
pub(crate) fn reference_to(encoding: &[u8]) -> ChildRef {
    match InlineNode::new(encoding) {
        Some(node) => ChildRef::Inline(node),
        None => ChildRef::Hash(snapsync_keccak::keccak256(encoding)),
    }
}

/// Items that do not fit are a mistake of ours: nothing hostile reaches a builder.
fn fits<T>(placed: Result<T, Misfit>, outline: &Outline) -> T {
    placed.unwrap_or_else(|Misfit| panic!("the item at {} does not follow the one before it", outline.at()))
}
