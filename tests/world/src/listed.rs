//! The model of what the state's writer does with access lists: which rows are of a block's parent, and what is known of them then.
//!
//! In plain maps, and slower than the writer, who must say and claim the same. That a list is its block's was looked at before.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use alloy_primitives::{B256, Bytes, U256};
use snapsync_keccak::keccak256;
use snapsync_sync::{Coverage, Head, ListOutcome, ListedBlock, PendingStorage, Standing, Target, TargetId};
use snapsync_trie::{Account as Body, EMPTY_CODE, EMPTY_ROOT};
use snapsync_wire::{AccessList, AccountAccess};

use crate::{
    chain::{Header, Row},
    disk::Held,
};

/// A block with the bytes of its access list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its header.
    pub header: Header,
    /// Its list.
    pub raw: Bytes,
}

/// A list that is being brought to rows.
struct Bringing<'a> {
    held: &'a mut Held,
    moves: BTreeSet<TargetId>,
    told: ListedBlock,
    codes: Vec<B256>,
}

impl Held {
    /// The block that the rows of a target are of, if they are not newer.
    pub(crate) fn place(&self, target: TargetId) -> Option<Target> {
        self.brought.get(&target).copied().or_else(|| self.targets.get(&target).map(|pin| pin.target))
    }

    /// Whether answers of a target are out of date: lists have brought its rows on.
    pub(crate) fn is_outdated(&self, target: TargetId) -> bool {
        self.brought.contains_key(&target) || !self.targets.contains_key(&target)
    }

    /// Brings lists to rows, in their order; what became of each, and the codes that were waited for and came with them.
    pub(crate) fn bring(&mut self, lists: &[Listed]) -> (Vec<ListedBlock>, Vec<B256>) {
        let (mut blocks, mut codes) = (Vec::new(), Vec::new());
        for list in lists {
            let (told, more) = self.bring_one(list);
            blocks.push(told);
            codes.extend(more);
        }
        (blocks, codes)
    }

    fn bring_one(&mut self, Listed { header, raw }: &Listed) -> (ListedBlock, Vec<B256>) {
        let block = Head { number: header.number, hash: header.hash };
        let told = ListedBlock {
            block,
            parent: header.parent,
            outcome: ListOutcome::Left,
            newest: None,
            older: vec![],
            owed: vec![],
            cut: vec![],
            freed: vec![],
        };
        let moves = self.at(header.parent);
        let is_whole = self.progress.as_ref().is_some_and(|progress| progress.rebuilt.is_some());
        let Ok(list) = AccessList::decode(raw) else { return (told, vec![]) };
        if moves.is_empty() || is_whole {
            return (told, vec![]);
        }
        let accounts: BTreeMap<B256, &AccountAccess> =
            list.accounts().iter().map(|account| (keccak256(account.address.as_slice()), account)).collect();
        let told = ListedBlock { outcome: ListOutcome::Applied, ..told };
        let mut bringing = Bringing { held: self, moves, told, codes: vec![] };
        accounts.iter().for_each(|(key, listed)| bringing.account(*key, listed));
        let Bringing { moves, mut told, codes, .. } = bringing;
        let target = Target { number: block.number, hash: block.hash, root: header.state_root };
        self.brought.extend(moves.into_iter().map(|id| (id, target)));
        (told.newest, told.older) = self.join_at(block.hash);
        (told, codes)
    }

    /// Targets whose rows are of this block.
    pub(crate) fn at(&self, hash: B256) -> BTreeSet<TargetId> {
        let is_there = |id: &TargetId| self.place(*id).is_some_and(|place| place.hash == hash);
        self.targets.keys().copied().filter(is_there).collect()
    }

    /// Of targets that meet at one block the newest stays.
    pub(crate) fn join_at(&mut self, hash: B256) -> (Option<TargetId>, Vec<TargetId>) {
        let mut older = self.at(hash);
        let Some(newest) = older.pop_last().filter(|_| !older.is_empty()) else { return (None, vec![]) };
        for id in &older {
            self.targets.remove(id);
            self.brought.remove(id);
        }
        rename(&older, newest, &mut self.coverage, &mut self.pending);
        (Some(newest), older.into_iter().collect())
    }
}

