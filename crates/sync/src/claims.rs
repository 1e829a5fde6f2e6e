//! Accounts whose rows have changed on the disk, and what they claim now.

use alloy_primitives::B256;

use crate::{PendingStorage, TargetId, step::Step, storages::Storages};

impl Storages {
    /// This is what an account's row claims now, and what is held of it.
    pub(crate) fn reclaim(&mut self, pending: &PendingStorage) {
        let PendingStorage { account, expected, target, .. } = *pending;
        if self.pending.get(&account).is_some_and(|before| Some(before.root) == expected) {
            return self.move_to(account, target);
        }
        self.taken(account);
        self.go_on(pending);
    }

    /// A claim is of another target now. One that a job asks for stays what it is to that job.
    fn move_to(&mut self, account: B256, target: TargetId) {
        let Some(pending) = self.pending.get_mut(&account) else { return };
        let is_asked = match &pending.step {
            Step::Fetching(_) | Step::Walking(_) => true,
            Step::Split(pieces) => pieces.iter().any(|piece| piece.job.is_some()),
            Step::Queued | Step::Following | Step::Copying | Step::Differing | Step::Deriving => false,
        };
        if is_asked {
            return;
        }
        let (root, before) = (pending.root, std::mem::replace(&mut pending.target, target));
        for open in [&mut self.queue, &mut self.splits, &mut self.walks.waiting] {
            if open.remove(&(before, account)) {
                open.insert((target, account));
            }
        }
        self.lead_anew(root);
    }
}
