//! What becomes of the blocks above a verified state, as the worker that takes them tells it.

use std::{collections::VecDeque, time::Duration};

use alloy_primitives::B256;
use crossbeam_channel::Sender;
use snapsync_storage::{DerivedBlock, ProvenReceipts};
use snapsync_sync::{Head, Target};

use crate::{events::TakenBy, lists_above::ListsAbove, payloads::Payloads};

/// A block that was taken, or several together.
#[derive(Debug)]
pub(crate) struct TakenBlock {
    /// What is to be written.
    pub(crate) derived: Box<DerivedBlock>,
    /// Its receipts, if it was executed.
    pub(crate) receipts: Option<ProvenReceipts>,
    /// What is told once it is durable, block by block.
    pub(crate) told: Vec<Told>,
}

/// What is told of a block that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) block: Head,
    pub(crate) transactions: usize,
    pub(crate) gas: u64,
    pub(crate) by: TakenBy,
    pub(crate) took: Duration,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    /// A block was taken.
    Taken(TakenBlock),
    /// The chain has left the block that the state is of, and it is to be taken back.
    TakeBack {
        /// The block's hash.
        block: B256,
        /// Whose state is left.
        parent: Target,
    },
    /// The chain has left that block, and it cannot be taken back.
    Stranded {
        /// The block's hash.
        block: B256,
    },
    /// A block is bad. No other is taken before the chain leaves it.
    Refused {
        /// The block.
        block: Head,
        /// Why.
        reason: String,
    },
    /// A block was not taken, for a reason that says nothing of it. It is tried again.
    Failed {
        /// The block.
        block: Head,
        /// Why.
        reason: String,
    },
}

/// What makes the state that of another block.
#[derive(Debug)]
pub(crate) enum Change {
    /// This block is written.
    Take(TakenBlock),
    /// The block of this hash is taken back.
    TakeBack(B256),
}

/// Whether blocks are taken by their access lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The next ones are.
    Lists,
    /// They are not.
    NoLists,
}

/// What the worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Something came that it may go on with.
    Changed,
    /// What it told last is not carried out, nor is what it told behind that. All that is, is on the disk.
    Anew,
}

/// Looks that wait. One is enough for whatever came before it is taken; one more place is kept for [`Look::Anew`].
pub(crate) const LOOKS: usize = 2;

/// The worker that takes blocks, seen from the planner.
#[derive(Debug)]
pub(crate) struct BlockFollowing {
    pub(crate) looks: Sender<Look>,
    /// The lists by which it takes blocks.
    pub(crate) lists: ListsAbove,
    /// The blocks that the host gave.
    pub(crate) payloads: Payloads,
    /// Whether the desk knows of them.
    pub(crate) is_host_known: bool,
    /// What the engine is asked about: the write that goes out when it agrees.
    pub(crate) asked: Option<Change>,
    /// Blocks on their way to the disk, in the order in which they get there; those that get there together in one.
    pub(crate) written: VecDeque<Vec<Told>>,
    /// Whether the last one is being taken back.
    pub(crate) is_going_back: bool,
    /// Whether the worker is to look anew when nothing is on its way any more: what it goes by is the disk.
    pub(crate) is_anew_due: bool,
    /// What is complete once its block is on the disk.
    complete_with: Option<Target>,
}

impl BlockFollowing {
    pub(crate) const fn new(looks: Sender<Look>, lists: ListsAbove, payloads: Payloads) -> Self {
        Self {
            looks,
            lists,
            payloads,
            is_host_known: false,
            asked: None,
            written: VecDeque::new(),
            is_going_back: false,
            is_anew_due: false,
            complete_with: None,
        }
    }

    /// All is in with this block, as the engine has it: what can be told of it now, and the rest when the block is on the disk.
    pub(crate) fn completed(&mut self, target: Target) -> Option<Target> {
        let is_on_its_way = self.written.iter().flatten().any(|told| told.block.hash == target.hash);
        self.complete_with = is_on_its_way.then_some(target);
        (!is_on_its_way).then_some(target)
    }

    /// The first of the blocks on their way are on the disk, up to this one: what is told of them, and what is complete with it.
    pub(crate) fn wrote(&mut self, hash: B256) -> (Vec<Told>, Option<Target>) {
        let told =
            self.written.pop_front().filter(|told| told.last().is_some_and(|last| last.block.hash == hash));
        let told = told.unwrap_or_default();
        (told, self.complete_with.take_if(|target| target.hash == hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u64) -> Told {
        let block = Head { number, hash: B256::with_last_byte(number as u8) };
        Told { block, transactions: 0, gas: 0, by: TakenBy::Execution, took: Duration::ZERO }
    }

    // ROW: F53
    #[test]
    fn a_block_that_is_on_its_way_to_the_disk_completes_nothing_before_it_is_there() {
        let (looks, _worker) = crossbeam_channel::bounded(LOOKS);
        let mut blocks = BlockFollowing::new(looks, ListsAbove::default(), Payloads::new(0));
        let target =
            |told: &Told| Target { number: told.block.number, hash: told.block.hash, root: B256::ZERO };
        let (first, second, last) = (block(1), block(2), block(3));
        assert_eq!(blocks.completed(target(&first)), Some(target(&first)), "nothing is on its way");
        blocks.written.extend([vec![first], vec![second, last]]);
        assert_eq!(blocks.completed(target(&last)), None);
        let numbers = |told: Vec<Told>| told.iter().map(|told| told.block.number).collect::<Vec<_>>();
        let (told, complete) = blocks.wrote(first.block.hash);
        assert_eq!((numbers(told), complete), (vec![1], None));
        let (told, complete) = blocks.wrote(last.block.hash);
        assert_eq!((numbers(told), complete), (vec![2, 3], Some(target(&last))));
        blocks.written.push_back(vec![first]);
        assert!(blocks.wrote(last.block.hash).0.is_empty(), "another block is no word of this one");
        blocks.written.push_back(vec![first]);
        assert_eq!(blocks.wrote(first.block.hash).1, None, "it is told once");
    }
}
