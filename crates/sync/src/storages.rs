//! Which storages are not settled, and on which way each of them is.
//!
//! An account is pending until the slots that we hold give the root that its row claims. Of several accounts with one
//! root a **leader** is fetched; its followers are copied from it, whatever the targets of their claims. A storage that did not fit
//! into an answer is **split** into sub-ranges of its own, so that it stalls nobody; its trie is derived when they are all held.
//!
//! A claim is worth what its target is worth: it is asked for under that one's root, the oldest first, since their states are the first
//! that peers drop. A job holds claims of one target. What becomes of claims that nobody can answer is said in `outdated.rs`.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use snapsync_trie::StorageClaim;

use crate::{
    Config, Effect, JobId, PartialStorage, PendingStorage, TargetId,
    donors::Donors,
    pieces::{Piece, pieces_after},
    step::{Pending, Step},
    walks::Walks,
};

/// Accounts that slots are copied to at once, by one [`Effect::CopyStorage`] or by several that are carried out together: a writer's
/// transaction holds a donor's slots this many times.
pub const COPIES_MAX: usize = 64;

/// Accounts that claim one root.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) leader: B256,
    followers: Vec<B256>,
}

/// The storage planner.
#[derive(Debug, Default)]
pub(crate) struct Storages {
    pub(crate) pending: BTreeMap<B256, Pending>,
    pub(crate) groups: BTreeMap<B256, Group>,
    /// Accounts that wait for a job, by the target of their claim.
    pub(crate) queue: BTreeSet<(TargetId, B256)>,
    /// Split accounts that have a piece which nobody fetches, likewise.
    pub(crate) splits: BTreeSet<(TargetId, B256)>,
    /// Targets whose state nobody has any more. Invariant: no job asks for what they claimed.
    pub(crate) outdated: BTreeSet<TargetId>,
    donors: Donors,
    /// Open jobs for whole storages, each with the accounts that it still owes.
    pub(crate) jobs: BTreeMap<JobId, BTreeSet<B256>>,
    /// Open jobs for pieces, each with its account.
    pub(crate) range_jobs: BTreeMap<JobId, B256>,
    pub(crate) walks: Walks,
    pub(crate) huge: usize,
    pub(crate) out: Vec<Effect>,
    /// Open jobs that ask for a claim, too, for which nobody waits any more.
    deserted: BTreeSet<JobId>,
    /// Jobs that owe nothing, and do not know it.
    pub(crate) stops: Vec<Effect>,
}

