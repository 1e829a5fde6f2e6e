//! Another's trie beside ours, a node at a time: what of ours must change, and which nodes further down are to be looked at.
//!
//! ```text
//!   theirs           ours          what follows
//!   hash             the same      nothing: equal hashes are equal content
//!   hash             anything else that node is asked for
//!   leaf             another row   its row is put, all other rows below are gone
//!   nothing          something     the rows below are gone
//! ```
//!
//! It believes a node by its digest, and its digest by the one who claims it: the root's is a header's, all others come from nodes that
//! were compared. Ours is a true function of our rows where it is derived, and equal to nothing where it is not, so nothing is taken for
//! equal because it was fetched once. Where ours is derived, each node that is asked for differs from it, and each answer leads one level
//! down or to a row: a walk costs what differs, and ends.

use alloy_primitives::{B256, Bytes};

use crate::source::row_below;
use crate::stands::{Ours, Stands};
use crate::verify::{Node, TheirChild};
use crate::{ChildRef, EMPTY_ROOT, Fault, HashRange, NodeClaim, Path, TrieSource, VerifiedNode};

/// How ours differs from theirs below one node.
///
/// Invariant: made of verified nodes and rows only, so its rows stand in the trie of its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differences {
    root: B256,
    nodes: Vec<NodeClaim>,
    pub(crate) rows: Vec<(B256, Bytes)>,
    pub(crate) gone: Vec<HashRange>,
}

impl Differences {
    /// None are known yet.
    pub(crate) fn none(root: B256) -> Self {
        Self { root, nodes: Vec::new(), rows: Vec::new(), gone: Vec::new() }
    }

    /// The root of theirs.
    pub fn root(&self) -> B256 {
        self.root
    }

    /// Nodes of theirs right below that ours has not, in order.
    pub fn nodes(&self) -> &[NodeClaim] {
        &self.nodes
    }

    /// Leaves of theirs that ours has not or has with another value: keys and values, for an account its full RLP, for a slot the RLP of
    /// its number; in order.
    pub fn rows(&self) -> &[(B256, Bytes)] {
        &self.rows
    }

    /// Where theirs has no row and ours has some; in order, disjoint, none of them at a key of [`Differences::rows`].
    pub fn gone(&self) -> &[HashRange] {
        &self.gone
    }

    /// Whether ours is theirs as far as this node tells.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.rows.is_empty() && self.gone.is_empty()
    }
}

/// Compares a node of theirs with what ours has at its place.
///
/// Ours need not be derived: what is not is equal to nothing, which costs a few nodes more.
///
/// # Errors
/// The outer one when the source fails; the inner one when the node is no node: then the root itself is a lie, since whoever sent the node
/// did not make its digest.
pub fn compare<S: TrieSource>(
    source: &mut S,
    node: &VerifiedNode,
) -> Result<Result<Differences, Fault>, S::Error> {
    let claim = node.claim();
    let found = Differences::none(claim.root());
    let mut walk = Walk { source, claim, stands: Stands::default(), value: Vec::new(), found };
    if claim.hash() == EMPTY_ROOT {
        // The one trie that has no node: its root is the digest of nothing.
        walk.gone(Some(HashRange::FULL))?;
        return Ok(Ok(walk.found));
    }
    let told = walk.node(&claim.path(), node.encoding())?;
    Ok(told.map(|()| walk.found))
}

/// One comparison.
struct Walk<'s, S> {
    source: &'s mut S,
    claim: NodeClaim,
    stands: Stands,
    value: Vec<u8>,
    found: Differences,
}

/// What a step says: the source may fail, or the node be malformed.
type Step<S> = Result<Result<(), Fault>, <S as TrieSource>::Error>;

impl<S: TrieSource> Walk<'_, S> {
    fn node(&mut self, at: &Path, encoding: &[u8]) -> Step<S> {
        match Node::decode(at, encoding) {
            Err(fault) => Ok(Err(fault)),
            Ok(Node::Leaf { path, value }) => self.leaf(at, &path, value).map(Ok),
            Ok(Node::Branch(children)) => self.branch(at, &children),
            Ok(Node::Extension { path, child }) => {
                let (left, right) = beside(at, &path);
                self.gone(left)?;
                let ours = self.stands.at(self.source, &path)?;
                if let Err(fault) = self.child(&path, &child, ours)? {
                    return Ok(Err(fault));
                }
                self.gone(right).map(Ok)
            }
        }
    }

    fn branch(&mut self, at: &Path, children: &[TheirChild<'_>; 16]) -> Step<S> {
        let ours = self.stands.children_at(self.source, at)?;
        for (nibble, (theirs, ours)) in (0u8..).zip(children.iter().zip(ours)) {
            if let Err(fault) = self.child(&at.child(nibble), theirs, ours)? {
                return Ok(Err(fault));
            }
        }
        Ok(Ok(()))
    }

    fn child(&mut self, at: &Path, theirs: &TheirChild<'_>, ours: Ours) -> Step<S> {
        match (theirs, ours) {
            (TheirChild::Nothing, Ours::Nothing) => {}
            (TheirChild::Nothing, Ours::Known(_)) => self.found.gone.push(at.range()),
            (TheirChild::Nothing, Ours::Unknown) => self.gone(Some(at.range()))?,
            (TheirChild::Hash(hash), Ours::Known(ChildRef::Hash(ours))) if *hash == ours => {}
            (TheirChild::Hash(hash), _) => self.found.nodes.push(self.claim.below(*at, *hash)),
            (TheirChild::Inline(theirs), Ours::Known(ChildRef::Inline(ours)))
                if *theirs == ours.as_slice() => {}
            (TheirChild::Inline(encoding), _) => return self.node(at, encoding),
        }
        Ok(Ok(()))
    }

    /// Theirs has one row below `at`.
    fn leaf(&mut self, at: &Path, key: &Path, value: &[u8]) -> Result<(), S::Error> {
        let (left, right) = beside(at, key);
        self.gone(left)?;
        let ours = row_below(self.source, key, &mut self.value)?;
        if ours.is_none() || self.value != value {
            self.found.rows.push((key.first_key(), Bytes::copy_from_slice(value)));
        }
        self.gone(right)
    }

    /// Theirs has nothing in `range`.
    fn gone(&mut self, range: Option<HashRange>) -> Result<(), S::Error> {
        let Some(range) = range else { return Ok(()) };
        self.value.clear();
        let first = self.source.next_row(range.start(), &mut self.value)?;
        if first.is_some_and(|key| key <= range.last()) {
            self.found.gone.push(range);
        }
        Ok(())
    }
}

/// What lies below `at` on either side of `path`.
fn beside(at: &Path, path: &Path) -> (Option<HashRange>, Option<HashRange>) {
    let (all, inside) = (at.range(), path.range());
    let left = HashRange::before(inside.start()).and_then(|last| HashRange::new(all.start(), last));
    let right = HashRange::after(inside.last()).and_then(|start| HashRange::new(start, all.last()));
    (left, right)
}
