//! Blocks in the queue: which stand on which, which are ready, and which parents are sought.
//!
//! It knows no limits and no windows. A block stands on one parent, so descendants are a tree, unless hashes lie; even then no walk is endless.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use alloy_primitives::B256;

use super::outcome::{Announcer, BlockLink};

/// How far a block is.
#[derive(Debug)]
enum Stage<P> {
    /// Its parent is not held.
    Waits(P),
    /// Its parent is held.
    Ready(P),
    /// Somebody executes it.
    Given,
}

/// A block in the queue.
#[derive(Debug)]
pub(super) struct QueuedBlock<P> {
    pub(super) link: BlockLink,
    pub(super) bytes: u64,
    pub(super) owner: Announcer,
    stage: Stage<P>,
}

/// Parents that blocks wait for and that are neither here nor held.
#[derive(Debug, Default)]
struct Sought {
    /// Each with the number that it must have.
    numbers: BTreeMap<B256, u64>,
    /// Those that were not named yet.
    unnamed: BTreeSet<(u64, B256)>,
}

impl Sought {
    fn insert(&mut self, hash: B256, number: u64) {
        if let Entry::Vacant(vacant) = self.numbers.entry(hash) {
            vacant.insert(number);
            self.unnamed.insert((number, hash));
        }
    }

    fn remove(&mut self, hash: &B256) {
        if let Some(number) = self.numbers.remove(hash) {
            self.unnamed.remove(&(number, *hash));
        }
    }
}

/// All blocks in the queue.
#[derive(Debug)]
pub(super) struct Queued<P> {
    blocks: BTreeMap<B256, QueuedBlock<P>>,
    /// Blocks by their parents. Invariant: none is empty.
    children: BTreeMap<B256, BTreeSet<B256>>,
    ready: BTreeSet<(u64, B256)>,
    sought: Sought,
}

impl<P> Default for Queued<P> {
    fn default() -> Self {
        Self {
            blocks: BTreeMap::new(),
            children: BTreeMap::new(),
            ready: BTreeSet::new(),
            sought: Sought::default(),
        }
    }
}

