//! Accounts whose rows have changed on the disk, and what they claim now.

use alloy_primitives::B256;

use crate::{Effect, PendingStorage, TargetId, step::Step, storages::Storages};

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

    /// A walk has found all accounts equal to those of `target`, or made them so: what is claimed still is claimed there, too. Nothing is asked of
    /// an older one any more, which some peers may have dropped and others not.
    pub(crate) fn confirm(&mut self, target: TargetId) {
        let older = self.pending.iter().filter(|(_, pending)| pending.newest < target);
        let older: Vec<B256> = older.map(|(account, _)| *account).collect();
        older.into_iter().for_each(|account| self.move_to(account, target));
        let jobs = self.give_up(|asked| asked < target);
        self.stops.extend(jobs.into_iter().map(|id| Effect::Stop { id }));
    }

    /// Rows of `older` and those of `newest` are of one block now, and what the former claimed still is claimed there.
    pub(crate) fn join(&mut self, older: TargetId, newest: TargetId) {
        let of_older = self.pending.iter().filter(|(_, pending)| pending.newest == older);
        let of_older: Vec<B256> = of_older.map(|(account, _)| *account).collect();
        of_older.into_iter().for_each(|account| self.move_to(account, newest));
    }

    /// The same is claimed at another target. A job that fetches it goes on: what it gives is as true. A walk begins anew, since most of what it asks for
    /// may be had of the newer state only.
    fn move_to(&mut self, account: B256, target: TargetId) {
        let Some(pending) = self.pending.get_mut(&account) else { return };
        pending.newest = target;
        let before = pending.target;
        match &pending.step {
            Step::Fetching(_) => return,
            Step::Split(pieces) if pieces.iter().any(|piece| piece.job.is_some()) => return,
            Step::Walking(job) => {
                let stop = self.walks.release(account, before, Some(*job));
                self.stops.extend(stop);
                pending.step = Step::Differing;
                self.walks.wait(before, account);
            }
            Step::Split(_)
            | Step::Queued
            | Step::Following
            | Step::Copying
            | Step::Differing
            | Step::Deriving => {}
        }
        pending.target = target;
        let root = pending.root;
        for open in [&mut self.queue, &mut self.splits, &mut self.walks.waiting] {
            if open.remove(&(before, account)) {
                open.insert((target, account));
            }
        }
        self.lead_anew(root);
    }
}
