//! What stands at a path of a trie that is stored as rows and branches: nothing, a leaf, or a branch, maybe below an extension. It
//! checks nothing: the disk is ours.

use std::ops::Range;

use alloy_primitives::B256;
use snapsync_keccak::keccak256_batch;

use crate::branch::nibbles_of;
use crate::build::reference_to;
use crate::encode::{write_branch, write_extension, write_leaf};
use crate::leaves::Leaves;
use crate::source::row_below;
use crate::{ChildRef, HashRange, InlineNode, Path, TrieSource};

/// Bytes of the values or encodings of 16 leaves, as a rule.
const LEAVES_BYTES: usize = 2 << 10;

/// What stands at a place or, if an extension leads there, below it.
#[derive(Clone, Copy)]
pub(crate) enum Top {
    Nothing,
    /// Of this key.
    Leaf(B256),
    /// The references are in [`Stands::children`].
    Branch(Path),
}

/// Where a branch comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    /// It is stored: it may be older than its rows.
    Stored,
    /// Of its rows, which are leaves right below it.
    OfLeaves,
    /// Of more rows than a branch of leaves has: nobody has derived what stands here.
    OfMore,
}

/// A reader of places, with what it read last.
pub(crate) struct Stands {
    /// References to all children of the branch.
    children: [Option<ChildRef>; 16],
    /// Where the branch comes from.
    made: Made,
    /// Rows below a place where no branch is stored.
    leaves: Leaves,
    /// What those children encode to that are leaves, and where in that each stands.
    encodings: Vec<u8>,
    places: [Range<usize>; 16],
    value: Vec<u8>,
}

impl Default for Stands {
    fn default() -> Self {
        Self {
            children: [None; 16],
            made: Made::OfLeaves,
            leaves: Leaves::with_capacity(16, LEAVES_BYTES),
            encodings: Vec::with_capacity(LEAVES_BYTES),
            places: std::array::from_fn(|_| 0..0),
            value: Vec::with_capacity(LEAVES_BYTES / 16),
        }
    }
}

impl Stands {
    /// References to the children of the branch that was read.
    pub(crate) fn children(&self) -> &[Option<ChildRef>; 16] {
        &self.children
    }

    /// The encoding of a child of the branch, if it is a leaf.
    pub(crate) fn leaf(&self, nibble: u8) -> Option<&[u8]> {
        let place = self.places[usize::from(nibble)].clone();
        (!place.is_empty()).then(|| &self.encodings[place])
    }

