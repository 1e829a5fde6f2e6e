//! What honest servers of a moving chain say: the newest states by counts, headers, access lists, nodes.
//!
//! All are at the head at once. Who no longer has a state says so.

use snapsync_peers::Noun;
use snapsync_stream::{Answered, HeaderStart, Request, What};
use snapsync_sync::{BlockRange, HeaderSegment, StorageClaim, TargetId};

use super::{
    answers::{ANSWER_BYTES_MAX, Answer, HEADER_BYTES, state},
    course::Course,
    ground::Ground,
    truth::PROOF_BYTES,
};

/// All servers, at one moment.
pub(crate) struct Server<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) course: &'a Course,
    /// The newest block.
    pub(crate) head: u32,
}

impl Server<'_> {
    /// Whether peers have the state of a block.
    fn is_kept(&self, block: u32) -> bool {
        block + self.course.roots_kept > self.head
    }

    /// What an honest server says to a request for the state of a block, or for what is of no state.
    ///
    /// # Errors
    /// What no machine should ask.
    pub(crate) fn answer(&self, request: &Request, block: Option<u32>) -> Result<Answer, String> {
        let limit = request.response_bytes.min(ANSWER_BYTES_MAX);
        if block.is_some_and(|block| !self.is_kept(block)) {
            return Ok(state(request.what.noun(), Answered::Nothing, false, 0, 0, 0));
        }
        self.check_claims(&request.what, block.unwrap_or_default())?;
        Ok(match &request.what {
            What::Headers { start, count } => self.headers(*start, *count),
            What::Renewal { .. } => state(
                Noun::Accounts,
                Answered::Renewed,
                true,
                self.ground.truth.shape.account_bytes,
                1,
                PROOF_BYTES,
            ),
            What::Lists { blocks } => {
                let pace = &self.ground.drift.pace;
                let each = ((pace.accounts + pace.slots) * self.course.costs.change_bytes).max(1);
                let count = blocks.count().min(limit / each + 1);
                let found = BlockRange { first: blocks.first, last: blocks.first + count - 1 };
                state(Noun::Lists, Answered::Lists { found }, count == blocks.count(), count * each, 0, 0)
            }
            What::Nodes { nodes, .. } => {
                let (mut found, mut bytes) = (0, 0);
                for node in nodes {
                    if bytes >= limit {
                        break;
                    }
                    (found, bytes) = (found + 1, bytes + self.ground.node_bytes(node));
                }
                let answered = Answered::Nodes { found, left: vec![], below: vec![], differ: false };
                state(Noun::Nodes, answered, true, bytes, found, 0)
            }
            What::Repair { .. } => return Err("asks for ranges where peers have nodes".into()),
            What::LeftList { .. } => {
                return Err("asks for lists of left blocks where the chain leaves none".into());
            }
            what => self.ground.truth.told(what, limit),
        })
    }

    /// A claim is asked for under the root at which it was made.
    fn check_claims(&self, what: &What, block: u32) -> Result<(), String> {
        let claims = match what {
            What::Storages { claims, .. } => claims.as_slice(),
            What::StorageRange { claim, .. } => std::slice::from_ref(claim),
            _ => &[],
        };
        let is_true = |claim: &&StorageClaim| {
            let nth = self.ground.truth.place_of(&claim.account);
            nth.is_some_and(|nth| self.ground.claim(nth as u32, block) == **claim)
        };
        match claims.iter().find(|claim| !is_true(claim)) {
            Some(claim) => Err(format!("{claim:?} is asked for of block {block}, which says otherwise")),
            None => Ok(()),
        }
    }

    fn headers(&self, start: HeaderStart, count: u64) -> Answer {
        let top = start.number().or(start.hash().map(|hash| self.ground.truth.number_of(&hash)));
        let top = top.unwrap_or_default();
        let count = count.min(top);
        let lowest = top + 1 - count;
        let segment = HeaderSegment {
            top,
            hash: self.ground.truth.block(top),
            root: self.ground.target(self.ground.block_of(top)).root,
            lowest,
            parent: self.ground.truth.block(lowest - 1),
        };
        state(Noun::Headers, Answered::Headers { segment }, true, count * HEADER_BYTES, count, 0)
    }
}

/// The target that state was asked of.
pub(crate) fn of_state(what: &What) -> Option<TargetId> {
    match what {
        What::Accounts { target, .. }
        | What::Renewal { target, .. }
        | What::Storages { target, .. }
        | What::StorageRange { target, .. }
        | What::Nodes { target, .. }
        | What::Repair { target, .. } => Some(*target),
        _ => None,
    }
}