impl<P> Queued<P> {
    pub(super) fn count(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn block(&self, hash: &B256) -> Option<&QueuedBlock<P>> {
        self.blocks.get(hash)
    }

    pub(super) fn block_mut(&mut self, hash: &B256) -> Option<&mut QueuedBlock<P>> {
        self.blocks.get_mut(hash)
    }

    pub(super) fn is_sought(&self, hash: &B256) -> bool {
        self.sought.numbers.contains_key(hash)
    }

    /// Who has a block that waits for this one; the host before all others.
    pub(super) fn waiter(&self, hash: &B256) -> Option<Announcer> {
        self.children_of(hash).map(|child| child.owner).min()
    }

    /// Links of blocks that are not given out and of which this is true, lowest first.
    pub(super) fn loose(&self, is_chosen: impl Fn(&BlockLink) -> bool) -> Vec<BlockLink> {
        let loose = self.blocks.values().filter(|block| !block.is_given()).map(|block| block.link);
        let mut chosen: Vec<BlockLink> = loose.filter(is_chosen).collect();
        chosen.sort_by_key(|block| block.number);
        chosen
    }

    /// Puts a block in that is not there, to wait for its parent.
    pub(super) fn insert(&mut self, link: BlockLink, owner: Announcer, bytes: u64, payload: P) {
        self.blocks.insert(link.hash, QueuedBlock { link, bytes, owner, stage: Stage::Waits(payload) });
        self.children.entry(link.parent).or_default().insert(link.hash);
        self.sought.remove(&link.hash);
        if !self.blocks.contains_key(&link.parent) {
            self.sought.insert(link.parent, link.number.saturating_sub(1));
        }
    }

    /// Takes a block out. Who waits for it seeks it from now on.
    pub(super) fn remove(&mut self, hash: &B256) -> Option<QueuedBlock<P>> {
        let block = self.blocks.remove(hash)?;
        self.ready.remove(&(block.link.number, *hash));
        if let Some(siblings) = self.children.get_mut(&block.link.parent) {
            siblings.remove(hash);
            if siblings.is_empty() {
                self.children.remove(&block.link.parent);
            }
        }
        if !self.is_waited_for(&block.link.parent) {
            self.sought.remove(&block.link.parent);
        }
        if self.is_waited_for(hash) {
            self.sought.insert(*hash, block.link.number);
        }
        Some(block)
    }

    /// Blocks that wait for this one.
    pub(super) fn waiting_on(&self, hash: &B256) -> Vec<BlockLink> {
        self.children_of(hash).filter(|child| child.waits()).map(|child| child.link).collect()
    }

    /// A block's parent is held.
    pub(super) fn release(&mut self, hash: &B256) {
        let Some(block) = self.blocks.get_mut(hash) else { return };
        let link = block.link;
        block.stage = match std::mem::replace(&mut block.stage, Stage::Given) {
            Stage::Waits(payload) | Stage::Ready(payload) => {
                self.ready.insert((link.number, link.hash));
                Stage::Ready(payload)
            }
            Stage::Given => Stage::Given,
        };
        if !self.is_waited_for(&link.parent) {
            self.sought.remove(&link.parent);
        }
    }

    /// Gives the lowest block out that is ready.
    pub(super) fn give(&mut self) -> Option<(&QueuedBlock<P>, P)> {
        let (_, hash) = self.ready.pop_first()?;
        let block = self.blocks.get_mut(&hash)?;
        match std::mem::replace(&mut block.stage, Stage::Given) {
            Stage::Ready(payload) | Stage::Waits(payload) => Some((block, payload)),
            Stage::Given => None,
        }
    }

    /// The lowest parent that is sought and was not named: its number and hash.
    pub(super) fn name(&mut self) -> Option<(u64, B256)> {
        self.sought.unnamed.pop_first()
    }

    /// All that stands on this block, parents before their children.
    pub(super) fn descendants(&self, hash: &B256) -> Vec<BlockLink> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::from([*hash]));
        let mut open = vec![*hash];
        while let Some(parent) = open.pop() {
            for child in self.children_of(&parent).filter(|child| seen.insert(child.link.hash)) {
                found.push(child.link);
                open.push(child.link.hash);
            }
        }
        found
    }

    fn children_of(&self, hash: &B256) -> impl Iterator<Item = &QueuedBlock<P>> {
        let children = self.children.get(hash).into_iter().flatten();
        children.filter_map(|child| self.blocks.get(child))
    }

    fn is_waited_for(&self, hash: &B256) -> bool {
        self.children_of(hash).any(QueuedBlock::waits)
    }

    /// What is always true here.
    pub(super) fn check(&self) {
        assert!(self.ready.len() <= self.blocks.len(), "what is ready is here");
        assert!(
            self.sought.numbers.len() <= self.blocks.len(),
            "somebody waits for each parent that is sought"
        );
        assert!(self.sought.unnamed.len() <= self.sought.numbers.len(), "what is named next is sought");
    }

    /// The same of each block, one by one.
    pub(super) fn check_each(&self) {
        for (hash, block) in &self.blocks {
            let parent = &block.link.parent;
            let is_listed = self.children.get(parent).is_some_and(|children| children.contains(hash));
            assert!(is_listed, "a block stands below its parent");
            let is_ready = matches!(block.stage, Stage::Ready(_));
            assert_eq!(
                self.ready.contains(&(block.link.number, *hash)),
                is_ready,
                "what is ready is known to be"
            );
            let is_lone = block.waits() && !self.blocks.contains_key(parent);
            assert!(!is_lone || self.is_sought(parent), "a parent that is not here is sought");
        }
        for parent in self.sought.numbers.keys() {
            let is_lacking = self.is_waited_for(parent) && !self.blocks.contains_key(parent);
            assert!(is_lacking, "what is sought is waited for");
        }
        let listed: usize = self.children.values().map(BTreeSet::len).sum();
        assert_eq!(listed, self.blocks.len(), "what stands below a parent is here");
    }
}

impl<P> QueuedBlock<P> {
    fn waits(&self) -> bool {
        matches!(self.stage, Stage::Waits(_))
    }

    pub(super) fn is_given(&self) -> bool {
        matches!(self.stage, Stage::Given)
    }

    /// Whether its parent was held when it was looked at last.
    pub(super) fn has_parent(&self) -> bool {
        !self.waits()
    }
}
