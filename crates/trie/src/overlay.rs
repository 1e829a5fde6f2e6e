//! Changes laid over a stored trie, so that the root that they give is known before anything is written.
//!
//! Stored branches are dirty at each child below which a row changes: a rebuild reads and hashes what lies there, and takes the
//! rest as it stands. Trust: the stored trie is ours; whether the changes are true the derived root tells.

use std::collections::BTreeMap;

use alloy_primitives::B256;

use crate::{Branch, HashRange, Path, TrieSource};

/// Rows by key: the value of the new leaf, or `None` where none is any more.
pub type RowChanges = BTreeMap<B256, Option<Vec<u8>>>;

/// A stored trie under changes.
#[derive(Debug)]
pub struct Overlay<'c, S> {
    stored: S,
    changes: &'c RowChanges,
}

impl<'c, S> Overlay<'c, S> {
    /// Lays changes over a stored trie.
    pub fn new(stored: S, changes: &'c RowChanges) -> Self {
        Self { stored, changes }
    }
}

impl<S: TrieSource> TrieSource for Overlay<'_, S> {
    type Error = S::Error;

    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>, S::Error> {
        let mut at = at_or_after;
        loop {
            let stored = self.stored.next_row(at, value)?;
            let change = self.changes.range(at..).next();
            let Some((key, body)) = change.filter(|(key, _)| stored.is_none_or(|stored| **key <= stored))
            else {
                return Ok(stored);
            };
            value.clear();
            if let Some(body) = body {
                value.extend_from_slice(body);
                return Ok(Some(*key));
            }
            let Some(next) = HashRange::after(*key) else { return Ok(None) };
            at = next;
        }
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>, S::Error> {
        self.stored.next_branch(at_or_after)
    }

    fn dirty(&mut self, path: &Path) -> Result<u16, S::Error> {
        let mut dirty = self.stored.dirty(path)?;
        let last = path.last_key();
        let mut from = (path.len() < Path::NIBBLES_MAX).then(|| path.first_key());
        while let Some(first) = from
            && let Some((key, _)) = self.changes.range(first..=last).next()
        {
            let child = Path::prefix_of(key, path.len() + 1);
            dirty |= 1 << child.nibble(path.len());
            // Behind the last child there is nothing below `path`, and a range must not end before it begins.
            from = HashRange::after(child.last_key()).filter(|next| *next <= last);
        }
        Ok(dirty)
    }
}
