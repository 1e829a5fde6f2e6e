//! The disk against the truth: after each write, after each crash and at the end.
//!
//! Nothing unproven is written; in the end it holds everything. That it holds what it claims is looked at in `claims`. It looks at the world from
//! outside: the machine has no such view.

use alloy_primitives::B256;
use snapsync_stream::{RequestId, What};
use snapsync_sync::{Fatal, History, Missing, Report};

use crate::{
    answer::Payload,
    chain::HEADER_WEIGHT,
    disk::Chunk,
    judge,
    listed::Listed,
    story::{Ending, Twist},
    tries::{Leaf, derive},
    world::World,
};

impl World {
    /// After each step: memory within the budget, flights within their limits.
    pub(crate) fn check_step(&self) -> Result<(), String> {
        let held =
            self.rig.held.values().map(Payload::weight).sum::<u64>() + self.working.values().sum::<u64>();
        let held = held + self.parts.values().map(|part| part.weight).sum::<u64>();
        let reserved = self.rig.desk.reserved_bytes();
        let budget = self.story.budget_bytes;
        let excess = self.excess();
        if reserved > budget + excess {
            return Err(format!(
                "{reserved} bytes reserved, the budget is {budget} and peers sent {excess} too many"
            ));
        }
        if held > reserved {
            return Err(format!("{held} bytes held, only {reserved} reserved"));
        }
        self.watch.flights(&self.rig)
    }

    /// What peers sent above their soft limits, by an item and a proof each; and one answer of headers, which may go out
    /// above the budget because all others wait for it.
    fn excess(&self) -> u64 {
        let above = |(id, weight): (&RequestId, u64)| {
            weight.saturating_sub(self.rig.sent.get(id).map_or(0, |sent| sent.response_bytes))
        };
        let arrived = self.rig.held.iter().map(|((_, id), payload)| above((id, payload.weight())));
        let working = self.working.iter().map(|(id, weight)| above((id, *weight)));
        let headers = self.rig.desk.config().headers_per_request * HEADER_WEIGHT * 2;
        // A block that has begun goes on, whatever it takes; its header's gas bounds it.
        let parts = self.parts.values().map(|part| part.weight);
        arrived.sum::<u64>() + working.sum::<u64>() + parts.sum::<u64>() + self.rests() + headers
    }

    /// Before a write: every row is one of the state that was asked for, and none is missing in what is called covered.
    pub(crate) fn check_chunk(&self, what: &What, chunk: &Chunk) -> Result<(), String> {
        let state = judge::state_of(&self.states, what);
        match chunk {
            Chunk::Accounts { covered, rows, .. } | Chunk::Renewal { covered, rows, .. } => {
                let truth = state.trie.rows.range(covered.start()..=covered.last());
                if !truth.eq(rows.iter().map(|(key, row)| (key, row))) {
                    return Err(format!("unproven accounts are written to {covered:?}"));
                }
            }
            Chunk::Storages { sets, .. } => {
                for set in sets {
                    let range = set.covered.start()..=set.covered.last();
                    let truth = state.slots(&set.claim.root).map(|trie| trie.rows.range(range));
                    if !truth.is_some_and(|truth| truth.eq(set.rows.iter().map(|(key, row)| (key, row)))) {
                        return Err(format!("unproven slots are written to {}", set.claim.account));
                    }
                    let account = state.accounts.get(&set.claim.account);
                    if account.is_none_or(|account| account.storage_root != set.claim.root) {
                        return Err(format!("{:?} was claimed at another block", set.claim));
                    }
                }
            }
            Chunk::Nodes { healed, .. } => self.check_healed(what, healed)?,
            Chunk::Lists { lists, .. } => {
                let is_true = |listed: &Listed| {
                    self.states.list(&listed.header.hash).is_some_and(|(_, raw)| *raw == listed.raw)
                };
                if let Some(listed) = lists.iter().find(|listed| !is_true(listed)) {
                    return Err(format!("the list of block {} is another one", listed.header.number));
                }
            }
            Chunk::Retreat { listed, .. } => {
                if self.states.list(&listed.header.hash).is_none_or(|(_, raw)| *raw != listed.raw) {
                    return Err(format!("the list of left block {} is another one", listed.header.number));
                }
            }
            Chunk::Codes { hashes, .. } => {
                if let Some(hash) = hashes.iter().find(|hash| !self.states.codes.contains_key(*hash)) {
                    return Err(format!("unproven code {hash} is written"));
                }
            }
            Chunk::Headers { headers, .. } => {
                if let Some(wrong) = headers.iter().find(|header| self.line.of(&header.hash) != Some(*header))
                {
                    return Err(format!("unproven header {} is written", wrong.number));
                }
            }
            Chunk::Bodies { .. } | Chunk::Receipts { .. } => {}
        }
        Ok(())
    }

