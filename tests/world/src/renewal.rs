//! The model of what the state's writer does with an account that was asked again.
//!
//! It looks only at keys, rows and claims; what the rows say is compared with the truth before.

use std::rc::Rc;

use alloy_primitives::B256;
use snapsync_sync::{Coverage, PendingStorage, Standing, TargetId};
use snapsync_trie::{EMPTY_CODE, EMPTY_ROOT, HashRange};

use crate::{answer::Entry, chain::State, disk::Held};

/// What has changed.
pub(crate) struct Renewed {
    /// Where rows are of the target now.
    pub(crate) pieces: Vec<HashRange>,
    /// Storages that are pending now.
    pub(crate) storages: Vec<PendingStorage>,
    /// Codes that are newly pending.
    pub(crate) codes: Vec<B256>,
}

impl Held {
    /// Rows take the place of those that are not newer; nothing, if all are.
    pub(crate) fn renew(
        &mut self,
        target: TargetId,
        covered: HashRange,
        rows: Vec<Entry>,
        truth: &State,
    ) -> Option<Renewed> {
        let is_older = |standing: Standing| standing.is_held() && standing.is_up_to(target);
        let older: Vec<(HashRange, Standing)> =
            self.coverage.within(covered).filter(|(_, standing)| is_older(*standing)).collect();
        let mut renewed = Renewed {
            pieces: older.iter().map(|(piece, _)| *piece).collect(),
            storages: vec![],
            codes: vec![],
        };
        for (piece, standing) in older {
            let within = self.accounts.range(piece.start()..=piece.last());
            let is_gone = |key: &B256| rows.iter().all(|(found, _)| found != key);
            let gone: Vec<B256> = within.map(|(key, _)| *key).filter(is_gone).collect();
            gone.iter().for_each(|key| self.lose(key));
            for (key, row) in rows.iter().filter(|(key, _)| piece.contains(key)) {
                // What a proved row claims is what the truth says.
                let Some(account) = truth.accounts.get(key) else { continue };
                let is_same = self.accounts.insert(*key, row.clone()).as_ref() == Some(row);
                renewed.storages.extend(self.reclaim(*key, account.storage_root, target, standing, is_same));
                let code = account.code_hash;
                if code != EMPTY_CODE && !self.codes.contains(&code) && self.pending_codes.insert(code) {
                    renewed.codes.push(code);
                }
            }
            self.coverage.set(piece, Standing::At(target));
        }
        self.coverage.join(Coverage::STRETCHES_MAX);
        Some(renewed).filter(|renewed| !renewed.pieces.is_empty())
    }

    fn lose(&mut self, account: &B256) {
        self.accounts.remove(account);
        self.slots.remove(account);
        self.pending.remove(account);
    }

    /// What is pending of an account whose row claims this root now.
    fn reclaim(
        &mut self,
        account: B256,
        root: B256,
        target: TargetId,
        standing: Standing,
        is_same: bool,
    ) -> Option<PendingStorage> {
        if root == EMPTY_ROOT {
            self.slots.remove(&account);
            self.pending.remove(&account);
            return None;
        }
        let parts = match self.pending.get(&account) {
            Some(pending) => pending.parts.clone(),
            None if is_same => return None,
            None if self.slots.get(&account).is_none_or(|slots: &Rc<_>| slots.is_empty()) => {
                Coverage::missing()
            }
            None => Coverage::all(standing),
        };
        let pending = PendingStorage { account, expected: Some(root), target, parts };
        self.pending.insert(account, pending.clone());
        Some(pending)
    }
}
