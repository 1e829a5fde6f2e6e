//! Nodes of many tries laid out flat, then hashed height by height in batches.
//!
//! ```text
//! leaf, leaf, leaf, branch, leaf, ..         as the outline finds them, left to right, children before parents
//!
//! references  ▪  ▪  ▪  ▫  ▪  ..              a digest for each, by number: ▪ leaves are hashed as they come, some
//!                      │                     dozens at a time; ▫ blank until its height's turn
//! nodes       branch: path, present, ─┐      branches and extensions, children before parents
//! children    0 1 2 ◄─────────────────┘      the numbers of all branches' children, one after another
//! ```
//!
//! Branches and extensions wait until the shape is complete: then those of equal height, of all tries here, make full
//! batches, sorted by how many blocks their messages have. No node has an allocation of its own. It does not decide the
//! shape: [`Outline`](crate::outline::Outline) does.

use std::ops::Range;

use alloy_primitives::B256;
use snapsync_keccak::{blocks, keccak256};

use crate::batch::Batch;
use crate::branch::nibbles_of;
use crate::encode::{write_branch, write_extension};
use crate::hashed::Hashed;
use crate::references::{Id, References};
use crate::{Branch, Child, ChildRef, HashRange, Nodes, Path};

/// Branches and extensions alternate at most, and a path has 64 nibbles: no trie is higher than this.
const HEIGHTS: usize = 132;

/// A branch's message has up to four blocks.
const BLOCKS_MAX: usize = 4;

struct Node {
    /// The branch's path; for an extension that of the branch it leads to.
    path: Path,
    id: Id,
    /// The nodes from here up to this one are the sub-trie below it.
    first_below: u32,
    kind: Kind,
    /// Height, then blocks: in this order nodes are hashed.
    turn: u16,
}

#[derive(Clone, Copy)]
enum Kind {
    /// `children` are as many positions in [`Forest::children`] as `present` has bits, from `first` on. Those that are no
    /// leaves are in `nodes`.
    Branch { present: u16, nodes: u16, first: u32 },
    /// Of a branch that is stored already.
    Stored { present: u16, first: u32 },
    /// Covers the nibbles of the path from `from` on.
    Extension { from: u8, child: Id },
}

/// The nodes of any number of tries.
#[derive(Default)]
pub(crate) struct Forest {
    references: References,
    nodes: Vec<Node>,
    children: Vec<Id>,
    batch: Batch,
    hashed: Hashed,
    /// New branches that are to be stored, and the references in them.
    stored_len: usize,
    stored_references: usize,
    /// Positions in `nodes`, put into an order.
    order: Vec<u32>,
    parents: Vec<u32>,
    scratch: Vec<u8>,
}

impl Forest {
    /// Forgets everything but its room.
    pub(crate) fn clear(&mut self) {
        self.references.clear();
        self.forget_nodes();
        self.batch.clear();
        self.hashed = Hashed::default();
    }

    fn forget_nodes(&mut self) {
        self.nodes.clear();
        self.children.clear();
        (self.stored_len, self.stored_references) = (0, 0);
    }

    /// Makes room for this many leaves.
    pub(crate) fn reserve(&mut self, leaves: usize) {
        // Random keys give ~0.4 branches a leaf, and every node but the roots is a child once.
        self.references.reserve(leaves * 3 / 2 + 16);
        self.nodes.reserve(leaves / 2 + 16);
        self.children.reserve(leaves * 3 / 2 + 16);
    }

