//! What becomes of an answer between the desk and the writer: it waits for a prover, is proved, and its prover waits for room.
//!
//! The verdict is told before the rows are handed over, as the driver's workers do: a full writer holds the worker, not the desk.

use std::time::Duration;

use alloy_primitives::B256;
use snapsync_peers::{Outcome, PeerId, PeerSummary};
use snapsync_storage::Descent;
use snapsync_stream::{HeaderStart, Input, Judgement, Request, RequestId, What};
use snapsync_sync::{PendingStorage, TargetId};

use crate::{
    answer::Payload,
    chain::Header,
    disk::{Chunk, Write},
    healing::ProvenHealed,
    judge::{self, Asked},
    provers::{Crew, Task},
    rig::Host,
    ruling::{HeldPart, Ruling},
    world::{Happening, World},
    zoo::Kind,
};

/// What a derivation counts for before a prover and a writer.
const DERIVED_BYTES: u64 = 4_000;

impl World {
    /// An answer goes to the provers of its kind.
    pub(crate) fn prove(&mut self, judgement: Judgement, payload: Payload) -> Result<(), String> {
        let now = self.rig.now();
        self.watch.judging(&judgement, &self.line)?;
        let blocks = self.asked.remove(&judgement.request).unwrap_or_default();
        let is_named = matches!(judgement.what, What::Headers { start: HeaderStart::Hash(_), .. });
        let descent = match self.rig.desk.engine().pin() {
            None if is_named => Descent::Anew,
            Some(_) if is_named => Descent::Begins,
            _ => Descent::GoesOn,
        };
        let held = self.held_part(&judgement, &blocks);
        let bytes = payload.weight() + held.as_ref().map_or(0, |held| held.weight);
        let ruling = match (&judgement.what, payload.is_empty()) {
            (What::Nodes { .. }, false) => self.rule_nodes(&judgement, &payload)?,
            (What::Repair { target, root, node }, false) => {
                self.tallies.repairs += 1;
                self.rule_range(judgement.request, (*target, *root, *node), &payload)?
            }
            (what, _) => {
                let asked_of = judge::state_of(&self.states, what);
                judge::rule(asked_of, &Asked { blocks, descent, held }, &judgement, &payload)
            }
        };
        self.watch.ruled(&judgement, &ruling.verdict, self.kind_of(judgement.peer))?;
        self.tallies.judged_bytes += payload.weight();
        if let Outcome::Invalid(fault) = &ruling.verdict.outcome {
            self.tallies.wasted_bytes += payload.weight();
            self.trace.note(now, format_args!("{:?} lied: {fault}", judgement.peer));
        }
        self.working.insert(judgement.request, bytes);
        let crew = Crew::of(&judgement.what);
        let (judgement, ruling) = (Box::new(judgement), Box::new(ruling));
        self.give(crew, Task::Prove { judgement, ruling, bytes })
    }

    /// A trie is to be derived.
    pub(crate) fn derive(&mut self, write: Write) -> Result<(), String> {
        self.give(Crew::Rebuild, Task::Derive(Box::new(write)))
    }

    /// All storages that owe their root and are held are to be derived, one by one.
    pub(crate) fn derive_owed(&mut self) -> Result<(), String> {
        let pendings = self.disk.held.pending.values();
        let is_due = |pending: &&PendingStorage| pending.expected.is_none() && pending.is_filled();
        let owed: Vec<B256> = pendings.filter(is_due).map(|pending| pending.account).collect();
        owed.into_iter().try_for_each(|account| self.derive(Write::TakeRoot { account }))
    }

    fn give(&mut self, crew: Crew, task: Task) -> Result<(), String> {
        match self.provers.give(crew, task)? {
            Some(task) => self.begin(crew, task),
            None => self.tallies.answers_waited += 1,
        }
        Ok(())
    }

    fn begin(&mut self, crew: Crew, task: Task) {
        let bytes = match &task {
            Task::Prove { bytes, .. } => *bytes,
            Task::Derive(_) => DERIVED_BYTES,
        };
        let derives = match &task {
            Task::Prove { .. } => Duration::ZERO,
            Task::Derive(write) => self.story.speed.deriving(self.disk.held.rows_of(write)),
        };
        self.tallies.slow_derivations += u64::from(derives > Duration::from_secs(1));
        let work =
            self.story.speed.proving(bytes) + Duration::from_micros(self.chance.below(3_000)) + derives;
        self.rig.set_after(work, Happening::Worked(crew, Box::new(task)));
    }

