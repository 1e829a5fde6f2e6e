//! What the disk holds of a state that moves: ranges, counts, and the keys in which it is not the pivot's.
//!
//! It applies answers, lists and walks as the real writer does, and says what they imply. What differs is kept key by key; all else is as
//! new as its stretch says. It knows the truth by counts (`ground`), and no peer.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use alloy_primitives::B256;
use snapsync_sync::{
    Coverage, Event, HashRange, Head, JobId, ListOutcome, ListedBlock, PartialStorage, PendingStorage,
    Standing, StorageClaim, TargetId, Ticket,
};

use crate::listed;

use super::{
    drift::key_of,
    ground::{Ground, Whose},
    truth::upper,
};

/// The rows.
#[derive(Debug)]
pub(crate) struct Rows {
    held: Coverage,
    pub(crate) pending: BTreeMap<B256, PendingStorage>,
    pending_codes: BTreeSet<B256>,
    codes: BTreeSet<B256>,
    /// The block that a contract's slots were of when they were settled last.
    settled_at: Vec<u32>,
    /// Slots that walks have put right, with the block that they are of.
    healed: BTreeMap<u32, BTreeMap<u64, u32>>,
    /// Slots in which a contract's are not what it claims, by the block of the claim.
    differing: BTreeMap<u32, (u32, BTreeSet<u64>)>,
    /// Accounts that are held and not the pivot's.
    stale: BTreeSet<u64>,
    /// The block that rows of a target are of: its own, or where lists have brought them.
    places: BTreeMap<TargetId, u32>,
    own: BTreeMap<TargetId, u32>,
    pivot: u32,
    /// Leaves of the account trie above which nothing is derived.
    pub(crate) dirty: u64,
    /// Storages that owe their root, each with the slots that have changed.
    owed: BTreeMap<u32, u64>,
}

impl Rows {
    pub(crate) fn new(contracts: usize) -> Self {
        Self {
            held: Coverage::missing(),
            pending: BTreeMap::new(),
            pending_codes: BTreeSet::new(),
            codes: BTreeSet::new(),
            settled_at: vec![0; contracts],
            healed: BTreeMap::new(),
            differing: BTreeMap::new(),
            stale: BTreeSet::new(),
            places: BTreeMap::new(),
            own: BTreeMap::new(),
            pivot: 0,
            dirty: 0,
            owed: BTreeMap::new(),
        }
    }

    /// Whether nothing is missing, and whether all of it is the pivot's.
    pub(crate) fn is_whole(&self) -> bool {
        self.held.is_whole() && self.pending.is_empty() && self.pending_codes.is_empty()
    }

    pub(crate) fn is_the_pivots(&self) -> bool {
        self.is_whole() && self.stale.is_empty()
    }

    pub(crate) fn stale(&self) -> usize {
        self.stale.len()
    }

    /// The pivot is another: what blocks up to it have changed of rows that are held differs from now on.
    pub(crate) fn retarget(&mut self, ground: &Ground, target: TargetId, block: u32) {
        for later in self.pivot + 1..=block {
            let held =
                ground.drift.accounts(later).iter().filter(|key| self.held.at(key_of(**key)).is_held());
            self.stale.extend(held);
        }
        self.pivot = self.pivot.max(block);
        self.places.insert(target, block);
        self.own.insert(target, block);
    }

    /// The block of a target.
    pub(crate) fn own(&self, target: TargetId) -> u32 {
        self.own.get(&target).copied().unwrap_or_default()
    }

    fn is_outdated(&self, target: TargetId) -> bool {
        self.places.get(&target) != self.own.get(&target)
    }

    /// The least block that rows which stand like this are of.
    fn block(&self, standing: Standing) -> u32 {
        match standing {
            Standing::At(target) => self.places.get(&target).copied().unwrap_or_default(),
            Standing::Mixed | Standing::Missing => 0,
        }
    }

