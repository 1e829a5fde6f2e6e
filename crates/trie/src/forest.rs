//! Nodes of many tries laid out flat, then hashed height by height in batches.
//!
//! Leaves are encoded into one scratch buffer as they come and hashed some dozens at a time; branches and extensions
//! wait until the shape is complete, because those of equal height, of all tries here, make full batches. No node has an
//! allocation of its own. It does not decide the shape: [`Outline`](crate::outline::Outline) does.

use std::ops::Range;

use alloy_primitives::B256;
use snapsync_keccak::{keccak256, keccak256_batch};

use crate::build::{Hashed, permutations};
use crate::path::nibble_of;
use crate::rlp;
use crate::{ChildRef, HashRange, InlineNode, Nodes, Path};

/// Messages hashed in one call: a multiple of any lane count, and ~8 KiB of leaves, which stay in the first cache.
const BATCH_MESSAGES: usize = 64;

/// Scratch bytes after which a batch is hashed even if it is not full; receipts can have 100 KiB each.
const BATCH_BYTES: usize = 64 << 10;

/// Branches and extensions alternate at most, and a path has 64 nibbles: no trie is higher than this.
const HEIGHTS: usize = 132;

/// The number of a node among all that were laid out.
pub(crate) type Id = u32;

/// How a node is named by its parent: a digest, or its encoding when that is shorter.
#[derive(Clone, Copy)]
struct Reference {
    len: u8,
    bytes: [u8; 32],
}

impl Reference {
    const BLANK: Self = Self { len: 0, bytes: [0; 32] };

    fn is_hash(&self) -> bool {
        self.len == 32
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn write_rlp(&self, out: &mut Vec<u8>) {
        if self.is_hash() {
            out.push(rlp::HASH_PREFIX);
        }
        out.extend_from_slice(self.as_slice());
    }

    fn rlp_len(&self) -> usize {
        usize::from(self.len) + usize::from(self.is_hash())
    }
}

impl From<&ChildRef> for Reference {
    fn from(child: &ChildRef) -> Self {
        match child {
            ChildRef::Hash(hash) => Self { len: 32, bytes: hash.0 },
            ChildRef::Inline(node) => Self::inline(node.as_slice()),
        }
    }
}

impl Reference {
    fn inline(encoding: &[u8]) -> Self {
        let mut reference = Self { len: encoding.len() as u8, bytes: [0; 32] };
        reference.bytes[..encoding.len()].copy_from_slice(encoding);
        reference
    }
}

struct Node {
    id: Id,
    /// The branch's path; for an extension that of the branch it leads to.
    path: Path,
    kind: Kind,
    height: u8,
}

enum Kind {
    /// `children` are as many positions in [`Forest::children`] as `present` has bits, from `first` on.
    Branch { present: u16, first: u32 },
    /// Covers the nibbles of the path from `from` on.
    Extension { from: u8, child: Id },
}

/// What an encoded path belongs to.
#[derive(Clone, Copy)]
enum PathOf {
    Leaf,
    Extension,
}

/// Encoded messages on their way to the hasher, and whose they are.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    messages: Vec<(usize, Id)>,
    permutations: u64,
}

impl Batch {
    /// Takes in the message that was written to `bytes` from `start` on, as the encoding of `id`.
    fn seal(&mut self, start: usize, id: Id, references: &mut [Reference]) {
        let encoding = &self.bytes[start..];
        if encoding.len() <= InlineNode::BYTES_MAX {
            references[id as usize] = Reference::inline(encoding);
            self.bytes.truncate(start);
            return;
        }
        self.messages.push((self.bytes.len(), id));
        if self.messages.len() == BATCH_MESSAGES || self.bytes.len() >= BATCH_BYTES {
            self.hash(references);
        }
    }

    fn hash(&mut self, references: &mut [Reference]) {
        if self.messages.is_empty() {
            return;
        }
        let mut messages: [&[u8]; BATCH_MESSAGES] = [&[]; BATCH_MESSAGES];
        let mut digests = [B256::ZERO; BATCH_MESSAGES];
        let count = self.messages.len();
        let mut start = 0;
        for (message, (end, _)) in messages.iter_mut().zip(&self.messages) {
            *message = &self.bytes[start..*end];
            self.permutations += permutations(end - start);
            start = *end;
        }
        keccak256_batch(&messages[..count], &mut digests[..count]);
        for (digest, (_, id)) in digests.iter().zip(&self.messages) {
            references[*id as usize] = Reference { len: 32, bytes: digest.0 };
        }
        self.bytes.clear();
        self.messages.clear();
    }
}

/// The nodes of any number of tries.
#[derive(Default)]
pub(crate) struct Forest {
    references: Vec<Reference>,
    nodes: Vec<Node>,
    children: Vec<Id>,
    batch: Batch,
    hashed: Hashed,
}

