//! Tries of the truth: rows with their root, and real nodes where somebody is going to prove something.
//!
//! A virtual root is a digest of the rows and nothing more: it says "the same rows", which is all that a comparison
//! needs. A real one comes from the builder that the product uses.

use std::{collections::BTreeMap, convert::Infallible};

use alloy_primitives::{B256, Bytes, U256};
use snapsync_trie::{Account, Branch, Builder, EMPTY_ROOT, Path, TrieSource, prove, prove_node};

use crate::chain::{Flavour, Rows};

/// What a trie's leaves are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// Accounts: rows are slim, leaves are full.
    Account,
    /// Slots: the row is the leaf's value.
    Slot,
}

/// Rows with the root that they give.
#[derive(Clone, Debug)]
pub struct Trie {
    /// The root.
    pub root: B256,
    /// The rows.
    pub rows: Rows,
    leaf: Leaf,
    branches: BTreeMap<Path, Branch>,
}

impl Trie {
    /// The trie of some rows.
    #[must_use]
    pub fn make(flavour: Flavour, leaf: Leaf, rows: Rows) -> Self {
        let (root, branches) = match flavour {
            Flavour::Virtual => (digest(&rows), BTreeMap::new()),
            Flavour::Real => {
                let built = build(leaf, &rows).finish();
                (built.root, built.nodes.branches().collect())
            }
        };
        Self { root, rows, leaf, branches }
    }

    /// Real nodes on the paths to the edges of an answer.
    #[must_use]
    pub fn prove(&self, origin: B256, last: Option<B256>) -> Vec<Bytes> {
        let keys: Vec<B256> = std::iter::once(origin).chain(last.filter(|last| *last != origin)).collect();
        match prove(&mut Source(self), &keys) {
            Ok(nodes) => nodes,
            Err(never) => match never {},
        }
    }

    /// The real node at the end of a path.
    #[must_use]
    pub fn node(&self, path: &Path) -> Option<Bytes> {
        match prove_node(&mut Source(self), path) {
            Ok(node) => node,
            Err(never) => match never {},
        }
    }
}

/// The root that rows give.
#[must_use]
pub fn derive(flavour: Flavour, leaf: Leaf, rows: &Rows) -> B256 {
    match flavour {
        Flavour::Virtual => digest(rows),
        Flavour::Real => build(leaf, rows).finish().root,
    }
}

fn build(leaf: Leaf, rows: &Rows) -> Builder {
    let mut builder = Builder::new();
    for (key, row) in rows {
        builder.push_leaf(*key, &leaf_value(leaf, &row.value));
    }
    builder
}

/// What the leaf of a row holds. A slim account that does not decode stands for itself: its root is then no root of ours.
fn leaf_value(leaf: Leaf, row: &Bytes) -> Bytes {
    match leaf {
        Leaf::Account => {
            Account::from_slim(row).map_or_else(|_| row.clone(), |account| account.to_rlp().into())
        }
        Leaf::Slot => row.clone(),
    }
}

fn digest(rows: &Rows) -> B256 {
    if rows.is_empty() {
        return EMPTY_ROOT;
    }
    let mut lanes = [0x9e37_79b9_7f4a_7c15_u64, 1, 2, 3];
    for (key, row) in rows {
        let words = key.chunks(8).chain(row.value.chunks(8)).enumerate();
        for (nth, word) in words {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            let lane = &mut lanes[nth % 4];
            *lane = (lane.rotate_left(5) ^ u64::from_be_bytes(bytes)).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
        lanes.rotate_left(1);
    }
    let mut root = B256::ZERO;
    for (chunk, lane) in root.0.chunks_mut(8).zip(lanes) {
        chunk.copy_from_slice(&(lane ^ (lane >> 32)).to_be_bytes());
    }
    root
}

struct Source<'a>(&'a Trie);

impl TrieSource for Source<'_> {
    type Error = Infallible;

    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>, Infallible> {
        Ok(self.0.rows.range(at_or_after..).next().map(|(key, row)| {
            value.extend_from_slice(&leaf_value(self.0.leaf, &row.value));
            *key
        }))
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>, Infallible> {
        Ok(self.0.branches.range(*at_or_after..).next().map(|(path, branch)| (*path, branch.clone())))
    }
}

/// The slim row of an account.
#[must_use]
pub fn slim_account(nonce: u64, balance: u64, storage_root: B256, code_hash: B256) -> Bytes {
    Account { nonce, balance: U256::from(balance), storage_root, code_hash }.to_slim().into()
}

/// The row of a slot: the RLP of a number that is not zero.
#[must_use]
pub fn slot_value(number: u64) -> Bytes {
    let digits = number.to_be_bytes();
    let digits = &digits[number.leading_zeros() as usize / 8..];
    match digits {
        [byte @ ..=0x7f] => Bytes::copy_from_slice(&[*byte]),
        _ => [&[0x80 + digits.len() as u8], digits].concat().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Row;

    #[test]
    fn a_virtual_root_tells_rows_apart() {
        let row = |n: u8| Row { value: Bytes::copy_from_slice(&[n; 8]), weight: 1 };
        let rows: Rows = (0..9).map(|n| (B256::repeat_byte(n), row(n))).collect();
        let mut other = rows.clone();
        other.insert(B256::repeat_byte(4), row(5));
        assert_ne!(digest(&rows), digest(&other));
        other.remove(&B256::repeat_byte(4));
        assert_ne!(digest(&rows), digest(&other));
        assert_eq!(digest(&Rows::new()), EMPTY_ROOT);
    }

    #[test]
    fn slots_are_canonical_rlp() {
        assert_eq!(slot_value(1).as_ref(), [1]);
        assert_eq!(slot_value(0x80).as_ref(), [0x81, 0x80]);
        assert_eq!(slot_value(0x1234).as_ref(), [0x82, 0x12, 0x34]);
    }
}