    /// A worker is done with its task, and hands over what came of it.
    pub(crate) fn worked(&mut self, crew: Crew, task: Task) -> Result<(), String> {
        let (write, bytes) = match task {
            Task::Prove { judgement, ruling, .. } => self.proved(&judgement, *ruling)?,
            Task::Derive(write) => (Some(*write), DERIVED_BYTES),
        };
        match write {
            Some(write) => self.hand_over(crew, write, bytes),
            None => self.release(crew),
        }
        Ok(())
    }

    /// What is held of the block that an answer goes on with: the first receipts of another block go with no answer about this one.
    fn held_part(&mut self, judgement: &Judgement, asked: &[Header]) -> Option<HeldPart> {
        let What::Receipts { blocks, first_receipt: 1.. } = judgement.what else { return None };
        let held = self.parts.remove(&(judgement.job, blocks.first))?;
        asked.first().is_some_and(|header| header.hash == held.hash).then_some(held)
    }

    /// What was asked for of blocks that have begun, and is neither proved nor lost yet.
    pub(crate) fn rests(&self) -> u64 {
        if self.rests.is_empty() {
            return 0;
        }
        let sent = self.rig.desk.in_flight();
        let is_open = |id: &RequestId| {
            self.working.contains_key(id)
                || sent.iter().any(|(_, sent)| sent == id)
                || self.rig.held.keys().any(|(_, arrived)| arrived == id)
        };
        self.rests.iter().filter(|(id, _)| is_open(id)).map(|(_, bytes)| bytes).sum()
    }

    /// A block that has begun is gone on with by who has begun it, from where it stopped.
    pub(crate) fn check_part(&mut self, peer: PeerId, request: &Request) -> Result<(), String> {
        let What::Receipts { blocks, first_receipt: first @ 1.. } = request.what else { return Ok(()) };
        match self.parts.get(&(request.job, blocks.first)) {
            Some(held) if held.peer == peer && held.receipts == first => {
                self.rests.insert(request.id, request.response_bytes);
                Ok(())
            }
            held => {
                Err(format!("{peer:?} is asked for block {} from {first} on, held is {held:?}", blocks.first))
            }
        }
    }

    /// The verdict is told; what is to be written comes back.
    fn proved(&mut self, judgement: &Judgement, ruling: Ruling) -> Result<(Option<Write>, u64), String> {
        let request = judgement.request;
        let bytes = self.working.get(&request).copied().unwrap_or(0);
        if let Some((block, part)) = ruling.part {
            self.tallies.parts += 1;
            self.parts.insert((judgement.job, block), part);
        } else if matches!(judgement.what, What::Receipts { first_receipt: 1.., .. })
            && ruling.chunk.is_some()
        {
            self.tallies.parts_joined += 1;
        }
        let write = match ruling.chunk {
            Some(chunk) => {
                match &chunk {
                    Chunk::Nodes { proven: ProvenHealed::Accounts(_), .. } => {
                        self.tallies.healed_accounts += 1
                    }
                    Chunk::Nodes { proven: ProvenHealed::Slots(_), .. } => self.tallies.healed_storages += 1,
                    _ => {}
                }
                self.check_chunk(&judgement.what, &chunk)?;
                let (job, target) = self.watch.job_of(request);
                Some(Write::Chunk { job, request, target: target.unwrap_or(TargetId(0)), chunk })
            }
            None => {
                self.working.remove(&request);
                None
            }
        };
        self.watch.told(self.rig.now(), judgement, &ruling.verdict);
        let is_begun = matches!(judgement.what, What::Receipts { first_receipt: 1.., .. });
        self.input(Input::Judged { request, verdict: ruling.verdict })?;
        if is_begun {
            self.check_patience(judgement.peer)?;
        }
        Ok((write, bytes))
    }

    /// How long an answer waits for us is not its peer's delay.
    fn check_patience(&self, peer: PeerId) -> Result<(), String> {
        let kind = self.kind_of(peer);
        let book = self.rig.desk.book().summary();
        let drips = |peer: &PeerSummary| peer.faults.contains_key("dripping");
        match book.iter().find(|other| other.peer == peer).filter(|peer| drips(peer)) {
            Some(_) if kind.is_some_and(Kind::is_truthful) => {
                Err(format!("{peer:?}, which is {kind:?}, is charged for a delay that is ours"))
            }
            _ => Ok(()),
        }
    }

    /// A worker is free again.
    pub(crate) fn release(&mut self, crew: Crew) {
        if let Some(task) = self.provers.done(crew) {
            self.begin(crew, task);
        }
    }
}
