//! The model of what healing does to rows, in plain maps: which give way, and what is pending of them then.
//!
//! Simpler than the writer, and slower. The real one must say and claim the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use alloy_primitives::B256;
use snapsync_sync::{Coverage, Event, PendingStorage, StorageClaim, TargetId};
use snapsync_trie::{Account as Body, EMPTY_CODE, EMPTY_ROOT, HashRange, Standing};

use crate::{
    chain::{Flavour, Row},
    disk::{Held, Write},
    healing::Healed,
    states::States,
};

/// What an answer changed.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    pub(crate) storages: Vec<PendingStorage>,
    pub(crate) freed: Vec<B256>,
    pub(crate) codes: Vec<B256>,
}

/// What a real row says.
fn body(row: &Row) -> Option<Body> {
    Body::from_slim(&row.value).ok()
}

impl Held {
    /// Rows of the trie that is to be derived.
    pub(crate) fn rows_of(&self, write: &Write) -> usize {
        match write {
            Write::RebuildStorage { account, .. } | Write::TakeRoot { account } => {
                self.slots.get(account).map_or(0, |rows| rows.len())
            }
            _ => self.accounts.len(),
        }
    }

    /// The storage root in the row of an account, if it has one.
    pub(crate) fn claimed_root(&self, account: &B256, truth: &States) -> B256 {
        let Some(row) = self.accounts.get(account) else { return EMPTY_ROOT };
        match truth.flavour() {
            Flavour::Virtual => {
                truth.account(account, row).map_or(EMPTY_ROOT, |account| account.storage_root)
            }
            // A row that has taken its root is one of no state.
            Flavour::Real => body(row).map_or(EMPTY_ROOT, |body| body.storage_root),
        }
    }

    /// Accounts of `target` take the place of ours, where ours are not newer. A whole state takes none.
    pub(crate) fn heal_accounts(
        &mut self,
        target: TargetId,
        healed: &[Healed],
        truth: &States,
    ) -> Option<Changed> {
        let is_whole = |progress: &snapsync_sync::Progress| {
            progress.pin.is_some_and(|pin| progress.rebuilt == Some(pin.target.root))
        };
        if self.progress.as_ref().is_some_and(is_whole) {
            return None;
        }
        let takes = |standing: Standing| standing.is_held() && standing.is_up_to(target);
        let (mut changed, mut codes) = (Changed::default(), BTreeSet::new());
        let gone: BTreeSet<B256> = healed.iter().flat_map(|healed| self.rows_within(&healed.gone)).collect();
        let gone: Vec<B256> = gone.into_iter().filter(|key| takes(self.coverage.at(*key))).collect();
        for key in gone {
            self.accounts.remove(&key);
            changed.freed.extend(self.free(key));
        }
        let rows: BTreeMap<&B256, &Row> =
            healed.iter().flat_map(|healed| &healed.rows).map(|(key, row)| (key, row)).collect();
        for (key, row) in rows {
            let standing = self.coverage.at(*key);
            let Some(now) = body(row).filter(|_| takes(standing)) else { continue };
            let before = self.claimed_root(key, truth);
            if now.storage_root == EMPTY_ROOT {
                changed.freed.extend(self.free(*key));
            }
            let claim = StorageClaim { account: *key, root: now.storage_root };
            changed.storages.extend(self.reclaim(claim, before, target, standing));
            if now.code_hash != EMPTY_CODE {
                codes.insert(now.code_hash);
            }
            self.accounts.insert(*key, row.clone());
        }
        changed.freed.sort_unstable();
        let is_missing = |code: &B256| !self.codes.contains(code) && self.pending_codes.insert(*code);
        changed.codes = codes.into_iter().filter(is_missing).collect();
        Some(changed)
    }

    fn rows_within(&self, ranges: &[HashRange]) -> Vec<B256> {
        let rows = ranges.iter().flat_map(|range| self.accounts.range(range.start()..=range.last()));
        rows.map(|(key, _)| *key).collect()
    }

    /// A storage is there no more; says whose, if it was pending.
    pub(crate) fn free(&mut self, account: B256) -> Option<B256> {
        self.slots.remove(&account);
        self.pending.remove(&account).map(|pending| pending.account)
    }

    /// What is pending of an account that claims this root from now on, and another one before.
    pub(crate) fn reclaim(
        &mut self,
        claim: StorageClaim,
        before: B256,
        target: TargetId,
        standing: Standing,
    ) -> Option<PendingStorage> {
        let StorageClaim { account, root } = claim;
        if root == EMPTY_ROOT {
            self.free(account);
            return None;
        }
        let pending = match self.pending.remove(&account) {
            Some(mut pending) => {
                pending.reclaim(root, target);
                pending
            }
            None if before == root => return None,
            None => {
                // All that is held of another root: what differs is found out by another walk.
                let parts = if before == EMPTY_ROOT { Coverage::missing() } else { Coverage::all(standing) };
                PendingStorage { account, expected: Some(root), target, parts }
            }
        };
        self.pending.insert(account, pending.clone());
        Some(pending)
    }

    /// Slots take the place of ours, where the claim still stands that they are of.
    pub(crate) fn heal_slots(&mut self, healed: &[Healed]) {
        for Healed { account, root, gone, rows } in healed {
            let Some(account) = *account else { continue };
            let claim = StorageClaim { account, root: *root };
            let Some(pending) = self.pending.get(&account).filter(|pending| pending.waits_for(&claim)) else {
                continue;
            };
            let is_held = |key: &B256| pending.parts.at(*key).is_held();
            let slots = Rc::make_mut(self.slots.entry(account).or_default());
            slots.retain(|key, _| !(is_held(key) && gone.iter().any(|range| range.contains(key))));
            slots.extend(rows.iter().filter(|(key, _)| is_held(key)).cloned());
        }
    }

    /// Slots of several blocks were derived: the account's row takes the root that they give, and is as old as the oldest of them.
    pub(crate) fn take(&mut self, pending: &PendingStorage, root: B256) -> Event {
        let account = pending.account;
        if let Some(row) = self.accounts.get_mut(&account)
            && let Some(before) = body(row)
        {
            row.value = Body { storage_root: root, ..before }.to_slim().into();
            row.weight = row.value.len() as u32 + 32;
        }
        self.pending.remove(&account);
        let oldest = pending.parts.stretches().map(|(_, standing)| standing).reduce(Standing::older);
        let standing = self.coverage.at(account).older(oldest.unwrap_or_default());
        self.coverage.set(HashRange::single(account), standing);
        self.coverage.join(Coverage::STRETCHES_MAX);
        Event::StorageTaken { account, standing: self.coverage.at(account) }
    }
}
