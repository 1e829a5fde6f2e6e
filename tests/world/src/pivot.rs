//! The pivot that moves during the download: to blocks that change the state (`changes`), or to blocks that change nothing, so that in the end
//! the rows are those of the first.
//!
//! Where nothing changes, each of these blocks has a root of its own all the same in a virtual state, another name of the one state: peers keep the newest few of
//! them, and an answer proves under the name that it was asked by. Real roots are what they are, so that there all are one. Nothing in here
//! is known to the machine under test.

use std::time::Duration;

use alloy_primitives::B256;
use snapsync_stream::{Input, Request, WantedNode, What};
use snapsync_sync::{Event, PendingStorage, Phase, StorageClaim, Target, TargetId};

use crate::{
    chain::{Flavour, Line},
    chance::Chance,
    changes,
    rig::Host,
    states::States,
    story::{Also, Older, Story, Twist},
    world::{Happening, World},
    zoo::Animal,
};

/// How long after a move that came too early it is told again.
const AGAIN: Duration = Duration::from_secs(1);

/// The blocks that the pivot moves to.
#[derive(Debug)]
pub(crate) struct Pivots {
    /// The first is the one that was named.
    targets: Vec<Target>,
    /// Where it stands.
    newest: usize,
    /// The last one that it was to move to because of a part.
    moved_at_parts: usize,
}

impl Pivots {
    /// Names the roots of a story's blocks, and says how many of them each animal keeps.
    pub(crate) fn make(story: &Story, states: &mut States, line: &Line, animals: &mut [Animal]) -> Self {
        let named = line.target();
        let first = Target { number: named.number, hash: named.hash, root: named.state_root };
        let mut pivots = Self { targets: vec![first], newest: 0, moved_at_parts: 0 };
        let (count, older, touched_per_mille) = match story.twist {
            Twist::PivotMoves { count, older, .. } => (count, older, None),
            Twist::StateMoves { count, older, touched_per_mille, .. } => {
                (count, older, Some(touched_per_mille))
            }
            _ => return pivots,
        };
        let mut chance = Chance::new(story.seed ^ 0x9140_7515);
        for nth in 1..=u64::from(count) {
            let name = chance.hash();
            match touched_per_mille {
                Some(touched) => states.push(changes::next(states, touched, &mut chance)),
                None if states.flavour() == Flavour::Real => states.repeat(states.first().root),
                None => states.repeat(name),
            }
            let root = states.newest_root();
            pivots.targets.push(Target { number: named.number + nth, hash: chance.hash(), root });
        }
        if touched_per_mille.is_some() {
            animals.iter_mut().for_each(|animal| animal.newest_root = 0);
        }
        // Where the one on the steady line keeps them all, what an older target claimed can be had from somebody.
        for animal in animals.iter_mut().skip(usize::from(older == Older::OfOne)) {
            animal.roots_kept = chance.index(3);
        }
        pivots
    }

    /// How many moves after the first a block is that the pivot stands at.
    pub(crate) fn block_of(&self, hash: &B256) -> Option<usize> {
        self.targets.iter().position(|target| target.hash == *hash)
    }
}

impl World {
    /// The chain went on to this block, and the pivot with it.
    pub(crate) fn move_pivot(&mut self, nth: usize) -> Result<(), String> {
        self.pivots.newest = self.pivots.newest.max(nth);
        let newest = self.pivots.newest;
        for animal in 0..self.animals.len() {
            self.hear_of(animal, newest);
        }
        let Some(target) = self.pivots.targets.get(newest).copied() else { return Ok(()) };
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
        let ledger = &self.disk.held.ledger;
        let Some(header) =
            ledger.canonical.get(&number).and_then(|hash| ledger.headers.get(&(number, *hash)))
        else {
            return Ok(());
        };
        let target = Target { number, hash: header.hash, root: header.state_root };
        self.rig.set_after(Duration::ZERO, Happening::PivotFound(target));
        Ok(())
    }

    /// A part of a storage may have become durable: in some stories that is when the pivot moves.
    pub(crate) fn move_at_parts(&mut self) {
        let Twist::StateMoves { also: Also::AtParts, .. } = self.story.twist else { return };
        let is_part = |pending: &PendingStorage| !pending.parts.is_missing() && !pending.is_filled();
        let next = self.pivots.newest + 1;
        let is_due = self.pivots.moved_at_parts < next && next < self.pivots.targets.len();
        if is_due && self.disk.held.pending.values().any(is_part) {
            self.pivots.moved_at_parts = next;
            let after = Duration::from_millis(self.chance.between(0, 300));
            self.rig.set_after(after, Happening::Pivot(next));
        }
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