/// What was of one of these targets is of another one from now on.
pub(crate) fn rename(
    older: &BTreeSet<TargetId>,
    newest: TargetId,
    accounts: &mut Coverage,
    pending: &mut BTreeMap<B256, PendingStorage>,
) {
    for id in older {
        accounts.rename(*id, newest);
        for pending in pending.values_mut() {
            pending.parts.rename(*id, newest);
            if pending.target == *id {
                pending.target = newest;
            }
        }
    }
    accounts.join(Coverage::STRETCHES_MAX);
}

impl Bringing<'_> {
    fn do_move(&self, standing: Standing) -> bool {
        matches!(standing, Standing::At(target) if self.moves.contains(&target))
    }

    fn account(&mut self, key: B256, listed: &AccountAccess) {
        let standing = self.held.coverage.at(key);
        if !standing.is_held() {
            return;
        }
        let before = self.held.accounts.get(&key).and_then(|row| Body::from_slim(&row.value).ok());
        let after = if self.do_move(standing) { after(before, listed) } else { before };
        let Some(after) = after else {
            if before.is_some() {
                self.held.accounts.remove(&key);
                self.told.freed.extend(self.held.free(key));
            }
            return;
        };
        self.slots(key, listed, standing, before);
        let value: Bytes = after.to_slim().into();
        self.held.accounts.insert(key, Row { weight: value.len() as u32 + 32, value });
        let code = listed.code.as_ref().map(|code| (keccak256(code), code));
        if let Some((hash, _)) = code.filter(|(hash, _)| *hash == after.code_hash && *hash != EMPTY_CODE) {
            self.held.codes.insert(hash);
            self.codes.extend(self.held.pending_codes.remove(&hash).then_some(hash));
        }
    }

    fn slots(&mut self, key: B256, listed: &AccountAccess, standing: Standing, before: Option<Body>) {
        if listed.slots.is_empty() {
            return;
        }
        let Some(pending) = self.held.pending.get(&key).cloned() else {
            let Standing::At(target) = standing else { return };
            if !self.do_move(standing) {
                return;
            }
            let has_changed = self.put(key, listed, &Coverage::all(standing));
            if has_changed || before.is_some_and(|before| before.storage_root != EMPTY_ROOT) {
                let parts = Coverage::all(standing);
                let owed = PendingStorage { account: key, expected: None, target, parts };
                self.held.pending.insert(key, owed);
                self.told.owed.push(key);
            }
            return;
        };
        self.put(key, listed, &pending.parts);
        if pending.expected.is_some() && self.do_move(Standing::At(pending.target)) {
            let list = if pending.is_filled() { &mut self.told.owed } else { &mut self.told.cut };
            list.push(key);
            self.held.pending.insert(key, PendingStorage { expected: None, ..pending });
        }
    }

    /// Puts the slots that are of the block's parent; whether any has changed.
    fn put(&mut self, key: B256, listed: &AccountAccess, parts: &Coverage) -> bool {
        let slots = listed.slots.iter().map(|(slot, value)| (keccak256(&slot.to_be_bytes::<32>()), *value));
        let here: Vec<(B256, U256)> = slots.filter(|(slot, _)| self.do_move(parts.at(*slot))).collect();
        let rows = Rc::make_mut(self.held.slots.entry(key).or_default());
        let mut has_changed = false;
        for (slot, value) in here {
            let new: Option<Bytes> = (!value.is_zero()).then(|| alloy_rlp::encode(value).into());
            let old = match &new {
                Some(value) => {
                    rows.insert(slot, Row { weight: value.len() as u32 + 32, value: value.clone() })
                }
                None => rows.remove(&slot),
            };
            has_changed |= old.map(|row| row.value) != new;
        }
        has_changed
    }
}

/// What a block left of an account, whose storage root stays what it was; nothing, if no field of it is left.
fn after(before: Option<Body>, listed: &AccountAccess) -> Option<Body> {
    let before = before.unwrap_or(Body::EMPTY);
    let body = Body {
        nonce: listed.nonce.unwrap_or(before.nonce),
        balance: listed.balance.unwrap_or(before.balance),
        code_hash: listed.code.as_ref().map_or(before.code_hash, |code| keccak256(code)),
        ..before
    };
    let is_empty = body.nonce == 0 && body.balance.is_zero() && body.code_hash == EMPTY_CODE;
    (!is_empty).then_some(body)
}
