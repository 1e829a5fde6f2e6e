//! The pivot that moves during the download: to blocks that change the state (`changes`), or to blocks that change nothing, so that in the end
//! the rows are those of the first.
//!
//! Where nothing changes, each of these blocks has a root of its own all the same in a virtual state, another name of the one state: peers keep the
//! newest few of them, and an answer proves under the name that it was asked by. Real roots are what they are, so that there all are one. Nothing in
//! here is known to the machine under test.

use std::{cmp::Ordering, collections::BTreeSet, time::Duration};

use alloy_primitives::B256;
use snapsync_keccak::keccak256;
use snapsync_stream::{Input, Request, WantedNode, What};
use snapsync_sync::{
    BlockRange, Event, Head, LeftBlock, NoLists, PendingStorage, Phase, Standing, StorageClaim, Target,
    TargetId,
};

use crate::{
    access, blocks,
    chain::{Flavour, Header, Line},
    chance::Chance,
    changes,
    keys::Keys,
    rig::Host,
    shelf::Shelf,
    states::States,
    story::{Also, Lists, Older, Story, Twist},
    world::{Happening, World},
    zoo::Animal,
};

/// How often in a thousand a move leaves the last blocks, where blocks have access lists.
const LEFT_PER_MILLE: u64 = 120;

/// Blocks that one move goes on by at most, where blocks have access lists.
const PER_MOVE_MAX: u64 = 4;

/// How long after a move that came too early it is told again.
const AGAIN: Duration = Duration::from_secs(1);

/// By how many blocks a chain that is left had grown above the fork at most.
const LEFT_MAX: u64 = 3;

/// A block above the one that was named.
#[derive(Clone, Copy, Debug)]
struct Block {
    target: Target,
    /// Which of these blocks it is above.
    parent: usize,
}

/// The blocks that the pivot moves to, and those between.
#[derive(Debug)]
pub(crate) struct Pivots {
    /// The first is the one that was named.
    blocks: Vec<Block>,
    /// Those that it moves to, in turn.
    stops: Vec<usize>,
    /// Where it stands, of these.
    newest: usize,
    /// The last one that it was to move to because of a part.
    moved_at_parts: usize,
    /// Whether all headers of blocks that the chain has left are held.
    holds_left: bool,
}

/// What the chain grows by.
struct Growth<'a> {
    states: &'a mut States,
    keys: &'a mut Keys,
    line: &'a mut Line,
    chance: Chance,
    touched_per_mille: u64,
}

impl Pivots {
    /// Names the roots of a story's blocks, and says how many of them each animal keeps.
    pub(crate) fn make(
        story: &Story,
        states: &mut States,
        keys: &mut Keys,
        line: &mut Line,
        animals: &mut [Animal],
    ) -> Self {
        let named = line.target();
        let first = Target { number: named.number, hash: named.hash, root: named.state_root };
        let blocks = vec![Block { target: first, parent: 0 }];
        // Of a hundred blocks some would always be missing.
        let holds_left = matches!(story.twist, Twist::StateMoves { also: Also::Leaves { .. }, .. });
        let mut pivots = Self { blocks, stops: vec![0], newest: 0, moved_at_parts: 0, holds_left };
        let mut chance = Chance::new(story.seed ^ 0x9140_7515);
        let (older, per_move) = match story.twist {
            Twist::PivotMoves { count, older, .. } => {
                for _ in 0..count {
                    pivots.repeat(states, &mut chance);
                }
                (older, 1)
            }
            Twist::StateMoves { count, older, touched_per_mille, lists, also, .. } => {
                animals.iter_mut().for_each(|animal| animal.newest_root = 0);
                let mut growth = Growth { states, keys, line, chance, touched_per_mille };
                let listed_from = match lists {
                    Lists::None => u64::MAX,
                    Lists::From { nth, .. } => nth,
                };
                match lists {
                    _ if matches!(also, Also::Leaves { .. }) => {
                        if let Also::Leaves { depth, .. } = also {
                            pivots.branch_off(&mut growth, depth, listed_from);
                        }
                        if let Lists::From { kept, .. } = lists {
                            for (nth, animal) in animals.iter_mut().enumerate() {
                                animal.shelf = Shelf::draw(nth, kept, &mut growth.chance);
                            }
                        }
                    }
                    Lists::None => (0..count).for_each(|_| pivots.change(&mut growth)),
                    Lists::From { nth, kept } => {
                        (0..count).for_each(|_| pivots.grow(&mut growth, nth));
                        for (nth, animal) in animals.iter_mut().enumerate() {
                            animal.shelf = Shelf::draw(nth, kept, &mut growth.chance);
                        }
                    }
                }
                chance = growth.chance;
                (older, if lists == Lists::None { 1 } else { PER_MOVE_MAX as usize })
            }
            _ => return pivots,
        };
        // Where the one on the steady line keeps them all, what an older target claimed can be had from somebody.
        for animal in animals.iter_mut().skip(usize::from(older == Older::OfOne)) {
            animal.roots_kept = chance.index(3) * per_move;
        }
        pivots
    }

