//! Later heads: which one is fetched now, and how far its headers are down to the chain that is held.
//!
//! ```text
//!   head ---- its header alone ----> down to the top of the chain, whose hash must be the parent
//!                                     │ it is not: the chain forks further down
//!                                     └──> 2, 6, 18 ... headers lower each time, until the writer says that they met
//! ```
//!
//! A head costs its own headers and, where it lies beside the chain, at most twice as many below the fork. One head at a time: one that
//! is named meanwhile waits, so that a chain that moves faster than headers come is not begun anew for ever. What nobody has of a later
//! head ends nothing.

use alloy_primitives::B256;

use crate::{
    Checkpoint, Head, HeadRefusal, HeaderFloor, HeaderPiece, HeaderReach, HeaderSegment, HeaderTop, Job,
    JobId, Missing,
};

/// A job of the leg, and what must come next of it.
#[derive(Clone, Copy, Debug)]
struct Step {
    job: JobId,
    next: HeaderTop,
    /// The lowest number of the job.
    floor: u64,
}

/// The head that is fetched now.
#[derive(Clone, Copy, Debug)]
struct Leg {
    hash: B256,
    /// The head's number and how far its headers are down, once the first is here.
    descent: Option<(u64, HeaderFloor)>,
    step: Option<Step>,
    /// Whether no connected peer has what comes next. It is asked for all the same.
    absent: bool,
}

impl Leg {
    fn to(hash: B256) -> Self {
        Self { hash, descent: None, step: None, absent: false }
    }

    /// Whether it is down to the checkpoint's child, or further, and has another block there.
    fn passes_by(&self, checkpoint: Checkpoint) -> bool {
        let Some((_, floor)) = self.descent else { return false };
        floor.number <= checkpoint.number
            || floor.number == checkpoint.number + 1 && floor.parent != checkpoint.hash
    }

    /// Whether it is down as far as the chain that is held, or further, and lower headers of that are still to come: it meets them then.
    fn waits(&self, below: u64) -> bool {
        below > 1 && self.descent.is_some_and(|(_, floor)| floor.number <= below)
    }
}

/// The planner of later heads.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    /// The top of the chain that is held.
    top: Option<Head>,
    leg: Option<Leg>,
    /// The head that comes next: the newest that was named meanwhile.
    next: Option<B256>,
    /// The head that was named last.
    named: Option<B256>,
    /// Heads that were refused, until that is told.
    refused: Vec<(B256, HeadRefusal)>,
}

impl Heads {
    /// Goes on where the disk stands.
    pub(crate) fn new(top: Option<Head>, descent: Option<HeaderPiece>) -> Self {
        let leg = descent
            .map(|piece| Leg { descent: Some((piece.head.number, piece.floor)), ..Leg::to(piece.head.hash) });
        Self { top, leg, next: None, named: None, refused: Vec::new() }
    }

    /// The top of the chain that is held.
    pub(crate) fn top(&self) -> Option<Head> {
        self.top
    }

    /// Canonical headers end here from now on.
    pub(crate) fn reached(&mut self, top: Head) {
        self.top = Some(top);
        let is_other = self.named.is_some_and(|named| named != top.hash);
        // The last answer of a head that was left made it canonical all the same.
        if is_other && self.leg.is_none() && self.next.is_none() {
            self.next = self.named;
        }
    }

    pub(crate) fn job(&self) -> Option<JobId> {
        self.leg?.step.map(|step| step.job)
    }

    /// A head was named. Gives a job that is of no use any more.
    pub(crate) fn name(&mut self, hash: B256) -> Option<JobId> {
        self.next = None;
        self.named = Some(hash);
        if self.leg.is_some_and(|leg| leg.hash == hash) {
            return None;
        }
        if self.top.is_some_and(|top| top.hash == hash) {
            // The chain came back to where it is.
            return self.leave();
        }
        self.next = Some(hash);
        self.leg.filter(|leg| leg.absent).and_then(|_| self.leave())
    }

    /// Whether nothing is left that somebody may have. A head that waits for lower headers is left: those are asked for all the time.
    pub(crate) fn are_exhausted(&self) -> bool {
        self.next.is_none() && self.leg.is_none_or(|leg| leg.absent)
    }

    /// Headers still to be fetched of the head, as far as that is known.
    pub(crate) fn missing(&self) -> u64 {
        let Some(leg) = self.leg else { return u64::from(self.next.is_some()) };
        let top = self.top.map_or(0, |top| top.number);
        leg.descent.map_or(1, |(_, floor)| floor.number.saturating_sub(top + 1).max(1))
    }

    /// Whether this is missing of a later head; `below`: the floor of the chain that is held, under which no head descends.
    pub(crate) fn lacks(&self, missing: &Missing, below: u64) -> bool {
        match (missing, self.leg.filter(|leg| leg.step.is_some())) {
            (Missing::Header { hash }, Some(leg)) => leg.hash == *hash,
            (Missing::Headers { blocks }, Some(_)) => blocks.last >= below,
            _ => false,
        }
    }

