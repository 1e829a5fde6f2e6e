//! What the disk claims, it holds: after each crash and at the end.
//!
//! ```text
//! a stretch that is as of t    each key has a row that it had at t or at a later block, up to the newest on record: or none, where it had none
//! a settled storage            its slots are those that the account's row names
//! a pending one                likewise, part by part
//! a row that took its root     from slots of several blocks has one that none had; slot by slot they are as new as the row
//! ```
//!
//! It looks at the world from outside, and knows all states; how rows came to where they stand it does not ask.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use snapsync_sync::PendingStorage;
use snapsync_trie::{Account as Body, EMPTY_CODE, EMPTY_ROOT, Standing, TargetId};

use crate::{
    chain::{Account, Row, Rows, State},
    story::Twist,
    tries::{Leaf, derive},
    world::World,
};

impl World {
    /// The state that is wanted.
    pub(crate) fn truth(&self) -> &State {
        let pin = self.rig.desk.engine().pin();
        pin.and_then(|pin| self.states.of(&pin.target.root)).unwrap_or_else(|| self.states.first())
    }

    /// What the disk claims, it holds: truths outside of its gaps and pendings, none older than it says.
    pub(crate) fn check_claims(&self) -> Result<(), String> {
        let held = &self.disk.held;
        let keys: BTreeSet<&B256> =
            self.states.all().flat_map(|state| state.accounts.keys()).chain(held.accounts.keys()).collect();
        for key in keys {
            let standing = held.coverage.at(*key);
            if !standing.is_held() {
                continue;
            }
            let row = held.accounts.get(key);
            let has = |state: &State| state.accounts.get(key).map(|account| &account.row) == row;
            // What decayed below it the machine cannot know before it derives.
            if !self.since(standing).any(has)
                && (self.has_taken(key, standing) || self.owes(key, standing)?)
            {
                continue;
            }
            if !self.since(standing).any(has) && !self.disk.rotten.contains(key) {
                return Err(format!("claims account {key} as {standing:?}, holds {row:?}"));
            }
            match row.and_then(|row| self.states.account(key, row)) {
                Some(account) => self.check_account(key, account)?,
                None => self.check_nobody(key)?,
            }
        }
        Ok(())
    }

    /// The states of the blocks that rows may be of which stand like this.
    fn since(&self, standing: Standing) -> impl Iterator<Item = &State> + Clone {
        let block = |target: TargetId| {
            // Where lists have brought rows on, they are of a later block than the one that was asked for.
            let place = self.disk.held.place(target);
            // A block of the chain that the machine has looked up by itself has the state of the first.
            place.map(|place| self.pivots.block_of(&place.hash).unwrap_or(0))
        };
        let newest = self.disk.held.targets.keys().filter_map(|id| block(*id)).max();
        let first = match standing {
            Standing::At(target) => block(target),
            Standing::Mixed | Standing::Missing => Some(0),
        };
        let first = first.unwrap_or(usize::MAX);
        let line = self.line_of(standing);
        let within = self.states.within(first, newest.map_or(0, |newest| newest + 1)).enumerate();
        within
            .filter(move |(nth, _)| line.as_ref().is_none_or(|line| line.contains(&(first + nth))))
            .map(|(_, state)| state)
    }

    /// Where no row is of a block that the chain has left, none has what such a block changed.
    fn line_of(&self, standing: Standing) -> Option<BTreeSet<usize>> {
        let held = &self.disk.held;
        if !matches!((standing, self.story.twist), (Standing::At(_), Twist::StateMoves { .. })) {
            return None;
        }
        let line = self.pivots.line();
        let place = |id: &TargetId| held.place(*id).and_then(|place| self.pivots.block_of(&place.hash));
        held.targets.keys().all(|id| place(id).is_none_or(|block| line.contains(&block))).then_some(line)
    }

