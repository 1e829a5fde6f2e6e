//! Whatever comes in whatever order, each valid block that hangs together with the head is given out once, after its parent.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{B256, U256};
use proptest::prelude::*;
use snapsync_sync::{
    Announcer, BlockLink, BlockQueue, DropCause, Dropped, Head, QueueLimits, QueueStep, Reception, Rejection,
};

const TOP: u64 = 1_000;
/// Peers from this name on announce nothing but junk.
const HOSTILE: u64 = 10;

fn hash(name: u64) -> B256 {
    B256::from(U256::from(name + 1).to_be_bytes())
}

fn genesis() -> BlockLink {
    BlockLink { number: TOP, hash: hash(0), parent: hash(u64::MAX - 1) }
}

/// How a block comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Host,
    Peer(u64),
    /// Nobody announces it, and peers have it.
    Gap,
    /// Nobody has it.
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    /// How many blocks back in the list its parent is; 0 is the one before.
    back: usize,
    way: Way,
    is_valid: bool,
}

#[derive(Clone, Copy, Debug)]
struct TreeBlock {
    link: BlockLink,
    way: Way,
    is_valid: bool,
    /// Whether it and all of its ancestors are valid and can be had.
    is_sound: bool,
    /// The last valid ancestor, if one of its ancestors, or itself, is bad, and all above that can be had.
    below_bad: Option<Head>,
}

/// A tree on top of the head.
fn tree(plans: &[Plan]) -> BTreeMap<B256, TreeBlock> {
    let root = TreeBlock { link: genesis(), way: Way::Lost, is_valid: true, is_sound: true, below_bad: None };
    let mut list = vec![root];
    for (at, plan) in plans.iter().enumerate() {
        let parent = list[at - plan.back.min(at)];
        let link =
            BlockLink { number: parent.link.number + 1, hash: hash(at as u64 + 1), parent: parent.link.hash };
        let is_had = plan.way != Way::Lost;
        let first_bad = (parent.is_sound && is_had && !plan.is_valid).then(|| parent.link.into());
        list.push(TreeBlock {
            link,
            way: plan.way,
            is_valid: plan.is_valid,
            is_sound: parent.is_sound && is_had && plan.is_valid,
            below_bad: first_bad.or(parent.below_bad),
        });
    }
    list[1..].iter().map(|block| (block.link.hash, *block)).collect()
}

/// A host with its executor, its chain and its peers, as far as the queue sees them.
struct Host {
    queue: BlockQueue<B256>,
    limits: QueueLimits,
    tree: BTreeMap<B256, TreeBlock>,
    to_announce: Vec<B256>,
    to_find: Vec<B256>,
    running: Vec<BlockLink>,
    held: BTreeMap<B256, BlockLink>,
    executed: BTreeSet<B256>,
    junk_left: u64,
    junk_made: u64,
}

impl Host {
    fn new(limits: QueueLimits, tree: BTreeMap<B256, TreeBlock>, junk: u64) -> Self {
        let is_announced = |block: &&TreeBlock| matches!(block.way, Way::Host | Way::Peer(_));
        let to_announce = tree.values().filter(is_announced).map(|block| block.link.hash).collect();
        Self {
            queue: BlockQueue::new(limits, genesis()),
            limits,
            tree,
            to_announce,
            to_find: Vec::new(),
            running: Vec::new(),
            held: BTreeMap::from([(genesis().hash, genesis())]),
            executed: BTreeSet::new(),
            junk_left: junk,
            junk_made: 0,
        }
    }

    fn is_done(&self) -> bool {
        self.to_announce.is_empty() && self.to_find.is_empty() && self.running.is_empty()
    }

    /// One thing happens, as `choice` says.
    fn step(&mut self, choice: u16) {
        let at = usize::from(choice / 8);
        match choice % 8 {
            0..=2 if !self.to_announce.is_empty() => {
                let hash = self.to_announce.swap_remove(at % self.to_announce.len());
                self.announce(self.tree[&hash], None);
            }
            3 if !self.to_find.is_empty() => {
                let hash = self.to_find.swap_remove(at % self.to_find.len());
                self.found(hash, at as u64 % 3);
            }
            4 | 5 if !self.running.is_empty() => {
                let block = self.running.swap_remove(at % self.running.len());
                self.ran(block);
            }
            6 if self.junk_left > 0 => self.junk(choice),
            7 => {
                let highest = self.held.values().max_by_key(|block| (block.number, block.hash)).copied();
                let dropped = self.queue.head_moved(highest.unwrap_or(genesis()));
                self.lose(&dropped);
            }
            _ => return,
        }
        self.drain();
    }

