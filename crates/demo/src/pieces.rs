//! A trie of any size, derived and proved piece by piece: what is in memory is one piece, and a key for each leaf.
//!
//! A piece is all that lies below one prefix. A first pass derives the root and the few branches above the pieces; a second one makes
//! each piece again with the proof that a peer would send with it, since the store takes nothing that is not proved.
//!
//! ```text
//!            root              above: kept from the first pass, written by itself
//!        ┌────┴────┐
//!        0         f
//!     ┌──┴──┐   ┌──┴──┐
//!     00 .. 0f  f0 .. ff       pieces: made again, each proved, then written
//! ```

use std::convert::Infallible;

use alloy_primitives::{B256, Bytes};
use snapsync_trie::{Branch, Builder, Built, HashRange, Nodes, Path, TrieSource, join, prove, subtries};

/// Leaves of one piece, as a goal: some ten megabytes while it is proved.
pub(crate) const PIECE_LEAVES: usize = 1 << 16;
/// 16^3 pieces: of a billion leaves, each piece would be a quarter of a million.
const DEPTH_MAX: usize = 3;
/// Branches that may wait before they are let go.
const NODES_WAITING: usize = 4_096;

/// The leaves of one trie. Keys are held, in their order; values are made when they are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Leaves<'a> {
    /// Each key with what `write` knows its leaf by.
    pub(crate) keys: &'a [(B256, u64)],
    /// Appends the value of a leaf as the trie holds it.
    pub(crate) write: &'a dyn Fn(u64, &mut Vec<u8>),
}

impl Leaves<'_> {
    /// The sub-trie below a prefix that holds these leaves and no others.
    fn build(&self, prefix: Path, mut nodes: impl FnMut(Nodes)) -> snapsync_trie::Part {
        let mut builder = Builder::below(prefix);
        let mut value = Vec::new();
        for (key, index) in self.keys {
            value.clear();
            (self.write)(*index, &mut value);
            builder.push_leaf(*key, &value);
            if builder.nodes_waiting() >= NODES_WAITING {
                nodes(builder.take_nodes());
            }
        }
        let mut part = builder.finish_part();
        nodes(part.take_nodes());
        part
    }

    /// Those below a prefix.
    fn below(&self, prefix: Path) -> Self {
        let range = prefix.range();
        let from = self.keys.partition_point(|(key, _)| *key < range.start());
        let to = self.keys.partition_point(|(key, _)| *key <= range.last());
        Self { keys: &self.keys[from..to], write: self.write }
    }
}

/// The root of a trie, and how it is cut into pieces.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    root: B256,
    depth: usize,
    above: Nodes,
    /// The branches of each piece on the path to its first key: the proof of the piece before goes there.
    edges: Vec<(Path, Vec<u8>)>,
}

/// What lies below one prefix, with its proof.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    /// All keys below the prefix.
    pub(crate) range: HashRange,
    /// Those that there are, and the first one behind them, which shows that nothing lies between.
    pub(crate) keys: &'a [(B256, u64)],
    /// The nodes on the paths to the first and the last of them; none for a whole trie.
    pub(crate) proof: Vec<Bytes>,
}

impl Pieces {
    /// Derives the root, cutting so that a piece has about `piece_leaves` at most.
    pub(crate) fn cut(leaves: Leaves<'_>, piece_leaves: usize) -> Self {
        let is_enough = |depth: &usize| leaves.keys.len() >> (4 * depth) <= piece_leaves;
        let depth = (0..DEPTH_MAX).find(is_enough).unwrap_or(DEPTH_MAX);
        let mut edges = Vec::new();
        let mut part = |prefix| {
            let below = leaves.below(prefix);
            let first = below.keys.first().map(|(key, _)| Path::of_key(key));
            below.build(prefix, |nodes| {
                let on_path =
                    nodes.iter().filter(|(at, _)| first.is_some_and(|first| at.is_prefix_of(&first)));
                edges.extend(on_path.map(|(at, bytes)| (at, bytes.to_vec())));
            })
        };
        let parts = subtries(depth).into_iter().map(&mut part).collect();
        let Built { root, nodes, .. } = join(parts);
        Self { root, depth, above: nodes, edges }
    }

    /// The root.
    pub(crate) fn root(&self) -> B256 {
        self.root
    }

    /// Whether there is one piece only, which needs no proof and leaves nothing above it.
    pub(crate) fn is_whole(&self) -> bool {
        self.depth == 0
    }

    /// The branches above the pieces.
    pub(crate) fn above(&self) -> &Nodes {
        &self.above
    }

