//! The pivot that moves during the download: to blocks that change nothing, so that in the end the rows are those of the reference.
//!
//! In a virtual state each of these blocks has a root of its own all the same, another name of the one state: peers keep the newest few of
//! them, and an answer proves under the name that it was asked by. Real roots are what they are, so that there all are one. Nothing in here
//! is known to the machine under test.

use std::time::Duration;

use alloy_primitives::B256;
use snapsync_stream::{Input, Request, What};
use snapsync_sync::{Event, Phase, StorageClaim, Target, TargetId};

use crate::{
    chain::{Flavour, Line, State},
    chance::Chance,
    rig::Host,
    story::{Older, Story, Twist},
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
}

impl Pivots {
    /// Names the roots of a story's blocks, and says how many of them each animal keeps.
    pub(crate) fn make(story: &Story, state: &mut State, line: &Line, animals: &mut [Animal]) -> Self {
        let named = line.target();
        let first = Target { number: named.number, hash: named.hash, root: named.state_root };
        let mut pivots = Self { targets: vec![first], newest: 0 };
        let Twist::PivotMoves { count, older, .. } = story.twist else { return pivots };
        let mut chance = Chance::new(story.seed ^ 0x9140_7515);
        for nth in 1..=u64::from(count) {
            let name = chance.hash();
            let root = if state.flavour == Flavour::Real { state.root } else { name };
            state.names.push(root);
            pivots.targets.push(Target { number: named.number + nth, hash: chance.hash(), root });
        }
        // Where the one on the steady line keeps them all, what an older target claimed can be had from somebody.
        for animal in animals.iter_mut().skip(usize::from(older == Older::OfOne)) {
            animal.roots_kept = chance.index(3);
        }
        pivots
    }
}

impl World {
    /// The chain went on to this block, and the pivot with it.
    pub(crate) fn move_pivot(&mut self, nth: usize) -> Result<(), String> {
        self.pivots.newest = self.pivots.newest.max(nth);
        let newest = self.pivots.newest;
        for animal in &mut self.animals {
            animal.oldest_root = newest.saturating_sub(animal.roots_kept);
        }
        let Some(target) = self.pivots.targets.get(newest).copied() else { return Ok(()) };
        let before = self.rig.desk.engine().pin();
        self.input(Input::Sync(Event::PivotMoved { target }))?;
        self.tallies.moves += u64::from(self.rig.desk.engine().pin() != before);
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
            (Event::Rebuilt { root }, Some(pin)) if root == self.state.root => {
                let is_name = self.state.block_of(&pin.target.root).is_some();
                Event::Rebuilt { root: if is_name { pin.target.root } else { root } }
            }
            (event, _) => event,
        }
    }

    /// Only a claim that is older than the target it is asked again of has somebody ask again for its account.
    fn check_renewal(&self, account: &B256, target: TargetId) -> Result<(), String> {
        let held = &self.disk.held;
        if !held.coverage.at(*account).is_held() {
            return Err(format!("{account} is asked again and is not held"));
        }
        match held.pending.get(account) {
            Some(pending) if pending.target >= target => {
                Err(format!("{account} is asked again of {target:?}, its claim is of {:?}", pending.target))
            }
            _ => Ok(()),
        }
    }

    /// Before a request goes out: account rows are asked of the newest target on record, and a claim of the target at which it was proved.
    /// Who answers truthfully for another one would be charged for it.
    pub(crate) fn check_target(&self, request: &Request) -> Result<(), String> {
        let (target, root, claims) = match &request.what {
            What::Accounts { target, root, .. } => (*target, *root, &[][..]),
            What::Renewal { target, root, account } => {
                self.check_renewal(account, *target)?;
                (*target, *root, &[][..])
            }
            What::Storages { target, root, claims } => (*target, *root, claims.as_slice()),
            What::StorageRange { target, root, claim, .. } => (*target, *root, std::slice::from_ref(claim)),
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
        (pending.target != target).then_some((claim.account, pending.target))
    }
}