    pub(crate) fn accounts(
        &mut self,
        ground: &Ground,
        (job, ticket, target): (JobId, Ticket, TargetId),
        covered: HashRange,
    ) -> Event {
        if self.is_outdated(target) {
            return Event::Outdated { job, ticket };
        }
        let (mut storages, mut codes) = (Vec::new(), Vec::new());
        let block = self.own(target);
        for contract in ground.truth.contracts(&covered) {
            if self.held.at(contract.key).is_held() {
                continue;
            }
            let nth = ground.truth.place_of(&contract.key).expect("it is a contract") as u32;
            let claim = ground.claim(nth, block);
            self.pending.insert(contract.key, PendingStorage::untouched(claim, target));
            storages.push(claim);
            let code = ground.truth.code_of(contract);
            if !self.codes.contains(&code) && self.pending_codes.insert(code) {
                codes.push(code);
            }
        }
        for piece in self.held.fill(covered, target) {
            for later in block + 1..=self.pivot {
                let (first, last) = (upper(&piece.start()), upper(&piece.last()));
                let within = ground.drift.accounts_in(later, first, last).iter();
                self.stale.extend(within.filter(|key| piece.contains(&key_of(**key))));
            }
        }
        // At both ends of an answer a path is left to be derived.
        self.dirty += 2;
        Event::AccountsDurable { job, ticket, covered, target, storages, codes }
    }

    pub(crate) fn storages(
        &mut self,
        ground: &Ground,
        (job, ticket, target): (JobId, Ticket, TargetId),
        settled: Vec<B256>,
        partial: Option<PartialStorage>,
    ) -> Event {
        let block = self.own(target);
        let claim = |account: &B256| {
            let nth = ground.truth.place_of(account).expect("it is a contract") as u32;
            ground.claim(nth, block)
        };
        let mut told = Vec::new();
        for account in settled {
            match self.pending.get(&account) {
                Some(pending) if !pending.waits_for(&claim(&account)) => continue,
                Some(_) => self.settle(ground, &account, block),
                None => {}
            }
            told.push(account);
        }
        let partial = partial.filter(|part| {
            let pending = self.pending.get_mut(&part.account);
            let pending = pending.filter(|pending| pending.waits_for(&claim(&part.account)));
            pending.is_some_and(|pending| {
                let target = pending.target;
                pending.fill(part.covered, target);
                true
            })
        });
        Event::StoragesDurable { job, ticket, settled: told, partial }
    }

    fn settle(&mut self, ground: &Ground, account: &B256, block: u32) {
        self.pending.remove(account);
        let Some(nth) = ground.truth.place_of(account) else { return };
        self.settled_at[nth] = block;
        self.healed.remove(&(nth as u32));
        self.differing.remove(&(nth as u32));
        self.owed.remove(&(nth as u32));
    }

    pub(crate) fn codes(&mut self, job: JobId, ticket: Ticket, found: Vec<B256>) -> Event {
        for hash in &found {
            self.pending_codes.remove(hash);
            self.codes.insert(*hash);
        }
        Event::CodesDurable { job, ticket, found }
    }

    /// What is pending of a contract whose row is of a later block from now on.
    fn reclaim(
        &mut self,
        ground: &Ground,
        contract: u32,
        target: TargetId,
        standing: Standing,
    ) -> Option<PendingStorage> {
        let claim = ground.claim(contract, self.own(target));
        let parts = match self.pending.get(&claim.account) {
            Some(pending) => pending.parts.clone(),
            None => {
                let before = ground.claim(contract, self.settled_at[contract as usize]);
                if before.root == claim.root {
                    return None;
                }
                Coverage::all(standing)
            }
        };
        let StorageClaim { account, root } = claim;
        let pending = PendingStorage { account, expected: Some(root), target, parts };
        self.pending.insert(account, pending.clone());
        self.differing.remove(&contract);
        Some(pending)
    }