    /// A block of which nothing is known but its root, above the last one; the pivot moves to it.
    fn push(&mut self, root: B256, chance: &mut Chance) {
        let number = self.blocks[self.blocks.len() - 1].target.number + 1;
        let target = Target { number, hash: chance.hash(), root };
        self.blocks.push(Block { target, parent: self.blocks.len() - 1 });
        self.stops.push(self.blocks.len() - 1);
    }

    /// The next block changes nothing.
    fn repeat(&mut self, states: &mut States, chance: &mut Chance) {
        let name = chance.hash();
        let is_real = states.flavour() == Flavour::Real;
        states.repeat(if is_real { states.first().root } else { name });
        self.push(states.newest_root(), chance);
    }

    /// The next block has another state, and no access list.
    fn change(&mut self, growth: &mut Growth<'_>) {
        let Growth { states, keys, chance, touched_per_mille, .. } = growth;
        let _name = chance.hash();
        let state = changes::next(states.newest(), states, keys, *touched_per_mille, chance);
        states.push(state);
        self.push(states.newest_root(), chance);
    }

    /// Some blocks, from the nth above the named one on with access lists; now and then beside the last ones. The pivot moves to the last of them.
    fn grow(&mut self, growth: &mut Growth<'_>, listed_from: u64) {
        let mut parent = self.blocks.len() - 1;
        let chance = &mut growth.chance;
        if chance.hits(LEFT_PER_MILLE) {
            for _ in 0..chance.between(1, LEFT_MAX) {
                parent = self.blocks[parent].parent;
            }
        }
        for _ in 0..growth.chance.between(1, PER_MOVE_MAX) {
            parent = self.block_above(growth, parent, listed_from);
        }
        self.stops.push(parent);
    }

    /// Two branches above the named block: one of so many blocks, and one that leaves them and is longer by a block. The pivot moves to the ends of both.
    fn branch_off(&mut self, growth: &mut Growth<'_>, depth: u64, listed_from: u64) {
        for blocks in [depth, depth + 1] {
            let mut parent = 0;
            for _ in 0..blocks {
                parent = self.block_above(growth, parent, listed_from);
            }
            self.stops.push(parent);
        }
    }

    /// A block above another one; its place among all.
    fn block_above(&mut self, growth: &mut Growth<'_>, parent: usize, listed_from: u64) -> usize {
        let Growth { states, keys, line, chance, touched_per_mille } = growth;
        let Some(before) = states.at(parent) else { return parent };
        let state = changes::next(before, states, keys, *touched_per_mille, chance);
        let list = match keys {
            Keys::Hashed(names) => Some(access::list(before, &state, names, chance)),
            Keys::Any => None,
        };
        let Target { number, hash: below, .. } = self.blocks[parent].target;
        let (number, state_root) = (number + 1, state.root);
        let (body, receipts) = (chance.draw(), chance.draw());
        let list = list.filter(|_| number - self.blocks[0].target.number >= listed_from);
        let raw = match &list {
            Some(list) => blocks::listed_header(number, below, state_root, list),
            None => blocks::header(number, below, state_root, body, receipts),
        };
        let hash = keccak256(&raw);
        states.push(state);
        if let Some(list) = list {
            states.keep_list(hash, list);
        }
        line.know_apart(Header { number, hash, parent: below, state_root, body, receipts, raw });
        self.blocks.push(Block { target: Target { number, hash, root: state_root }, parent });
        self.blocks.len() - 1
    }

    /// How many blocks after the named one a block is, those of chains that were left among them.
    pub(crate) fn block_of(&self, hash: &B256) -> Option<usize> {
        self.blocks.iter().position(|block| block.target.hash == *hash)
    }

    /// The block of a number on the chain that the pivot stands on, with its parent.
    fn canonical(&self, number: u64) -> Option<(Target, Target)> {
        let mut at = self.stops[self.newest];
        loop {
            let Block { target, parent } = &self.blocks[at];
            match target.number.cmp(&number) {
                Ordering::Equal if at > 0 => return Some((*target, self.blocks[*parent].target)),
                Ordering::Greater if at > 0 => at = *parent,
                _ => return None,
            }
        }
    }

