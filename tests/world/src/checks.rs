//! The checks after each step: what the machine may never do, whatever its peers do.
//!
//! The watch keeps its own books (what was refused, judged, charged) from what it sees going in and out, so that a mistake
//! in the machine's books cannot hide itself. The checks of the disk against the truth are in `truth`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alloy_primitives::B256;
use snapsync_peers::{Config as PeersConfig, Fault, Outcome, PeerId, PeerKind, PeerProfile};
use snapsync_stream::{Desk, HeaderStart, Judgement, Request, RequestId, Verdict, What};
use snapsync_sync::{HashRange, JobId, Phase, Report, Standing, TargetId};

use crate::{
    chain::Line,
    disk::Held,
    rig::{Host, Rig},
    zoo::Kind,
};

/// The world's own books about the machine.
#[derive(Debug)]
pub(crate) struct Watch {
    limits: PeersConfig,
    kinds: BTreeMap<PeerId, PeerKind>,
    /// The root, and whether it is its nodes alone.
    refused: BTreeMap<(PeerId, B256, bool), Duration>,
    /// Under which root state was asked for.
    under: BTreeMap<RequestId, (TargetId, B256)>,
    /// The newest target that the machine knows to be recorded.
    asked_of: Option<TargetId>,
    judged: BTreeMap<RequestId, (JobId, Option<TargetId>)>,
    liars: BTreeSet<PeerId>,
    /// Ranges in a row that a peer broke, and when it broke the last one.
    broken: BTreeMap<PeerId, (u32, Duration)>,
    phase: Phase,
    resumed: bool,
    rebuilt: bool,
    complete: bool,
    lonely: (Duration, u64),
}

/// Ticks that the machine may take in a virtual minute without any peer: it waits, it does not spin.
const LONELY_TICKS_MAX: u64 = 60;

/// For each range in a row that a peer broke, up to four, it rests at least so long, even if nobody else is there.
const BROKEN_PAUSE: Duration = Duration::from_millis(250);

impl Watch {
    pub(crate) fn new(desk: &Desk) -> Self {
        Self {
            limits: desk.config().peers.clone(),
            kinds: BTreeMap::new(),
            refused: BTreeMap::new(),
            under: BTreeMap::new(),
            asked_of: desk.engine().pin().map(|pin| pin.id),
            judged: BTreeMap::new(),
            liars: BTreeSet::new(),
            broken: BTreeMap::new(),
            phase: desk.engine().phase(),
            resumed: false,
            rebuilt: false,
            complete: false,
            lonely: (Duration::ZERO, 0),
        }
    }

    /// A new machine over the old disk: ids and phases begin anew.
    pub(crate) fn restarted(&mut self, desk: &Desk) {
        *self = Self { resumed: true, ..Self::new(desk) };
    }

    pub(crate) fn joined(&mut self, peer: PeerId, profile: &PeerProfile) {
        self.kinds.insert(peer, profile.kind);
    }

    pub(crate) fn job_of(&self, request: RequestId) -> (JobId, Option<TargetId>) {
        self.judged.get(&request).copied().unwrap_or((JobId(0), None))
    }

    pub(crate) fn tick(&mut self, now: Duration, lonely: bool) -> Result<(), String> {
        if !lonely || now > self.lonely.0 + Duration::from_secs(60) {
            self.lonely = (now, 0);
        }
        self.lonely.1 += u64::from(lonely);
        if self.lonely.1 > LONELY_TICKS_MAX {
            return Err(format!("spins without peers: {} ticks in a minute", self.lonely.1));
        }
        Ok(())
    }

    pub(crate) fn sending(&mut self, now: Duration, peer: PeerId, request: &Request) -> Result<(), String> {
        self.under.extend(state_target(&request.what).map(|under| (request.id, under)));
        if let Some(root) = state_root(&request.what)
            && [false, is_of_nodes(&request.what)]
                .iter()
                .any(|nodes| self.refused.get(&(peer, root, *nodes)).is_some_and(|until| now < *until))
        {
            return Err(format!("{peer:?} refused {root} and is asked for it again"));
        }
        if state_root(&request.what).is_some()
            && let Some((times, at)) = self.broken.get(&peer)
            && now < *at + BROKEN_PAUSE.saturating_mul((*times).min(4))
        {
            return Err(format!("{peer:?} broke {times} ranges in a row and is asked for the next at once"));
        }
        if self.liars.contains(&peer) {
            return Err(format!("{peer:?} was caught lying and is asked again"));
        }
        if self.complete {
            return Err(format!("{:?} goes out after the end", request.id));
        }
        let limit = self.limits.response_bytes_max;
        if request.response_bytes > limit {
            return Err(format!("{} bytes asked for, {limit} at most", request.response_bytes));
        }
        Ok(())
    }

    /// The newest target that the machine knows to be recorded.
    pub(crate) fn asked_of(&self) -> Option<TargetId> {
        self.asked_of
    }