    pub(crate) fn renewed(
        &mut self,
        ground: &Ground,
        (job, ticket, target): (JobId, Ticket, TargetId),
        account: B256,
    ) -> Event {
        let piece = HashRange::single(account);
        let standing = self.held.at(account);
        if self.is_outdated(target) || !(standing.is_held() && standing.is_up_to(target)) {
            return Event::Outdated { job, ticket };
        }
        let nth = ground.truth.place_of(&account).expect("who claims a storage is a contract") as u32;
        let storages = self.reclaim(ground, nth, target, standing).into_iter().collect();
        self.held.set(piece, Standing::At(target));
        self.held.join(Coverage::STRETCHES_MAX);
        self.freshen(target, [upper(&account)]);
        Event::AccountsRenewed { job, ticket, pieces: vec![piece], target, storages, codes: Vec::new() }
    }

    /// Accounts are those of a target now.
    fn freshen(&mut self, target: TargetId, keys: impl IntoIterator<Item = u64>) {
        if self.own(target) == self.pivot {
            for key in keys {
                self.stale.remove(&key);
            }
        }
    }

    /// Whether something differs below a node.
    pub(crate) fn differs(&mut self, ground: &Ground, whose: Whose, block: u32) -> &BTreeSet<u64> {
        let Whose::Contract(contract) = whose else { return &self.stale };
        let is_known = self.differing.get(&contract).is_some_and(|(of, _)| *of == block);
        if !is_known {
            let found = self.differing_slots(ground, contract, block);
            self.differing.insert(contract, (block, found));
        }
        &self.differing[&contract].1
    }

    fn differing_slots(&self, ground: &Ground, contract: u32, block: u32) -> BTreeSet<u64> {
        let account = &ground.truth.all_contracts()[contract as usize].key;
        let Some(pending) = self.pending.get(account) else { return BTreeSet::new() };
        let healed = self.healed.get(&contract);
        let is_older = |(changed, slot): &&(u32, u64)| {
            let part = self.block(pending.parts.at(key_of(*slot)));
            let own = healed.and_then(|healed| healed.get(slot)).copied().unwrap_or_default();
            part.max(self.settled_at[contract as usize]).max(own) < *changed
        };
        let changes = ground.drift.of_contract(contract).iter().take_while(|(changed, _)| *changed <= block);
        changes.filter(is_older).map(|(_, slot)| *slot).collect()
    }

    /// A walk over accounts has put these right.
    pub(crate) fn heal_accounts(
        &mut self,
        ground: &Ground,
        (job, ticket, target): (JobId, Ticket, TargetId),
        keys: &[u64],
    ) -> Event {
        if self.is_outdated(target) {
            return Event::Outdated { job, ticket };
        }
        let mut storages = Vec::new();
        for key in keys {
            for nth in ground.contracts_at(*key) {
                let standing = self.held.at(ground.truth.all_contracts()[nth as usize].key);
                if standing.is_up_to(target) {
                    storages.extend(self.reclaim(ground, nth, target, standing));
                }
            }
        }
        self.freshen(target, keys.iter().copied());
        self.dirty += keys.len() as u64;
        Event::AccountsHealed { job, ticket, target, storages, freed: Vec::new(), codes: Vec::new() }
    }

    /// Walks over storages have put these slots right.
    pub(crate) fn heal_slots(
        &mut self,
        job: JobId,
        ticket: Ticket,
        block: u32,
        healed: &[(u32, Vec<u64>)],
    ) -> Event {
        for (contract, slots) in healed {
            let known = self.healed.entry(*contract).or_default();
            known.extend(slots.iter().map(|slot| (*slot, block)));
            if let Some((of, differing)) = self.differing.get_mut(contract)
                && *of == block
            {
                for slot in slots {
                    differing.remove(slot);
                }
            }
        }
        Event::SlotsHealed { job, ticket }
    }

