//! What is left to ask, and what follows from an answer. It believes the answers.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    mem,
};

use alloy_primitives::B256;
use snapsync_trie::{Account, HashRange};
use snapsync_wire::snap::{
    AccountRange, ByteCodes, GetAccountRange, GetByteCodes, GetStorageRanges, Message, StorageRanges,
};

use crate::Failure;

/// Ranges that the accounts are asked in, in turn.
const RANGES: usize = 16;
/// Ranges that the rest of a contract is split into once it did not fit one answer.
const PARTS: usize = 8;
/// Contracts in one request, and codes.
const CONTRACTS: usize = 512;
const CODES: usize = 64;
/// The size of an answer, as large as servers make them.
const RESPONSE_BYTES: u64 = 2 << 20;

/// A request that is under way.
enum Ask {
    Accounts(HashRange),
    /// Whole storages.
    Storages(Vec<B256>),
    /// A part of one.
    Part(B256, HashRange),
    Codes(Vec<B256>),
}

/// All that is left to ask of one root.
pub(crate) struct Asks {
    root: B256,
    last_id: u64,
    in_flight: BTreeMap<u64, Ask>,
    ranges: VecDeque<HashRange>,
    contracts: Vec<B256>,
    parts: VecDeque<(B256, HashRange)>,
    codes: Vec<B256>,
    /// Storage roots and codes met before: equal ones are fetched once, as a sync does.
    seen: HashSet<B256>,
}

impl Asks {
    pub(crate) fn new(root: B256) -> Self {
        Self {
            root,
            last_id: 0,
            in_flight: BTreeMap::new(),
            ranges: HashRange::FULL.split(RANGES).into(),
            contracts: Vec::new(),
            parts: VecDeque::new(),
            codes: Vec::new(),
            seen: HashSet::new(),
        }
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The next request, if there is anything to ask now.
    pub(crate) fn next(&mut self) -> Option<Message> {
        let accounts_go_on =
            !self.ranges.is_empty() || self.in_flight.values().any(|ask| matches!(ask, Ask::Accounts(_)));
        // Small requests wait for company while more may come.
        let is_due = |waiting: usize, full: usize| waiting >= full || (waiting > 0 && !accounts_go_on);
        let ask = if is_due(self.codes.len(), CODES) {
            Ask::Codes(take_up_to(&mut self.codes, CODES))
        } else if is_due(self.contracts.len(), CONTRACTS) {
            Ask::Storages(take_up_to(&mut self.contracts, CONTRACTS))
        } else if let Some(range) = self.ranges.pop_front() {
            Ask::Accounts(range)
        } else {
            let (account, range) = self.parts.pop_front()?;
            Ask::Part(account, range)
        };
        self.last_id += 1;
        let request = self.request(&ask);
        self.in_flight.insert(self.last_id, ask);
        Some(request)
    }

    fn request(&self, ask: &Ask) -> Message {
        let (id, root, response_bytes) = (self.last_id, self.root, RESPONSE_BYTES);
        let storages = |accounts: Vec<B256>, range: HashRange| {
            let (origin, limit) = (range.start(), range.last());
            Message::GetStorageRanges(GetStorageRanges { id, root, accounts, origin, limit, response_bytes })
        };
        match ask {
            Ask::Accounts(range) => {
                let (origin, limit) = (range.start(), range.last());
                Message::GetAccountRange(GetAccountRange { id, root, origin, limit, response_bytes })
            }
            Ask::Storages(accounts) => storages(accounts.clone(), HashRange::FULL),
            Ask::Part(account, range) => storages(vec![*account], *range),
            Ask::Codes(hashes) => {
                Message::GetByteCodes(GetByteCodes { id, hashes: hashes.clone(), response_bytes })
            }
        }
    }

    pub(crate) fn accounts(&mut self, answer: &AccountRange) -> Result<(), Failure> {
        let Some(Ask::Accounts(range)) = self.in_flight.remove(&answer.id) else { return unasked() };
        let mut last = None;
        for (key, slim) in answer.accounts.iter() {
            let account = Account::from_slim(slim)?;
            if account.has_storage() && self.seen.insert(account.storage_root) {
                self.contracts.push(*key);
            }
            if account.has_code() && self.seen.insert(account.code_hash) {
                self.codes.push(account.code_hash);
            }
            last = Some(*key);
        }
        match last {
            Some(last) => self.ranges.extend(rest_of(range, last)),
            None if answer.proof.is_empty() => return Err("the peer does not have this state".into()),
            None => {}
        }
        Ok(())
    }

    pub(crate) fn storages(&mut self, answer: &StorageRanges) -> Result<(), Failure> {
        let (accounts, range) = match self.in_flight.remove(&answer.id) {
            Some(Ask::Storages(accounts)) => (accounts, HashRange::FULL),
            Some(Ask::Part(account, range)) => (vec![account], range),
            _ => return unasked(),
        };
        let (answered, left) =
            accounts.split_at_checked(answer.sets.len()).ok_or("more sets than accounts")?;
        if answered.is_empty() && answer.proof.is_empty() {
            return Err("the peer does not have this storage".into());
        }
        // A proof says that the last set was cut; an answer without sets proves that nothing is left of a part.
        let last = answer.sets.iter().last().and_then(|mut set| set.next_back()).map(|(last, _)| *last);
        if let (Some(account), Some(last), false) = (answered.last(), last, answer.proof.is_empty())
            && let Some(rest) = rest_of(range, last)
        {
            let count = if range == HashRange::FULL { PARTS } else { 1 };
            self.parts.extend(rest.split(count).into_iter().map(|part| (*account, part)));
        }
        if !answered.is_empty() {
            self.contracts.extend_from_slice(left);
        }
        Ok(())
    }

    pub(crate) fn codes(&mut self, answer: &ByteCodes) -> Result<(), Failure> {
        let Some(Ask::Codes(hashes)) = self.in_flight.remove(&answer.id) else { return unasked() };
        if answer.codes.is_empty() {
            return Err("the peer does not have these codes".into());
        }
        self.codes.extend(hashes.get(answer.codes.len()..).unwrap_or_default());
        Ok(())
    }
}

fn unasked() -> Result<(), Failure> {
    Err("an answer that nobody asked for".into())
}

/// What is left of `range` behind `last`.
fn rest_of(range: HashRange, last: B256) -> Option<HashRange> {
    HashRange::after(last).and_then(|next| HashRange::new(next, range.last()))
}

fn take_up_to(from: &mut Vec<B256>, count: usize) -> Vec<B256> {
    let rest = from.split_off(count.min(from.len()));
    mem::replace(from, rest)
}
