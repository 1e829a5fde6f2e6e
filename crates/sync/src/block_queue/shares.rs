//! Who holds how much of the queue, and what gives way for whom.
//!
//! ```text
//!   a peer's own part is full   its own highest block gives way to a lower one
//!   the queue is full           a peer's block never takes the host's room; the largest part gives way to a smaller one, the highest block first
//! ```
//!
//! A block near the head is of use sooner than one above it, and one that is given out stays. It knows nothing of parents.

use std::collections::BTreeMap;

use alloy_primitives::B256;

use super::{
    limits::QueueLimits,
    outcome::{Announcer, BlockLink, Refusal},
};

/// What a block weighs beside its payload's bytes when parts are compared: else many empty blocks would weigh nothing.
const BLOCK_BYTES: u64 = 512;

/// A part of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueShare {
    /// Blocks.
    pub blocks: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl QueueShare {
    /// One block of so many bytes.
    fn one(bytes: u64) -> Self {
        Self { blocks: 1, bytes }
    }

    fn plus(self, other: Self) -> Self {
        Self { blocks: self.blocks + other.blocks, bytes: self.bytes.saturating_add(other.bytes) }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            blocks: self.blocks.saturating_sub(other.blocks),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    fn fits(self, blocks_max: usize, bytes_max: u64) -> bool {
        self.blocks <= blocks_max && self.bytes <= bytes_max
    }

    fn weight(self) -> u64 {
        self.bytes.saturating_add(BLOCK_BYTES.saturating_mul(self.blocks as u64))
    }
}

/// What one announcer holds.
#[derive(Debug, Default)]
struct Holding {
    /// All of it.
    share: QueueShare,
    /// Blocks that may give way, with their bytes: those that are not given out.
    loose: BTreeMap<(u64, B256), u64>,
}

/// All announcers' parts.
#[derive(Debug, Default)]
pub(super) struct Shares {
    holdings: BTreeMap<Announcer, Holding>,
    total: QueueShare,
}

impl Shares {
    pub(super) fn total(&self) -> QueueShare {
        self.total
    }

    pub(super) fn of(&self, announcer: Announcer) -> QueueShare {
        self.holdings.get(&announcer).map(|holding| holding.share).unwrap_or_default()
    }

    /// What this announcer holds and was not given out.
    pub(super) fn loose(&self, announcer: Announcer) -> Vec<B256> {
        let holding = self.holdings.get(&announcer);
        holding.into_iter().flat_map(|holding| holding.loose.keys()).map(|(_, hash)| *hash).collect()
    }

    pub(super) fn add(&mut self, owner: Announcer, block: &BlockLink, bytes: u64) {
        let holding = self.holdings.entry(owner).or_default();
        holding.share = holding.share.plus(QueueShare::one(bytes));
        holding.loose.insert((block.number, block.hash), bytes);
        self.total = self.total.plus(QueueShare::one(bytes));
    }

    /// A block is given out: it counts, and gives way to nothing.
    pub(super) fn fasten(&mut self, owner: Announcer, block: &BlockLink) {
        if let Some(holding) = self.holdings.get_mut(&owner) {
            holding.loose.remove(&(block.number, block.hash));
        }
    }

    pub(super) fn remove(&mut self, owner: Announcer, block: &BlockLink, bytes: u64) {
        let Some(holding) = self.holdings.get_mut(&owner) else { return };
        holding.share = holding.share.minus(QueueShare::one(bytes));
        holding.loose.remove(&(block.number, block.hash));
        if holding.share.blocks == 0 {
            self.holdings.remove(&owner);
        }
        self.total = self.total.minus(QueueShare::one(bytes));
    }

    /// What must leave for a block of this number and size, or why it may not come. Nothing has left yet.
    pub(super) fn victims(
        &self,
        limits: &QueueLimits,
        owner: Announcer,
        number: u64,
        bytes: u64,
    ) -> Result<Vec<B256>, Refusal> {
        let bytes_max = match owner {
            Announcer::Host => limits.bytes_max,
            Announcer::Peer(_) => limits.peer_bytes_max.min(limits.bytes_max),
        };
        if bytes > bytes_max {
            return Err(Refusal::TooLarge { bytes_max });
        }
        let mut plan = Plan::new(self, QueueShare::one(bytes), owner, number);
        if let Announcer::Peer(_) = owner {
            while !plan.share(owner).fits(limits.peer_blocks_max, limits.peer_bytes_max) {
                plan.take_own().ok_or(Refusal::PeerFull)?;
            }
        }
        while !plan.total.fits(limits.blocks_max, limits.bytes_max) {
            plan.take_of_others().or_else(|| plan.take_own()).ok_or(Refusal::Full)?;
        }
        Ok(plan.victims)
    }

    /// What is always true here.
    pub(super) fn check(&self, limits: &QueueLimits) {
        assert!(self.total.fits(limits.blocks_max, limits.bytes_max), "the queue holds more than it may");
        let mut sum = QueueShare::default();
        for (announcer, holding) in &self.holdings {
            let is_within = holding.share.fits(limits.peer_blocks_max, limits.peer_bytes_max);
            assert!(*announcer == Announcer::Host || is_within, "a peer has more of the queue than it may");
            assert!(holding.loose.len() <= holding.share.blocks, "more may give way than is there");
            sum = sum.plus(holding.share);
        }
        assert_eq!(sum, self.total, "the parts are the whole");
    }
}

/// What would leave, while it is being chosen.
struct Plan<'a> {
    /// What each would hold, and what of it may still give way, the lowest first.
    left: BTreeMap<Announcer, (QueueShare, Loose<'a>)>,
    total: QueueShare,
    owner: Announcer,
    number: u64,
    victims: Vec<B256>,
}

type Loose<'a> = std::collections::btree_map::Iter<'a, (u64, B256), u64>;

impl<'a> Plan<'a> {
    /// As if the new block were there already.
    fn new(shares: &'a Shares, new: QueueShare, owner: Announcer, number: u64) -> Self {
        let mut left: BTreeMap<_, _> = shares
            .holdings
            .iter()
            .map(|(announcer, holding)| (*announcer, (holding.share, holding.loose.iter())))
            .collect();
        let (share, _) = left.entry(owner).or_default();
        *share = share.plus(new);
        Self { left, total: shares.total.plus(new), owner, number, victims: Vec::new() }
    }

    fn share(&self, of: Announcer) -> QueueShare {
        self.left.get(&of).map(|(share, _)| *share).unwrap_or_default()
    }

    /// The newcomer's own highest block gives way, if it is above the new one.
    fn take_own(&mut self) -> Option<()> {
        let (_, loose) = self.left.get_mut(&self.owner)?;
        let &(highest, _) = loose.clone().next_back()?.0;
        (highest > self.number).then(|| self.take(self.owner)).flatten()
    }

    /// The highest block of the largest part gives way: of any peer's to the host, of a larger one's to a peer.
    fn take_of_others(&mut self) -> Option<()> {
        let own = self.share(self.owner).weight();
        let gives_way = |other: Announcer, weight: u64| {
            other != Announcer::Host && other != self.owner && (self.owner == Announcer::Host || weight > own)
        };
        let others = self.left.iter().filter(|(_, (_, loose))| loose.len() > 0);
        let others = others.map(|(other, (share, _))| (share.weight(), *other));
        let (_, largest) = others.filter(|(weight, other)| gives_way(*other, *weight)).max()?;
        self.take(largest)
    }

    fn take(&mut self, of: Announcer) -> Option<()> {
        let (share, loose) = self.left.get_mut(&of)?;
        let (&(_, hash), &bytes) = loose.next_back()?;
        *share = share.minus(QueueShare::one(bytes));
        self.total = self.total.minus(QueueShare::one(bytes));
        self.victims.push(hash);
        Some(())
    }
}