    /// A storage's trie was derived, if all of it is there; what follows.
    pub(crate) fn derived(&mut self, ground: &Ground, account: &B256) -> Option<Event> {
        let pending = self.pending.get(account).filter(|pending| pending.is_filled())?.clone();
        let nth = ground.truth.place_of(account)? as u32;
        let block = match pending.expected {
            Some(_) => self.own(pending.target),
            None => self.block(Standing::At(pending.target)),
        };
        if pending.expected.is_some() && self.differs(ground, Whose::Contract(nth), block).is_empty() {
            self.settle(ground, account, block);
            let root = ground.claim(nth, block).root;
            return Some(Event::StorageRebuilt { account: *account, root });
        }
        let mut standing = self.held.at(*account);
        if pending.expected.is_some() {
            // Its claim has changed since: the row takes the root that the slots give, and is as old as they are.
            let oldest = pending.parts.stretches().map(|(_, standing)| standing).reduce(Standing::older);
            standing = standing.older(oldest.unwrap_or_default());
            self.pending.remove(account);
            self.settled_at[nth as usize] = self.settled_at[nth as usize].max(self.block(standing));
            self.held.set(HashRange::single(*account), standing);
            self.held.join(Coverage::STRETCHES_MAX);
            self.stale.insert(upper(account));
        } else {
            self.settle(ground, account, block);
        }
        Some(Event::StorageTaken { account: *account, standing })
    }

    /// Storages that owe their root, with how many of their slots have changed.
    pub(crate) fn owed(&self, ground: &Ground) -> Vec<(B256, u64)> {
        let contracts = ground.truth.all_contracts();
        self.owed.iter().map(|(contract, slots)| (contracts[*contract as usize].key, *slots)).collect()
    }

    /// The list of a block comes to the rows that are of the one before.
    pub(crate) fn bring(&mut self, ground: &Ground, block: u32) -> ListedBlock {
        let (target, parent) = (ground.target(block), ground.target(block - 1).hash);
        let mut told = ListedBlock {
            block: Head { number: target.number, hash: target.hash },
            parent,
            outcome: ListOutcome::Left,
            newest: None,
            older: vec![],
            owed: vec![],
            cut: vec![],
            freed: vec![],
        };
        let moves: BTreeSet<TargetId> =
            self.places.iter().filter(|(_, place)| **place + 1 == block).map(|(id, _)| *id).collect();
        if moves.is_empty() {
            return told;
        }
        told.outcome = ListOutcome::Applied;
        let does_move = |standing| matches!(standing, Standing::At(target) if moves.contains(&target));
        for key in ground.drift.accounts(block) {
            if does_move(self.held.at(key_of(*key))) {
                self.dirty += 1;
                // No account without storage is drawn twice.
                if ground.contracts_at(*key).iter().all(|nth| ground.drift.version(*nth, self.pivot) == block)
                {
                    self.stale.remove(key);
                }
            }
        }
        for (contract, _) in ground.drift.slots(block) {
            let account = ground.truth.all_contracts()[*contract as usize].key;
            let standing = self.held.at(account);
            let Standing::At(target) = standing else { continue };
            if !moves.contains(&target) {
                continue;
            }
            *self.owed.entry(*contract).or_default() += 1;
            if let Entry::Vacant(place) = self.pending.entry(account) {
                let parts = Coverage::all(standing);
                place.insert(PendingStorage { account, expected: None, target, parts });
                told.owed.push(account);
            }
        }
        self.places.extend(moves.into_iter().map(|id| (id, block)));
        self.meet(block, &mut told);
        told
    }

    /// Of targets that meet at one block the newest stays.
    fn meet(&mut self, block: u32, told: &mut ListedBlock) {
        let here = self.places.iter().filter(|(_, place)| **place == block).map(|(id, _)| *id);
        let mut older: BTreeSet<TargetId> = here.collect();
        let Some(newest) = older.pop_last().filter(|_| !older.is_empty()) else { return };
        self.places.retain(|id, _| !older.contains(id));
        listed::rename(&older, newest, &mut self.held, &mut self.pending);
        (told.newest, told.older) = (Some(newest), older.into_iter().collect());
    }
}