    /// Heads that were refused since the last call, each with the reason.
    pub(crate) fn take_refused(&mut self) -> Vec<(B256, HeadRefusal)> {
        std::mem::take(&mut self.refused)
    }

    /// Nobody has the next headers of the leg: a newer head takes its place, if there is one. Gives the job to stop.
    pub(crate) fn nobody_has(&mut self) -> Option<JobId> {
        if let Some(leg) = self.leg.filter(|leg| !leg.absent) {
            self.refused.push((leg.hash, HeadRefusal::Unknown));
        }
        if self.next.is_some() {
            return self.leave();
        }
        if let Some(leg) = &mut self.leg {
            leg.absent = true;
        }
        None
    }

    fn leave(&mut self) -> Option<JobId> {
        self.leg.take()?.step.map(|step| step.job)
    }

    /// Headers are durable. Gives a job that has nothing else to do.
    pub(crate) fn durable(
        &mut self,
        job: JobId,
        segment: &HeaderSegment,
        reach: &HeaderReach,
    ) -> Option<JobId> {
        let leg = self.leg.as_mut()?;
        let step = leg.step.filter(|step| step.job == job && step.next.hash() == segment.hash)?;
        leg.absent = false;
        let head = leg.descent.map_or(segment.top, |(head, _)| head);
        let named = matches!(step.next, HeaderTop::Named { .. });
        let goes_on = !named && segment.lowest > step.floor;
        leg.step = None;
        match reach {
            HeaderReach::Joined(join) => {
                if leg.hash != join.top.hash {
                    self.refused.push((leg.hash, HeadRefusal::Older));
                }
                self.leg = None;
            }
            // It hangs from nothing: from its own header on, then.
            HeaderReach::Loose => leg.descent = None,
            HeaderReach::Down(floor) => {
                leg.descent = Some((head, *floor));
                if goes_on && floor.number == segment.lowest {
                    let next = HeaderTop::Linked { number: segment.lowest - 1, hash: segment.parent };
                    leg.step = Some(Step { next, ..step });
                    return None;
                }
            }
        }
        goes_on.then_some(job)
    }

    pub(crate) fn ended(&mut self, job: JobId) -> bool {
        let known = self.job() == Some(job);
        if let Some(leg) = self.leg.as_mut().filter(|_| known) {
            leg.step = None;
        }
        known
    }

    /// The next job, if one is due; `below`: the floor of the chain that is held. That has the checkpoint, and so must a head's chain.
    pub(crate) fn plan(
        &mut self,
        below: u64,
        checkpoint: Option<Checkpoint>,
        ids: &mut impl FnMut() -> JobId,
    ) -> Option<(JobId, Job)> {
        let top = self.top?.number;
        loop {
            if self.leg.is_none() {
                self.leg = Some(Leg::to(self.next.take()?));
            }
            let leg = self.leg.as_mut()?;
            if leg.step.is_some() {
                return None;
            }
            if checkpoint.is_some_and(|checkpoint| leg.passes_by(checkpoint)) {
                self.refused.push((leg.hash, HeadRefusal::OffCheckpoint));
                self.leg = None;
                continue;
            }
            let lowest = checkpoint.map_or(below, |checkpoint| below.max(checkpoint.number + 1));
            let (next, floor) = match leg.descent {
                None => (HeaderTop::Named { hash: leg.hash }, 0),
                Some((_, at)) => match at.number.checked_sub(1).filter(|number| *number >= below) {
                    Some(number) => {
                        let floor = floor(number, top, below).max(lowest.min(number));
                        (HeaderTop::Linked { number, hash: at.parent }, floor)
                    }
                    None if leg.waits(below) => return None,
                    // It has another genesis: it is no head of ours.
                    None => {
                        self.refused.push((leg.hash, HeadRefusal::OtherGenesis));
                        self.leg = None;
                        continue;
                    }
                },
            };
            let job = ids();
            leg.step = Some(Step { job, next, floor });
            return Some((job, Job::Headers { top: next, floor }));
        }
    }
}

/// Down to where headers from `number` on are asked for at once: to the top of the chain, and below it twice as many as are down
/// already.
fn floor(number: u64, top: u64, below: u64) -> u64 {
    match top.checked_sub(number) {
        None => top + 1,
        Some(deep) => number.saturating_sub(2 * (deep + 1) - 1).max(below),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BlockRange;

    fn stretch(number: u64, top: u64) -> BlockRange {
        BlockRange { first: floor(number, top, 1), last: number }
    }

    #[test]
    fn stretches_end_at_the_top_and_grow_below_it() {
        assert_eq!(stretch(150, 100), BlockRange { first: 101, last: 150 });
        assert_eq!(stretch(100, 100), BlockRange { first: 99, last: 100 });
        assert_eq!(stretch(98, 100), BlockRange { first: 93, last: 98 });
        assert_eq!(stretch(92, 100), BlockRange { first: 75, last: 92 });
        assert_eq!(stretch(3, 100).first, 1);
    }
}
