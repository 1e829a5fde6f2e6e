//! What the host is told of the blocks that it gives and names: the part of the worker that takes blocks which answers a consensus client.
//!
//! ```text
//!   payload   bad, or above a bad one ─> invalid      part of the chain, or taken already ─> valid
//!             its parent's state can be shown ─> it is taken: valid or invalid        else ─> syncing, or accepted beside the chain
//!   head      on the disk ─> valid     known down to the chain ─> named, and answered once it is there     else ─> named, syncing
//! ```
//!
//! A payload that is taken changes nothing on the disk; the same block is written when it is named. Nothing is called bad but what was taken.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy_primitives::B256;
use snapsync_execute::{
    Block, Error as ExecuteError, Forkchoice, ForkchoiceVerdict, NewPayload, PayloadVerdict, RecentHashes,
};
use snapsync_storage::{BlocksAhead, HistorySnapshot, StateSnapshot, TargetRecord};
use snapsync_sync::Head;
use snapsync_wire::Header;

use crate::{
    blocks_above::BlockFollower,
    calls::{Call, Named},
    candidates::{Bad, BranchHashes, Candidate},
    work::{Gone, Report},
};

/// A head that is known is waited for so long: a consensus client waits for eight seconds.
const HEAD_WITHIN: Duration = Duration::from_secs(4);

/// The worker sleeps so long where nobody waits and nobody tells it anything.
const IDLE: Duration = Duration::from_secs(3600);

/// Ancestors of a payload that are taken again for it, at most: a host waits for eight seconds.
const AGAIN_MAX: usize = 8;

/// How far the EVM looks back: a wrong hash of an older block would make a good block bad.
const HASHES: usize = RecentHashes::COUNT_MAX;

/// The state of a block's parent.
struct Parent {
    header: Header,
    state: StateSnapshot,
    /// What it lays over the disk's.
    over: Arc<BlocksAhead>,
    /// Blocks above the canonical one that it branches off.
    above: BTreeMap<u64, B256>,
}

impl BlockFollower {
    /// Answers the host.
    pub(crate) fn answer(&mut self, call: Call) -> Result<(), Gone> {
        match call {
            Call::Payload(payload, reply) => {
                let hash = payload.header.hash();
                let verdict = self.judge(hash, &payload);
                // Where our disk has failed, the end of the call is the answer.
                let Some(verdict) = self.or_failed(verdict)? else { return Ok(()) };
                if !matches!(verdict, PayloadVerdict::Invalid { .. }) {
                    let reach = self.payloads.keep(hash, *payload);
                    reach.map_or(Ok(()), |(blocks, head)| {
                        self.outbox.report(Report::Given { blocks, head })
                    })?;
                }
                let _nobody_waits = reply.send(verdict);
            }
            Call::Choose(forkchoice, reply) => {
                if let Some(before) = self.named.take() {
                    let _nobody_waits = before.reply.send(ForkchoiceVerdict::Syncing);
                }
                // Before anything can be written for it.
                self.hasten(true);
                let verdict = self.choose(forkchoice);
                let Some(verdict) = self.or_failed(verdict)? else { return Ok(()) };
                match verdict {
                    Some(verdict) => drop(reply.send(verdict)),
                    None => {
                        let until = self.started.elapsed() + HEAD_WITHIN;
                        self.named = Some(Named { forkchoice, reply, until });
                    }
                }
                self.hasten(self.named.is_some());
            }
        }
        Ok(())
    }

    /// Answers whoever waits for a head, if there is an answer by now.
    pub(crate) fn settle(&mut self) -> Result<(), Gone> {
        let Some(named) = &self.named else { return Ok(()) };
        let is_late = self.started.elapsed() >= named.until;
        let found = self.found(&named.forkchoice);
        let verdict = self.or_failed(found)?.flatten();
        let verdict = verdict.or(is_late.then_some(ForkchoiceVerdict::Syncing));
        if verdict == Some(ForkchoiceVerdict::Valid) {
            self.outbox.report(Report::Named { head: None, finalized: named.forkchoice.finalized })?;
        }
        if let (Some(verdict), Some(named)) = (&verdict, self.named.take_if(|_| verdict.is_some())) {
            let _nobody_waits = named.reply.send(verdict.clone());
        }
        self.hasten(self.named.is_some());
        Ok(())
    }

