//! The model of what the state's writer does with a block that the chain has left: which rows become its parent's, and of which nothing is known.
//!
//! In plain maps, and slower than the writer, who must say and claim the same. That the list is the block's was looked at before.

use alloy_primitives::B256;
use snapsync_keccak::keccak256;
use snapsync_sync::{
    Coverage, HashRange, Head, PendingStorage, RetreatOutcome, RetreatedBlock, Standing, Target, TargetId,
};
use snapsync_trie::{Account as Body, EMPTY_ROOT};
use snapsync_wire::{AccessList, AccountAccess};

use crate::{disk::Held, listed::Listed};

/// Parts of a storage above which nothing is said of any.
const PARTS_MAX: usize = 8192;

impl Held {
    /// Takes a block off the rows that are of it.
    pub(crate) fn retreat(&mut self, Listed { header, raw }: &Listed, parent: Target) -> RetreatedBlock {
        let mut told = RetreatedBlock {
            block: Head { number: header.number, hash: header.hash },
            parent: Head { number: parent.number, hash: parent.hash },
            outcome: RetreatOutcome::Left,
            newest: None,
            older: vec![],
            doubtful: vec![],
            cut: vec![],
            freed: vec![],
        };
        let is_whole = self.progress.as_ref().is_some_and(|progress| progress.rebuilt.is_some());
        let moves = self.at(header.hash);
        let Some(newest) = moves.last().copied().filter(|_| !is_whole) else { return told };
        let is_above = |id: &TargetId| self.place(*id).is_some_and(|place| place.number > parent.number);
        if self.targets.keys().any(|id| *id < newest && !moves.contains(id) && is_above(id)) {
            return told;
        }
        let Ok(list) = AccessList::decode(raw) else { return told };
        let mut accounts: Vec<(B256, &AccountAccess)> = list
            .accounts()
            .iter()
            .filter(|account| {
                let has_fields =
                    account.nonce.is_some() || account.balance.is_some() || account.code.is_some();
                has_fields || !account.slots.is_empty()
            })
            .map(|account| (keccak256(account.address.as_slice()), account))
            .collect();
        accounts.sort_unstable_by_key(|(key, _)| *key);
        let may_be_of = |standing: Standing| matches!(standing, Standing::At(target) if target <= newest);
        let mut after = self.coverage.clone();
        for (key, _) in accounts.iter().filter(|(key, _)| may_be_of(self.coverage.at(*key))) {
            after.set(HashRange::single(*key), Standing::Mixed);
            told.doubtful.push(*key);
        }
        if after.marks().len() > Coverage::STRETCHES_MAX {
            return RetreatedBlock { outcome: RetreatOutcome::Crowded, doubtful: vec![], ..told };
        }
        for (key, listed) in accounts {
            let standing = self.coverage.at(key);
            self.forget(&mut told, key, listed, (standing, may_be_of(standing)), &may_be_of);
        }
        self.coverage = after;
        self.brought.extend(moves.into_iter().map(|id| (id, parent)));
        (told.newest, told.older) = self.join_at(parent.hash);
        RetreatedBlock { outcome: RetreatOutcome::Applied, ..told }
    }

    /// What is known of a storage whose account the block changed.
    fn forget(
        &mut self,
        told: &mut RetreatedBlock,
        key: B256,
        listed: &AccountAccess,
        (standing, is_doubted): (Standing, bool),
        may_be_of: &impl Fn(Standing) -> bool,
    ) {
        let row = self.accounts.get(&key).and_then(|row| Body::from_slim(&row.value).ok());
        let pending = self.pending.get(&key).cloned();
        let settled = || {
            let Standing::At(target) = standing else { return None };
            let has_slots = row?.storage_root != EMPTY_ROOT || !listed.slots.is_empty();
            let parts = Coverage::all(standing);
            let storage = PendingStorage { account: key, expected: Some(row?.storage_root), target, parts };
            (is_doubted && has_slots).then_some(storage)
        };
        let Some(mut storage) = pending.or_else(settled) else { return };
        for (slot, _) in &listed.slots {
            let slot = keccak256(&slot.to_be_bytes::<32>());
            if may_be_of(storage.parts.at(slot)) {
                storage.parts.set(HashRange::single(slot), Standing::Mixed);
            }
        }
        storage.parts.join(PARTS_MAX);
        if is_doubted {
            told.freed.extend(storage.expected.is_none().then_some(key));
            told.cut.push(key);
            storage.expected = None;
        }
        self.pending.insert(key, storage);
    }
}
