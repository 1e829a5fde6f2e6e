//! Proofs made from rows and stored branches, for those who ask us. It checks nothing: the disk is ours.

use std::ops::Range;

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256_batch;

use crate::branch::nibbles_of;
use crate::build::reference_to;
use crate::encode::{write_branch, write_extension, write_leaf};
use crate::leaves::Leaves;
use crate::source::row_below;
use crate::{ChildRef, HashRange, InlineNode, Path, TrieSource};

/// The nodes on the paths to `keys` (for a range: its origin and its last row), each once, parents first. Keys that
/// the trie does not hold are proved absent.
///
/// Needs a finished trie: all branches stored that are to be, and clean.
///
/// # Errors
/// When the source fails.
pub fn prove<S: TrieSource>(source: &mut S, keys: &[B256]) -> Result<Vec<Bytes>, S::Error> {
    let mut proof = Proof::new();
    for key in keys {
        proof.walk(source, &Path::of_key(key))?;
    }
    Ok(proof.nodes)
}

/// Bytes of a branch's encoding, and of the values or encodings of 16 leaves, as a rule.
const BRANCH_BYTES: usize = 1 << 10;
const LEAVES_BYTES: usize = 2 << 10;

/// The nodes found so far, and the branch at hand.
struct Proof {
    nodes: Vec<Bytes>,
    scratch: Vec<u8>,
    /// References to all children of the branch.
    children: [Option<ChildRef>; 16],
    /// Rows below a place where no branch is stored.
    leaves: Leaves,
    /// What those children encode to that are leaves, and where in that each stands.
    encodings: Vec<u8>,
    places: [Range<usize>; 16],
    value: Vec<u8>,
}

/// What stands at a place or, if an extension leads there, below it.
enum Top {
    Nothing,
    /// The one row is in [`Proof::leaves`].
    Leaf,
    /// The references are in [`Proof::children`].
    Branch(Path),
}

impl Proof {
    fn new() -> Self {
        Self {
            nodes: Vec::with_capacity(16),
            scratch: Vec::with_capacity(BRANCH_BYTES),
            children: [None; 16],
            leaves: Leaves::with_capacity(16, LEAVES_BYTES),
            encodings: Vec::with_capacity(LEAVES_BYTES),
            places: std::array::from_fn(|_| 0..0),
            value: Vec::with_capacity(LEAVES_BYTES / 16),
        }
    }

    fn walk<S: TrieSource>(&mut self, source: &mut S, key: &Path) -> Result<(), S::Error> {
        let mut at = Path::ROOT;
        loop {
            let path = match self.read(source, &at)? {
                Top::Branch(path) => path,
                Top::Leaf => {
                    self.add_leaf(&at);
                    return Ok(());
                }
                Top::Nothing => return Ok(()),
            };
            self.scratch.clear();
            write_branch(&self.children, &mut self.scratch);
            if path.len() > at.len() {
                let encoding = std::mem::take(&mut self.scratch);
                write_extension(&path, at.len(), &reference_to(&encoding), &mut self.scratch);
                self.add(at.is_empty());
                self.scratch = encoding;
                if !path.is_prefix_of(key) {
                    return Ok(());
                }
            }
            self.add(path.is_empty());
            let nibble = key.nibble(path.len());
            let leaf = self.places[usize::from(nibble)].clone();
            if !leaf.is_empty() {
                self.scratch.clear();
                self.scratch.extend_from_slice(&self.encodings[leaf]);
                self.add(false);
                return Ok(());
            }
            match self.children[usize::from(nibble)] {
                Some(ChildRef::Hash(_)) => at = path.child(nibble),
                // An inline child stands in its parent, and so does everything below it.
                Some(ChildRef::Inline(_)) | None => return Ok(()),
            }
        }
    }