    /// Whether a block is of the chain that the pivot stands on.
    fn is_canonical(&self, block: usize) -> bool {
        let target = self.blocks[block].target;
        block == 0 || self.canonical(target.number).is_some_and(|(found, _)| found == target)
    }

    /// Which of these blocks the chain has left, down to where it forks off; or one whose header is not held.
    fn left(&self, blocks: &[Head], states: &States) -> (Vec<LeftBlock>, Option<u64>) {
        let mut left: Vec<LeftBlock> = Vec::new();
        for block in blocks {
            // A block of the chain that the machine has looked up by itself is below all of these.
            let Some(mut at) = self.block_of(&block.hash) else { continue };
            while !self.is_canonical(at) {
                let Block { target, parent } = self.blocks[at];
                let below = self.blocks[parent].target;
                if self.is_unheld(&target) {
                    return (vec![], Some(target.number));
                }
                if left.iter().all(|left| left.block.hash != target.hash) {
                    let has_list = states.list(&target.hash).is_some();
                    left.push(LeftBlock { block: target.into(), parent: below.into(), has_list });
                }
                at = parent;
            }
        }
        (left, None)
    }

    /// Of a few blocks that the chain has left nobody keeps the header.
    fn is_unheld(&self, block: &Target) -> bool {
        !self.holds_left && block.hash.0[0].is_multiple_of(16)
    }

    /// Blocks with access lists that the chain has left.
    fn left_hashes(&self) -> BTreeSet<B256> {
        let left = (0..self.blocks.len()).filter(|block| !self.is_canonical(*block));
        left.map(|block| self.blocks[block].target.hash).collect()
    }

    /// The blocks that lead to where the pivot stands.
    pub(crate) fn line(&self) -> BTreeSet<usize> {
        (0..self.blocks.len()).filter(|block| self.is_canonical(*block)).collect()
    }
}

impl World {
    /// The chain went on to this block, and the pivot with it.
    pub(crate) fn move_pivot(&mut self, nth: usize) -> Result<(), String> {
        self.pivots.newest = self.pivots.newest.max(nth);
        let newest = self.pivots.newest;
        let Some(block) = self.pivots.stops.get(newest).copied() else { return Ok(()) };
        for animal in 0..self.animals.len() {
            self.hear_of(animal, block);
        }
        self.states.leave(self.pivots.left_hashes());
        let target = self.pivots.blocks[block].target;
        let before = self.rig.desk.engine().pin();
        self.input(Input::Sync(Event::PivotMoved { target }))?;
        if self.rig.desk.engine().pin() != before {
            self.tallies.moves += 1;
            self.tallies.parts_outdated += self.parts_outdated();
        }
        if matches!(self.rig.desk.engine().phase(), Phase::Idle | Phase::Headers) && self.ended.is_none() {
            // A slow machine has no target yet that could move: it is told again.
            self.rig.set_after(AGAIN, Happening::Pivot(newest));
        }
        Ok(())
    }

    /// The canonical block of this number takes the pivot's place, if there is one on the disk.
    pub(crate) fn find_pivot(&mut self, number: u64) -> Result<(), String> {
        let Some(header) = self.canonical_header(number) else { return Ok(()) };
        let target = Target { number, hash: header.hash, root: header.state_root };
        self.rig.set_after(Duration::ZERO, Happening::PivotFound(target));
        Ok(())
    }

    /// The header of this number is looked at, if there is one.
    pub(crate) fn find_list(&mut self, number: u64) -> Result<(), String> {
        let (parent, has_list) = match self.pivots.canonical(number) {
            Some((block, parent)) => (parent.hash, self.states.list(&block.hash).is_some()),
            None => match self.canonical_header(number) {
                Some(header) => (header.parent, false),
                None => return Ok(()),
            },
        };
        self.input(Input::Sync(Event::ListFound { number, parent, has_list }))
    }

    /// It is looked for blocks that the chain has left.
    pub(crate) fn find_left(&mut self, blocks: &[Head]) -> Result<(), String> {
        let (left, unheld) = self.pivots.left(blocks, &self.states);
        self.input(Input::Sync(Event::LeftFound { left, unheld }))
    }

    /// The header of a block that the chain has left, and the one before it.
    pub(crate) fn left_header(&self, hash: &B256) -> Option<Vec<Header>> {
        let header = self.line.of(hash)?;
        Some(vec![header.clone(), self.line.of(&header.parent)?.clone()])
    }

