//! Which account ranges are missing, who fetches which, and how the longest is split.
//!
//! Gaps are the single truth: a range is owed until its rows are durable, whatever jobs say. A job is only a note on a gap.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};
use snapsync_trie::HashRange;

use crate::{AccountGap, Config, Effect, Job, JobId, Pin, TargetId};

/// Below this part of the key space a range is not split: a request costs more than it brings.
const SPLIT_SHARE_MIN: f64 = 1.0 / 65_536.0;

/// A split must leave each half this many answers' worth, else the answer in flight already covers both.
const SPLIT_ANSWERS_MIN: u64 = 2;

#[derive(Clone, Copy, Debug)]
struct Gap {
    range: HashRange,
    target: TargetId,
    job: Option<JobId>,
}

/// How far a job has come, as far as the stream told.
#[derive(Clone, Copy, Debug)]
struct Course {
    next: B256,
    last: B256,
}

/// What a new job takes over.
struct Split {
    /// The job that ends earlier, and where.
    shortened: Option<(JobId, B256)>,
    /// What the new job fetches.
    range: HashRange,
}

/// The account planner.
#[derive(Debug)]
pub(crate) struct Accounts {
    /// Invariant: rising, disjoint.
    gaps: Vec<Gap>,
    jobs: BTreeMap<JobId, Course>,
    /// Largest step that one answer made: how much of the key space an answer in flight may cover.
    stride: U256,
}

fn at(key: B256) -> U256 {
    U256::from_be_bytes(key.0)
}

impl Accounts {
    pub(crate) fn new(gaps: &[AccountGap]) -> Self {
        let mut gaps: Vec<Gap> =
            gaps.iter().map(|gap| Gap { range: gap.range, target: gap.target, job: None }).collect();
        gaps.sort_by_key(|gap| gap.range.start());
        Self { gaps, jobs: BTreeMap::new(), stride: U256::ZERO }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }

    pub(crate) fn gaps(&self) -> usize {
        self.gaps.len()
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        self.jobs.keys().copied()
    }