impl Forest {
    /// A forest with room for this many leaves.
    pub(crate) fn with_capacity(leaves: usize) -> Self {
        // Random keys give ~0.4 branches a leaf, and every node but the roots is a child once.
        Self {
            references: Vec::with_capacity(leaves * 3 / 2 + 16),
            nodes: Vec::with_capacity(leaves / 2 + 16),
            children: Vec::with_capacity(leaves * 3 / 2 + 16),
            ..Self::default()
        }
    }

    /// How many branches and extensions are laid out; a range of these numbers is a trie.
    pub(crate) fn nodes_len(&self) -> usize {
        self.nodes.len()
    }

    /// How many references are held.
    pub(crate) fn len(&self) -> usize {
        self.references.len()
    }

    /// What was hashed so far.
    pub(crate) fn hashed(&self) -> Hashed {
        Hashed { permutations: self.batch.permutations, ..self.hashed }
    }

    fn blank(&mut self) -> Id {
        self.references.push(Reference::BLANK);
        (self.references.len() - 1) as Id
    }

    /// Lays out a leaf whose own part of the path starts at nibble `from`.
    pub(crate) fn leaf(&mut self, path: &Path, from: usize, value: &[u8]) -> Id {
        let id = self.blank();
        self.hashed.leaves += 1;
        let start = self.batch.bytes.len();
        write_leaf(path, from, value, &mut self.batch.bytes);
        self.batch.seal(start, id, &mut self.references);
        id
    }

    /// Lays out a node that is known by its reference only.
    pub(crate) fn known(&mut self, child: &ChildRef) -> Id {
        self.references.push(Reference::from(child));
        (self.references.len() - 1) as Id
    }

    /// Lays out a branch; `children` by rising nibble, as many as `present` has bits.
    pub(crate) fn branch(
        &mut self,
        path: Path,
        present: u16,
        children: impl Iterator<Item = Id>,
        height: u8,
    ) -> Id {
        let id = self.blank();
        let first = self.children.len() as u32;
        self.children.extend(children);
        self.nodes.push(Node { id, path, kind: Kind::Branch { present, first }, height });
        id
    }

    /// Lays out an extension of the nibbles of `path` from `from` on, to the branch `child` at `path`.
    pub(crate) fn extension(&mut self, path: Path, from: usize, child: Id, height: u8) -> Id {
        let id = self.blank();
        self.nodes.push(Node { id, path, kind: Kind::Extension { from: from as u8, child }, height });
        id
    }

    /// Hashes everything laid out since the last [`Forest::keep`].
    pub(crate) fn hash(&mut self) {
        self.batch.hash(&mut self.references);
        // A counting sort: within a height the order is that of the layout, so children lie close together.
        let mut ends = [0usize; HEIGHTS + 1];
        for node in &self.nodes {
            ends[usize::from(node.height) + 1] += 1;
        }
        for height in 0..HEIGHTS {
            ends[height + 1] += ends[height];
        }
        let mut order = vec![0u32; self.nodes.len()];
        let mut next = ends;
        for (at, node) in self.nodes.iter().enumerate() {
            let slot = &mut next[usize::from(node.height)];
            order[*slot] = at as u32;
            *slot += 1;
        }
        for level in ends.windows(2).filter(|level| level[0] < level[1]) {
            for at in &order[level[0]..level[1]] {
                self.encode(*at as usize);
            }
            self.batch.hash(&mut self.references);
        }
    }

    fn encode(&mut self, at: usize) {
        let node = &self.nodes[at];
        let start = self.batch.bytes.len();
        match node.kind {
            Kind::Branch { present, first } => {
                self.hashed.branches += 1;
                let children = &self.children[first as usize..][..present.count_ones() as usize];
                write_branch(present, children, &self.references, &mut self.batch.bytes);
            }
            Kind::Extension { from, child } => {
                self.hashed.extensions += 1;
                let child = &self.references[child as usize];
                let out = &mut self.batch.bytes;
                let from = usize::from(from);
                rlp::write_list_header(path_len(from, node.path.len()) + child.rlp_len(), out);
                write_path(&node.path, from, PathOf::Extension, out);
                child.write_rlp(out);
            }
        }
        self.batch.seal(start, node.id, &mut self.references);
    }

    /// The root of the trie whose topmost node is `id`, once hashed.
    pub(crate) fn root(&mut self, id: Id) -> B256 {
        let reference = &self.references[id as usize];
        if reference.is_hash() {
            return B256::new(reference.bytes);
        }
        // A root is named by its digest however short it is.
        self.batch.permutations += permutations(reference.as_slice().len());
        keccak256(reference.as_slice())
    }

