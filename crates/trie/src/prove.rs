//! Proofs made from rows and stored branches, and single nodes, for those who ask us. It checks nothing: the disk is ours.

use alloy_primitives::{B256, Bytes};

use crate::build::reference_to;
use crate::encode::write_extension;
use crate::stands::{Stands, Top};
use crate::{ChildRef, InlineNode, Path, TrieSource};

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

/// The node at the end of `path`, as its parent names it; nothing, if no node stands just there, or if it stands in its parent.
///
/// Needs a finished trie, as [`prove`] does.
///
/// # Errors
/// When the source fails.
pub fn prove_node<S: TrieSource>(source: &mut S, path: &Path) -> Result<Option<Bytes>, S::Error> {
    let (mut stands, mut at, mut node) = (Stands::default(), Path::ROOT, Vec::new());
    loop {
        let top = stands.read(source, &at)?;
        let branch = match top {
            Top::Branch(branch) => Some(branch),
            Top::Leaf(_) | Top::Nothing => None,
        };
        if at == *path {
            stands.write(&at, &top, &mut node);
        } else if let Some(branch) = branch.filter(|branch| branch.is_prefix_of(path) && branch != path) {
            at = branch.child(path.nibble(branch.len()));
            continue;
        } else if branch == Some(*path) {
            // Below an extension.
            stands.write(path, &top, &mut node);
        }
        let stands_alone = node.len() > InlineNode::BYTES_MAX || path.is_empty() && !node.is_empty();
        return Ok(stands_alone.then(|| node.into()));
    }
}

/// Bytes of a branch's encoding, as a rule.
const BRANCH_BYTES: usize = 1 << 10;

/// The nodes found so far.
struct Proof {
    nodes: Vec<Bytes>,
    scratch: Vec<u8>,
    stands: Stands,
}

impl Proof {
    fn new() -> Self {
        Self {
            nodes: Vec::with_capacity(16),
            scratch: Vec::with_capacity(BRANCH_BYTES),
            stands: Stands::default(),
        }
    }

    fn walk<S: TrieSource>(&mut self, source: &mut S, key: &Path) -> Result<(), S::Error> {
        let mut at = Path::ROOT;
        loop {
            let top = self.stands.read(source, &at)?;
            let path = match top {
                Top::Branch(path) => path,
                Top::Leaf(_) => {
                    self.scratch.clear();
                    self.stands.write(&at, &top, &mut self.scratch);
                    self.add(at.is_empty());
                    return Ok(());
                }
                Top::Nothing => return Ok(()),
            };
            self.scratch.clear();
            self.stands.write(&path, &top, &mut self.scratch);
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
            if let Some(leaf) = self.stands.leaf(nibble) {
                self.scratch.clear();
                self.scratch.extend_from_slice(leaf);
                self.add(false);
                return Ok(());
            }
            match self.stands.children()[usize::from(nibble)] {
                Some(ChildRef::Hash(_)) => at = path.child(nibble),
                // An inline child stands in its parent, and so does everything below it.
                Some(ChildRef::Inline(_)) | None => return Ok(()),
            }
        }
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
