//! How far the header chain is down, and what vouches for it.
//!
//! ```text
//!   checkpoint above ---- descends to ----> target + 1, whose parent must be the target
//!   target ---- descends to ----> checkpoint + 1, whose parent must be the checkpoint ----> 1, whose parent is genesis
//! ```
//!
//! A leg ends one above the block that it must meet, so that a parent hash tells and no header need be looked at.

use alloy_primitives::B256;

use crate::{
    BlockRange, Checkpoint, Config, Fatal, HeaderFloor, HeaderSegment, HeaderTop, Job, JobId, Journal, Pin,
};

/// Whether the checkpoint, if there is one, was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    Not,
    Yes,
}

/// What is fetched now.
#[derive(Clone, Copy, Debug)]
struct Leg {
    job: JobId,
    /// The header that must come next.
    next: HeaderTop,
    /// The lowest number of the leg.
    floor: u64,
}

/// The header planner.
#[derive(Debug)]
pub(crate) struct Headers {
    /// Down to where the chain is held from the target on.
    below: Option<HeaderFloor>,
    /// Down to where it is held from a checkpoint above the target.
    above: Option<HeaderFloor>,
    /// The number of the header that has the hash of a checkpoint above the target, once that header is here.
    vouched: Option<u64>,
    met: Met,
    leg: Option<Leg>,
    /// What no connected peer has of the leg. It is asked for all the same: nothing below can be had without it.
    absent: Option<BlockRange>,
}

/// What is to be done next.
enum Next {
    Descend { top: HeaderTop, floor: u64 },
    Nothing,
}

impl Headers {
    pub(crate) fn new(config: &Config, journal: &Journal) -> Self {
        let mut headers =
            Self { below: None, above: None, vouched: None, met: Met::Not, leg: None, absent: None };
        let (Some(pin), Some(floor)) = (journal.pin, journal.headers) else { return headers };
        headers.below = Some(floor);
        if let Some(checkpoint) = config.checkpoint {
            let is_above = checkpoint.number > pin.target.number;
            // What lies above the target is held in one piece with it only where they met.
            let reached = is_above || floor.number <= checkpoint.number;
            let same = journal.checkpoint == Some(checkpoint.hash);
            #[cfg(feature = "planted-bugs")]
            let (reached, same) = match config.planted {
                Some(crate::Bug::CheckpointTrusted) => (true, true),
                _ => (reached, same),
            };
            let descent = journal.descent.filter(|piece| piece.head.hash == checkpoint.hash);
            if reached && same {
                headers.met = Met::Yes;
            } else if is_above {
                headers.above = descent.map(|piece| piece.floor);
                headers.vouched = descent.map(|piece| piece.head.number);
            } else if reached {
                // Nobody looked the checkpoint up on our disk: descend once more rather than trust.
                headers.below = None;
            }
        }
        headers
    }

    /// Down to where the chain is held from the target on.
    pub(crate) fn floor(&self) -> Option<HeaderFloor> {
        self.below
    }

    pub(crate) fn job(&self) -> Option<JobId> {
        self.leg.map(|leg| leg.job)
    }

    /// Whether the target's root is vouched for.
    pub(crate) fn is_authenticated(&self, config: &Config) -> bool {
        self.below.is_some() && (config.checkpoint.is_none() || self.met == Met::Yes)
    }

    /// No connected peer has the next headers of the leg.
    pub(crate) fn nobody_has(&mut self, blocks: BlockRange) -> Vec<JobId> {
        self.absent = self.leg.and_then(|leg| BlockRange::new(leg.floor, blocks.last));
        Vec::new()
    }

    /// What no connected peer has.
    pub(crate) fn absent(&self) -> Option<BlockRange> {
        self.absent
    }

    /// Whether the chain is down to genesis and all that must be met was met.
    pub(crate) fn is_done(&self, config: &Config) -> bool {
        self.is_authenticated(config)
            && self.below.is_some_and(|floor| floor.number <= 1)
            && self.leg.is_none()
    }