    /// The machine has heard that a record is durable. Of several moves the last one counts.
    pub(crate) fn recorded(&mut self, recorded: Option<TargetId>, desk: &Desk) {
        if recorded.is_some() && recorded == desk.engine().pin().map(|pin| pin.id) {
            self.asked_of = recorded;
        }
    }

    /// Account rows are asked of the newest target on record.
    pub(crate) fn asking(&self, request: &Request, target: TargetId) -> Result<(), String> {
        let is_accounts = match &request.what {
            What::Accounts { .. } | What::Renewal { .. } => true,
            What::Nodes { nodes, .. } => nodes.iter().any(|node| node.account.is_none()),
            What::Repair { node, .. } => node.account.is_none(),
            _ => false,
        };
        if is_accounts && self.asked_of.is_some_and(|newest| target < newest) {
            return Err(format!(
                "{:?} asks {target:?} for accounts, {:?} is on record",
                request.id, self.asked_of
            ));
        }
        Ok(())
    }

    /// An answer is handed to the worker: once, while somebody waits for it, in order where order matters.
    pub(crate) fn judging(&mut self, judgement: &Judgement, line: &Line) -> Result<(), String> {
        let id = judgement.request;
        let under = state_target(&judgement.what);
        if under != self.under.get(&id).copied() {
            return Err(format!(
                "{id:?} was asked for under {:?}, is judged under {under:?}",
                self.under.get(&id)
            ));
        }
        let target = under.map(|(target, _)| target);
        if self.judged.insert(id, (judgement.job, target)).is_some() {
            return Err(format!("{id:?} is judged twice"));
        }
        if let What::Headers { start, .. } = &judgement.what {
            let expected = judgement.expected.and_then(|hash| line.of(&hash));
            let is_asked = expected.is_some_and(|header| match start {
                HeaderStart::Hash(hash) => *hash == header.hash,
                HeaderStart::Number(number) => *number == header.number,
                HeaderStart::Linked { number, hash } => (*number, *hash) == (header.number, header.hash),
            });
            if !is_asked {
                return Err(format!("headers of {id:?} from {start:?} are judged against {expected:?}"));
            }
        }
        Ok(())
    }

    /// What the worker found: the truthful are never blamed.
    pub(crate) fn ruled(
        &self,
        judgement: &Judgement,
        verdict: &Verdict,
        kind: Option<Kind>,
    ) -> Result<(), String> {
        match &verdict.outcome {
            Outcome::Invalid(fault) if kind == Some(Kind::Racing) && fault.may_be_a_race() => Ok(()),
            Outcome::Invalid(fault) if kind.is_some_and(Kind::is_truthful) => {
                Err(format!("{kind:?} told the truth in {:?} and is charged: {fault}", judgement.request))
            }
            _ => Ok(()),
        }
    }

    /// What the machine is told now: refusals and lies are remembered.
    pub(crate) fn told(&mut self, now: Duration, judgement: &Judgement, verdict: &Verdict) {
        let nodes = is_of_nodes(&judgement.what);
        let key = state_root(&judgement.what).map(|root| (judgement.peer, root, nodes));
        match (&verdict.outcome, key) {
            (Outcome::Unavailable, Some(key)) => {
                self.refused.insert(key, now + Duration::from_millis(self.limits.refusal_ms));
            }
            (Outcome::Complete | Outcome::Partial, Some((peer, root, nodes))) => {
                self.refused.remove(&(peer, root, false));
                self.refused.remove(&(peer, root, nodes));
                self.broken.remove(&judgement.peer);
            }
            // It may have been a race: the peer rests, and comes back.
            (Outcome::Invalid(fault), Some(_)) if fault.may_be_a_race() => {
                let (times, at) = self.broken.entry(judgement.peer).or_default();
                (*times, *at) = (*times + 1, now);
            }
            // Too many items are rude, not false: that alone costs no connection.
            (Outcome::Invalid(Fault::TooMany { .. }), _) => {}
            (Outcome::Invalid(_), _) => drop(self.liars.insert(judgement.peer)),
            _ => {}
        }
    }

    /// Only who reads the state while it changes breaks a range in good faith.
    pub(crate) fn set_aside(&self, peer: PeerId, kind: Option<Kind>, fault: &Fault) -> Result<(), String> {
        if kind.is_some_and(|kind| kind.is_truthful() && kind != Kind::Racing) {
            return Err(format!("sets {peer:?} aside, which is {kind:?}: {fault}"));
        }
        Ok(())
    }

    /// Hanging up on a truthful peer is a mistake, unless it kept silent or its line said things twice.
    pub(crate) fn disconnected(&self, peer: PeerId, kind: Option<Kind>, fault: &Fault) -> Result<(), String> {
        let excused = matches!(fault, Fault::Silent { .. } | Fault::Duplicate { .. });
        if kind.is_some_and(Kind::is_truthful) && !excused {
            return Err(format!("hangs up on {peer:?}, which is {kind:?}: {fault}"));
        }
        Ok(())
    }