    /// A canonical header that is on the disk.
    fn canonical_header(&self, number: u64) -> Option<&Header> {
        let ledger = &self.disk.held.ledger;
        let hash = ledger.canonical.get(&number)?;
        ledger.headers.get(&(number, *hash))
    }

    /// Why lists go no further is said as it is.
    pub(crate) fn check_no_lists(&self, why: NoLists) -> Result<(), String> {
        let held = &self.disk.held;
        let is_canonical = |block: Target| {
            self.pivots
                .canonical(block.number)
                .map_or(block == self.pivots.blocks[0].target, |(target, _)| target == block)
        };
        let is_apart = |standing: Standing| match standing {
            Standing::At(target) => held.place(target).is_none_or(|place| !is_canonical(place)),
            Standing::Mixed | Standing::Missing => false,
        };
        let is_so = match why {
            // No writer says the one yet, and no story is so large that it would say the other.
            NoLists::Mixed | NoLists::Crowded { .. } => false,
            NoLists::Nobody { .. } | NoLists::Left { .. } | NoLists::Claims => true,
            NoLists::Unheld { number } => self
                .pivots
                .blocks
                .iter()
                .any(|block| block.target.number == number && self.pivots.is_unheld(&block.target)),
            NoLists::Older { number } => {
                let block = self.pivots.canonical(number).map(|(block, _)| block.hash);
                let of_number = self.pivots.blocks.iter().filter(|block| block.target.number == number);
                block.is_none_or(|hash| self.states.list(&hash).is_none())
                    || of_number.into_iter().any(|block| self.states.list(&block.target.hash).is_none())
            }
            NoLists::OtherBranch { .. } => {
                let pin = self.rig.desk.engine().pin();
                pin.is_some_and(|pin| !is_canonical(pin.target))
                    || held.coverage.stretches().any(|(_, standing)| is_apart(standing))
                    // One that was on record for a moment may have no rows at all: the engine cannot know, and walks for nothing.
                    || held.targets.keys().any(|target| is_apart(Standing::At(*target)))
            }
        };
        if is_so { Ok(()) } else { Err(format!("lists go no further, it is said: {why}")) }
    }

    /// Headers of blocks whose access lists are asked for; none, if the chain does not reach so high.
    pub(crate) fn listed(&self, blocks: BlockRange) -> Option<Vec<Header>> {
        let hashes = (blocks.first..=blocks.last).map(|number| self.pivots.canonical(number));
        hashes.map(|found| self.line.of(&found?.0.hash).cloned()).collect()
    }

    /// A part of a storage may have become durable: in some stories that is when the pivot moves.
    pub(crate) fn move_at_parts(&mut self) {
        let Twist::StateMoves { also: Also::AtParts, .. } = self.story.twist else { return };
        let is_part = |pending: &PendingStorage| !pending.parts.is_missing() && !pending.is_filled();
        let next = self.pivots.newest + 1;
        let is_due = self.pivots.moved_at_parts < next && next < self.pivots.stops.len();
        if is_due && self.disk.held.pending.values().any(is_part) {
            self.pivots.moved_at_parts = next;
            let after = Duration::from_millis(self.chance.between(0, 300));
            self.rig.set_after(after, Happening::Pivot(next));
        }
    }

    /// In some stories the pivot moves to the end of a branch as soon as it may, and leaves that one when the machine is in a certain phase. One that is
    /// left before there is a target takes the place of the first one at once.
    pub(crate) fn move_in_phase(&mut self) {
        let Twist::StateMoves { also: Also::Leaves { phase: at, .. }, .. } = self.story.twist else { return };
        let phase = self.rig.desk.engine().phase();
        let left = self.pivots.blocks[self.pivots.stops[1]].target;
        let is_there = self.rig.desk.engine().pin().is_some_and(|pin| pin.target == left);
        let next = match self.pivots.moved_at_parts {
            0 if phase == Phase::Download && at == Phase::Headers => 2,
            0 if phase == Phase::Download => 1,
            1 if phase == at && is_there => 2,
            _ => return,
        };
        self.pivots.moved_at_parts = next;
        self.tallies.branches_left += u64::from(next == 2);
        self.rig.set_after(Duration::ZERO, Happening::Pivot(next));
    }

    /// Storages of which a part is held, and which are others at the newest target.
    fn parts_outdated(&self) -> u64 {
        let truth = self.truth();
        let is_other = |pending: &&PendingStorage| {
            let account = truth.accounts.get(&pending.account);
            !pending.parts.is_missing() && account.map(|account| account.storage_root) != pending.expected
        };
        self.disk.held.pending.values().filter(is_other).count() as u64
    }

