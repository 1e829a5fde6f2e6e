//! A piece of a made-up state, small enough to be held, from which answers are proved.

use std::convert::Infallible;

use alloy_primitives::B256;
use snapsync_trie::{Branch, Builder, Path, TrieSource};

/// Rows by their keys, rising, and the trie over them.
#[derive(Clone, Debug)]
pub struct Piece {
    rows: Vec<(B256, Vec<u8>)>,
    nodes: Vec<(Path, Branch)>,
    /// The trie's root.
    pub root: B256,
}

impl Piece {
    /// Of rows by rising keys.
    pub fn new(rows: Vec<(B256, Vec<u8>)>) -> Self {
        let mut builder = Builder::new();
        rows.iter().for_each(|(key, value)| builder.push_leaf(*key, value));
        let built = builder.finish();
        Self { rows, nodes: built.nodes.branches().collect(), root: built.root }
    }
}

impl TrieSource for &Piece {
    type Error = Infallible;

    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>, Infallible> {
        let at = self.rows.partition_point(|(key, _)| *key < at_or_after);
        Ok(self.rows.get(at).map(|(key, row)| {
            value.extend_from_slice(row);
            *key
        }))
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>, Infallible> {
        let at = self.nodes.partition_point(|(path, _)| path < at_or_after);
        Ok(self.nodes.get(at).cloned())
    }
}