    pub(crate) fn reported(&mut self, report: &Report, held: &Held) -> Result<(), String> {
        match report {
            Report::Phase(next) => {
                // A machine that resumes says first where it begins; from there on moves must be legal.
                let begins = std::mem::take(&mut self.resumed);
                if !begins && !self.phase.may_become(*next) {
                    return Err(format!("phase {:?} became {next:?}", self.phase));
                }
                self.phase = *next;
            }
            Report::StateVerified(_) | Report::Complete(_) => {
                let open = held.coverage.gaps().count() + held.pending.len() + held.pending_codes.len();
                if open > 0 {
                    return Err(format!("{report:?} with {open} gaps and pendings on the disk"));
                }
                if !self.rebuilt && held.progress.as_ref().is_none_or(|progress| progress.rebuilt.is_none()) {
                    return Err(format!("{report:?} before a root was derived"));
                }
            }
            Report::Fatal(_)
            | Report::Pinned(_)
            | Report::Moved { .. }
            | Report::HeadRefused { .. }
            | Report::Finalized { .. }
            | Report::FinalRefused { .. }
            | Report::Head(_)
            | Report::Lacking(_)
            | Report::NoLists(_) => {}
        }
        Ok(())
    }

    /// Whether a walk was to be under way, when it was said last.
    pub(crate) fn is_healing(&self) -> bool {
        self.phase == Phase::Heal
    }

    /// Nothing is to be asked any more.
    pub(crate) fn ended(&mut self) {
        self.complete = true;
    }

    pub(crate) fn rebuilt(&mut self) {
        self.rebuilt = true;
    }

    /// After the machine has heard of a commit it may claim less than the disk holds, never more.
    pub(crate) fn caught_up(&self, desk: &Desk, held: &Held) -> Result<(), String> {
        let tally = desk.engine().tally();
        let disk_share = 1.0 - held.coverage.share_missing();
        if tally.share > disk_share + 1e-9 {
            return Err(format!("claims {} of the accounts, the disk holds {disk_share}", tally.share));
        }
        for (range, standing) in desk.engine().account_coverage().stretches() {
            let Standing::At(target) = standing else { continue };
            let is_older = |(_, held): &(HashRange, Standing)| held.yields_to(target);
            if let Some((range, older)) = held.coverage.within(range).find(is_older) {
                return Err(format!(
                    "claims accounts in {range:?} as {standing:?}, on the disk they are {older:?}"
                ));
            }
        }
        // Who has no target yet knows of no block; what history holds of a target whose record was lost is looked at with it.
        let is_pinned = desk.engine().pin().is_some();
        let lacks = |gaps: u64| if is_pinned { gaps } else { 0 };
        let claims = [
            ("storages", (tally.storages_pending + tally.storages_owed) as u64, held.pending.len() as u64),
            ("codes", tally.codes_pending as u64, held.pending_codes.len() as u64),
            ("bodies", tally.bodies_missing, lacks(held.ledger.bodies.count())),
            ("receipts", tally.receipts_missing, lacks(held.ledger.receipts.count())),
        ];
        for (noun, claimed, held) in claims {
            if claimed < held {
                return Err(format!("says that {claimed} {noun} are missing, the disk lacks {held}"));
            }
        }
        Ok(())
    }

    /// In flight: within the limit on each peer, and only what was sent.
    pub(crate) fn flights(&self, rig: &Rig<impl Host>) -> Result<(), String> {
        let mut counts: BTreeMap<PeerId, usize> = BTreeMap::new();
        for (peer, request) in rig.desk.in_flight() {
            *counts.entry(peer).or_default() += 1;
            if !rig.sent.contains_key(&request) {
                return Err(format!("{request:?} is in flight and was never sent"));
            }
        }
        for (peer, count) in counts {
            let limit = match self.kinds.get(&peer) {
                Some(PeerKind::Host | PeerKind::Static) => self.limits.flights_static,
                Some(PeerKind::Outbound) => self.limits.flights_outbound,
                Some(PeerKind::Inbound) => self.limits.flights_inbound,
                None => 0,
            };
            if count > limit {
                return Err(format!("{count} requests in flight on {peer:?}, {limit} at most"));
            }
        }
        Ok(())
    }
}

fn is_of_nodes(what: &What) -> bool {
    matches!(what, What::Nodes { .. })
}

fn state_root(what: &What) -> Option<B256> {
    state_target(what).map(|(_, root)| root)
}

fn state_target(what: &What) -> Option<(TargetId, B256)> {
    match what {
        What::Accounts { target, root, .. }
        | What::Renewal { target, root, .. }
        | What::Storages { target, root, .. }
        | What::StorageRange { target, root, .. }
        | What::Nodes { target, root, .. }
        | What::Repair { target, root, .. } => Some((*target, *root)),
        _ => None,
    }
}
