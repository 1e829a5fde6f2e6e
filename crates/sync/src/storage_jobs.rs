//! Which jobs fetch what is pending of storages: whole ones many at a time, pieces one by one, those of the oldest claims first.

use alloy_primitives::B256;
use snapsync_trie::StorageClaim;

use crate::{
    Config, Effect, Ended, Job, JobId, TargetId, codes::Flush, step::Step, storages::Storages,
    targets::Targets,
};

impl Storages {
    /// Fills free slots.
    pub(crate) fn plan(
        &mut self,
        config: &Config,
        targets: &Targets,
        flush: Flush,
        ids: &mut impl FnMut() -> JobId,
        out: &mut Vec<Effect>,
    ) {
        out.append(&mut self.out);
        self.plan_ranges(config, targets, ids, out);
        let mut next = targets.next_open(&self.queue, TargetId::default());
        while let Some((target, _)) = next {
            // No rows come any more that claim something at an older target, but for what is in flight.
            let is_newest = targets.asked().is_some_and(|asked| asked.id == target);
            let flush = if is_newest { flush } else { Flush::All };
            self.plan_whole(config, targets, target, flush, ids, out);
            next = targets.next_open(&self.queue, target.next());
        }
    }

    /// Starts jobs for whole storages that were claimed at one target.
    fn plan_whole(
        &mut self,
        config: &Config,
        targets: &Targets,
        target: TargetId,
        flush: Flush,
        ids: &mut impl FnMut() -> JobId,
        out: &mut Vec<Effect>,
    ) {
        let of_target = (target, B256::ZERO)..=(target, B256::repeat_byte(0xff));
        let Some(root) = targets.root(target) else { return };
        while self.jobs.len() < config.storage_jobs {
            let queued = self.queue.range(of_target.clone()).map(|(_, account)| *account);
            let accounts: Vec<B256> = queued.take(config.storage_claims.max(1)).collect();
            // A short list would make short requests. It goes out when nothing else is on its way.
            let is_short = accounts.len() < config.storage_claims / 4;
            if accounts.is_empty() || is_short && flush == Flush::Full && !self.jobs.is_empty() {
                return;
            }
            let id = ids();
            for account in &accounts {
                self.queue.remove(&(target, *account));
            }
            let claims = self.hand_over(&accounts, &Step::Fetching(id));
            self.jobs.insert(id, accounts.into_iter().collect());
            #[cfg(feature = "planted-bugs")]
            let (target, root) = match targets.asked() {
                Some(asked) if config.planted == Some(crate::Bug::ClaimRetargeted) => {
                    (asked.id, asked.target.root)
                }
                _ => (target, root),
            };
            out.push(Effect::Start { id, job: Job::Storages { target, root, claims } });
        }
    }

    fn plan_ranges(
        &mut self,
        config: &Config,
        targets: &Targets,
        ids: &mut impl FnMut() -> JobId,
        out: &mut Vec<Effect>,
    ) {
        while self.range_jobs.len() < config.storage_ranges {
            let Some((target, root)) = targets.next_open(&self.splits, TargetId::default()) else { return };
            let Some((_, account)) = self.splits.range((target, B256::ZERO)..).next().copied() else {
                return;
            };
            let pending = self.pending.get_mut(&account).expect("what is split is pending");
            let Step::Split(pieces) = &mut pending.step else {
                unreachable!("`splits` holds accounts in this step only: `split` and `release` keep it so")
            };
            let Some(piece) = pieces.iter_mut().find(|piece| piece.job.is_none()) else {
                self.splits.remove(&(target, account));
                continue;
            };
            let id = ids();
            piece.job = Some(id);
            let claim = StorageClaim { account, root: pending.root };
            let range = piece.range;
            self.range_jobs.insert(id, account);
            out.push(Effect::Start { id, job: Job::StorageRange { target, root, claim, range } });
        }
    }

    /// Gives up the jobs that ask for claims of such a target, which then wait for others. Gives the jobs; they are to be stopped.
    pub(crate) fn give_up(&mut self, is_such: impl Fn(TargetId) -> bool) -> Vec<JobId> {
        // All claims of a job are of one target.
        let firsts = self.jobs.iter().filter_map(|(job, owed)| Some((*job, owed.first()?)));
        let ranges = self.range_jobs.iter().map(|(job, account)| (*job, account));
        let is_to_go = |(_, account): &(JobId, &B256)| {
            self.pending.get(*account).is_some_and(|pending| is_such(pending.target))
        };
        let asking = firsts.chain(ranges).chain(self.walks.firsts()).filter(is_to_go);
        let jobs: Vec<JobId> = asking.map(|(job, _)| job).collect();
        for job in &jobs {
            let _known = self.ended(*job) || self.walked(*job, Ended::GivenUp);
        }
        jobs
    }
}