    /// Reads what stands at `at`.
    pub(crate) fn read<S: TrieSource>(&mut self, source: &mut S, at: &Path) -> Result<Top, S::Error> {
        self.leaves.clear();
        self.children = [None; 16];
        self.made = Made::OfLeaves;
        let stored = source.next_branch(at)?.filter(|(path, _)| at.is_prefix_of(path));
        // No trie has a branch where a whole key ends: such a disk is damaged, and its proofs prove nothing.
        if let Some((path, branch)) = stored.filter(|(path, _)| path.len() < Path::NIBBLES_MAX) {
            self.children = *branch.references();
            self.made = Made::Stored;
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
        let mut keys = self.leaves.iter().map(|(key, _)| key);
        let (first, last) = (keys.next(), keys.next_back());
        drop(keys);
        let Some(first) = first else { return Ok(Top::Nothing) };
        let Some(last) = last else { return Ok(Top::Leaf(first)) };
        let first = Path::of_key(&first);
        let path = first.truncated(first.common_prefix(&Path::of_key(&last)));
        self.encode_leaves(&path);
        Ok(Top::Branch(path))
    }

    /// Appends the encoding of what was read, as it stands at `at`.
    pub(crate) fn write(&self, at: &Path, top: &Top, out: &mut Vec<u8>) {
        match top {
            Top::Nothing => {}
            Top::Leaf(_) => {
                for (key, value) in self.leaves.iter() {
                    write_leaf(&Path::of_key(&key), at.len(), value, out);
                }
            }
            Top::Branch(path) if path == at => write_branch(&self.children, out),
            Top::Branch(path) => {
                let mut branch = Vec::new();
                write_branch(&self.children, &mut branch);
                write_extension(path, at.len(), &reference_to(&branch), out);
            }
        }
    }

    /// Reads how a parent would name what stands at `at`, derived or not.
    pub(crate) fn at<S: TrieSource>(&mut self, source: &mut S, at: &Path) -> Result<Ours, S::Error> {
        let top = self.read(source, at)?;
        if matches!(top, Top::Nothing) {
            return Ok(Ours::Nothing);
        }
        if self.dirty(source, at, &top)? != 0 {
            return Ok(Ours::Unknown);
        }
        let mut encoding = Vec::new();
        self.write(at, &top, &mut encoding);
        Ok(Ours::Known(reference_to(&encoding)))
    }

    /// Reads the children that a branch at `at` has, or would have, derived or not.
    pub(crate) fn children_at<S: TrieSource>(
        &mut self,
        source: &mut S,
        at: &Path,
    ) -> Result<[Ours; 16], S::Error> {
        let mut ours = [Ours::Nothing; 16];
        let top = self.read(source, at)?;
        let dirty = self.dirty(source, at, &top)?;
        match &top {
            Top::Nothing => {}
            Top::Leaf(key) => self.put_single(at, &Path::of_key(key), &top, &mut ours),
            Top::Branch(path) if path == at => {
                for (nibble, (ours, child)) in ours.iter_mut().zip(&self.children).enumerate() {
                    *ours = match child {
                        _ if dirty >> nibble & 1 == 1 => Ours::Unknown,
                        Some(child) => Ours::Known(*child),
                        None => Ours::Nothing,
                    };
                }
            }
            Top::Branch(_) if dirty != 0 => ours = [Ours::Unknown; 16],
            Top::Branch(path) => self.put_single(at, path, &top, &mut ours),
        }
        Ok(ours)
    }

    /// Below which nibbles of the branch that was read nobody knows what stands there; all, if there should be another one above it.
    fn dirty<S: TrieSource>(&mut self, source: &mut S, at: &Path, top: &Top) -> Result<u16, S::Error> {
        let Top::Branch(path) = top else { return Ok(0) };
        let is_stored = match self.made {
            Made::OfLeaves => return Ok(0),
            Made::OfMore => false,
            Made::Stored => !self.has_beside(source, at, path)?,
        };
        if is_stored { source.dirty(path) } else { Ok(u16::MAX) }
    }

    /// Whether rows stand below `at` that do not stand below `path`.
    fn has_beside<S: TrieSource>(
        &mut self,
        source: &mut S,
        at: &Path,
        path: &Path,
    ) -> Result<bool, S::Error> {
        if path == at {
            return Ok(false);
        }
        let first = row_below(source, at, &mut self.value)?;
        if first.is_some_and(|key| key < path.first_key()) {
            return Ok(true);
        }
        let Some(behind) = HashRange::after(path.last_key()) else { return Ok(false) };
        self.value.clear();
        let next = source.next_row(behind, &mut self.value)?;
        Ok(next.is_some_and(|key| at.range().contains(&key)))
    }

    /// All that stands at `at` leads to `path`: the one child that a branch there would have.
    fn put_single(&self, at: &Path, path: &Path, top: &Top, ours: &mut [Ours; 16]) {
        let nibble = path.nibble(at.len());
        let mut encoding = Vec::new();
        self.write(&at.child(nibble), top, &mut encoding);
        ours[usize::from(nibble)] = Ours::Known(reference_to(&encoding));
    }

    /// Reads the rows below `at`, where no branch is stored: those of a leaf, or of a branch that has no other children.
    fn read_rows<S: TrieSource>(&mut self, source: &mut S, at: &Path) -> Result<(), S::Error> {
        let mut from = Some(at.first_key());
        while let Some(first) = from {
            self.value.clear();
            let found = source.next_row(first, &mut self.value)?;
            let Some(key) = found.filter(|key| at.is_prefix_of(&Path::of_key(key))) else { break };
            // A branch has no more children.
            if self.leaves.len() == 16 {
                self.made = Made::OfMore;
                break;
            }
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
            let place = start..self.encodings.len();
            let before = std::mem::replace(&mut self.places[usize::from(key.nibble(path.len()))], place);
            if before.start != before.end {
                self.made = Made::OfMore;
            }
        }
        self.hash_leaves();
    }

    /// Makes the references to the leaves in [`Stands::places`].
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
}

/// How a branch names a child of ours, or would name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ours {
    Nothing,
    Known(ChildRef),
    /// Rows below it have changed since it was derived: equal to nothing.
    Unknown,
}
