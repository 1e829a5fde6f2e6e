//! Storages that are held and of several blocks: their slots are compared with what is claimed, and only then derived.
//!
//! A walk is a job that ends by itself ([`Ended::Done`]); which nodes are still to be looked at is known to its stream alone. A job walks
//! down many storages of one target. It decides nothing about accounts: `healing.rs`.

use alloy_primitives::B256;

use crate::{Config, Effect, Ended, Job, JobId, TargetId, step::Step, storages::Storages, targets::Targets};

impl Storages {
    /// A walk ended, if it was one: what it walked down is derived, or waits for another one.
    pub(crate) fn walked(&mut self, job: JobId, why: Ended) -> bool {
        let Some(accounts) = self.walks.jobs.remove(&job) else { return false };
        for account in accounts {
            let Some(pending) = self.pending.get_mut(&account) else { continue };
            if why == Ended::Done {
                pending.step = Step::Deriving;
                self.out.push(Effect::RebuildStorage { account, expected: pending.root });
            } else {
                pending.step = Step::Differing;
                self.walks.wait(pending.target, account);
            }
        }
        true
    }

    /// Starts walks, those of the oldest claims first.
    pub(crate) fn plan_walks(
        &mut self,
        config: &Config,
        targets: &Targets,
        ids: &mut impl FnMut() -> JobId,
        out: &mut Vec<Effect>,
    ) {
        let mut next = targets.next_open(&self.walks.waiting, TargetId::default());
        while let Some((target, root)) = next.filter(|_| self.walks.jobs.len() < config.walk_jobs) {
            let of_target = (target, B256::ZERO)..=(target, B256::repeat_byte(0xff));
            let waiting = self.walks.waiting.range(of_target).map(|(_, account)| *account);
            let accounts: Vec<B256> = waiting.take(config.storages_per_walk.max(1)).collect();
            let id = ids();
            for account in &accounts {
                self.walks.waiting.remove(&(target, *account));
            }
            let claims = self.hand_over(&accounts, &Step::Walking(id));
            self.walks.jobs.insert(id, accounts.into_iter().collect());
            out.push(Effect::Start { id, job: Job::HealStorages { target, root, claims } });
            next = targets.next_open(&self.walks.waiting, target);
        }
    }
}