    /// The tries are derived only when nothing is open.
    pub(crate) fn check_rebuild(&mut self, root: B256) -> Result<(), String> {
        let held = &self.disk.held;
        let open = held.coverage.gaps().count() + held.pending.len() + held.pending_codes.len();
        if open > 0 {
            return Err(format!("the state trie is derived with {open} gaps and pendings open"));
        }
        if Some(root) != self.rig.desk.engine().pin().map(|pin| pin.target.root)
            || self.states.block_of(&root).is_none()
        {
            return Err(format!("derives against {root}, the target has {}", self.truth().root));
        }
        self.watch.rebuilt();
        Ok(())
    }

    /// At the end: the ending that the story must have, and after a complete one the whole truth.
    pub(crate) fn check_end(&self) -> Result<(), String> {
        let Some(ended) = &self.ended else {
            return self.check_endless();
        };
        match (self.ending(), ended) {
            (Ending::Complete, Report::Complete(_)) => self.check_whole()?,
            (Ending::Fatal(name), Report::Fatal(fatal)) if name == fatal_name(fatal) => {
                self.check_lack(fatal)?;
            }
            // A rotten row or a lost root may come too late to matter; then the sync is whole.
            (Ending::Fatal("unavailable" | "storage_root_mismatch"), Report::Complete(_)) => {
                self.check_whole()?
            }
            (wanted, ended) => return Err(format!("must end as {wanted:?}, ended as {ended:?}")),
        }
        let twice = self.disk.rows_twice;
        // A claim that is asked for under a newer root may be answered under the older one at the same moment; one contract may be most of a
        // small state.
        let held = &self.disk.held;
        let rows = held.accounts.len() + held.slots.values().map(|rows| rows.len()).sum::<usize>();
        let is_moving = matches!(self.story.twist, Twist::StateMoves { .. });
        let may_be_twice = if is_moving { rows as u64 / 2 } else { 0 };
        if self.tallies.crashes == 0 && twice > may_be_twice {
            return Err(format!("{twice} rows were fetched twice without a crash"));
        }
        let (reserved, in_flight) = (self.rig.desk.reserved_bytes(), self.rig.desk.in_flight().len());
        if matches!(ended, Report::Complete(_)) && !self.parts.is_empty() {
            return Err(format!("parts of {} blocks are held after the end", self.parts.len()));
        }
        if matches!(ended, Report::Complete(_)) && (reserved > 0 || in_flight > 0) {
            return Err(format!("{reserved} bytes reserved, {in_flight} requests in flight after the end"));
        }
        Ok(())
    }

    /// What of history is said to be lacking is what the disk lacks, and nobody has it.
    fn check_lack(&self, fatal: &Fatal) -> Result<(), String> {
        let Fatal::HistoryUnavailable { lack } = fatal else { return Ok(()) };
        let ledger = &self.disk.held.ledger;
        let bodies = ledger.bodies.iter().map(|blocks| Missing::Bodies { blocks });
        let receipts = ledger.receipts.iter().map(|blocks| Missing::Receipts { blocks });
        if !bodies.chain(receipts).eq(lack.spans.iter().cloned()) {
            return Err(format!("{lack:?}, the disk lacks {:?} and {:?}", ledger.bodies, ledger.receipts));
        }
        let last = ledger.bodies.iter().chain(ledger.receipts.iter()).map(|blocks| blocks.last).max();
        match self.animals.iter().find(|animal| Some(animal.first) <= last) {
            Some(animal) => Err(format!("{lack:?}, a peer has all from {} on", animal.first)),
            None => Ok(()),
        }
    }

