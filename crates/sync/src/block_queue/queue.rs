//! The queue itself: one verb for each fact that a host tells, and the step that is next.
//!
//! It trusts the host for which blocks are held, bad and final, and announcers for nothing. It keeps payloads without looking into them.

use alloy_primitives::B256;

use crate::{BlockRange, Head};

use super::{
    bad::BadBlocks,
    kept::KeptBlocks,
    limits::QueueLimits,
    outcome::{Announcer, BlockLink, DropCause, Dropped, Intake, QueueStep, Reception, Refusal, Rejection},
    queued::{Queued, QueuedBlock},
    shares::{QueueShare, Shares},
};

/// Announced blocks, with a payload each that it hands through.
#[derive(Debug)]
pub struct BlockQueue<P> {
    limits: QueueLimits,
    head: BlockLink,
    finalized: Option<BlockLink>,
    kept: KeptBlocks,
    bad: BadBlocks,
    queued: Queued<P>,
    shares: Shares,
}

impl<P> BlockQueue<P> {
    /// An empty queue above this head, which is held.
    pub fn new(limits: QueueLimits, head: BlockLink) -> Self {
        let mut kept = KeptBlocks::default();
        kept.insert(head, &head.hash, limits.held_max);
        Self {
            limits,
            head,
            finalized: None,
            kept,
            bad: BadBlocks::default(),
            queued: Queued::default(),
            shares: Shares::default(),
        }
    }

    /// A block was announced, or came because it was asked for. Its payload weighs `bytes`.
    pub fn announce(&mut self, from: Announcer, block: BlockLink, bytes: u64, payload: P) -> Intake {
        let intake = match self.reception(from, &block) {
            Some(intake) => intake,
            None => self.take_in(from, block, bytes, payload),
        };
        self.advance();
        intake
    }

    /// What is next, until there is nothing: the lowest block that is ready, else the lowest that others wait for.
    pub fn poll(&mut self) -> Option<QueueStep<P>> {
        if let Some((queued, payload)) = self.queued.give() {
            let block = queued.link;
            self.shares.fasten(queued.owner, &block);
            return Some(QueueStep::Execute { block, payload });
        }
        let (number, hash) = self.queued.name()?;
        // Most likely all is missing down to the head. Beside the chain it is more than is known.
        let below = if number > self.head.number { self.head.number } else { self.floor() };
        Some(QueueStep::Find { hash, number, blocks: BlockRange::new(below.saturating_add(1), number) })
    }

    /// A block is held: it was executed and is valid, or our own chain has it. Gives those above it that are bad for that.
    pub fn held(&mut self, block: BlockLink) -> Vec<Dropped> {
        let dropped = self.keep(block);
        self.advance();
        dropped
    }

    /// A block that was given out is bad. Its descendants leave the queue and are not taken again.
    pub fn rejected(&mut self, block: BlockLink) -> Rejection {
        let was_judged = match self.queued.block(&block.hash) {
            Some(queued) => queued.has_parent(),
            None => self.kept.contains(&block.parent),
        };
        let rejection = if was_judged && !self.kept.contains(&block.hash) {
            self.remove(&block.hash);
            // What was given out has the number after its parent's.
            let number = self.kept.number(&block.parent).unwrap_or(block.number.saturating_sub(1));
            self.reject(&block, number)
        } else {
            Rejection { latest_valid: None, dropped: Vec::new() }
        };
        self.advance();
        rejection
    }

    /// A block that was given out was not executed, and that is not its fault. It is forgotten.
    pub fn gave_up(&mut self, hash: &B256) {
        if self.queued.block(hash).is_some_and(QueuedBlock::is_given) {
            self.remove(hash);
        }
        self.advance();
    }

    /// Nobody has a block that was to be found. Who waits for it leaves the queue, and is no worse for that.
    pub fn nobody_has(&mut self, hash: &B256) -> Vec<Dropped> {
        let dropped = match self.queued.is_sought(hash) {
            true => self.drop_above(hash, DropCause::Lost),
            false => Vec::new(),
        };
        self.advance();
        dropped
    }

    /// The head is another one, higher or lower, which is held. Gives what lies in no window any more.
    pub fn head_moved(&mut self, head: BlockLink) -> Vec<Dropped> {
        self.head = head;
        let mut dropped = self.keep(head);
        dropped.extend(self.prune());
        self.advance();
        dropped
    }