    /// Headers are durable. Says whether they are the ones that the leg waited for.
    pub(crate) fn durable(&mut self, job: JobId, segment: &HeaderSegment) -> Expected {
        let Some(leg) = self.leg.as_mut().filter(|leg| leg.job == job) else { return Expected::No };
        let number_fits = match leg.next {
            HeaderTop::Named { .. } => segment.count() == 1,
            HeaderTop::Linked { number, .. } => number == segment.top && segment.lowest >= leg.floor,
        };
        if !number_fits || leg.next.hash() != segment.hash {
            return Expected::No;
        }
        self.absent = None;
        let floor = segment.floor();
        let named = matches!(leg.next, HeaderTop::Named { .. });
        let is_target = named && self.below.is_none();
        let is_above = named || leg_is_above(self.below, segment.top);
        let ended = named || segment.lowest == leg.floor;
        leg.next = HeaderTop::Linked { number: segment.lowest.saturating_sub(1), hash: segment.parent };
        if ended {
            self.leg = None;
        }
        if is_target || !is_above {
            self.below = Some(floor);
        } else {
            self.above = Some(floor);
        }
        if named && !is_target {
            self.vouched = Some(segment.top);
        }
        if is_target { Expected::Target } else { Expected::Yes }
    }

    pub(crate) fn ended(&mut self, job: JobId) -> bool {
        let known = self.job() == Some(job);
        if known {
            self.leg = None;
        }
        known
    }

    /// The next leg, if one is due, or why the chain is not ours.
    pub(crate) fn plan(
        &mut self,
        config: &Config,
        named: B256,
        pin: Option<&Pin>,
        ids: &mut impl FnMut() -> JobId,
    ) -> Result<Option<(JobId, Job)>, Fatal> {
        if self.leg.is_some() {
            return Ok(None);
        }
        let next = match (pin, self.below) {
            (Some(pin), Some(below)) => self.next(config, pin, below)?,
            _ => Next::Descend { top: HeaderTop::Named { hash: named }, floor: 0 },
        };
        let Next::Descend { top, floor } = next else { return Ok(None) };
        let job = ids();
        self.leg = Some(Leg { job, next: top, floor });
        Ok(Some((job, Job::Headers { top, floor })))
    }

    fn next(&mut self, config: &Config, pin: &Pin, below: HeaderFloor) -> Result<Next, Fatal> {
        if let Some(checkpoint) = config.checkpoint.filter(|_| self.met == Met::Not) {
            if let Some(next) = self.towards(checkpoint, pin, below)? {
                return Ok(next);
            }
            self.met = Met::Yes;
        }
        let genesis = match (pin.target.number, below.number) {
            (0, _) => Some(pin.target.hash),
            // Block 0 is held itself, where a chain was executed from it on: it was compared before it was written.
            (_, 0) => None,
            _ => Some(below.parent),
        };
        if below.number <= 1 {
            return match genesis.filter(|found| *found != config.genesis) {
                Some(found) => Err(Fatal::GenesisMismatch { wanted: config.genesis, found }),
                None => Ok(Next::Nothing),
            };
        }
        Ok(descend(below, 1))
    }

    /// What brings the chain to the checkpoint; nothing when it is met.
    fn towards(&self, checkpoint: Checkpoint, pin: &Pin, below: HeaderFloor) -> Result<Option<Next>, Fatal> {
        let target = pin.target;
        let wrong = |found| Fatal::CheckpointMismatch { wanted: checkpoint, found };
        if checkpoint.number == target.number {
            return if checkpoint.hash == target.hash { Ok(None) } else { Err(wrong(target.hash)) };
        }
        if checkpoint.number < target.number {
            if below.number > checkpoint.number + 1 {
                return Ok(Some(descend(below, checkpoint.number + 1)));
            }
            return if below.parent == checkpoint.hash { Ok(None) } else { Err(wrong(below.parent)) };
        }
        if let Some(found) = self.vouched.filter(|found| *found != checkpoint.number) {
            return Err(Fatal::CheckpointNumber { wanted: checkpoint, found });
        }
        match self.above {
            Some(above) if above.number > target.number + 1 => Ok(Some(descend(above, target.number + 1))),
            Some(above) if above.parent == target.hash => Ok(None),
            Some(above) => {
                let number = target.number;
                Err(Fatal::TargetMismatch { number, wanted: target.hash, found: above.parent })
            }
            // By its hash, not its number: a peer that has another block there does not lie, it has not this one.
            None => Ok(Some(Next::Descend { top: HeaderTop::Named { hash: checkpoint.hash }, floor: 0 })),
        }
    }
}

/// Whether durable headers were the ones waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// They were not; they change nothing.
    No,
    /// They continue the chain.
    Yes,
    /// They are the target's header.
    Target,
}

fn descend(from: HeaderFloor, floor: u64) -> Next {
    Next::Descend { top: HeaderTop::Linked { number: from.number - 1, hash: from.parent }, floor }
}

/// The target's header always comes first, so what lies above the held part belongs to the checkpoint's leg.
fn leg_is_above(below: Option<HeaderFloor>, top: u64) -> bool {
    below.is_none_or(|below| top > below.number)
}
