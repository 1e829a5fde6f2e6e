//! A trie as it is stored: rows, and branches above them. What it reads is ours and is trusted; the derived root tells.
//!
//! ```text
//!            stored                    a branch is stored if one of its children is no leaf,
//!         ┌────┼─────┐                 with the references to those
//!       leaf  not   stored
//!             │stored                  the references to leaves, and all below a branch
//!           ┌─┴─┐                      that is not stored, are made from the rows
//!         leaf leaf
//! ```

use alloy_primitives::B256;

use crate::{Branch, Path};

/// Rows and branches, in order.
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

    /// Below which nibbles of the stored branch at `path` rows have changed, appeared or gone since it was derived: a
    /// bit a nibble, whether or not there is such a child. A branch without any stands for all that lies below it.
    ///
    /// # Errors
    /// When reading failed.
    fn dirty(&mut self, path: &Path) -> Result<u16, Self::Error> {
        let _ = path;
        Ok(0)
    }
}

/// The first row below `at`; its value replaces what is in `value`.
pub(crate) fn row_below<S: TrieSource>(
    source: &mut S,
    at: &Path,
    value: &mut Vec<u8>,
) -> Result<Option<B256>, S::Error> {
    value.clear();
    let key = source.next_row(at.first_key(), value)?;
    Ok(key.filter(|key| at.is_prefix_of(&Path::of_key(key))))
}
