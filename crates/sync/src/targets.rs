//! Which targets there are: the one that account rows are asked of, and the older ones whose claims are still worth asking for.
//!
//! ```text
//!   the pivot moves        pin: 2   asked: 1     the record of 2 is on its way to the disk
//!   the record is durable  pin: 2   asked: 2     account rows are asked under the root of 2, storages that 1 claimed under that of 1
//!   nobody has 1           pin: 2   asked: 2     what 1 claimed and nobody fetched is asked again under the root of 2, row by row
//! ```
//!
//! It trusts whoever moves the pivot for the roots. It decides no move, and does not know what is held of which target.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;

use crate::{Head, Journal, Pin, TargetId};

/// The targets of a sync.
#[derive(Debug)]
pub(crate) struct Targets {
    /// The newest one on record: a writer refuses rows of a target that it does not know.
    asked: Option<Pin>,
    /// Roots of the targets whose state somebody may have. Invariant: none is newer than `asked`.
    roots: BTreeMap<TargetId, B256>,
    /// The block that the rows of each target are of, if they are not newer: its own, until lists bring them on.
    places: BTreeMap<TargetId, Head>,
}

impl Targets {
    /// What the disk has on record: rows and pendings name no other target. That nobody had an older one is not recorded: whoever is connected now
    /// may have it.
    pub(crate) fn new(journal: &Journal) -> Self {
        let roots = journal.targets.iter().chain(&journal.pin).map(|pin| (pin.id, pin.target.root));
        let places =
            journal.targets.iter().chain(&journal.pin).map(place).chain(journal.brought.iter().copied());
        Self { asked: journal.pin, roots: roots.collect(), places: places.collect() }
    }

    /// The target that account rows are asked of.
    pub(crate) fn asked(&self) -> Option<&Pin> {
        self.asked.as_ref()
    }

    /// Account rows are asked of this one from now on.
    pub(crate) fn ask(&mut self, pin: Pin) {
        self.roots.insert(pin.id, pin.target.root);
        self.know(&pin);
        self.asked = Some(pin);
    }

    /// Rows may be of this target from now on.
    pub(crate) fn know(&mut self, pin: &Pin) {
        let (id, own) = place(pin);
        self.places.entry(id).or_insert(own);
    }

    /// The state is whole, and of another block under the same name: blocks have brought it there.
    pub(crate) fn replace(&mut self, pin: Pin) {
        self.roots.insert(pin.id, pin.target.root);
        let (id, own) = place(&pin);
        self.places.insert(id, own);
        self.asked = Some(pin);
    }

    /// No row is of an older target than this.
    pub(crate) fn forget_below(&mut self, target: TargetId) {
        self.roots = self.roots.split_off(&target);
        self.places = self.places.split_off(&target);
    }

    /// The block that the rows of a target are of.
    pub(crate) fn place(&self, target: TargetId) -> Option<Head> {
        self.places.get(&target).copied()
    }

    /// All of them, with the blocks that their rows are of.
    pub(crate) fn places(&self) -> impl Iterator<Item = (TargetId, Head)> + '_ {
        self.places.iter().map(|(target, place)| (*target, *place))
    }

    /// Rows that were of a block are of this one now: its list was brought to its parent's, or one that is left was taken off.
    pub(crate) fn bring(&mut self, from: B256, block: Head) {
        let moved = self.places.values_mut().filter(|place| place.hash == from);
        moved.for_each(|place| *place = block);
    }

    /// No row names this target any more.
    pub(crate) fn join(&mut self, older: TargetId) {
        self.places.remove(&older);
    }

    /// Under which root what a target claims is asked for; nothing, if nobody has that state any more.
    pub(crate) fn root(&self, target: TargetId) -> Option<B256> {
        self.roots.get(&target).copied()
    }

    /// The oldest target from `from` on of which something is open and whose state somebody may have, with its root.
    pub(crate) fn next_open(
        &self,
        open: &BTreeSet<(TargetId, B256)>,
        mut from: TargetId,
    ) -> Option<(TargetId, B256)> {
        loop {
            let (target, _) = open.range((from, B256::ZERO)..).next()?;
            if let Some(root) = self.root(*target) {
                return Some((*target, root));
            }
            from = target.next();
        }
    }

    /// No connected peer has this state.
    pub(crate) fn lose(&mut self, target: TargetId) {
        self.roots.remove(&target);
    }
}

fn place(pin: &Pin) -> (TargetId, Head) {
    (pin.id, pin.target.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    fn pin(id: u32) -> Pin {
        let hash = B256::with_last_byte(id as u8);
        Pin { id: TargetId(id), target: Target { number: u64::from(id), hash, root: hash } }
    }

    #[test]
    fn older_targets_keep_their_roots_until_nobody_has_them() {
        let journal = Journal { pin: Some(pin(2)), targets: vec![pin(1), pin(2)], ..Journal::fresh() };
        let mut targets = Targets::new(&journal);
        targets.ask(pin(3));
        assert_eq!(targets.asked(), Some(&pin(3)));
        let roots = |targets: &Targets| [1, 2, 3].map(|id| targets.root(TargetId(id)).is_some());
        assert_eq!(roots(&targets), [true, true, true]);
        targets.lose(TargetId(2));
        assert_eq!(roots(&targets), [true, false, true]);
    }
}