    /// While a head is waited for, what the writers are given waits for nothing else: headers, bodies and state are a commit each.
    fn hasten(&self, is_waited_for: bool) {
        self.haste.iter().for_each(|haste| haste.set(is_waited_for));
    }

    /// How long nothing is to be done, if nobody tells of anything.
    pub(crate) fn patience(&self) -> Duration {
        let until = self.named.as_ref().map(|named| named.until);
        until.map_or(IDLE, |until| until.saturating_sub(self.started.elapsed()))
    }

    /// A block was refused, or one of its ancestors.
    pub(crate) fn remember_bad(&mut self, hash: B256, latest_valid: B256, reason: String) {
        self.bad.put(hash, Bad { latest_valid, reason });
    }

    /// A failure of our own disk ends the sync, and says nothing of any block.
    fn or_failed<T>(&self, found: snapsync_storage::Result<T>) -> Result<Option<T>, Gone> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) => self.outbox.failed(error).map(|()| None),
        }
    }

    fn judge(&mut self, hash: B256, payload: &NewPayload) -> snapsync_storage::Result<PayloadVerdict> {
        let (number, parent) = (payload.header.number, payload.header.parent_hash);
        if hash == self.genesis {
            return Ok(PayloadVerdict::Valid);
        }
        if let Some(bad) = self.bad.of(&hash).or_else(|| self.bad.of(&parent)).cloned() {
            self.bad.put(hash, bad.clone());
            return Ok(invalid(bad));
        }
        let at = self.state()?.map(|state| state.progress()).transpose()?.flatten();
        let Some(at) = at.and_then(|progress| progress.whole()) else { return Ok(PayloadVerdict::Syncing) };
        let history = self.readers.history.snapshot()?;
        let is_held = number <= at.number && history.canonical(number)? == Some(hash);
        if is_held && is_on_chain(&history, &at)? || self.candidates.has(&hash) {
            return Ok(PayloadVerdict::Valid);
        }
        let Some(parent) = self.parent_or_again(&history, &parent, &at)? else {
            // It may have been found bad just now.
            if let Some(bad) = self.bad.of(&parent).cloned() {
                self.bad.put(hash, bad.clone());
                return Ok(invalid(bad));
            }
            let is_beside = number <= at.number
                && number.checked_sub(1).map_or(Ok(None), |below| history.canonical(below))? == Some(parent);
            return Ok(if is_beside { PayloadVerdict::Accepted } else { PayloadVerdict::Syncing });
        };
        self.take_over(&history, parent, hash, payload)
    }

    /// Takes a block over its parent's state, as a candidate.
    fn take_over(
        &mut self,
        history: &HistorySnapshot,
        parent: Parent,
        hash: B256,
        payload: &NewPayload,
    ) -> snapsync_storage::Result<PayloadVerdict> {
        let number = payload.header.number;
        let block = Block::new(payload.header.clone(), payload.body.clone()).map_err(ExecuteError::from);
        let hashes = BranchHashes { above: parent.above, history };
        let list = payload.list.as_ref();
        let taken = block.and_then(|block| self.take(&parent.state, &hashes, &block, &parent.header, list));
        drop(parent.state);
        match taken {
            Ok(taken) => {
                let header = payload.header.clone();
                self.candidates.put(hash, Candidate { header, taken }, parent.over);
                Ok(PayloadVerdict::Valid)
            }
            Err(ExecuteError::Disk(error)) => Err(error),
            Err(ExecuteError::Bad(bad)) => {
                // SPEC: of a chain that was mined until here none is named (paris.md, payload validation).
                let is_mined = !parent.header.difficulty.is_zero();
                let latest_valid = if is_mined { B256::ZERO } else { payload.header.parent_hash };
                let bad = Bad { latest_valid, reason: bad.to_string() };
                tracing::warn!(number, %hash, reason = bad.reason, "a payload is bad");
                self.bad.put(hash, bad.clone());
                Ok(invalid(bad))
            }
            Err(other) => {
                tracing::warn!(number, %hash, %other, "a payload was not taken");
                Ok(PayloadVerdict::Syncing)
            }
        }
    }

    /// The state after this block. Where it cannot be shown, but that of a near ancestor can, the blocks between are taken over it: they were given, and
    /// are not held as taken, or not any more, as those that the chain has left.
    fn parent_or_again(
        &mut self,
        history: &HistorySnapshot,
        hash: &B256,
        at: &TargetRecord,
    ) -> snapsync_storage::Result<Option<Parent>> {
        let (mut again, mut below) = (Vec::new(), *hash);
        let mut found = loop {
            if let Some(found) = self.parent(history, &below, at)? {
                break found;
            }
            let Some(block) = self.payloads.block(&below).filter(|_| again.len() < AGAIN_MAX) else {
                return Ok(None);
            };
            let parent = block.header.parent_hash;
            again.push((below, block));
            below = parent;
        };
        while let Some((hash, block)) = again.pop() {
            // One that is taken already could not be shown for want of those below it.
            if !self.candidates.has(&hash)
                && self.take_over(history, found, hash, &block)? != PayloadVerdict::Valid
            {
                if let Some(bad) = self.bad.of(&hash).cloned() {
                    again.into_iter().for_each(|(above, _)| self.bad.put(above, bad.clone()));
                }
                return Ok(None);
            }
            let Some(next) = self.parent(history, &hash, at)? else { return Ok(None) };
            found = next;
        }
        Ok(Some(found))
    }

    /// The state after this block, if it can be shown; `at` is the newest.
    fn parent(
        &mut self,
        history: &HistorySnapshot,
        hash: &B256,
        at: &TargetRecord,
    ) -> snapsync_storage::Result<Option<Parent>> {
        let Some(header) = self.header(history, hash)? else { return Ok(None) };
        let Some(above) = self.off_chain(history, &header)? else { return Ok(None) };
        let on_disk = self.on_disk()?;
        if let Some(over) = on_disk.and_then(|at| self.candidates.newest(hash, &at))
            && let Some(state) = self.readers.state.snapshot()?.under(&over)?
        {
            return Ok(Some(Parent { header, state, over, above }));
        }
        let disk = || self.readers.state.snapshot();
        let branch = self.candidates.branch(hash);
        let (base, number) = match branch.front() {
            Some(block) => (block.header.parent_hash, block.header.number.saturating_sub(1)),
            None => (*hash, header.number),
        };
        let mut over = if base == at.hash {
            self.ahead.clone()
        } else if history.canonical(number)? == Some(base) {
            let Some(rewound) = disk()?.rewound(number, self.candidates.bytes_max())? else {
                return Ok(None);
            };
            Arc::new(rewound)
        } else {
            return Ok(None);
        };
        for block in &branch {
            if !Arc::make_mut(&mut over).push(&block.taken.derived) {
                return Ok(None);
            }
        }
        let state = disk()?;
        let state = if over.is_empty() { Some(state) } else { state.under(&over)? };
        let state = state.map_or(Ok(None), |state| {
            let whole = state.whole()?;
            Ok::<_, snapsync_storage::Error>(whole.is_some_and(|whole| whole.hash == *hash).then_some(state))
        })?;
        Ok(state.map(|state| Parent { header, state, over, above }))
    }

    /// A header that is held, of whatever branch.
    fn header(&self, history: &HistorySnapshot, hash: &B256) -> snapsync_storage::Result<Option<Header>> {
        match history.header_by_hash(hash)? {
            Some(_) => self.readers.header(history, hash).map(Some),
            None => Ok(self.payloads.header(hash)),
        }
    }

    /// The hashes from this block down to a canonical one, without that, as many as are asked for; nothing, if one is not known.
    fn off_chain(
        &self,
        history: &HistorySnapshot,
        from: &Header,
    ) -> snapsync_storage::Result<Option<BTreeMap<u64, B256>>> {
        let (mut above, mut at) = (BTreeMap::new(), from.clone());
        while above.len() < HASHES && history.canonical(at.number)? != Some(at.hash()) {
            above.insert(at.number, at.hash());
            let Some(below) = self.header(history, &at.parent_hash)? else {
                return Ok((at.parent_hash == self.genesis).then_some(above));
            };
            at = below;
        }
        Ok(Some(above))
    }

    /// What is said of a head at once; nothing, if it is to be waited for.
    fn choose(&mut self, forkchoice: Forkchoice) -> snapsync_storage::Result<Option<ForkchoiceVerdict>> {
        let head = forkchoice.head;
        let found = self.found(&forkchoice)?;
        // What is refused takes no effect.
        if found.as_ref().is_some_and(|found| *found != ForkchoiceVerdict::Valid) {
            return Ok(found);
        }
        let history = self.readers.history.snapshot()?;
        let at = self.on_disk()?;
        let is_below = at.is_some_and(|at| at.hash != head) && found.is_some();
        // An ancestor of what is held moves nothing, and what was named before it is not wanted any more.
        let named = if is_below || head == self.genesis {
            history.highest()?.filter(|_| at.is_some()).map(|(_, top)| top)
        } else {
            Some(head)
        };
        named.into_iter().for_each(|head| self.payloads.name(head));
        // What is final of a chain that is not here yet is heard once it is.
        let finalized = if found.is_some() { forkchoice.finalized } else { B256::ZERO };
        if self.outbox.report(Report::Named { head: named, finalized }).is_err() {
            return Ok(Some(ForkchoiceVerdict::Syncing));
        }
        if found.is_some() {
            return Ok(found);
        }
        let is_known = at.is_some() && (self.candidates.has(&head) || self.leads_on(&history, head)?);
        Ok((!is_known).then_some(ForkchoiceVerdict::Syncing))
    }

    /// What is to be said of a head, if its state is on the disk, or it is known to be bad.
    fn found(&self, forkchoice: &Forkchoice) -> snapsync_storage::Result<Option<ForkchoiceVerdict>> {
        let head = forkchoice.head;
        if let Some(bad) = self.bad.of(&head) {
            return Ok(Some(refused(bad.clone())));
        }
        if head == self.genesis {
            return Ok(Some(ForkchoiceVerdict::Valid));
        }
        let history = self.readers.history.snapshot()?;
        let Some(at) = self.on_disk()? else { return Ok(None) };
        let Some(number) = history.number_of(&head)? else { return Ok(None) };
        if history.canonical(number)? != Some(head) {
            return Ok(None);
        }
        if number <= at.number {
            // The chain may have left the block that the state is of: that is taken back first.
            if !is_on_chain(&history, &at)? {
                return Ok(None);
            }
            let [safe, finalized] = [forkchoice.safe, forkchoice.finalized];
            let is_below = |hash: B256| -> snapsync_storage::Result<bool> {
                if hash.is_zero() || hash == self.genesis {
                    return Ok(true);
                }
                let Some(at) = history.number_of(&hash)? else { return Ok(false) };
                Ok(at <= number && history.canonical(at)? == Some(hash))
            };
            let is_consistent = is_below(safe)? && is_below(finalized)?;
            let verdict =
                if is_consistent { ForkchoiceVerdict::Valid } else { ForkchoiceVerdict::Inconsistent };
            return Ok(Some(verdict));
        }
        // A bad block lies on the way.
        let Some(Head { number: bad, hash }) = self.refused.filter(|refused| refused.number <= number) else {
            return Ok(None);
        };
        let is_on_the_way = history.canonical(bad)? == Some(hash);
        Ok(self.bad.of(&hash).filter(|_| is_on_the_way).map(|bad| refused(bad.clone())))
    }

    fn on_disk(&self) -> snapsync_storage::Result<Option<TargetRecord>> {
        self.readers.state.snapshot()?.whole()
    }

    /// Whether the blocks that were given lead from the chain that is held to this one.
    fn leads_on(&self, history: &HistorySnapshot, head: B256) -> snapsync_storage::Result<bool> {
        let mut at = head;
        loop {
            let number = history.number_of(&at)?;
            if number.map_or(Ok(None), |number| history.canonical(number))? == Some(at) {
                return Ok(true);
            }
            let Some(header) = self.header(history, &at)? else { return Ok(false) };
            at = header.parent_hash;
        }
    }
}

/// Whether this block is canonical, and so all below it.
fn is_on_chain(history: &HistorySnapshot, at: &TargetRecord) -> snapsync_storage::Result<bool> {
    Ok(history.canonical(at.number)? == Some(at.hash))
}

fn invalid(Bad { latest_valid, reason }: Bad) -> PayloadVerdict {
    PayloadVerdict::Invalid { latest_valid: Some(latest_valid), reason }
}

fn refused(Bad { latest_valid, reason }: Bad) -> ForkchoiceVerdict {
    ForkchoiceVerdict::Invalid { latest_valid: Some(latest_valid), reason }
}
