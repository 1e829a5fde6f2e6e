//! What is held of the accounts, who fetches which missing range, and how the longest is split.
//!
//! What is held is the single truth: a range is owed until its rows are durable, whatever jobs say. A job is only a note on a part of
//! what is missing.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};
use snapsync_trie::{Coverage, Gaps, HashRange, Standing, TargetId};

use crate::{Config, Effect, Job, JobId, Pin};

/// Below this part of the key space a range is not split: a request costs more than it brings.
const SPLIT_SHARE_MIN: f64 = 1.0 / 65_536.0;

/// A split must leave each half this many answers' worth, else the answer in flight already covers both.
const SPLIT_ANSWERS_MIN: u64 = 2;

/// What a job has taken over, and how far it has come, as far as the stream told.
#[derive(Clone, Copy, Debug)]
struct Course {
    range: HashRange,
    next: B256,
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
    held: Coverage,
    /// Invariant: the ranges are disjoint, and something is missing in each.
    jobs: BTreeMap<JobId, Course>,
    /// Largest step that one answer made: how much of the key space an answer in flight may cover.
    stride: U256,
}

fn at(key: B256) -> U256 {
    U256::from_be_bytes(key.0)
}

impl Accounts {
    pub(crate) fn new(held: Coverage) -> Self {
        Self { held, jobs: BTreeMap::new(), stride: U256::ZERO }
    }

    /// Whether nothing is missing.
    pub(crate) fn are_in(&self) -> bool {
        self.held.is_whole()
    }

    /// Whether nothing is held or asked for.
    pub(crate) fn are_untouched(&self) -> bool {
        self.held.is_missing() && self.jobs.is_empty()
    }

    pub(crate) fn gaps(&self) -> usize {
        self.held.gaps().count()
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        self.jobs.keys().copied()
    }

    /// What is held, and of which target.
    pub(crate) fn held(&self) -> &Coverage {
        &self.held
    }

    /// The share of the key space that is held.
    pub(crate) fn share(&self) -> f64 {
        (1.0 - self.held.share_missing()).clamp(0.0, 1.0)
    }

    /// Rows of `covered`, proved at `target`, are durable.
    pub(crate) fn covered(&mut self, covered: HashRange, target: TargetId) {
        self.held.fill(covered, target);
        self.stride = self.stride.max(at(covered.last()) - at(covered.start()));
        let held = &self.held;
        self.jobs.retain(|_, course| held.gaps_within(course.range).next().is_some());
    }

    /// Rows of these pieces were held already, and are of `target` now.
    pub(crate) fn renewed(&mut self, pieces: &[HashRange], target: TargetId) {
        pieces.iter().for_each(|piece| self.held.set(*piece, Standing::At(target)));
        self.held.join(Coverage::STRETCHES_MAX);
    }

    /// All rows are of this target.
    pub(crate) fn are_all_of(&mut self, target: TargetId) {
        self.held = Coverage::all(Standing::At(target));
    }

    /// The row at `account` stands like this now.
    pub(crate) fn stands(&mut self, account: B256, standing: Standing) {
        if self.held.at(account) != standing {
            self.held.set(HashRange::single(account), standing);
            self.held.join(Coverage::STRETCHES_MAX);
        }
    }

    /// Nothing is known any more of the rows of these.
    pub(crate) fn doubt(&mut self, accounts: &[B256]) {
        accounts.iter().for_each(|account| self.held.set(HashRange::single(*account), Standing::Mixed));
    }

    /// Single accounts of which nothing is known; nothing, if there are whole stretches of such.
    pub(crate) fn doubtful(&self) -> Option<Vec<B256>> {
        let mixed = self.held.stretches().filter(|(_, standing)| *standing == Standing::Mixed);
        mixed.map(|(range, _)| (range.start() == range.last()).then_some(range.start())).collect()
    }

    /// What is held as of some targets is held as of another from now on.
    pub(crate) fn rename(&mut self, older: &[TargetId], newest: TargetId) {
        older.iter().for_each(|older| self.held.rename(*older, newest));
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
        self.jobs.remove(&job).is_some()
    }

    /// Starts jobs until as many are open as may be: first for gaps that nobody fetches, then by splitting the longest.
    pub(crate) fn plan(
        &mut self,
        config: &Config,
        asked: &Pin,
        ids: &mut impl FnMut() -> JobId,
        out: &mut Vec<Effect>,
    ) {
        let mut unowned = self.unowned(config).into_iter();
        while self.jobs.len() < config.account_ranges {
            let unowned = unowned.next().map(|range| Split { shortened: None, range });
            let Some(split) = unowned.or_else(|| self.next_split()) else { return };
            if let Some((id, last)) = split.shortened {
                if let Some(course) = self.jobs.get_mut(&id)
                    && let Some(shorter) = HashRange::new(course.range.start(), last)
                {
                    course.range = shorter;
                }
                out.push(Effect::Shorten { id, last });
            }
            let id = ids();
            #[cfg(feature = "planted-bugs")]
            if config.planted == Some(crate::Bug::GapDropped) && split.shortened.is_some() {
                self.covered(split.range, asked.id);
                continue;
            }
            self.jobs.insert(id, Course { range: split.range, next: split.range.start() });
            out.push(Effect::Start {
                id,
                job: Job::Accounts { target: asked.id, root: asked.target.root, range: split.range },
            });
        }
    }

    /// What is missing and nobody fetches, cut until there is a piece for each free slot.
    fn unowned(&self, config: &Config) -> Vec<HashRange> {
        let mut missing: Gaps = self.held.gaps().collect();
        self.jobs.values().for_each(|course| missing.remove(course.range));
        let mut pieces: Vec<HashRange> = missing.iter().collect();
        let size = |piece: &HashRange| at(piece.last()) - at(piece.start());
        while !pieces.is_empty() && pieces.len() + self.jobs.len() < config.account_ranges {
            let free = config.account_ranges - self.jobs.len() - pieces.len();
            let longest = (0..pieces.len())
                .max_by_key(|index| size(&pieces[*index]))
                .filter(|index| pieces[*index].share() > SPLIT_SHARE_MIN);
            let Some(index) = longest else { break };
            // One gap alone is cut evenly at once; several are halved in turn, which comes close to even.
            let parts = if pieces.len() == 1 { free + 1 } else { 2 };
            let cut = pieces[index].split(parts);
            pieces.splice(index..=index, cut);
        }
        pieces
    }

    /// The rest of the job that has the longest, cut in halves.
    fn next_split(&self) -> Option<Split> {
        let left = |course: &Course| at(course.range.last()).saturating_sub(at(course.next));
        let (id, course) = self.jobs.iter().max_by_key(|(_, course)| left(course))?;
        let rest = HashRange::new(course.next, course.range.last())?;
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

    /// What is always true here.
    pub(crate) fn check(&self, config: &Config) {
        assert!(self.jobs.len() <= config.account_ranges, "more account jobs than ranges may be open");
        let mut owned: Vec<HashRange> = self.jobs.values().map(|course| course.range).collect();
        owned.sort_unstable_by_key(HashRange::start);
        assert!(owned.windows(2).all(|pair| pair[0].last() < pair[1].start()), "account jobs overlap");
        assert!(
            owned.iter().all(|range| self.held.gaps_within(*range).next().is_some()),
            "an account job waits for nothing"
        );
    }
}
