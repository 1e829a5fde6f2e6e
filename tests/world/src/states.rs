//! The states of the blocks that the pivot stands at, one after the other.
//!
//! Several blocks may have one state, each under a root of its own where rows are virtual. Nothing in here is known to the machine under
//! test, and no block is made here.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    rc::Rc,
};

use alloy_primitives::{B256, Bytes};

use crate::{
    chain::{Account, Flavour, Row, Rows, State},
    tries::Trie,
};

/// States block by block.
#[derive(Clone, Debug)]
pub struct States {
    /// Each under the root by which it is asked for; the first is the target's.
    blocks: Vec<(B256, Rc<State>)>,
    /// The codes of all states, by hash: whoever has a block has those of the blocks before as well.
    pub codes: Rows,
    /// Access lists by their blocks' hashes, each with how many blocks after the target that one is.
    lists: BTreeMap<B256, (usize, Bytes)>,
    /// Blocks that the chain has left.
    left: BTreeSet<B256>,
}

impl States {
    /// That of the target, and no other yet.
    #[must_use]
    pub fn new(first: State) -> Self {
        let codes = first.codes.clone();
        Self {
            codes,
            blocks: vec![(first.root, Rc::new(first))],
            lists: BTreeMap::new(),
            left: BTreeSet::new(),
        }
    }

    /// The next block has this state.
    pub fn push(&mut self, state: State) {
        self.codes.extend(state.codes.iter().map(|(hash, row)| (*hash, row.clone())));
        self.blocks.push((state.root, Rc::new(state)));
    }

    /// The next block changes nothing. It is asked for by this root.
    pub fn repeat(&mut self, root: B256) {
        let (_, newest) = &self.blocks[self.blocks.len() - 1];
        self.blocks.push((root, Rc::clone(newest)));
    }

    /// The block whose state was pushed last has this hash, and this access list.
    pub(crate) fn keep_list(&mut self, hash: B256, raw: Bytes) {
        self.lists.insert(hash, (self.blocks.len() - 1, raw));
    }

    /// The access list of a block, with how many blocks after the target that one is.
    #[must_use]
    pub fn list(&self, hash: &B256) -> Option<(usize, &Bytes)> {
        self.lists.get(hash).map(|(block, raw)| (*block, raw))
    }

    /// These blocks are of chains that were left.
    pub(crate) fn leave(&mut self, left: BTreeSet<B256>) {
        self.left = left;
    }

    /// Whether a block is of a chain that was left.
    pub(crate) fn is_left(&self, hash: &B256) -> bool {
        self.left.contains(hash)
    }

    /// All access lists.
    pub(crate) fn lists(&self) -> impl ExactSizeIterator<Item = &Bytes> {
        self.lists.values().map(|(_, raw)| raw)
    }

    /// The state of the nth block after the target.
    pub(crate) fn at(&self, block: usize) -> Option<&State> {
        self.blocks.get(block).map(|(_, state)| state.as_ref())
    }

    /// What all rows are.
    #[must_use]
    pub fn flavour(&self) -> Flavour {
        self.first().flavour
    }

    /// The state of the target that was named.
    #[must_use]
    pub fn first(&self) -> &State {
        &self.blocks[0].1
    }

    /// The state of the newest block.
    #[must_use]
    pub fn newest(&self) -> &State {
        &self.blocks[self.blocks.len() - 1].1
    }

    /// The root by which it is asked for.
    #[must_use]
    pub fn newest_root(&self) -> B256 {
        self.blocks[self.blocks.len() - 1].0
    }

    /// The states from a block on, in the order of the blocks, up to the last of `count` blocks.
    pub fn within(&self, first: usize, count: usize) -> impl Iterator<Item = &State> + Clone {
        self.blocks.iter().take(count).skip(first).map(|(_, state)| state.as_ref())
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &State> + Clone {
        self.within(0, self.blocks.len())
    }

    /// Whether one of these blocks has this root.
    #[must_use]
    pub fn has(&self, root: &B256, among: RangeInclusive<usize>) -> bool {
        self.blocks.iter().enumerate().any(|(block, (name, _))| name == root && among.contains(&block))
    }

    /// How many blocks after the target the last one is that has this root; none of them may have it.
    #[must_use]
    pub fn block_of(&self, root: &B256) -> Option<usize> {
        self.blocks.iter().rposition(|(name, _)| name == root)
    }

    /// The state that is asked for by this root.
    #[must_use]
    pub fn of(&self, root: &B256) -> Option<&State> {
        self.block_of(root).map(|block| self.blocks[block].1.as_ref())
    }

    /// An account that has this row at some block: what it claims there, it claims wherever it is the same.
    #[must_use]
    pub fn account(&self, key: &B256, row: &Row) -> Option<&Account> {
        self.all().find_map(|state| state.accounts.get(key).filter(|account| account.row == *row))
    }

    /// The slots of a root; none for the empty root.
    #[must_use]
    pub fn slots(&self, root: &B256) -> Option<&Trie> {
        self.all().find_map(|state| state.slots(root))
    }
}