    /// A poisoned account keeps the sync open for as long as somebody claims to have it; nothing of it is held.
    fn check_endless(&self) -> Result<(), String> {
        let poison = self.states.first().poison.as_ref().ok_or("the story did not end")?;
        if self.disk.held.slots.contains_key(&poison.account) {
            return Err("slots under a poisoned root are held".to_owned());
        }
        self.check_claims()
    }

    fn check_whole(&self) -> Result<(), String> {
        self.check_claims()?;
        if !self.disk.rotten.is_empty() {
            return Err(format!("complete over rows of {:?}, which decayed", self.disk.rotten));
        }
        let truth = self.truth();
        if let Some(twin) = &self.disk.twin {
            twin.holds(truth)?;
        }
        let held = &self.disk.held;
        if held.accounts != truth.trie.rows {
            return Err(format!("{} accounts, the truth has {}", held.accounts.len(), truth.accounts.len()));
        }
        let derived = derive(truth.flavour, Leaf::Account, &held.accounts);
        if derived != truth.root {
            return Err(format!("derived root {derived}, the header says {}", truth.root));
        }
        if !held.pending.is_empty() || !held.pending_codes.is_empty() || !held.coverage.is_whole() {
            return Err("complete with open work on the disk".to_owned());
        }
        // Those that nobody names any more stay; that none is missing was looked at with the rows.
        if let Some(code) = held.codes.iter().find(|code| !self.states.codes.contains_key(*code)) {
            return Err(format!("code {code} is held, which no block has"));
        }
        self.check_history()
    }

    /// The canonical chain is that of the last head, and all that is wanted of it is held.
    fn check_history(&self) -> Result<(), String> {
        let ledger = &self.disk.held.ledger;
        if !ledger.bodies.is_empty() || !ledger.receipts.is_empty() {
            let (bodies, receipts) = (ledger.bodies.count(), ledger.receipts.count());
            return Err(format!("{bodies} bodies and {receipts} receipts are missing"));
        }
        let chain = self.line.chain(self.line.chains() - 1);
        let first = match self.story.history {
            History::All => 1,
            History::From(first) => first.max(1),
            History::None => u64::MAX,
        };
        if let Some(twin) = &self.disk.twin {
            twin.holds_chain(chain, first)?;
        }
        for header in chain.iter().skip(1) {
            let key = (header.number, header.hash);
            if ledger.canonical.get(&key.0) != Some(&key.1) || ledger.headers.get(&key) != Some(header) {
                return Err(format!("header {} of the last head's chain is missing", key.0));
            }
            let is_held = ledger.bodies_held.contains(&key) && ledger.receipts_held.contains(&key);
            if key.0 >= first && !is_held {
                return Err(format!("body or receipts of block {} are missing", key.0));
            }
        }
        match ledger.canonical.last_key_value() {
            Some((number, _)) if *number != chain.len() as u64 - 1 => {
                Err(format!("block {number} is canonical above the last head"))
            }
            _ => Ok(()),
        }
    }
}

/// The name of a fatal end, as stories name it.
fn fatal_name(fatal: &Fatal) -> &'static str {
    match fatal {
        Fatal::CheckpointMismatch { .. } => "checkpoint_mismatch",
        Fatal::CheckpointNumber { .. } => "checkpoint_number",
        Fatal::TargetMismatch { .. } => "target_mismatch",
        Fatal::GenesisMismatch { .. } => "genesis_mismatch",
        Fatal::OtherTarget { .. } => "other_target",
        Fatal::TargetUnavailable { .. } => "unavailable",
        Fatal::HistoryUnavailable { .. } => "history_unavailable",
        Fatal::RootMismatch { .. } => "root_mismatch",
        Fatal::Unreconciled { .. } => "unreconciled",
        Fatal::StorageRootMismatch { .. } => "storage_root_mismatch",
    }
}
