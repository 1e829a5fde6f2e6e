//! Rows of blocks that the canonical chain has left go back to where it forks off, before lists bring them on.
//!
//! ```text
//!   O1 O2      rows are of O2: the lists of O2 and O1 name what these changed, which is asked again under the pivot
//!  /
//! A ─ B ─ C    all else is as true at A as at O2, and takes the lists of B and C
//! ```
//!
//! Where a list or a header of a left block cannot be had, that is told, and rows are brought on as far as they are of the canonical chain.

use std::cmp::Reverse;

use crate::{
    Effect, Head, Job, JobId, LeftBlock, NoLists, Phase, RetreatOutcome, RetreatedBlock, TargetId,
    machine::{Engine, next_job},
};

impl Engine {
    /// Finds out whether rows are of blocks that the chain has left, and takes those off. Says whether none is left.
    pub(crate) fn plan_retreat(&mut self) -> bool {
        let pivot = self.pin.map(|pin| pin.target.hash);
        if self.catch_up.place() {
            let mut blocks: Vec<Head> = self.state.targets.places().map(|(_, place)| place).collect();
            blocks.retain(|block| Some(block.hash) != pivot);
            blocks.sort_unstable_by_key(|block| (block.number, block.hash));
            blocks.dedup();
            // Under a pivot that the chain has left itself there is nothing to go on to.
            if blocks.is_empty() || self.pivot.is_orphaned {
                self.catch_up.placed();
            } else {
                self.effects.push_back(Effect::FindLeft { blocks });
            }
        }
        if self.catch_up.is_leaving() {
            self.plan_left();
        }
        self.catch_up.is_placed()
    }

    fn plan_left(&mut self) {
        if self.catch_up.left.is_empty() {
            return self.catch_up.placed();
        }
        if !self.state.claims_nothing() {
            // What was claimed is asked for at the blocks that claimed it, which are not where rows go.
            return match self.phase {
                Phase::CatchUp => self.enter(Phase::Download),
                Phase::Heal => self.stay(NoLists::Claims),
                _ => {}
            };
        }
        self.catch_up_now();
        if self.catch_up.left.job().is_some() {
            return;
        }
        // The highest first; where two branches were left, of one height the oldest target's: a later one must never be of a lower block.
        let places = self.state.targets.places().filter(|(_, place)| self.catch_up.left.has(place.hash));
        let next = places.max_by_key(|(target, place)| (place.number, Reverse(*target)));
        let Some((_, block)) = next else {
            // What an earlier job had with the writer has taken the rows off all of them.
            let job = self.catch_up.stays();
            return self.stop(job);
        };
        let id = next_job(&mut self.jobs_started);
        self.catch_up.left.started(id, block.hash);
        self.effects.push_back(Effect::Start { id, job: Job::LeftList { block } });
    }

    /// Rows are brought on from now on.
    pub(crate) fn catch_up_now(&mut self) {
        if self.phase == Phase::Heal {
            self.healing.leave();
        }
        if self.phase != Phase::CatchUp {
            self.enter(Phase::CatchUp);
        }
    }

    /// Somebody looked for blocks that the chain has left; `unheld` is one whose header is not there.
    pub(crate) fn on_left_found(&mut self, left: Vec<LeftBlock>, unheld: Option<u64>) {
        if !self.catch_up.is_placing() {
            return;
        }
        match self.why_not(&left, unheld) {
            Some(why) => self.stay(why),
            None => self.catch_up.leaves(left),
        }
    }

    /// Why rows cannot go back over these blocks.
    fn why_not(&self, left: &[LeftBlock], unheld: Option<u64>) -> Option<NoLists> {
        if let Some(number) = unheld {
            return Some(NoLists::Unheld { number });
        }
        if let Some(older) = left.iter().find(|left| !left.has_list) {
            return Some(NoLists::Older { number: older.block.number });
        }
        let fork = |mut place: Head| {
            while let Some(above) = left.iter().find(|left| left.block.hash == place.hash) {
                place = above.parent;
            }
            place
        };
        let places: Vec<(TargetId, Head)> = self.state.targets.places().collect();
        let is_left = |place: &Head| left.iter().any(|left| left.block.hash == place.hash);
        // Of two targets the later must not become one of a lower block.
        let in_the_way = places.iter().filter(|(_, place)| is_left(place)).find(|(target, place)| {
            places.iter().any(|(older, other)| older < target && fork(*other).number > fork(*place).number)
        });
        in_the_way.map(|(_, place)| NoLists::OtherBranch { number: place.number })
    }

    /// Rows of a block that the chain has left went to its parent, or did not.
    pub(crate) fn on_retreated(&mut self, job: JobId, retreated: &RetreatedBlock) {
        self.state.retreated(&self.config, retreated);
        let number = retreated.block.number;
        match retreated.outcome {
            RetreatOutcome::Applied => {
                let stale = self.catch_up.left.off(job, retreated.block.hash);
                self.stop(stale);
            }
            // One that was stopped says nothing of what is asked for now.
            _ if self.catch_up.left.job() != Some(job) => {}
            RetreatOutcome::Crowded => self.stay(NoLists::Crowded { number }),
            RetreatOutcome::Left if self.catch_up.doubts(retreated.block.hash) => {
                let job = self.catch_up.reopen();
                self.stop(job);
            }
            RetreatOutcome::Left => self.stay(NoLists::OtherBranch { number }),
        }
    }

    /// Rows stay where they are that are of blocks that the chain has left.
    pub(crate) fn stay(&mut self, why: NoLists) {
        let job: Option<JobId> = match self.phase {
            // What a walk has put may be of such a block, too: no list comes to that.
            Phase::Heal => self.catch_up.close(),
            _ => self.catch_up.stays(),
        };
        self.stop(job);
        self.tell(crate::Report::NoLists(why));
    }
}
