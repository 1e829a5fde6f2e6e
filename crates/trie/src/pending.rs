//! A storage that is not settled. The engine, the state's writer and the simulation keep the same record of it.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{Coverage, HashRange, Standing, StorageClaim, TargetId};

/// An account whose row claims a storage root that the slots held do not give, or not yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingStorage {
    /// The account.
    pub account: B256,
    /// The root that its row claims. `None`: the root is owed, as a change of its slots came without one, and only deriving tells it.
    pub expected: Option<B256>,
    /// The target at which the claim was proved; it is worth what that is worth.
    pub target: TargetId,
    /// What is held of its slots.
    pub parts: Coverage,
}

impl PendingStorage {
    /// Nothing is held of what a row claims.
    pub fn untouched(claim: StorageClaim, target: TargetId) -> Self {
        let StorageClaim { account, root } = claim;
        Self { account, expected: Some(root), target, parts: Coverage::missing() }
    }

    /// The claim, if a root is expected.
    pub fn claim(&self) -> Option<StorageClaim> {
        self.expected.map(|root| StorageClaim { account: self.account, root })
    }

    /// Whether slots that were proved against this claim are what is waited for.
    pub fn waits_for(&self, claim: &StorageClaim) -> bool {
        self.account == claim.account && self.expected == Some(claim.root)
    }

    /// Whether all slots are held, so that the trie over them can be derived.
    pub fn is_filled(&self) -> bool {
        self.parts.is_whole()
    }

    /// The account claims this root at another target. Slots that are of the claim's own target are of the new one as well, if the root
    /// is the same at both.
    pub fn reclaim(&mut self, root: B256, target: TargetId) {
        if self.expected == Some(root) {
            self.parts.rename(self.target, target);
        }
        (self.expected, self.target) = (Some(root), target);
    }

    /// Slots of `covered`, proved at `target`, are held now: the pieces of it that were missing.
    pub fn fill(&mut self, covered: HashRange, target: TargetId) -> Vec<HashRange> {
        self.parts.fill(covered, target)
    }

    /// Whether all slots that are held were proved at the claim's own target: then what they give must be the expected root, and another
    /// one is a fault of ours. Else they may be of several blocks, and the row takes what they give.
    pub fn is_of_one_target(&self) -> bool {
        let of_claim = |standing: Standing| !standing.is_held() || standing == Standing::At(self.target);
        self.expected.is_some() && self.parts.stretches().all(|(_, standing)| of_claim(standing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_a_root_that_is_claimed_again_are_of_the_later_target_and_those_of_another_root_are_not() {
        let (root, other) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let claim = StorageClaim { account: B256::ZERO, root };
        let range =
            |first, last| HashRange::new(B256::repeat_byte(first), B256::repeat_byte(last)).expect("rising");
        let [first, second, third, fourth] = [1, 2, 3, 4].map(TargetId);
        let mut pending = PendingStorage::untouched(claim, first);
        pending.fill(range(0x00, 0x3f), first);
        pending.reclaim(other, second);
        pending.fill(range(0x40, 0x7f), second);
        assert!(!pending.is_of_one_target(), "slots of two roots");
        pending.reclaim(other, third);
        let standings: Vec<Standing> = pending.parts.stretches().map(|(_, standing)| standing).collect();
        assert_eq!(
            standings,
            [Standing::At(first), Standing::Missing, Standing::At(third), Standing::Missing]
        );
        // Nothing is expected where a list has changed slots: what is held is of no claim.
        pending.expected = None;
        pending.reclaim(other, fourth);
        assert_eq!(pending.parts.at(B256::repeat_byte(0x50)), Standing::At(third));
        assert_eq!((pending.expected, pending.target), (Some(other), fourth));
    }
}