    /// Reads what stands at `at`.
    fn read<S: TrieSource>(&mut self, source: &mut S, at: &Path) -> Result<Top, S::Error> {
        self.leaves.clear();
        self.children = [None; 16];
        let stored = source.next_branch(at)?.filter(|(path, _)| at.is_prefix_of(path));
        // No trie has a branch where a whole key ends: such a disk is damaged, and its proofs prove nothing.
        if let Some((path, branch)) = stored.filter(|(path, _)| path.len() < Path::NIBBLES_MAX) {
            self.children = *branch.references();
            self.encodings.clear();
            self.places.fill(0..0);
            for nibble in nibbles_of(branch.present() & !branch.nodes()) {
                if let Some(key) = row_below(source, &path.child(nibble), &mut self.value)? {
                    let start = self.encodings.len();
                    write_leaf(&Path::of_key(&key), path.len() + 1, &self.value, &mut self.encodings);
                    self.places[usize::from(nibble)] = start..self.encodings.len();
                }
            }
            self.hash_leaves();
            return Ok(Top::Branch(path));
        }
        self.read_rows(source, at)?;
        let mut keys = self.leaves.iter().map(|(key, _)| Path::of_key(&key));
        let (first, last) = (keys.next(), keys.next_back());
        drop(keys);
        let Some(first) = first else { return Ok(Top::Nothing) };
        let Some(last) = last else { return Ok(Top::Leaf) };
        let path = first.truncated(first.common_prefix(&last));
        self.encode_leaves(&path);
        Ok(Top::Branch(path))
    }

    /// Reads the rows below `at`, where no branch is stored: those of a leaf, or of a branch that has no other children.
    fn read_rows<S: TrieSource>(&mut self, source: &mut S, at: &Path) -> Result<(), S::Error> {
        let mut from = Some(at.first_key());
        // There are 16 at most, if the disk is sound.
        while let Some(first) = from.filter(|_| self.leaves.len() < 16) {
            self.value.clear();
            let found = source.next_row(first, &mut self.value)?;
            let Some(key) = found.filter(|key| at.is_prefix_of(&Path::of_key(key))) else { break };
            self.leaves.push(key, &self.value);
            from = HashRange::after(key);
        }
        Ok(())
    }

    /// Makes the references to the leaves that were read, all of them children of the branch at `path`.
    fn encode_leaves(&mut self, path: &Path) {
        self.encodings.clear();
        self.places.fill(0..0);
        for (key, value) in self.leaves.iter() {
            let (start, key) = (self.encodings.len(), Path::of_key(&key));
            write_leaf(&key, path.len() + 1, value, &mut self.encodings);
            self.places[usize::from(key.nibble(path.len()))] = start..self.encodings.len();
        }
        self.hash_leaves();
    }

    /// Makes the references to the leaves in [`Proof::places`].
    fn hash_leaves(&mut self) {
        let (mut messages, mut nibbles, mut digests) = ([&[][..]; 16], [0; 16], [B256::ZERO; 16]);
        let mut count = 0;
        for (nibble, place) in self.places.iter().enumerate().filter(|(_, place)| !place.is_empty()) {
            let encoding = &self.encodings[place.clone()];
            match InlineNode::new(encoding) {
                Some(node) => self.children[nibble] = Some(ChildRef::Inline(node)),
                None => {
                    (messages[count], nibbles[count]) = (encoding, nibble);
                    count += 1;
                }
            }
        }
        if count == 0 {
            return;
        }
        keccak256_batch(&messages[..count], &mut digests[..count]);
        for (nibble, digest) in nibbles.iter().zip(&digests[..count]) {
            self.children[*nibble] = Some(ChildRef::Hash(*digest));
        }
    }

    /// Adds the leaf that was read, whose own part of the path starts behind `at`.
    fn add_leaf(&mut self, at: &Path) {
        self.scratch.clear();
        for (key, value) in self.leaves.iter() {
            write_leaf(&Path::of_key(&key), at.len(), value, &mut self.scratch);
        }
        self.add(at.is_empty());
    }

    /// Adds the node in `scratch` unless it is there or stands in its parent.
    fn add(&mut self, is_root: bool) {
        if self.scratch.len() <= InlineNode::BYTES_MAX && !is_root {
            return;
        }
        // At most 128 nodes, which differ in their first bytes.
        if !self.nodes.iter().any(|node| node.as_ref() == self.scratch) {
            self.nodes.push(Bytes::copy_from_slice(&self.scratch));
        }
    }
}
