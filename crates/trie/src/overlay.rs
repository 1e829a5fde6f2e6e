//! Changes laid over a stored trie, so that the root that they give is known before anything is written.
//!
//! Stored branches come with a mark at each child below which a row changes: a rebuild reads and hashes what lies there, and takes the
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

    fn changes_in(&self, range: HashRange) -> bool {
        self.changes.range(range.start()..=range.last()).next().is_some()
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
        let Some((path, mut branch)) = self.stored.next_branch(at_or_after)? else { return Ok(None) };
        if path.len() < Path::NIBBLES_MAX && self.changes_in(path.range()) {
            (0..16).filter(|nibble| self.changes_in(path.child(*nibble).range())).for_each(|nibble| {
                branch.mark_dirty(nibble);
            });
        }
        Ok(Some((path, branch)))
    }
}