    fn announce(&mut self, block: TreeBlock, from: Option<Announcer>) {
        let own = if let Way::Peer(peer) = block.way { Announcer::Peer(peer) } else { Announcer::Host };
        let intake = self.queue.announce(from.unwrap_or(own), block.link, 100, block.link.hash);
        match intake.reception {
            Reception::Queued | Reception::Repeated => {}
            Reception::Held => assert!(self.held.contains_key(&block.link.hash)),
            Reception::Bad { latest_valid } => assert_eq!(Some(latest_valid), block.below_bad, "{block:?}"),
            Reception::Refused(refusal) => panic!("there is room for {block:?}: {refusal:?}"),
        }
        self.lose(&intake.dropped);
    }

    fn found(&mut self, hash: B256, peer: u64) {
        if let Some(block) = self.held.get(&hash) {
            let dropped = self.queue.held(*block);
            return self.lose(&dropped);
        }
        match self.tree.get(&hash).filter(|block| block.way != Way::Lost) {
            Some(block) => self.announce(*block, Some(Announcer::Peer(peer))),
            None => {
                let dropped = self.queue.nobody_has(&hash);
                self.lose(&dropped);
            }
        }
    }

    fn ran(&mut self, block: BlockLink) {
        if self.tree.get(&block.hash).is_some_and(|block| block.is_valid) {
            self.held.insert(block.hash, block);
            let dropped = self.queue.held(block);
            return self.lose(&dropped);
        }
        let Rejection { latest_valid, dropped } = self.queue.rejected(block);
        assert_eq!(latest_valid, Some(Head { number: block.number - 1, hash: block.parent }));
        self.lose(&dropped);
    }

    /// Junk: above nothing, above what is there, or above other junk.
    fn junk(&mut self, choice: u16) {
        self.junk_left -= 1;
        self.junk_made += 1;
        let name = 1 << 32;
        let parents =
            [hash(name * 2 + self.junk_made), hash(u64::from(choice) % 20), hash(name + self.junk_made - 1)];
        let number = TOP + 1 + u64::from(choice) % 30;
        let block = BlockLink {
            number,
            hash: hash(name + self.junk_made),
            parent: parents[usize::from(choice / 8) % 3],
        };
        let from = Announcer::Peer(HOSTILE + u64::from(choice) % 2);
        self.queue.announce(from, block, u64::from(choice) % 300, block.hash);
    }

    fn drain(&mut self) {
        while let Some(step) = self.queue.poll() {
            match step {
                QueueStep::Execute { block, payload } => {
                    assert_eq!(payload, block.hash);
                    let parent =
                        self.held.get(&block.parent).expect("a parent is held before its child is given out");
                    assert_eq!(parent.number + 1, block.number);
                    assert!(self.executed.insert(block.hash), "a block is given out once");
                    self.running.push(block);
                }
                QueueStep::Find { hash, .. } => self.to_find.push(hash),
            }
        }
        let (total, limits) = (self.queue.total(), self.limits);
        assert!(total.blocks <= limits.blocks_max && total.bytes <= limits.bytes_max);
        for peer in (0..3).chain(HOSTILE..HOSTILE + 2) {
            let share = self.queue.share(Announcer::Peer(peer));
            assert!(share.blocks <= limits.peer_blocks_max && share.bytes <= limits.peer_bytes_max);
        }
        assert!(self.queue.held_count() <= limits.held_max && self.queue.bad_count() <= 2 * limits.bad_max);
    }

    /// All that is to be done is done at once.
    fn settle(&mut self) {
        loop {
            self.drain();
            if let Some(block) = self.running.pop() {
                self.ran(block);
            } else if let Some(hash) = self.to_find.pop() {
                match (self.held.get(&hash), self.tree.get(&hash)) {
                    (Some(block), _) => drop(self.queue.held(*block)),
                    (None, Some(block)) => {
                        drop(self.queue.announce(Announcer::Peer(0), block.link, 100, hash))
                    }
                    (None, None) => drop(self.queue.nobody_has(&hash)),
                }
            } else {
                return;
            }
        }
    }