    /// The pieces of these leaves, the same as were cut, by rising range.
    pub(crate) fn each<'a>(&'a self, leaves: Leaves<'a>) -> impl Iterator<Item = Piece<'a>> + 'a {
        subtries(self.depth).into_iter().map(move |prefix| self.piece(prefix, leaves))
    }

    fn piece<'a>(&self, prefix: Path, leaves: Leaves<'a>) -> Piece<'a> {
        let range = prefix.range();
        let from = leaves.keys.partition_point(|(key, _)| *key < range.start());
        let to = leaves.keys.partition_point(|(key, _)| *key <= range.last());
        let keys = &leaves.keys[from..leaves.keys.len().min(to + 1)];
        let mut proof = Vec::new();
        if !self.is_whole() {
            let mut below = Vec::new();
            drop(leaves.below(prefix).build(prefix, |nodes| below.push(nodes)));
            let inside = below.iter().chain([&self.above]).flat_map(Nodes::iter);
            let edges = self.edges.iter().map(|(path, bytes)| (*path, bytes.as_slice()));
            let mut branches: Vec<(Path, &[u8])> = inside.chain(edges).collect();
            branches.sort_unstable_by_key(|(path, _)| *path);
            let mut edges = vec![range.start()];
            edges.extend(keys.last().map(|(key, _)| *key));
            proof = match prove(&mut Source { leaves, branches }, &edges) {
                Ok(proof) => proof,
                Err(error) => match error {},
            };
        }
        Piece { range, keys, proof }
    }
}

/// One piece, all above it and the edges of the others, as proofs are made from.
struct Source<'a> {
    /// All of the trie.
    leaves: Leaves<'a>,
    /// By rising path.
    branches: Vec<(Path, &'a [u8])>,
}

impl TrieSource for Source<'_> {
    type Error = Infallible;

    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>, Infallible> {
        let at = self.leaves.keys.partition_point(|(key, _)| *key < at_or_after);
        Ok(self.leaves.keys.get(at).map(|(key, index)| {
            (self.leaves.write)(*index, value);
            *key
        }))
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>, Infallible> {
        let at = self.branches.partition_point(|(path, _)| path < at_or_after);
        Ok(self.branches.get(at).map(|(path, bytes)| {
            (*path, Branch::decode(bytes).expect("these bytes were written as a branch by the builder"))
        }))
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use snapsync_keccak::keccak256;
    use snapsync_trie::{Account, EMPTY_CODE, EMPTY_ROOT, rows_of, verify_accounts};

    use super::*;

    fn keys(count: u64) -> Vec<(B256, u64)> {
        let mut keys: Vec<(B256, u64)> =
            (0..count).map(|index| (keccak256(&index.to_be_bytes()), index)).collect();
        keys.sort_unstable();
        keys
    }

    fn write(index: u64, out: &mut Vec<u8>) {
        alloy_rlp::Encodable::encode(&(index + 1), out);
    }

    #[test]
    fn pieces_of_any_size_have_the_same_root() {
        let keys = keys(3_000);
        let leaves = Leaves { keys: &keys, write: &write };
        let whole = Pieces::cut(leaves, 3_000);
        assert!(whole.is_whole());
        for (piece_leaves, depth) in [(2_999, 1), (100, 2), (1, 3)] {
            let cut = Pieces::cut(leaves, piece_leaves);
            assert_eq!((cut.root(), cut.depth), (whole.root(), depth));
            let inside = |piece: Piece<'_>| {
                piece.keys.iter().filter(|(key, _)| piece.range.contains(key)).copied().collect::<Vec<_>>()
            };
            assert_eq!(cut.each(leaves).flat_map(inside).collect::<Vec<_>>(), keys);
        }
    }

    #[test]
    fn every_piece_stands_by_its_proof_even_an_empty_one() {
        let keys = keys(40);
        let account = |index: u64| Account {
            nonce: index + 1,
            balance: U256::ZERO,
            storage_root: EMPTY_ROOT,
            code_hash: EMPTY_CODE,
        };
        let write = |index, out: &mut Vec<u8>| account(index).write_rlp(out);
        let leaves = Leaves { keys: &keys, write: &write };
        let cut = Pieces::cut(leaves, 1);
        let mut empty = 0;
        for piece in cut.each(leaves) {
            let rows: Vec<(B256, Vec<u8>)> =
                piece.keys.iter().map(|(key, index)| (*key, account(*index).to_slim())).collect();
            let verified =
                verify_accounts(cut.root(), piece.range, rows_of(&rows), &piece.proof).expect("it is true");
            assert_eq!(verified.covered(), piece.range);
            empty += usize::from(verified.rows().is_empty());
        }
        assert!(empty > 0);
    }
}