    /// A block is final: what is not above it leaves the queue, and is refused. One above the head counts once the head has passed it.
    pub fn finalized(&mut self, block: BlockLink) -> Vec<Dropped> {
        self.finalized = Some(block);
        let dropped = self.prune();
        self.advance();
        dropped
    }

    /// A peer left: what is here because of it goes, but for what is given out.
    pub fn left(&mut self, peer: u64) -> Vec<Dropped> {
        let blocks = self.shares.loose(Announcer::Peer(peer));
        let dropped = blocks.iter().filter_map(|hash| self.drop_one(hash, DropCause::Left)).collect();
        self.advance();
        dropped
    }

    /// The last valid ancestor of a block that is known to be bad.
    pub fn bad(&self, hash: &B256) -> Option<Head> {
        self.bad.latest_valid(hash)
    }

    /// How many bad blocks are remembered.
    pub fn bad_count(&self) -> usize {
        self.bad.count()
    }

    /// How many held blocks are remembered.
    pub fn held_count(&self) -> usize {
        self.kept.count()
    }

    /// All that is in the queue, and given out.
    pub fn total(&self) -> QueueShare {
        self.shares.total()
    }

    /// What of it is there because of this announcer.
    pub fn share(&self, of: Announcer) -> QueueShare {
        self.shares.of(of)
    }

    /// The highest number that is refused. Never above the head, so that what follows it is taken whatever is said to be final.
    fn floor(&self) -> u64 {
        let behind = self.head.number.saturating_sub(self.limits.behind_max);
        let finalized = self.finalized.map_or(0, |block| block.number);
        behind.max(finalized).min(self.head.number)
    }

    /// The final block, if it is where the queue ends below.
    fn base(&self) -> Option<BlockLink> {
        self.finalized.filter(|block| block.number == self.floor())
    }

    /// What becomes of a block that is not to be put into the queue.
    fn reception(&mut self, from: Announcer, block: &BlockLink) -> Option<Intake> {
        if self.kept.contains(&block.hash) {
            return Some(Reception::Held.into());
        }
        if let Some(latest_valid) = self.bad.latest_valid(&block.hash) {
            return Some(Reception::Bad { latest_valid }.into());
        }
        if let Some(latest_valid) = self.bad.descend(block, self.limits.bad_max) {
            let dropped = self.drop_bad(&block.hash, latest_valid);
            return Some(Intake { reception: Reception::Bad { latest_valid }, dropped });
        }
        if self.queued.block(&block.hash).is_some() {
            if from == Announcer::Host {
                self.give_to_host(&block.hash);
            }
            return Some(Reception::Repeated.into());
        }
        if let Some(refusal) = self.refusal(block) {
            return Some(Reception::Refused(refusal).into());
        }
        let parent = self.kept.number(&block.parent)?;
        if block.follows(parent) {
            return None;
        }
        let latest_valid = Head { number: parent, hash: block.parent };
        let Rejection { dropped, .. } = self.reject(block, parent);
        Some(Intake { reception: Reception::Bad { latest_valid }, dropped })
    }

    /// Why a block lies in no window.
    fn refusal(&self, block: &BlockLink) -> Option<Refusal> {
        let floor = self.floor();
        let last = self.head.number.saturating_add(self.limits.ahead_max);
        if block.number <= floor {
            return Some(Refusal::Behind { floor });
        }
        if block.number > last {
            return Some(Refusal::Ahead { last });
        }
        let base = self.base().filter(|base| block.follows(base.number) && base.hash != block.parent)?;
        Some(Refusal::OtherBranch { finalized: base.into() })
    }

    /// Puts a block into the queue, if it finds room. One that others wait for is there because of them.
    fn take_in(&mut self, from: Announcer, block: BlockLink, bytes: u64, payload: P) -> Intake {
        let owner = self.queued.waiter(&block.hash).map_or(from, |waiter| waiter.min(from));
        let victims = match self.shares.victims(&self.limits, owner, block.number, bytes) {
            Ok(victims) => victims,
            Err(refusal) => return Reception::Refused(refusal).into(),
        };
        let dropped = victims.iter().filter_map(|hash| self.drop_one(hash, DropCause::Room)).collect();
        self.shares.add(owner, &block, bytes);
        self.queued.insert(block, owner, bytes, payload);
        if self.kept.contains(&block.parent) {
            self.queued.release(&block.hash);
        }
        Intake { reception: Reception::Queued, dropped }
    }