    /// How a parent names the node `id`, once hashed.
    pub(crate) fn reference(&self, id: Id) -> ChildRef {
        let reference = &self.references[id as usize];
        if reference.is_hash() {
            return ChildRef::Hash(B256::new(reference.bytes));
        }
        ChildRef::Inline(InlineNode::new(reference.as_slice()).expect("a short node is a list of its length"))
    }

    /// Appends the disk forms of the branches among `nodes` that lie strictly inside `covered`, by rising path.
    pub(crate) fn emit(&self, nodes: Range<usize>, covered: &HashRange, out: &mut Nodes) {
        let from = out.len();
        for node in &self.nodes[nodes] {
            let Kind::Branch { present, first } = node.kind else { continue };
            if !covered.covers(&node.path.range()) {
                continue;
            }
            let children = &self.children[first as usize..][..present.count_ones() as usize];
            out.push(node.path, |bytes| {
                let mut hashed = 0u16;
                for (nibble, child) in nibbles_of(present).zip(children) {
                    hashed |= u16::from(self.references[*child as usize].is_hash()) << nibble;
                }
                for mask in [present, hashed, 0] {
                    bytes.extend_from_slice(&mask.to_be_bytes());
                }
                for child in children {
                    bytes.extend_from_slice(self.references[*child as usize].as_slice());
                }
            });
        }
        out.sort_from(from);
    }

    /// Forgets all nodes but these, which get new numbers. Only after [`Forest::hash`].
    pub(crate) fn keep<'a>(&mut self, ids: impl Iterator<Item = &'a mut Id>) {
        let mut kept = Vec::new();
        for id in ids {
            kept.push(self.references[*id as usize]);
            *id = (kept.len() - 1) as Id;
        }
        self.references.clear();
        self.references.extend(kept);
        self.nodes.clear();
        self.children.clear();
    }
}

/// The nibbles of a mask's bits, rising.
fn nibbles_of(mask: u16) -> impl Iterator<Item = u8> {
    (0..16u8).filter(move |nibble| mask >> nibble & 1 == 1)
}

fn write_branch(present: u16, children: &[Id], references: &[Reference], out: &mut Vec<u8>) {
    let absent = 16 - children.len();
    let payload: usize =
        children.iter().map(|child| references[*child as usize].rlp_len()).sum::<usize>() + absent + 1;
    rlp::write_list_header(payload, out);
    let mut children = children.iter();
    for nibble in 0..16 {
        match (present >> nibble & 1 == 1).then(|| children.next()).flatten() {
            Some(child) => references[*child as usize].write_rlp(out),
            None => out.push(rlp::EMPTY_STRING),
        }
    }
    out.push(rlp::EMPTY_STRING);
}

/// Appends a leaf whose own part of the path starts at nibble `from`.
pub(crate) fn write_leaf(path: &Path, from: usize, value: &[u8], out: &mut Vec<u8>) {
    rlp::write_list_header(path_len(from, path.len()) + rlp::string_len(value), out);
    write_path(path, from, PathOf::Leaf, out);
    rlp::write_string(value, out);
}

/// Appends an extension of the nibbles of `path` from `from` on.
pub(crate) fn write_extension(path: &Path, from: usize, child: &ChildRef, out: &mut Vec<u8>) {
    rlp::write_list_header(path_len(from, path.len()) + child.rlp_len(), out);
    write_path(path, from, PathOf::Extension, out);
    child.write_rlp(out);
}

/// How many bytes [`write_path`] appends for the nibbles from `from` to `to`.
fn path_len(from: usize, to: usize) -> usize {
    let bytes = (to - from) / 2 + 1;
    // A single byte is below 0x80, as its upper nibble is a flag of at most 3: it needs no header.
    if bytes == 1 { 1 } else { 1 + bytes }
}

/// Appends the hex-prefix form of the nibbles of `path` from `from` on, as an RLP string of at most 33 bytes.
fn write_path(path: &Path, from: usize, of: PathOf, out: &mut Vec<u8>) {
    let (packed, to) = (path.packed(), path.len());
    let flag = match of {
        PathOf::Leaf => 0x20,
        PathOf::Extension => 0x00,
    };
    let bytes = (to - from) / 2 + 1;
    if bytes > 1 {
        out.push(rlp::EMPTY_STRING + bytes as u8);
    }
    let mut at = from;
    if (to - from).is_multiple_of(2) {
        out.push(flag);
    } else {
        out.push(flag | 0x10 | nibble_of(packed, from));
        at += 1;
    }
    if at.is_multiple_of(2) {
        out.extend_from_slice(&packed[at / 2..to / 2]);
    } else {
        while at < to {
            out.push(nibble_of(packed, at) << 4 | nibble_of(packed, at + 1));
            at += 2;
        }
    }
}