    /// How many branches and extensions are laid out; a range of these numbers is a trie.
    pub(crate) fn nodes_len(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// How many references are held.
    pub(crate) fn len(&self) -> usize {
        self.references.len()
    }

    /// What was hashed so far.
    pub(crate) fn hashed(&self) -> Hashed {
        Hashed { permutations: self.batch.permutations(), ..self.hashed }
    }

    /// Where the value of the next leaf is put.
    pub(crate) fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    /// Lays out the leaf whose value is open, its own part of the path starting at nibble `from`.
    #[inline]
    pub(crate) fn leaf(&mut self, path: &Path, from: usize) -> Id {
        let id = self.references.blank();
        self.hashed.leaves += 1;
        self.batch.close_leaf(path, from, id, &mut self.references);
        id
    }

    /// Lays out a node that is known by its reference only.
    pub(crate) fn known(&mut self, child: &ChildRef) -> Id {
        self.references.known(child)
    }

    /// Lays out a branch that is stored: it is hashed again, as its own reference is not stored, but is nothing new. `leaves`
    /// are the rows of those children that are leaves; no leaf is open.
    pub(crate) fn stored<'l>(
        &mut self,
        path: Path,
        branch: &Branch,
        mut leaves: impl Iterator<Item = (B256, &'l [u8])>,
    ) -> Id {
        let first = self.children.len() as u32;
        for (_, child) in branch.children() {
            let child = match child {
                Child::Node(node) => self.references.known(node),
                Child::Leaf => {
                    let (key, value) = leaves.next().expect("the caller has a row for each leaf");
                    self.batch.open(value);
                    self.leaf(&Path::of_key(&key), path.len() + 1)
                }
            };
            self.children.push(child);
        }
        self.node(path, self.nodes_len(), Kind::Stored { present: branch.present(), first }, 1)
    }

    /// Lays out a branch; `children` by rising nibble, as many as `present` has bits, of which those in `nodes` are no
    /// leaves. The nodes from `first_below` on are those below it.
    pub(crate) fn branch(
        &mut self,
        path: Path,
        present: u16,
        nodes: u16,
        children: impl Iterator<Item = Id>,
        first_below: u32,
        height: u8,
    ) -> Id {
        let first = self.children.len() as u32;
        self.children.extend(children);
        if nodes != 0 {
            self.stored_len += 1;
            self.stored_references += nodes.count_ones() as usize;
        }
        self.node(path, first_below, Kind::Branch { present, nodes, first }, height)
    }

    /// Lays out an extension of the nibbles of `path` from `from` on, to the branch `child` at `path`.
    pub(crate) fn extension(
        &mut self,
        path: Path,
        from: usize,
        child: Id,
        first_below: u32,
        height: u8,
    ) -> Id {
        self.node(path, first_below, Kind::Extension { from: from as u8, child }, height)
    }

    fn node(&mut self, path: Path, first_below: u32, kind: Kind, height: u8) -> Id {
        let id = self.references.blank();
        let blocks_less_one = match kind {
            Kind::Branch { present, .. } | Kind::Stored { present, .. } => {
                // The header, a byte for each nibble and for the value, and the digests.
                blocks(3 + 17 + 32 * present.count_ones() as usize) - 1
            }
            Kind::Extension { .. } => 0,
        };
        let turn = u16::from(height) * BLOCKS_MAX as u16 + blocks_less_one as u16;
        self.nodes.push(Node { path, id, first_below, kind, turn });
        id
    }

    /// Hashes everything laid out since the last [`Forest::keep`].
    pub(crate) fn hash(&mut self) {
        self.batch.hash(&mut self.references);
        // A counting sort: within a turn the order is that of the layout, so children lie close together.
        let mut ends = [0u32; HEIGHTS * BLOCKS_MAX + 1];
        for node in &self.nodes {
            ends[usize::from(node.turn) + 1] += 1;
        }
        let mut end = 0;
        for count in &mut ends {
            end += *count;
            *count = end;
        }
        let mut next = ends;
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.resize(self.nodes.len(), 0);
        for (at, node) in (0u32..).zip(&self.nodes) {
            let slot = &mut next[usize::from(node.turn)];
            order[*slot as usize] = at;
            *slot += 1;
        }
        for height in (0..HEIGHTS).map(|height| height * BLOCKS_MAX) {
            let (from, to) = (ends[height] as usize, ends[height + BLOCKS_MAX] as usize);
            for at in &order[from..to] {
                self.encode(*at as usize);
            }
            self.batch.hash(&mut self.references);
            if to == order.len() {
                break;
            }
        }
        self.order = order;
    }

    fn encode(&mut self, at: usize) {
        let Node { ref path, id, kind, .. } = self.nodes[at];
        match kind {
            Kind::Branch { present, first, .. } | Kind::Stored { present, first } => {
                self.hashed.branches += 1;
                let children = &self.children[first as usize..][..present.count_ones() as usize];
                if self.references.are_digests() {
                    self.batch.branch(present, children, id, &mut self.references);
                    return;
                }
                self.scratch.clear();
                let mut whole = [None; 16];
                for (nibble, child) in nibbles_of(present).zip(children) {
                    whole[usize::from(nibble)] = Some(self.references.child(*child));
                }
                write_branch(&whole, &mut self.scratch);
            }
            Kind::Extension { from, child } => {
                self.hashed.extensions += 1;
                self.scratch.clear();
                let child = self.references.child(child);
                write_extension(path, usize::from(from), &child, &mut self.scratch);
            }
        }
        self.batch.message(&self.scratch, id, &mut self.references);
    }

    /// The root of the trie whose topmost node is `id`, once hashed.
    #[inline]
    pub(crate) fn root(&mut self, id: Id) -> B256 {
        let Some(encoding) = self.references.inline(id) else {
            return B256::new(*self.references.digest(id));
        };
        // A root is named by its digest however short it is.
        self.batch.count(encoding.len());
        keccak256(encoding)
    }

    /// How a parent names the node `id`, once hashed.
    pub(crate) fn reference(&self, id: Id) -> ChildRef {
        self.references.child(id)
    }

    /// Makes room in `out` for all that may be emitted.
    pub(crate) fn make_room(&self, out: &mut Nodes) {
        out.reserve(self.stored_len, self.stored_references);
    }

    /// Appends the disk forms of the new branches among `nodes`, whole tries, that are to be stored and lie strictly inside
    /// `covered`, by rising path. A branch of leaves alone is not: their rows give it back.
    #[inline]
    pub(crate) fn emit(&mut self, nodes: Range<u32>, covered: &HashRange, out: &mut Nodes) {
        // Many tries are a leaf, or some.
        if !nodes.is_empty() && self.stored_len > 0 {
            self.emit_branches(nodes, covered, out);
        }
    }

    fn emit_branches(&mut self, nodes: Range<u32>, covered: &HashRange, out: &mut Nodes) {
        let mut order = std::mem::take(&mut self.order);
        let of_trie = &self.nodes[nodes.start as usize..nodes.end as usize];
        parents_first(of_trie, nodes.start, &mut order, &mut self.parents);
        for node in order.iter().map(|at| &self.nodes[*at as usize]) {
            let Kind::Branch { present, nodes, first } = node.kind else { continue };
            if nodes == 0 || !node.path.is_within(covered) {
                continue;
            }
            let children = &self.children[first as usize..][..present.count_ones() as usize];
            out.push(node.path, |bytes| {
                write_disk_form(present, nodes, children, &self.references, bytes);
            });
        }
        self.order = order;
    }

    /// Forgets all nodes but these, which get new numbers. Only after [`Forest::hash`].
    pub(crate) fn keep<'a>(&mut self, ids: impl Iterator<Item = &'a mut Id>) {
        self.references.keep(ids);
        self.forget_nodes();
    }
}

