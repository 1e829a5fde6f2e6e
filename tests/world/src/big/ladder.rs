//! Claims of trie nodes without a trie: branches of sixteen alike children, which lead down as far as anybody walks.
//!
//! ```text
//!   root     sixteen digests, each of one of sixteen ladders: which ones is the trie's name
//!   rung 1   sixteen times the digest of rung 2 of the same ladder
//!   ...
//! ```
//!
//! A claim of a node further down comes from a verified node only (`trie::compare`), so each step of a walk goes through that, over nodes
//! that hash to what is claimed. Which children differ is not said here, nor what lies at the bottom.

use std::convert::Infallible;

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256;
use snapsync_trie::{Branch, NodeClaim, Path, TrieSource, compare, verify_nodes};

/// Rungs of a ladder: more levels than a trie of 16^12 leaves has.
const RUNGS: usize = 14;

/// Ladders: a digit of a name chooses one.
const LADDERS: usize = 16;

/// All ladders.
#[derive(Debug)]
pub(crate) struct Ladder {
    /// By ladder, then by depth, which begins at one.
    rungs: Vec<Vec<(B256, Bytes)>>,
}

/// A trie of ours that holds nothing: all of theirs differs.
struct Nothing;

impl TrieSource for Nothing {
    type Error = Infallible;

    fn next_row(&mut self, _: B256, _: &mut Vec<u8>) -> Result<Option<B256>, Infallible> {
        Ok(None)
    }

    fn next_branch(&mut self, _: &Path) -> Result<Option<(Path, Branch)>, Infallible> {
        Ok(None)
    }
}

impl Ladder {
    pub(crate) fn make() -> Self {
        let ladder = |nth: u8| {
            let mut rungs = Vec::with_capacity(RUNGS);
            let mut below = B256::repeat_byte(nth + 1);
            for _ in 0..RUNGS {
                let rung = branch(&[below; 16]);
                below = keccak256(&rung);
                rungs.push((below, rung));
            }
            rungs.reverse();
            rungs
        };
        Self { rungs: (0..LADDERS as u8).map(ladder).collect() }
    }

    /// The root of the trie of this name.
    pub(crate) fn root(&self, name: u64) -> B256 {
        keccak256(&self.top(name))
    }

    fn top(&self, name: u64) -> Bytes {
        branch(&std::array::from_fn(|nibble| self.rungs[ladder_of(name, nibble)][0].0))
    }

    /// What a node of the trie of this name claims of those of its children that are wanted.
    pub(crate) fn below(
        &self,
        claim: NodeClaim,
        name: u64,
        is_wanted: impl Fn(&Path) -> bool,
    ) -> Vec<NodeClaim> {
        let path = claim.path();
        let encoding = match path.len().checked_sub(1) {
            None => self.top(name),
            Some(rung) => self.rungs[ladder_of(name, path.nibble(0).into())][rung].1.clone(),
        };
        let node =
            verify_nodes(&[claim], vec![encoding]).expect("a ladder's rung has the digest that leads to it");
        let node = node.first().expect("one node was verified");
        let found = compare(&mut Nothing, node).map(|found| found.expect("it is a branch"));
        let found = found.unwrap_or_else(|never| match never {});
        found.nodes().iter().filter(|claim| is_wanted(&claim.path())).copied().collect()
    }
}

fn ladder_of(name: u64, nibble: usize) -> usize {
    (name >> (4 * nibble)) as usize % LADDERS
}

/// The encoding of a branch of sixteen digests.
fn branch(children: &[B256; 16]) -> Bytes {
    const PAYLOAD: u16 = 16 * 33 + 1;
    let mut out = vec![0xf9];
    out.extend(PAYLOAD.to_be_bytes());
    for child in children {
        out.push(0xa0);
        out.extend(child.as_slice());
    }
    out.push(0x80);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_leads_down_to_any_key() {
        let ladder = Ladder::make();
        let (one, other) = (0x0123_4567_89ab_cdef, 0x0123_4567_89ab_cdee);
        assert_ne!(ladder.root(one), ladder.root(other));
        let key = B256::repeat_byte(0xc4);
        let mut claim = NodeClaim::of_root(ladder.root(one));
        for depth in 1..10 {
            let below = ladder.below(claim, one, |path| path.is_prefix_of(&Path::of_key(&key)));
            assert_eq!(below.len(), 1);
            claim = below[0];
            assert_eq!(claim.path(), Path::prefix_of(&key, depth));
        }
    }
}