    /// What may leave the queue of blocks that are not junk.
    fn lose(&self, dropped: &[Dropped]) {
        for one in dropped {
            let Some(block) = self.tree.get(&one.block.hash) else { continue };
            assert!(!block.is_sound, "a sound block was dropped: {one:?}");
            if let DropCause::Bad { latest_valid } = one.cause {
                assert_eq!(Some(latest_valid), block.below_bad);
            }
        }
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    let way = prop_oneof![
        4 => Just(Way::Host),
        4 => (0..3u64).prop_map(Way::Peer),
        3 => Just(Way::Gap),
        1 => Just(Way::Lost),
    ];
    let back = prop_oneof![4 => Just(0usize), 1 => 0..6usize];
    (back, way, prop::bool::weighted(0.92)).prop_map(|(back, way, is_valid)| Plan { back, way, is_valid })
}

/// Room for all of the tree beside two parts full of junk.
fn roomy() -> QueueLimits {
    QueueLimits {
        ahead_max: 100,
        behind_max: 100,
        blocks_max: 160,
        bytes_max: 16_000,
        peer_blocks_max: 40,
        peer_bytes_max: 4_000,
        held_max: 64,
        bad_max: 256,
    }
}

proptest! {
    // ROW: F14
    #[test]
    fn whatever_the_order_each_sound_block_is_given_out_once_after_its_parent(
        plans in prop::collection::vec(plan(), 1..40),
        choices in prop::collection::vec(any::<u16>(), 64..512),
        junk in 0..200u64,
    ) {
        let mut host = Host::new(roomy(), tree(&plans), junk);
        let mut turns = 0;
        for choice in choices.iter().cycle() {
            // Choices that never ask for something that is left are helped out.
            let helped = choice.wrapping_add(turns / 512);
            turns += 1;
            host.step(helped);
            if host.is_done() {
                break;
            }
            prop_assert!(turns < 60_000, "it ends");
        }
        // What a block of the host's or a peer's stands on was asked for, unless it can not be had.
        let announced: Vec<TreeBlock> =
            host.tree.values().filter(|block| matches!(block.way, Way::Host | Way::Peer(_))).copied().collect();
        for block in announced {
            prop_assert_eq!(host.held.contains_key(&block.link.hash), block.is_sound, "{:?}", block);
        }
        for hash in host.held.keys().filter(|hash| **hash != genesis().hash) {
            prop_assert!(host.tree[hash].is_sound);
        }
    }
    // ROW: F14
    #[test]
    fn chain_that_fits_nowhere_at_once_gets_through_a_flood(
        choices in prop::collection::vec(any::<u16>(), 16..256),
        junk in 1..6u64,
    ) {
        let plans = vec![Plan { back: 0, way: Way::Host, is_valid: true }; 24];
        let mut host = Host::new(tight(), tree(&plans), u64::MAX);
        let mut choices = choices.iter().copied().cycle();
        let mut choose = || choices.next().unwrap_or_default();
        let mut head = TOP;
        while head < TOP + 24 {
            let mut window: Vec<u64> = (head + 1..=(head + 12).min(TOP + 24)).collect();
            while !window.is_empty() {
                let number = window.swap_remove(usize::from(choose()) % window.len());
                for _ in 0..junk {
                    host.junk(choose());
                    host.settle();
                }
                let block = host.tree[&hash(number - TOP)].link;
                // What its own chain has a host does not announce: the queue forgets more than that.
                if !host.held.contains_key(&block.hash) {
                    host.queue.announce(Announcer::Host, block, 100, block.hash);
                    host.settle();
                }
            }
            let top = host.held.values().max_by_key(|block| block.number).copied().unwrap_or(genesis());
            prop_assert!(top.number > head, "each round the head is executed further");
            head = top.number;
            host.queue.head_moved(top);
            host.queue.finalized(host.held[&hash((head - TOP).saturating_sub(4))]);
            host.settle();
        }
        let is_whole = host.tree.keys().all(|hash| host.executed.contains(hash));
        prop_assert!(is_whole);
    }
}

/// Far less room than the window has blocks.
fn tight() -> QueueLimits {
    QueueLimits {
        ahead_max: 12,
        behind_max: 6,
        blocks_max: 8,
        bytes_max: 800,
        peer_blocks_max: 3,
        peer_bytes_max: 320,
        held_max: 10,
        bad_max: 4,
    }
}
