//! Which bodies and which receipts are missing. Both are planned alike, newest first, as far as headers are durable; those above a block that
//! a state is of, which are to be executed, come before all others, and the oldest of them first. Receipts of those are asked of nobody where
//! execution gives them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{BlockGaps, BlockRange, Config, Effect, History, Job, JobId};

/// The blocks whose bodies and receipts are wanted, up to a head. The genesis block has neither.
pub(crate) fn wanted(history: History, head: u64) -> Option<BlockRange> {
    match history {
        History::All => BlockRange::new(1, head),
        History::From(first) => BlockRange::new(first.max(1), head),
        History::None => None,
    }
}

/// Bodies or receipts.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    gaps: BlockGaps,
    /// What no connected peer has. Not asked for until somebody else comes.
    absent: BlockGaps,
    /// Those of blocks above this one are not asked for: they come of execution, once the block is taken.
    made_above: Option<u64>,
    /// What came of execution, and is on its way to the disk.
    coming: BlockGaps,
    /// What each open job still owes.
    jobs: BTreeMap<JobId, BlockGaps>,
    /// Jobs that ask for blocks which others have brought.
    relieved: BTreeSet<JobId>,
}

impl Blocks {
    pub(crate) fn new(missing: impl IntoIterator<Item = BlockRange>) -> Self {
        Self { gaps: BlockGaps::new(missing), ..Self::default() }
    }

    /// Those of blocks above this one come of execution from now on; or of nobody but peers.
    pub(crate) fn are_made_above(&mut self, state: Option<u64>) {
        self.made_above = state;
    }

    /// Those of this block came of execution, and go to the disk.
    pub(crate) fn are_coming(&mut self, block: u64) {
        self.coming.insert(BlockRange { first: block, last: block });
    }

    /// Of these blocks nothing comes of execution any more: they are asked for as others are.
    pub(crate) fn come_no_more(&mut self, blocks: BlockRange) {
        self.coming.remove(blocks);
    }

    /// What is missing but for what comes with blocks that are taken.
    fn owed(&self) -> BlockGaps {
        let mut owed = self.gaps.clone();
        if let Some(state) = self.made_above {
            owed.remove(BlockRange { first: state.saturating_add(1), last: u64::MAX });
        }
        owed
    }

    /// What somebody must be asked for.
    fn to_ask(&self) -> BlockGaps {
        let mut to_ask = self.owed();
        for coming in self.coming.iter() {
            to_ask.remove(coming);
        }
        to_ask
    }

