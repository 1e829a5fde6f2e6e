//! What the big world's disk claims to hold: ranges and counts.
//!
//! It applies proved answers as the real one does and says what they imply, and how many bytes of them were new.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use snapsync_stream::{Answered, Judgement};
use snapsync_sync::{Event, HashRange, Ticket};
use snapsync_trie::Gaps;

use super::truth::Truth;

/// The disk.
#[derive(Debug)]
pub struct Store {
    gaps: Gaps,
    /// Storages that are not settled, with what is missing of them once a part is there.
    pending: BTreeMap<B256, Option<Gaps>>,
    pending_codes: BTreeSet<B256>,
    codes: BTreeSet<B256>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            gaps: Gaps::full(),
            pending: BTreeMap::new(),
            pending_codes: BTreeSet::new(),
            codes: BTreeSet::new(),
        }
    }
}

impl Store {
    /// Whether all of the state is there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.gaps.is_empty() && self.pending.is_empty() && self.pending_codes.is_empty()
    }

    /// Bytes of an answer's rows that are new. They count as held from now on only for [`Store::apply`].
    #[must_use]
    pub fn new_bytes(&self, truth: &Truth, judgement: &Judgement, answered: &Answered) -> u64 {
        match answered {
            Answered::Accounts { covered } => {
                self.gaps.within(*covered).map(|range| truth.account_bytes(&range)).sum()
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
        match self.pending.get(account) {
            None => 0,
            Some(None) => truth.slots_in(&contract, range),
            Some(Some(gaps)) => gaps.within(*range).map(|gap| truth.slots_in(&contract, &gap)).sum(),
        }
    }

    /// A commit: applies an answer and says what to tell the machine.
    pub fn apply(&mut self, truth: &Truth, judgement: &Judgement, answered: Answered) -> Event {
        let (job, ticket) = (judgement.job, Ticket::from(judgement.request));
        match answered {
            Answered::Accounts { covered } => {
                let (mut storages, mut codes) = (Vec::new(), BTreeSet::new());
                for contract in truth.contracts(&covered).iter().filter(|one| self.gaps.contains(&one.key)) {
                    self.pending.insert(contract.key, None);
                    storages.push(Truth::claim(contract));
                    let code = truth.code_of(contract);
                    if !self.codes.contains(&code) && self.pending_codes.insert(code) {
                        codes.insert(code);
                    }
                }
                self.gaps.remove(covered);
                Event::AccountsDurable { job, ticket, covered, storages, codes: codes.into_iter().collect() }
            }
            Answered::Storages { settled, partial } => {
                for account in &settled {
                    self.pending.remove(account);
                }
                if let Some(part) = partial
                    && let Some(gaps) = self.pending.get_mut(&part.account)
                {
                    gaps.get_or_insert_with(Gaps::full).remove(part.covered);
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
            Answered::Headers { segment } => Event::HeadersDurable { job, ticket, segment },
            Answered::Bodies { found } => Event::BodiesDurable { job, ticket, blocks: found },
            Answered::Receipts { found, .. } => Event::ReceiptsDurable { job, ticket, blocks: found },
            Answered::Nothing => unreachable!("honest peers that have everything always give something"),
        }
    }

    /// The trie of a storage that came in pieces is derived.
    pub fn derived(&mut self, account: &B256) {
        let gaps = self.pending.remove(account).flatten();
        assert!(gaps.is_some_and(|gaps| gaps.is_empty()), "a storage with gaps is derived");
    }
}
