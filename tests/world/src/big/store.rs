//! What the big world's disk claims to hold: ranges and counts.
//!
//! It applies proved answers as the real one does and says what they imply, and how many bytes of them were new.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use snapsync_stream::{Answered, Judgement, What};
use snapsync_sync::{Coverage, Event, HashRange, HeaderReach, PendingStorage, TargetId, Ticket};

use super::truth::Truth;

/// The disk.
#[derive(Debug, Default)]
pub struct Store {
    held: Coverage,
    pending: BTreeMap<B256, PendingStorage>,
    pending_codes: BTreeSet<B256>,
    codes: BTreeSet<B256>,
}

impl Store {
    /// Whether all of the state is there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.held.is_whole() && self.pending.is_empty() && self.pending_codes.is_empty()
    }

    /// Bytes of an answer's rows that are new. They count as held from now on only for [`Store::apply`].
    #[must_use]
    pub fn new_bytes(&self, truth: &Truth, judgement: &Judgement, answered: &Answered) -> u64 {
        match answered {
            Answered::Accounts { covered } => {
                self.held.gaps_within(*covered).map(|range| truth.account_bytes(&range)).sum()
            }
            Answered::Storages { settled, partial } => {
                let whole = settled.iter().map(|account| self.missing(truth, account, &HashRange::FULL));
                let part = partial.iter().map(|part| self.missing(truth, &part.account, &part.covered));
                whole.chain(part).sum::<u64>() * truth.shape.slot_bytes
            }
            Answered::Codes { found } => {
                let new = found.iter().filter(|hash| self.pending_codes.contains(*hash));
                new.map(|hash| truth.code_bytes(hash)).sum()
            }
            _ => {
                debug_assert!(!judgement.what.noun().is_state(), "state is counted above");
                0
            }
        }
    }

    fn missing(&self, truth: &Truth, account: &B256, range: &HashRange) -> u64 {
        let Some(contract) = truth.contract(account) else { return 0 };
        let Some(pending) = self.pending.get(account) else { return 0 };
        pending.parts.gaps_within(*range).map(|gap| truth.slots_in(&contract, &gap)).sum()
    }

    /// A commit: applies an answer and says what to tell the machine.
    pub fn apply(&mut self, truth: &Truth, judgement: &Judgement, answered: Answered) -> Event {
        let (job, ticket, target) = (judgement.job, Ticket::from(judgement.request), target(judgement));
        match answered {
            Answered::Accounts { covered } => {
                let (mut storages, mut codes) = (Vec::new(), BTreeSet::new());
                let contracts = truth.contracts(&covered);
                for contract in contracts.iter().filter(|one| !self.held.at(one.key).is_held()) {
                    let claim = Truth::claim(contract);
                    self.pending.insert(contract.key, PendingStorage::untouched(claim, target));
                    storages.push(claim);
                    let code = truth.code_of(contract);
                    if !self.codes.contains(&code) && self.pending_codes.insert(code) {
                        codes.insert(code);
                    }
                }
                self.held.fill(covered, target);
                let codes = codes.into_iter().collect();
                Event::AccountsDurable { job, ticket, covered, target, storages, codes }
            }
            Answered::Storages { settled, partial } => {
                for account in &settled {
                    self.pending.remove(account);
                }
                if let Some(part) = partial
                    && let Some(pending) = self.pending.get_mut(&part.account)
                {
                    pending.fill(part.covered, target);
                }
                Event::StoragesDurable { job, ticket, settled, partial }
            }
            Answered::Codes { found } => {
                for hash in &found {
                    self.pending_codes.remove(hash);
                    self.codes.insert(*hash);
                }
                Event::CodesDurable { job, ticket, found }
            }
            Answered::Headers { segment } => {
                let reach = HeaderReach::Down(segment.floor());
                Event::HeadersDurable { job, ticket, segment, reach }
            }
            Answered::Bodies { found } => Event::BodiesDurable { job, ticket, blocks: found },
            Answered::Receipts { found, .. } => Event::ReceiptsDurable { job, ticket, blocks: found },
            Answered::Nodes { .. } | Answered::Shown { .. } => {
                unreachable!("its state stands still: there is nothing to heal")
            }
            Answered::Lists { .. } => unreachable!("its rows are of one block"),
            Answered::Kept { .. } => unreachable!("nobody takes blocks"),
            Answered::Renewed => unreachable!("the pivot stands still"),
            Answered::Nothing => unreachable!("honest peers that have everything always give something"),
        }
    }

    /// The trie of a storage that came in pieces is derived.
    pub fn derived(&mut self, account: &B256) {
        let pending = self.pending.remove(account);
        assert!(pending.is_some_and(|pending| pending.is_filled()), "a storage with gaps is derived");
    }
}

/// The target that state was asked of; any for what is not state.
fn target(judgement: &Judgement) -> TargetId {
    match judgement.what {
        What::Accounts { target, .. } | What::Storages { target, .. } | What::StorageRange { target, .. } => {
            target
        }
        _ => TargetId::default(),
    }
}
