//! Proofs made from rows and stored branches, for those who ask us. It checks nothing: the disk is ours.

use alloy_primitives::{B256, Bytes};

use crate::build::reference_to;
use crate::encode::{write_extension, write_leaf};
use crate::{Branch, ChildRef, InlineNode, Path};

/// A trie as it is stored: rows, and branches above them.
pub trait TrieSource {
    /// Why reading failed.
    type Error;

    /// The first row whose key is `at_or_after` or follows it: returns its key and puts the value of its leaf (for an
    /// account its full RLP, for a slot the RLP of its number) into `value`, which comes in empty.
    ///
    /// # Errors
    /// When reading failed.
    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>, Self::Error>;

    /// The first stored branch whose path is `at_or_after` or follows it in the order of paths.
    ///
    /// # Errors
    /// When reading failed.
    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>, Self::Error>;
}

/// The nodes on the paths to `keys` (for a range: its origin and its last row), each once, parents first. Keys that
/// the trie does not hold are proved absent.
///
/// Needs a finished trie: all branches stored and clean.
///
/// # Errors
/// When the source fails.
pub fn prove<S: TrieSource>(source: &mut S, keys: &[B256]) -> Result<Vec<Bytes>, S::Error> {
    let mut proof = Proof::default();
    for key in keys {
        proof.walk(source, &Path::of_key(key))?;
    }
    Ok(proof.nodes)
}

/// The nodes found so far.
#[derive(Default)]
struct Proof {
    nodes: Vec<Bytes>,
    scratch: Vec<u8>,
}

impl Proof {
    fn walk<S: TrieSource>(&mut self, source: &mut S, key: &Path) -> Result<(), S::Error> {
        let mut at = Path::ROOT;
        loop {
            let next = source.next_branch(&at)?;
            let Some((path, branch)) = next.filter(|(path, _)| at.is_prefix_of(path)) else {
                return self.leaf(source, &at);
            };
            self.scratch.clear();
            branch.write_rlp(&mut self.scratch);
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
            if path.len() == Path::NIBBLES_MAX {
                return Ok(());
            }
            let nibble = key.nibble(path.len());
            match branch.child(nibble) {
                Some(ChildRef::Hash(_)) => at = path.child(nibble),
                // An inline child stands in its parent, and so does everything below it.
                Some(ChildRef::Inline(_)) | None => return Ok(()),
            }
        }
    }

    /// No branch at or below `at`: a leaf, unless the trie is empty.
    fn leaf<S: TrieSource>(&mut self, source: &mut S, at: &Path) -> Result<(), S::Error> {
        let mut value = Vec::new();
        if let Some(key) = source.next_row(at.first_key(), &mut value)? {
            let path = Path::of_key(&key);
            if at.is_prefix_of(&path) {
                self.scratch.clear();
                write_leaf(&path, at.len(), &value, &mut self.scratch);
                self.add(at.is_empty());
            }
        }
        Ok(())
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