    /// Where blocks change the state, an animal has the new one in its time, or never; else all have it at once.
    fn hear_of(&mut self, nth: usize, block: usize) {
        let animal = &mut self.animals[nth];
        match (self.story.twist, animal.follows) {
            (Twist::StateMoves { .. }, Some(after)) if !after.is_zero() => {
                self.rig.set_after(after, Happening::Imports(nth, block));
            }
            (Twist::StateMoves { .. }, None) => {}
            _ => animal.import(block),
        }
    }

    /// Who was told of a move before the power went tells it again.
    pub(crate) fn newest_pivot(&self) -> Option<usize> {
        Some(self.pivots.newest).filter(|newest| *newest > 0)
    }

    /// The block that is wanted, by what is on record.
    pub(crate) fn named(&self) -> B256 {
        self.rig.desk.engine().pin().map_or(self.line.target().hash, |pin| pin.target.hash)
    }

    /// A derived root as the block knows it that the pivot stands at: rows give one root, whatever name they were asked for by.
    pub(crate) fn called(&self, event: Event) -> Event {
        match (event, self.rig.desk.engine().pin()) {
            (Event::Rebuilt { root }, Some(pin)) => {
                let is_name = self.states.of(&pin.target.root).is_some_and(|state| state.root == root);
                Event::Rebuilt { root: if is_name { pin.target.root } else { root } }
            }
            (event, _) => event,
        }
    }

    /// Only a claim that is not newer than the target it is asked again of has somebody ask again for its account. It may be of the same one: a
    /// job that asked under an older root goes on, although the claim was healed meanwhile.
    fn check_renewal(&self, account: &B256, target: TargetId) -> Result<(), String> {
        let held = &self.disk.held;
        if !held.coverage.at(*account).is_held() {
            return Err(format!("{account} is asked again and is not held"));
        }
        match held.pending.get(account) {
            Some(pending) if pending.target > target => {
                Err(format!("{account} is asked again of {target:?}, its claim is of {:?}", pending.target))
            }
            _ => Ok(()),
        }
    }

    /// Before a request goes out: account rows are asked of the newest target on record, and a claim of the target at which it was proved.
    /// Who answers truthfully for another one would be charged for it.
    pub(crate) fn check_target(&self, request: &Request) -> Result<(), String> {
        let (target, root, claims) = match &request.what {
            What::Accounts { target, root, .. } => (*target, *root, Vec::new()),
            What::Renewal { target, root, account } => {
                self.check_renewal(account, *target)?;
                (*target, *root, Vec::new())
            }
            What::Storages { target, root, claims } => (*target, *root, claims.clone()),
            What::StorageRange { target, root, claim, .. } => (*target, *root, vec![*claim]),
            What::Nodes { target, root, nodes } => {
                (*target, *root, nodes.iter().filter_map(claim_of).collect())
            }
            What::Repair { target, root, node } => (*target, *root, claim_of(node).into_iter().collect()),
            _ => return Ok(()),
        };
        self.watch.asking(request, target)?;
        // The first target's record may be on its way still.
        let known = self.disk.held.targets.get(&target).map_or(root, |pin| pin.target.root);
        if known != root {
            return Err(format!("{target:?} is asked for under {root}, its root is {known}"));
        }
        match claims.iter().find_map(|claim| self.claimed_elsewhere(claim, target)) {
            Some((account, of)) => Err(format!(
                "{account} was claimed at {of:?} and is asked for under {target:?}: whoever answers truthfully is charged"
            )),
            None => Ok(()),
        }
    }

    fn claimed_elsewhere(&self, claim: &StorageClaim, target: TargetId) -> Option<(B256, TargetId)> {
        let pending = self.disk.held.pending.get(&claim.account)?;
        if let Twist::StateMoves { .. } = self.story.twist {
            // The machine may not have heard yet that the account claims another root now: what counts is what the state has.
            let pin = self.disk.held.targets.get(&target)?;
            let account =
                self.states.of(&pin.target.root).and_then(|state| state.accounts.get(&claim.account));
            let is_true = account.is_some_and(|account| account.storage_root == claim.root);
            return (!is_true).then_some((claim.account, pending.target));
        }
        (pending.target != target).then_some((claim.account, pending.target))
    }
}

/// The claim of a storage that a node is of.
fn claim_of(node: &WantedNode) -> Option<StorageClaim> {
    let (account, root) = (node.account?, node.claim.root());
    Some(StorageClaim { account, root })
}