    /// The ranges that are missing, with their targets.
    pub(crate) fn missing(&self) -> impl Iterator<Item = AccountGap> + '_ {
        self.gaps.iter().map(|gap| AccountGap { range: gap.range, target: gap.target })
    }

    /// The share of the key space that is held.
    pub(crate) fn share(&self) -> f64 {
        let missing: f64 = self.gaps.iter().map(|gap| gap.range.share()).sum();
        (1.0 - missing).clamp(0.0, 1.0)
    }

    /// Rows of `covered` are durable.
    pub(crate) fn covered(&mut self, covered: HashRange) {
        let mut kept = Vec::with_capacity(self.gaps.len() + 1);
        for gap in self.gaps.drain(..) {
            if gap.range.is_disjoint(&covered) {
                kept.push(gap);
                continue;
            }
            let left =
                HashRange::before(covered.start()).and_then(|last| HashRange::new(gap.range.start(), last));
            let right =
                HashRange::after(covered.last()).and_then(|start| HashRange::new(start, gap.range.last()));
            kept.extend(left.into_iter().chain(right).map(|range| Gap { range, ..gap }));
        }
        self.gaps = kept;
        self.stride = self.stride.max(at(covered.last()) - at(covered.start()));
        self.drop_finished();
    }

    /// The stream of `job` has proved what lies before `next`.
    pub(crate) fn fetched(&mut self, job: JobId, next: B256) {
        if let Some(course) = self.jobs.get_mut(&job).filter(|course| course.next < next) {
            self.stride = self.stride.max(at(next) - at(course.next));
            course.next = next;
        }
    }

    /// A job ended by itself: what it still owed is open again.
    pub(crate) fn ended(&mut self, job: JobId) -> bool {
        let known = self.jobs.remove(&job).is_some();
        for gap in &mut self.gaps {
            if gap.job == Some(job) {
                gap.job = None;
            }
        }
        known
    }

    fn drop_finished(&mut self) {
        let gaps = &self.gaps;
        self.jobs.retain(|job, _| gaps.iter().any(|gap| gap.job == Some(*job)));
    }

    /// Starts jobs until as many are open as may be: first for gaps that nobody fetches, then by splitting the longest.
    pub(crate) fn plan(
        &mut self,
        config: &Config,
        pin: &Pin,
        ids: &mut impl FnMut() -> JobId,
        out: &mut Vec<Effect>,
    ) {
        self.split_unowned(config);
        while self.jobs.len() < config.account_ranges {
            let Some(split) = self.next_split() else { return };
            if let Some((id, last)) = split.shortened {
                if let Some(course) = self.jobs.get_mut(&id) {
                    course.last = last;
                }
                out.push(Effect::Shorten { id, last });
            }
            let id = ids();
            self.give(id, split.range, pin.id);
            #[cfg(feature = "planted-bugs")]
            if config.planted == Some(crate::Bug::GapDropped) && split.shortened.is_some() {
                self.covered(split.range);
                continue;
            }
            self.jobs.insert(id, Course { next: split.range.start(), last: split.range.last() });
            out.push(Effect::Start {
                id,
                job: Job::Accounts { target: pin.id, root: pin.target.root, range: split.range },
            });
        }
    }

    /// Cuts gaps that nobody fetches until there is one for each free slot.
    fn split_unowned(&mut self, config: &Config) {
        loop {
            let unowned = self.gaps.iter().filter(|gap| gap.job.is_none()).count();
            if unowned == 0 || unowned + self.jobs.len() >= config.account_ranges {
                return;
            }
            let free = config.account_ranges - self.jobs.len() - unowned;
            let longest = (0..self.gaps.len())
                .filter(|index| self.gaps[*index].job.is_none())
                .max_by_key(|index| at(self.gaps[*index].range.last()) - at(self.gaps[*index].range.start()))
                .filter(|index| self.gaps[*index].range.share() > SPLIT_SHARE_MIN);
            let Some(index) = longest else { return };
            // One gap alone is cut evenly at once; several are halved in turn, which comes close to even.
            let parts = if unowned == 1 { free + 1 } else { 2 };
            let gap = self.gaps[index];
            let pieces = gap.range.split(parts).into_iter().map(|range| Gap { range, ..gap });
            self.gaps.splice(index..=index, pieces);
        }
    }

    fn next_split(&self) -> Option<Split> {
        if let Some(gap) = self.gaps.iter().find(|gap| gap.job.is_none()) {
            return Some(Split { shortened: None, range: gap.range });
        }
        let (id, course) =
            self.jobs.iter().max_by_key(|(_, course)| at(course.last).saturating_sub(at(course.next)))?;
        let rest = HashRange::new(course.next, course.last)?;
        let span = at(rest.last()) - at(rest.start());
        let worth = self.stride.saturating_mul(U256::from(2 * SPLIT_ANSWERS_MIN));
        if self.stride.is_zero() || span < worth || rest.share() < SPLIT_SHARE_MIN {
            return None;
        }
        let mut halves = rest.split(2).into_iter();
        let (left, right) = (halves.next()?, halves.next()?);
        // What the job still owes may have more than one gap only left of `next`; from there on it is one piece.
        Some(Split { shortened: Some((*id, left.last())), range: right })
    }

    /// Gives all of `range` to a job, and the target that it is asked of now.
    fn give(&mut self, id: JobId, range: HashRange, target: TargetId) {
        let mut gaps = Vec::with_capacity(self.gaps.len() + 2);
        for gap in self.gaps.drain(..) {
            let Some(inside) = gap.range.intersection(&range) else {
                gaps.push(gap);
                continue;
            };
            let left =
                HashRange::before(inside.start()).and_then(|last| HashRange::new(gap.range.start(), last));
            let right =
                HashRange::after(inside.last()).and_then(|start| HashRange::new(start, gap.range.last()));
            gaps.extend(left.map(|range| Gap { range, ..gap }));
            gaps.push(Gap { range: inside, target, job: Some(id) });
            gaps.extend(right.map(|range| Gap { range, ..gap }));
        }
        self.gaps = gaps;
    }

    /// What is always true here.
    pub(crate) fn check(&self, config: &Config) {
        assert!(self.jobs.len() <= config.account_ranges, "more account jobs than ranges may be open");
        for pair in self.gaps.windows(2) {
            assert!(pair[0].range.last() < pair[1].range.start(), "account gaps overlap");
        }
        for gap in &self.gaps {
            assert!(
                gap.job.is_none_or(|job| self.jobs.contains_key(&job)),
                "an account gap waits for no job"
            );
        }
    }
}