/// The positions of `nodes`, the first of which is `start`, in the order of their paths.
///
/// They lie there children first. What comes before a node's sub-trie does so in both orders; of the rest only its parents
/// come before it.
fn parents_first(nodes: &[Node], start: u32, order: &mut Vec<u32>, parents: &mut Vec<u32>) {
    order.clear();
    order.resize(nodes.len(), start);
    if nodes.len() < 2 {
        return;
    }
    parents.clear();
    for (at, node) in nodes.iter().enumerate().rev() {
        let at = start + at as u32;
        while parents.last().is_some_and(|first_below| *first_below > at) {
            parents.pop();
        }
        order[(node.first_below - start) as usize + parents.len()] = at;
        parents.push(node.first_below);
    }
}

/// Appends the disk form of a branch, see [`Branch::write`].
fn write_disk_form(present: u16, nodes: u16, children: &[Id], references: &References, out: &mut Vec<u8>) {
    let stored = || nibbles_of(present).zip(children).filter(|(nibble, _)| nodes >> nibble & 1 == 1);
    let mut hashed = nodes;
    if !references.are_digests() {
        for (nibble, child) in stored() {
            hashed &= !(u16::from(references.inline(*child).is_some()) << nibble);
        }
    }
    for mask in [present, nodes, hashed] {
        out.extend_from_slice(&mask.to_be_bytes());
    }
    for (_, child) in stored() {
        match references.inline(*child) {
            Some(encoding) => out.extend_from_slice(encoding),
            None => out.extend_from_slice(references.digest(*child)),
        }
    }
}