    /// Whether an account's row is true but for its storage's root, which it owes; its slots are true one by one.
    fn owes(&self, key: &B256, standing: Standing) -> Result<bool, String> {
        let held = &self.disk.held;
        let Some(pending) = held.pending.get(key).filter(|pending| pending.expected.is_none()) else {
            return Ok(false);
        };
        let body = |row: &Row| Body::from_slim(&row.value).ok();
        let Some(row) = held.accounts.get(key).and_then(body) else { return Ok(false) };
        let is_like = |state: &State| {
            let account = state.accounts.get(key).and_then(|account| body(&account.row));
            account.is_some_and(|account| Body { storage_root: row.storage_root, ..account } == row)
        };
        let code = row.code_hash;
        let has_code = code == EMPTY_CODE || held.codes.contains(&code) || held.pending_codes.contains(&code);
        self.check_pending(pending)?;
        Ok(has_code && self.since(standing).any(is_like))
    }

    /// Whether an account's row is true but for its storage's root, which is that of its slots, and they are true one by one.
    fn has_taken(&self, key: &B256, standing: Standing) -> bool {
        let held = &self.disk.held;
        let body = |row: &Row| Body::from_slim(&row.value).ok();
        let Some(taken) = held.accounts.get(key).and_then(body).filter(|_| !held.pending.contains_key(key))
        else {
            return false;
        };
        let is_like = |state: &State| {
            let account = state.accounts.get(key).and_then(|account| body(&account.row));
            account.is_some_and(|account| Body { storage_root: taken.storage_root, ..account } == taken)
        };
        let has_code = taken.code_hash == EMPTY_CODE
            || held.codes.contains(&taken.code_hash)
            || held.pending_codes.contains(&taken.code_hash);
        let slots = held.slots.get(key).cloned().unwrap_or_default();
        let is_derived = derive(self.states.flavour(), Leaf::Slot, &slots) == taken.storage_root;
        has_code
            && is_derived
            && self.since(standing).any(is_like)
            && self.check_slots(key, |_| standing).is_ok()
    }

    /// An account that is held has its code, and its slots.
    fn check_account(&self, key: &B256, account: &Account) -> Result<(), String> {
        let held = &self.disk.held;
        let code = account.code_hash;
        if code != EMPTY_CODE && !held.codes.contains(&code) && !held.pending_codes.contains(&code) {
            return Err(format!("claims code {code} and does not hold it"));
        }
        match held.pending.get(key) {
            Some(pending) => self.check_pending(pending),
            None => self.check_settled(key, account.storage_root),
        }
    }

    /// Where there is no account, there are no slots.
    fn check_nobody(&self, key: &B256) -> Result<(), String> {
        if self.disk.rotten.contains(key) {
            return Ok(());
        }
        if self.disk.held.pending.contains_key(key) {
            return Err(format!("a storage of {key} is pending, which is no account"));
        }
        self.check_settled(key, EMPTY_ROOT)
    }

    fn check_settled(&self, key: &B256, root: B256) -> Result<(), String> {
        let empty = Rows::new();
        let rows = self.disk.held.slots.get(key).map_or(&empty, |rows| rows);
        let truth = self.states.slots(&root).map_or(&empty, |trie| &trie.rows);
        if rows != truth && !self.disk.rotten.contains(key) {
            return Err(format!("claims slots of {key} that it does not hold"));
        }
        Ok(())
    }

    /// Each part is as new as it says.
    fn check_pending(&self, pending: &PendingStorage) -> Result<(), String> {
        self.check_slots(&pending.account, |key| pending.parts.at(*key))
    }

    fn check_slots(&self, account: &B256, at: impl Fn(&B256) -> Standing) -> Result<(), String> {
        let empty = Rows::new();
        let rows = self.disk.held.slots.get(account).map_or(&empty, |rows| rows);
        let tries = self.states.all().filter_map(|state| state.slots_of(account));
        let keys: BTreeSet<&B256> = tries.flat_map(|trie| trie.rows.keys()).chain(rows.keys()).collect();
        for key in keys {
            let standing = at(key);
            let slot = |state: &State| state.slots_of(account).and_then(|trie| trie.rows.get(key).cloned());
            let is_true = || self.since(standing).any(|state| slot(state).as_ref() == rows.get(key));
            if standing.is_held() && !is_true() && !self.disk.rotten.contains(account) {
                return Err(format!(
                    "claims slot {key} of {account} as {standing:?}, holds {:?}",
                    rows.get(key)
                ));
            }
        }
        Ok(())
    }
}