    /// Whether all is held, but for what comes with blocks that are taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.owed().is_empty() && self.absent.is_empty()
    }

    /// Whether nothing is left that somebody may have, of the blocks from `floor` on.
    pub(crate) fn is_exhausted(&self, floor: u64) -> bool {
        self.gaps.iter().all(|range| range.last < floor)
    }

    /// How many are still to be asked for.
    pub(crate) fn missing(&self) -> u64 {
        self.to_ask().count() + self.absent.count()
    }

    /// What no connected peer has.
    pub(crate) fn absent(&self) -> &BlockGaps {
        &self.absent
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        self.jobs.keys().copied()
    }

    /// These are held. Gives the jobs that owe nothing now and do not end by themselves, since others brought what they ask for: where the
    /// chain moved, what an earlier job had asked for below the fork may come after another was started for it.
    /// Without a job, nobody was asked for them.
    pub(crate) fn durable(&mut self, job: Option<JobId>, blocks: &[BlockRange]) -> Vec<JobId> {
        let mut idle = Vec::new();
        for range in blocks {
            for open in [&mut self.gaps, &mut self.absent, &mut self.coming] {
                open.remove(*range);
            }
            let loses = |owed: &BlockGaps| owed.iter().any(|owed| owed.meet(*range).is_some());
            let others = self.jobs.iter().filter(|(other, owed)| Some(**other) != job && loses(owed));
            self.relieved.extend(others.map(|(other, _)| *other));
            idle.extend(self.disown(*range));
        }
        idle.retain(|idle| self.relieved.remove(idle));
        idle
    }

    /// No connected peer has these. Nobody waits for them; other blocks take their place. Gives the jobs that have nothing
    /// else to do.
    pub(crate) fn nobody_has(&mut self, blocks: BlockRange) -> Vec<JobId> {
        for range in self.gaps.take(blocks) {
            self.absent.insert(range);
        }
        self.disown(blocks)
    }

    /// These are missing as well.
    pub(crate) fn want(&mut self, blocks: BlockRange) {
        self.gaps.insert(blocks);
    }

    /// Other blocks are canonical above the fork: of those that are wanted, all are missing but the held ones. Gives the jobs that were
    /// to fetch what is no longer canonical.
    pub(crate) fn rejoin(
        &mut self,
        fork: u64,
        wanted: Option<BlockRange>,
        held: &[BlockRange],
    ) -> Vec<JobId> {
        let above = BlockRange { first: fork.saturating_add(1), last: u64::MAX };
        for open in [&mut self.gaps, &mut self.absent, &mut self.coming] {
            open.remove(above);
        }
        if let Some(missing) = wanted.and_then(|wanted| wanted.meet(above)) {
            self.gaps.insert(missing);
        }
        for range in held {
            self.gaps.remove(*range);
        }
        let stale = |owed: &BlockGaps| owed.iter().any(|range| range.meet(above).is_some());
        let jobs: Vec<JobId> =
            self.jobs.iter().filter(|(_, owed)| stale(owed)).map(|(job, _)| *job).collect();
        jobs.iter().for_each(|job| drop(self.jobs.remove(job)));
        jobs
    }

    /// Whether nobody had some of these.
    pub(crate) fn lacks(&self, blocks: BlockRange) -> bool {
        self.absent.iter().any(|range| range.meet(blocks).is_some())
    }

    /// Somebody may have these: they are asked for again.
    pub(crate) fn reopen(&mut self, blocks: BlockRange) {
        for range in self.absent.take(blocks) {
            self.gaps.insert(range);
        }
    }

    /// No job owes these any more. Gives the jobs that owe nothing now, and are open no more.
    fn disown(&mut self, blocks: BlockRange) -> Vec<JobId> {
        let mut idle = Vec::new();
        self.jobs.retain(|job, owed| {
            owed.remove(blocks);
            if owed.is_empty() {
                idle.push(*job);
            }
            !owed.is_empty()
        });
        idle
    }

    pub(crate) fn ended(&mut self, job: JobId) -> bool {
        self.jobs.remove(&job).is_some()
    }

    /// Starts jobs for blocks whose headers are durable.
    pub(crate) fn plan(
        &mut self,
        config: &Config,
        AskedOf { blocks: held, headers, state }: AskedOf,
        job: impl Fn(BlockRange) -> Job,
        ids: &mut impl FnMut() -> JobId,
        out: &mut Vec<Effect>,
    ) {
        self.relieved.retain(|job| self.jobs.contains_key(job));
        while self.jobs.len() < config.block_jobs {
            let most = config.blocks_per_job.max(1) - 1;
            let above = state.and_then(|state| BlockRange::new(state.saturating_add(1), held.last));
            let next = above.and_then(|above| self.lowest_free(above));
            if let Some(BlockRange { first, last }) = next {
                let blocks = BlockRange { first, last: last.min(first.saturating_add(most)) };
                let id = ids();
                self.jobs.insert(id, BlockGaps::new([blocks]));
                out.push(Effect::Start { id, job: job(blocks) });
                continue;
            }
            let Some(free) = self.highest_free(held) else { return };
            let first = free.last.saturating_sub(most).max(free.first);
            let blocks = BlockRange { first, last: free.last };
            // Few blocks make a short request. More join them while headers come down, unless nothing else is asked for.
            let short = blocks.count() < config.blocks_per_job && free.first == held.first;
            if short && headers == HeadersAre::Coming && !self.jobs.is_empty() {
                return;
            }
            let id = ids();
            self.jobs.insert(id, BlockGaps::new([blocks]));
            out.push(Effect::Start { id, job: job(blocks) });
        }
    }

    /// The highest stretch that is missing, held as headers, and owed by no job.
    fn highest_free(&self, held: BlockRange) -> Option<BlockRange> {
        self.free().iter().rev().find_map(|range| range.meet(held))
    }

    /// The lowest such stretch within `held`.
    fn lowest_free(&self, held: BlockRange) -> Option<BlockRange> {
        self.free().iter().find_map(|range| range.meet(held))
    }

    /// What is missing and owed by no job.
    fn free(&self) -> BlockGaps {
        let mut free = self.to_ask();
        for range in self.jobs.values().flat_map(BlockGaps::iter) {
            free.remove(range);
        }
        free
    }

    /// What is always true here.
    pub(crate) fn check(&self, config: &Config) {
        assert!(self.jobs.len() <= config.block_jobs, "more block jobs than may be open");
        let owed: u64 = self.jobs.values().map(BlockGaps::count).sum();
        assert!(owed <= self.gaps.count(), "block jobs owe more than is missing");
    }
}

