//! The model of what the state's writer does with an account that was asked again.
//!
//! It looks only at keys, rows and claims; what the rows say is compared with the truth before.

use alloy_primitives::B256;
use snapsync_sync::{Coverage, PendingStorage, Standing, StorageClaim, TargetId};
use snapsync_trie::{EMPTY_CODE, HashRange};

use crate::{answer::Entry, disk::Held, states::States};

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
    /// Rows take the place of those that are not newer; nothing, if all are, or the state is whole.
    pub(crate) fn renew(
        &mut self,
        target: TargetId,
        covered: HashRange,
        rows: Vec<Entry>,
        truth: &States,
    ) -> Option<Renewed> {
        if self.progress.as_ref().is_some_and(|progress| progress.rebuilt.is_some()) {
            return None;
        }
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
            for key in gone {
                self.accounts.remove(&key);
                self.free(key);
            }
            for (key, row) in rows.iter().filter(|(key, _)| piece.contains(key)) {
                // What a proved row claims is what the truth says.
                let Some(account) = truth.account(key, row) else { continue };
                let before = self.claimed_root(key, truth);
                self.accounts.insert(*key, row.clone());
                let claim = StorageClaim { account: *key, root: account.storage_root };
                renewed.storages.extend(self.reclaim(claim, before, target, standing));
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
}