    /// The host announced what a peer had announced before: it gives way to no peer any more.
    fn give_to_host(&mut self, hash: &B256) {
        let Some(queued) = self.queued.block_mut(hash) else { return };
        let (link, bytes, is_given) = (queued.link, queued.bytes, queued.is_given());
        self.shares.remove(queued.owner, &link, bytes);
        queued.owner = Announcer::Host;
        self.shares.add(Announcer::Host, &link, bytes);
        if is_given {
            self.shares.fasten(Announcer::Host, &link);
        }
    }

    /// A block is held: what waits for it is ready, or has a wrong number.
    fn keep(&mut self, block: BlockLink) -> Vec<Dropped> {
        self.bad.forgive(&block.hash);
        self.remove(&block.hash);
        let mut dropped = Vec::new();
        for child in self.queued.waiting_on(&block.hash) {
            if child.follows(block.number) {
                self.queued.release(&child.hash);
                continue;
            }
            dropped.extend(self.drop_one(&child.hash, DropCause::Bad { latest_valid: block.into() }));
            dropped.extend(self.reject(&child, block.number).dropped);
        }
        if block.number >= self.floor() {
            self.kept.insert(block, &self.head.hash, self.limits.held_max);
        }
        dropped
    }

    /// A block is bad whose parent is held, under this number.
    fn reject(&mut self, block: &BlockLink, parent: u64) -> Rejection {
        let latest_valid = Head { number: parent, hash: block.parent };
        self.bad.reject(block, latest_valid, self.limits.bad_max);
        Rejection { latest_valid: Some(latest_valid), dropped: self.drop_bad(&block.hash, latest_valid) }
    }

    /// Drops what is in no window any more, or on a branch that was left.
    fn prune(&mut self) -> Vec<Dropped> {
        let floor = self.floor();
        let last = self.head.number.saturating_add(self.limits.ahead_max);
        let mut dropped = Vec::new();
        for block in self.queued.loose(|block| block.number <= floor) {
            dropped.extend(self.drop_one(&block.hash, DropCause::Behind));
        }
        for block in self.queued.loose(|block| block.number > last) {
            dropped.extend(self.drop_one(&block.hash, DropCause::Ahead));
        }
        self.kept.prune(floor, &self.head.hash);
        if let Some(base) = self.base() {
            self.bad.prune(base.number);
            let left = self.kept.leave_branches(&base, &self.head.hash);
            let is_other = |block: &BlockLink| {
                block.follows(base.number) && block.parent != base.hash || left.contains(&block.parent)
            };
            for block in self.queued.loose(is_other) {
                dropped.extend(self.drop_one(&block.hash, DropCause::OtherBranch));
                dropped.extend(self.drop_above(&block.hash, DropCause::OtherBranch));
            }
        }
        dropped
    }

    /// Drops and remembers the descendants of a bad block.
    fn drop_bad(&mut self, hash: &B256, latest_valid: Head) -> Vec<Dropped> {
        let descendants = self.queued.descendants(hash);
        for block in &descendants {
            self.bad.descend(block, self.limits.bad_max);
        }
        let cause = DropCause::Bad { latest_valid };
        descendants.iter().filter_map(|block| self.drop_one(&block.hash, cause)).collect()
    }

    fn drop_above(&mut self, hash: &B256, cause: DropCause) -> Vec<Dropped> {
        let descendants = self.queued.descendants(hash);
        descendants.iter().filter_map(|block| self.drop_one(&block.hash, cause)).collect()
    }

    /// Drops a block, unless it is given out: then it counts until somebody says what came of it.
    fn drop_one(&mut self, hash: &B256, cause: DropCause) -> Option<Dropped> {
        let is_loose = self.queued.block(hash).is_some_and(|block| !block.is_given());
        let block = is_loose.then(|| self.remove(hash)).flatten()?.link;
        Some(Dropped { block, cause })
    }

    fn remove(&mut self, hash: &B256) -> Option<QueuedBlock<P>> {
        let block = self.queued.remove(hash)?;
        self.shares.remove(block.owner, &block.link, block.bytes);
        Some(block)
    }

    /// What is always true is checked after each verb.
    fn advance(&self) {
        self.shares.check(&self.limits);
        self.kept.check(&self.head.hash, self.limits.held_max);
        self.bad.check(self.limits.bad_max);
        self.queued.check();
        assert_eq!(self.queued.count(), self.shares.total().blocks, "each block is somebody's");
        if cfg!(debug_assertions) {
            self.queued.check_each();
        }
    }
}