/// Of which blocks bodies and receipts may be asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskedOf {
    /// Those whose headers are durable.
    pub(crate) blocks: BlockRange,
    /// Whether there will be more below.
    pub(crate) headers: HeadersAre,
    /// A block whose state is here: those above it are executed as they come.
    pub(crate) state: Option<u64>,
}

/// Whether lower headers are still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadersAre {
    /// They are.
    Coming,
    /// The chain is down to genesis.
    Down,
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;

    #[test]
    fn a_job_whose_blocks_another_answer_brought_is_stopped() {
        let config = Config { blocks_per_job: 20, ..Config::standing(B256::ZERO) };
        let all = BlockRange { first: 1, last: 20 };
        let mut blocks = Blocks::new([all]);
        let mut started = 0;
        let mut plan = |blocks: &mut Blocks| {
            let (mut out, mut ids) = (Vec::new(), || {
                started += 1;
                JobId(started)
            });
            let job = |blocks| Job::Receipts { blocks };
            blocks.plan(
                &config,
                AskedOf { blocks: all, headers: HeadersAre::Down, state: None },
                job,
                &mut ids,
                &mut out,
            );
            blocks.jobs().collect::<Vec<JobId>>()
        };
        assert_eq!(plan(&mut blocks), [JobId(1)]);
        // Other blocks are canonical above the tenth; all of the first job's are asked for again.
        assert_eq!(blocks.rejoin(10, Some(all), &[]), [JobId(1)]);
        assert_eq!(plan(&mut blocks), [JobId(2)]);
        let below = BlockRange { first: 1, last: 10 };
        assert_eq!(blocks.durable(Some(JobId(1)), &[below]), []);
        let above = BlockRange { first: 11, last: 20 };
        // It may still go on with one of the lower blocks, whoever brings its last.
        assert_eq!(blocks.durable(Some(JobId(2)), &[above]), [JobId(2)]);
        assert!(blocks.is_empty());
    }

    #[test]
    fn a_job_that_ends_by_itself_is_not_stopped() {
        let config = Config::standing(B256::ZERO);
        let all = BlockRange { first: 1, last: 9 };
        let (mut blocks, mut out) = (Blocks::new([all]), Vec::new());
        let job = |blocks| Job::Bodies { blocks };
        blocks.plan(
            &config,
            AskedOf { blocks: all, headers: HeadersAre::Down, state: None },
            job,
            &mut || JobId(7),
            &mut out,
        );
        assert_eq!(blocks.durable(Some(JobId(7)), &[all]), []);
        assert_eq!(blocks.jobs().count(), 0);
    }

    #[test]
    fn blocks_above_a_state_are_asked_for_before_older_ones_and_rising() {
        let config = Config { blocks_per_job: 10, block_jobs: 3, ..Config::standing(B256::ZERO) };
        let (mut blocks, mut out, mut ids) = (Blocks::new([BlockRange { first: 1, last: 75 }]), vec![], 0);
        let mut id = || {
            ids += 1;
            JobId(ids)
        };
        let held = BlockRange { first: 1, last: 75 };
        let job = |blocks| Job::Bodies { blocks };
        blocks.plan(
            &config,
            AskedOf { blocks: held, headers: HeadersAre::Down, state: Some(60) },
            job,
            &mut id,
            &mut out,
        );
        let asked = |effect: &Effect| match effect {
            Effect::Start { job: Job::Bodies { blocks }, .. } => (blocks.first, blocks.last),
            other => panic!("{other:?}"),
        };
        assert_eq!(out.iter().map(asked).collect::<Vec<_>>(), [(61, 70), (71, 75), (51, 60)]);
    }
}
