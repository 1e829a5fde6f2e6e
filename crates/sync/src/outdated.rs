//! Claims of storages that nobody can answer any more: no connected peer has the state that made them.
//!
//! That ends nothing, and nobody is to blame. They go on counting as pending, and wait until their rows were asked for anew; an equal root
//! that is claimed at a newer target is copied to them. An answer that was on its way is as true as it was.
//!
//! ```text
//! the row claims the same root      it is asked for under that of the newer target; what is held of it stays
//! another root                      what is held stays as well: a walk tells what differs
//! none, or there is no row          it is not pending any more
//! ```

use std::{collections::BTreeMap, ops::RangeInclusive};

use alloy_primitives::B256;

use crate::{
    HashRange, JobId, PendingStorage, TargetId,
    step::{Pending, Step},
    storages::Storages,
};

/// All accounts of which something of a target is open.
fn of_target(target: TargetId) -> RangeInclusive<(TargetId, B256)> {
    (target, B256::ZERO)..=(target, B256::repeat_byte(0xff))
}

impl Storages {
    /// No connected peer has the state of `target`. Gives the jobs that ask for what it claimed; they are to be stopped.
    pub(crate) fn set_aside(&mut self, target: TargetId) -> Vec<JobId> {
        self.outdated.insert(target);
        let jobs = self.give_up(|asked| asked == target);
        let roots: Vec<_> = self.groups.keys().copied().collect();
        roots.into_iter().for_each(|root| self.lead_anew(root));
        jobs
    }

    /// How many claims wait because nobody can answer them.
    pub(crate) fn claims_outdated(&self) -> usize {
        if self.outdated.is_empty() {
            return 0;
        }
        self.pending.values().filter(|pending| self.waits_for_nobody(pending)).count()
    }

    /// Accounts that are to be asked again, for each root that nobody can answer the one that leads: who follows gets its copy.
    pub(crate) fn unanswerable(&self) -> impl Iterator<Item = B256> + '_ {
        let open = [&self.queue, &self.splits, &self.walks.waiting];
        let of =
            move |target: &TargetId| open.map(|open| open.range(of_target(*target))).into_iter().flatten();
        self.outdated.iter().flat_map(of).map(|(_, account)| *account)
    }

    /// Rows of these pieces were asked again; `told` is what is pending of their accounts now.
    pub(crate) fn renewed(&mut self, pieces: &[HashRange], told: Vec<PendingStorage>) {
        let mut told: BTreeMap<B256, PendingStorage> =
            told.into_iter().map(|pending| (pending.account, pending)).collect();
        for piece in pieces {
            let within = self.pending.range(piece.start()..=piece.last());
            let accounts: Vec<B256> = within.map(|(account, _)| *account).collect();
            for account in accounts {
                match told.remove(&account) {
                    Some(pending) => self.reclaim(&pending),
                    None => self.taken(account),
                }
            }
        }
        told.values().for_each(|pending| self.reclaim(pending));
    }

    fn waits_for_nobody(&self, pending: &Pending) -> bool {
        match pending.step {
            Step::Queued | Step::Split(_) | Step::Differing => self.outdated.contains(&pending.target),
            // As long as somebody may answer for one account of a root, that one leads.
            Step::Following => {
                self.groups.get(&pending.root).and_then(|group| self.pending.get(&group.leader)).is_some_and(
                    |leader| !matches!(leader.step, Step::Following) && self.waits_for_nobody(leader),
                )
            }
            Step::Fetching(_) | Step::Copying | Step::Walking(_) | Step::Deriving => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use snapsync_trie::StorageClaim;

    use super::*;
    use crate::{Config, PartialStorage};

    fn key(number: u64) -> B256 {
        B256::from(U256::from(number).to_be_bytes())
    }

    #[test]
    fn what_came_in_pieces_is_not_asked_for_whole_when_it_leads_again() {
        let config = Config::standing(B256::ZERO);
        let (old, new) = (TargetId::default().next(), TargetId::default().next().next());
        let (cut, other, root) = (key(1), key(2), key(3));
        let mut storages = Storages::default();
        storages.add(StorageClaim { account: cut, root }, old);
        let covered = HashRange::new(B256::ZERO, B256::repeat_byte(0x7f)).expect("it rises");
        storages.durable(&config, &[], Some(PartialStorage { account: cut, covered, slots: 10 }));
        storages.add(StorageClaim { account: other, root }, new);
        let step = |storages: &Storages, account| storages.pending[&account].step.clone();
        assert!(
            matches!(step(&storages, cut), Step::Split(_))
                && matches!(step(&storages, other), Step::Following)
        );
        storages.set_aside(old);
        assert!(
            matches!(step(&storages, cut), Step::Following) && matches!(step(&storages, other), Step::Queued)
        );
        // Whoever leads now claims another root by now.
        storages.taken(other);
        let Step::Split(pieces) = step(&storages, cut) else { panic!("{:?}", step(&storages, cut)) };
        assert!(pieces.iter().all(|piece| piece.range.start() > covered.last()), "only what is missing");
        assert!(storages.queue.is_empty() && storages.splits.contains(&(old, cut)));
        assert_eq!(storages.huge(), 1);
    }
}
