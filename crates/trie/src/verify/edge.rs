//! The edges of a range: the paths to its origin and to its last row, walked through a proof.
//!
//! ```text
//!                    root
//!        ┌─────┬──────┼──────┬──────┐           l, r  known by their references only: what lies outside
//!        l     ●      ·      ●      r           ●     on the path to an edge
//!            ┌─┼─┐         ┌─┼─┐                ·     inside: the rows must give it
//!            l ● ·         · ● r
//!         origin             last row
//! ```
//!
//! A walk yields what lies strictly beside the range on its side. Rows between two such fences, and nothing else, must
//! give the root; so nothing can be left out or added between them. A proof's nodes are looked up by digest on the two
//! paths: others are legal and cannot matter.

use alloy_primitives::B256;
use snapsync_keccak::{blocks, keccak256_batch};

use super::PROOF_NODES_MAX;
use super::node::{Child, Node};
use crate::{ChildRef, Fault, Hashed, Path};

/// Which neighbours of an edge are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Those before the edge.
    Left,
    /// Those behind the edge.
    Right,
}

/// What lies beside a range on one side of an edge.
#[derive(Debug)]
pub(super) struct Edge {
    /// Nodes that lie wholly on that side, by rising path.
    pub(super) outside: Vec<(Path, ChildRef)>,
    /// Whether a leaf stands exactly at the edge.
    pub(super) is_leaf: bool,
}

/// A proof's nodes by their digests.
#[derive(Default)]
pub(super) struct Proof<'a> {
    nodes: Vec<(B256, &'a [u8])>,
    permutations: u64,
}

impl<'a> Proof<'a> {
    pub(super) fn new(nodes: &'a [impl AsRef<[u8]>]) -> Result<Self, Fault> {
        if nodes.len() > PROOF_NODES_MAX {
            return Err(Fault::ExtraProofNodes { count: nodes.len() as u32, max: PROOF_NODES_MAX as u32 });
        }
        let permutations = nodes.iter().map(|node| blocks(node.as_ref().len())).sum();
        let encodings: Vec<&[u8]> = nodes.iter().map(AsRef::as_ref).collect();
        let mut hashes = vec![B256::ZERO; encodings.len()];
        keccak256_batch(&encodings, &mut hashes);
        let mut nodes: Vec<_> = hashes.into_iter().zip(encodings).collect();
        nodes.sort_unstable();
        Ok(Self { nodes, permutations })
    }

    /// What its nodes cost.
    pub(super) fn hashed(&self) -> Hashed {
        let (proof_nodes, permutations) = (self.nodes.len() as u64, self.permutations);
        Hashed { proof_nodes, permutations, proof_permutations: permutations, ..Hashed::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    fn node(&self, hash: &B256) -> Option<&'a [u8]> {
        self.nodes.binary_search_by_key(hash, |(hash, _)| *hash).ok().map(|at| self.nodes[at].1)
    }

    /// Whether the proof holds this root.
    pub(super) fn has_root(&self, root: &B256) -> bool {
        self.node(root).is_some()
    }

    /// The bytes of a node, from the proof or from its parent.
    fn resolve(&self, path: &Path, child: Child<'a>) -> Result<Option<&'a [u8]>, Fault> {
        match child {
            Child::Nothing => Ok(None),
            Child::Inline(bytes) => Ok(Some(bytes)),
            Child::Hash(hash) => {
                let bytes = self.node(&hash).ok_or_else(|| match path.is_empty() {
                    true => Fault::ProofForAnotherRoot { root: hash },
                    false => Fault::MissingNode { path: *path, hash },
                })?;
                if bytes.len() < 32 && !path.is_empty() {
                    return Err(Fault::HashedSmallNode { path: *path, bytes: bytes.len() as u32 });
                }
                Ok(Some(bytes))
            }
        }
    }

    /// Walks from the root towards `key` as far as the trie goes.
    pub(super) fn walk(&self, root: B256, key: &B256, side: Side) -> Result<Edge, Fault> {
        let edge = Path::of_key(key);
        let mut outside = Vec::new();
        let (mut at, mut child) = (Path::ROOT, Child::Hash(root));
        let mut is_leaf = false;
        // Each turn ends the walk or leads at least one nibble down.
        while let Some(bytes) = self.resolve(&at, child)? {
            let (path, below) = match Node::decode(&at, bytes)? {
                Node::Branch(children) => {
                    let nibble = edge.nibble(at.len());
                    beside(&at, &children, nibble, side, &mut outside)?;
                    (at.child(nibble), children[usize::from(nibble)])
                }
                Node::Extension { path, child } => (path, child),
                Node::Leaf { path, .. } => {
                    is_leaf = path == edge;
                    (path, Child::Nothing)
                }
            };
            if !path.is_prefix_of(&edge) {
                // Everything below here lies on one side of the edge.
                if (side == Side::Left) == (path < edge) {
                    outside.extend(child.opaque(&at)?.map(|child| (at, child)));
                }
                break;
            }
            (at, child) = (path, below);
        }
        if side == Side::Right {
            outside.reverse();
        }
        Ok(Edge { outside, is_leaf })
    }
}

/// Adds the children of the branch at `at` that lie beside `nibble`: rising on the left, where deeper ones follow, and
/// falling on the right, where deeper ones come before.
fn beside(
    at: &Path,
    children: &[Child<'_>; 16],
    nibble: u8,
    side: Side,
    outside: &mut Vec<(Path, ChildRef)>,
) -> Result<(), Fault> {
    let mut add = |nibble: u8| {
        let path = at.child(nibble);
        let child = children[usize::from(nibble)].opaque(&path)?;
        outside.extend(child.map(|child| (path, child)));
        Ok(())
    };
    match side {
        Side::Left => (0..nibble).try_for_each(&mut add),
        Side::Right => (nibble + 1..16).rev().try_for_each(&mut add),
    }
}