impl Storages {
    pub(crate) fn new(pendings: &[PendingStorage], slots_about: &[(B256, u64)]) -> Self {
        let mut storages = Self::default();
        let is_cut = |pending: &&PendingStorage| !pending.parts.is_missing();
        // Storages that already came in pieces lead their roots, so that nothing is fetched beside them.
        pendings.iter().filter(is_cut).for_each(|pending| storages.go_on(pending));
        pendings.iter().filter(|pending| !is_cut(pending)).for_each(|pending| storages.go_on(pending));
        for (account, slots) in slots_about {
            if let Some(pending) = storages.pending.get_mut(account) {
                pending.slots_about = *slots as f64;
            }
        }
        storages
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn is_pending(&self, account: &B256) -> bool {
        self.pending.contains_key(account)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub(crate) fn huge(&self) -> usize {
        self.huge
    }

    /// Slots that are still to come of the storages that came in pieces, about.
    pub(crate) fn slots_owed(&self) -> u64 {
        if self.huge == 0 {
            return 0;
        }
        let owed = |pending: &Pending| match &pending.step {
            Step::Split(pieces) => {
                pending.slots_about * pieces.iter().map(|piece| piece.range.share()).sum::<f64>()
            }
            _ => 0.0,
        };
        self.pending.values().map(owed).sum::<f64>() as u64
    }

    /// Storages of which every slot is held.
    pub(crate) fn deriving(&self) -> usize {
        if self.huge == 0 {
            return 0;
        }
        self.pending.values().filter(|pending| matches!(pending.step, Step::Deriving)).count()
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        self.jobs.keys().chain(self.range_jobs.keys()).copied().chain(self.walks.jobs())
    }

    /// An account's row claims a storage that we do not hold.
    pub(crate) fn add(&mut self, claim: StorageClaim, target: TargetId) {
        let StorageClaim { account, root } = claim;
        if self.pending.contains_key(&account) {
            return;
        }
        if self.donors.of(&root) == Some(account) {
            // Its row came once more and made it pending again on the disk: it cannot be its own donor.
            self.donors.forget(root);
        }
        let step = if let Some(donor) = self.donors.of(&root) {
            self.copy(donor, root, account);
            Step::Copying
        } else if let Some(group) = self.groups.get_mut(&root) {
            group.followers.push(account);
            Step::Following
        } else {
            self.groups.insert(root, Group { leader: account, followers: Vec::new() });
            self.queue.insert((target, account));
            Step::Queued
        };
        self.pending.insert(account, Pending::new(root, target, step));
        self.lead_anew(root);
    }

    /// Goes on with a storage where the disk stands: what is missing is fetched, if anything is, and its trie derived.
    pub(crate) fn go_on(&mut self, pending: &PendingStorage) {
        let Some(claim) = pending.claim() else { return };
        if pending.parts.is_missing() {
            return self.add(claim, pending.target);
        }
        let (StorageClaim { account, root }, is_mixed) = (claim, !pending.is_of_one_target());
        let begun = Pending { is_mixed, ..Pending::new(root, pending.target, Step::Queued) };
        self.pending.insert(account, begun);
        self.groups.entry(root).or_insert(Group { leader: account, followers: Vec::new() });
        self.split(account, pending.parts.gaps().map(|range| Piece { range, job: None }).collect());
    }

    /// A leader whose claim nobody can answer makes way for a follower whose claim somebody may, and is copied from it later.
    pub(crate) fn lead_anew(&mut self, root: B256) {
        if self.outdated.is_empty() {
            return;
        }
        let of = |account: &B256| self.pending.get(account);
        let is_outdated = |pending: &Pending| self.outdated.contains(&pending.target);
        let waits =
            |pending: &Pending| matches!(pending.step, Step::Queued | Step::Split(_)) && is_outdated(pending);
        let group = self.groups.get(&root).filter(|group| of(&group.leader).is_some_and(waits));
        let may_lead = |account: &B256| of(account).is_some_and(|pending| !is_outdated(pending));
        let Some(at) = group.and_then(|group| group.followers.iter().position(may_lead)) else { return };
        let Some(group) = self.groups.get_mut(&root) else { return };
        let leader = std::mem::replace(&mut group.leader, group.followers[at]);
        let next = std::mem::replace(&mut group.followers[at], leader);
        for (account, step) in [(leader, Step::Following), (next, Step::Queued)] {
            let Some(pending) = self.pending.get_mut(&account) else { continue };
            let (target, before) = (pending.target, std::mem::replace(&mut pending.step, step));
            if let Step::Split(pieces) = &before {
                pending.left = Some(pieces.iter().map(|piece| Piece { job: None, ..*piece }).collect());
            }
            self.release(account, target, &before);
            if account == next {
                self.queue.insert((target, account));
                self.take_up(account);
            }
        }
    }

    /// An account whose storage came in pieces before goes on with these, once it follows nobody any more.
    fn take_up(&mut self, account: B256) {
        let Some(pending) = self.pending.get_mut(&account) else { return };
        if matches!(pending.step, Step::Queued)
            && let Some(left) = pending.left.take()
        {
            self.split(account, left);
        }
    }

    /// An account claims what it did, and whom it follows is open again.
    fn add_again(&mut self, account: B256) {
        let Some(before) = self.pending.remove(&account) else { return };
        self.add(StorageClaim { account, root: before.root }, before.target);
        if let Some(pending) = self.pending.get_mut(&account) {
            (pending.left, pending.is_mixed, pending.slots_about) =
                (before.left, before.is_mixed, before.slots_about);
        }
        self.take_up(account);
    }

    /// Asks for a copy; copies from one donor that are asked for together go out together.
    fn copy(&mut self, donor: B256, root: B256, account: B256) {
        if let Some(Effect::CopyStorage { donor: last, accounts }) = self.out.last_mut()
            && last.account == donor
            && accounts.len() < COPIES_MAX
        {
            accounts.push(account);
            return;
        }
        self.out.push(Effect::CopyStorage {
            donor: StorageClaim { account: donor, root },
            accounts: vec![account],
        });
    }

    /// Slots are durable.
    pub(crate) fn durable(&mut self, config: &Config, settled: &[B256], partial: Option<PartialStorage>) {
        for account in settled {
            self.settle(config, *account);
        }
        if let Some(partial) = partial {
            self.part(config, partial);
        }
    }

    /// The slots of `account` give the root that its row claims.
    fn settle(&mut self, config: &Config, account: B256) {
        let Some(pending) = self.pending.remove(&account) else { return };
        self.release(account, pending.target, &pending.step);
        let Some(group) = self.groups.get(&pending.root).filter(|group| group.leader == account) else {
            return;
        };
        let followers = group.followers.clone();
        self.groups.remove(&pending.root);
        self.donors.remember(config, pending.root, account);
        for follower in followers {
            #[cfg(feature = "planted-bugs")]
            if config.planted == Some(crate::Bug::FollowersNeverCopied) {
                self.pending.remove(&follower);
                continue;
            }
            // It may have settled by itself meanwhile, by an answer that was late.
            let Some(follows) = self.pending.get_mut(&follower) else { continue };
            follows.step = Step::Copying;
            self.copy(account, pending.root, follower);
        }
    }

    /// Takes an account out of queues and jobs.
    fn release(&mut self, account: B256, target: TargetId, step: &Step) {
        match step {
            Step::Queued => {
                self.queue.remove(&(target, account));
            }
            Step::Fetching(job) => self.done(*job, account),
            Step::Split(pieces) => {
                self.splits.remove(&(target, account));
                self.huge -= 1;
                for job in pieces.iter().filter_map(|piece| piece.job) {
                    self.range_jobs.remove(&job);
                }
            }
            Step::Differing => {
                self.huge -= 1;
                self.stops.extend(self.walks.release(account, target, None));
            }
            Step::Walking(job) => {
                self.huge -= 1;
                self.stops.extend(self.walks.release(account, target, Some(*job)));
            }
            Step::Deriving => self.huge -= 1,
            Step::Following | Step::Copying => {}
        }
    }

    fn done(&mut self, job: JobId, account: B256) {
        if let Some(owed) = self.jobs.get_mut(&job) {
            owed.remove(&account);
            if owed.is_empty() {
                self.jobs.remove(&job);
                self.stops.extend(self.deserted.remove(&job).then_some(Effect::Stop { id: job }));
            }
        }
    }

    /// Nobody waits any more for what an account claimed: who asks for it still is to be stopped, as soon as nothing else is owed.
    fn desert(&mut self, step: &Step) {
        match step {
            Step::Fetching(job) if self.jobs.contains_key(job) => drop(self.deserted.insert(*job)),
            Step::Fetching(job) => self.stops.push(Effect::Stop { id: *job }),
            Step::Split(pieces) => {
                let jobs = pieces.iter().filter_map(|piece| piece.job);
                self.stops.extend(jobs.map(|id| Effect::Stop { id }));
            }
            _ => {}
        }
    }

    /// A part of one storage is durable: the rest becomes pieces, or a piece shrinks.
    fn part(&mut self, config: &Config, partial: PartialStorage) {
        let Some(pending) = self.pending.get_mut(&partial.account) else { return };
        if pending.slots_about == 0.0 {
            pending.slots_about = partial.slots as f64 / partial.covered.share();
        }
        match pending.step.clone() {
            step @ (Step::Queued | Step::Fetching(_)) => {
                let target = pending.target;
                self.release(partial.account, target, &step);
                self.split(partial.account, pieces_after(config, partial));
            }
            Step::Split(pieces) => {
                let mut left = Vec::with_capacity(pieces.len() + 1);
                pieces.iter().for_each(|piece| left.extend(piece.without(partial.covered)));
                let open = |job: &JobId| left.iter().any(|piece| piece.job == Some(*job));
                for job in pieces.iter().filter_map(|piece| piece.job).filter(|job| !open(job)) {
                    self.range_jobs.remove(&job);
                }
                self.huge -= 1;
                self.split(partial.account, left);
            }
            Step::Following | Step::Copying => {
                if let Some(left) = &mut pending.left {
                    *left = left.iter().flat_map(|piece| piece.without(partial.covered)).collect();
                }
            }
            Step::Differing | Step::Walking(_) | Step::Deriving => {}
        }
    }

    /// The account waits for these pieces; with none left its trie is derived, once nothing of it is of another block.
    fn split(&mut self, account: B256, pieces: Vec<Piece>) {
        self.huge += 1;
        let Some(pending) = self.pending.get_mut(&account) else { return };
        self.queue.remove(&(pending.target, account));
        self.splits.remove(&(pending.target, account));
        if pieces.is_empty() && pending.is_mixed {
            pending.step = Step::Differing;
            self.walks.wait(pending.target, account);
            return;
        }
        if pieces.is_empty() {
            pending.step = Step::Deriving;
            self.out.push(Effect::RebuildStorage { account, expected: pending.root });
            return;
        }
        if pieces.iter().any(|piece| piece.job.is_none()) {
            self.splits.insert((pending.target, account));
        }
        pending.step = Step::Split(pieces);
    }

    /// A storage trie was derived. Says the claim if the root differs from it.
    pub(crate) fn derived(&mut self, config: &Config, account: B256, root: B256) -> Result<(), B256> {
        let Some(pending) = self.pending.get(&account) else { return Ok(()) };
        if !matches!(pending.step, Step::Deriving) {
            return Ok(());
        }
        if pending.root != root {
            return Err(pending.root);
        }
        self.settle(config, account);
        Ok(())
    }

    /// An account's row has the root that its slots give, whatever it claimed before. Who waited for a copy of what it claimed does not get it
    /// from here.
    pub(crate) fn taken(&mut self, account: B256) {
        let Some(pending) = self.pending.remove(&account) else { return };
        self.release(account, pending.target, &pending.step);
        self.desert(&pending.step);
        let Some(group) = self.groups.get_mut(&pending.root) else { return };
        if group.leader != account {
            return group.followers.retain(|follower| *follower != account);
        }
        let followers = std::mem::take(&mut group.followers);
        self.groups.remove(&pending.root);
        for follower in followers {
            self.add_again(follower);
        }
    }

    /// What was derived of a storage is out of date.
    pub(crate) fn derive_again(&mut self, account: B256) {
        if let Some(Pending { root, step: Step::Deriving, .. }) = self.pending.get(&account) {
            self.out.push(Effect::RebuildStorage { account, expected: *root });
        }
    }

    /// Copies are durable, or were refused because the donor is no longer what it was.
    pub(crate) fn copied(&mut self, settled: &[B256], refused: &[B256]) {
        settled.iter().for_each(|account| self.taken(*account));
        for account in refused {
            // Where it is not being copied any more, its account claims another root by now.
            let is_copying = |pending: &Pending| matches!(pending.step, Step::Copying);
            if !self.pending.get(account).is_some_and(is_copying) {
                continue;
            }
            if let Some(root) = self.pending.get(account).map(|pending| pending.root) {
                self.donors.forget(root);
            }
            self.add_again(*account);
        }
    }

    /// A job ended by itself: what it still owed is open again.
    pub(crate) fn ended(&mut self, job: JobId) -> bool {
        self.deserted.remove(&job);
        if let Some(owed) = self.jobs.remove(&job) {
            for account in owed {
                if let Some(pending) = self.pending.get_mut(&account) {
                    (pending.step, pending.target) = (Step::Queued, pending.newest);
                    self.queue.insert((pending.target, account));
                }
            }
            return true;
        }
        let Some(account) = self.range_jobs.remove(&job) else { return false };
        if let Some(Pending { step: Step::Split(pieces), target, newest, .. }) =
            self.pending.get_mut(&account)
        {
            for piece in pieces.iter_mut().filter(|piece| piece.job == Some(job)) {
                piece.job = None;
            }
            self.splits.remove(&(*target, account));
            if pieces.iter().all(|piece| piece.job.is_none()) {
                *target = *newest;
            }
            self.splits.insert((*target, account));
        }
        true
    }

    /// A job takes over what these accounts claim.
    pub(crate) fn hand_over(&mut self, accounts: &[B256], step: &Step) -> Vec<StorageClaim> {
        let claim = |account: &B256| {
            let pending = self.pending.get_mut(account).expect("what waits for a job is pending");
            pending.step = step.clone();
            StorageClaim { account: *account, root: pending.root }
        };
        accounts.iter().map(claim).collect()
    }

    /// What is always true here.
    pub(crate) fn check(&self, config: &Config) {
        assert!(self.jobs.len() <= config.storage_jobs, "more storage jobs than may be open");
        assert!(self.range_jobs.len() <= config.storage_ranges, "more storage ranges than may be open");
        self.donors.check(config);
        self.walks.check(config);
        assert!(self.huge <= self.pending.len(), "more storages are split than pending");
    }
}
