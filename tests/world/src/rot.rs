//! Rot: rows that decay on the disk, below everything that the machine can see, just before a trie is derived from them.
//!
//! A row decays once, and stays as it is over a crash: the machine must find out whenever it derives again.

use alloy_primitives::{B256, Bytes};

use crate::world::World;

impl World {
    /// One account decays on the disk.
    pub(crate) fn rot_account(&mut self) {
        if !self.disk.rotten.is_empty() {
            return;
        }
        let nth = self.chance.index(self.disk.held.accounts.len().max(1));
        if let Some((key, row)) = self.disk.held.accounts.iter_mut().nth(nth) {
            row.value = rotten(&row.value);
            self.disk.rotten.insert(*key);
        }
    }

    /// One slot of an account decays on the disk.
    pub(crate) fn rot_slot(&mut self, account: B256) {
        if self.disk.rotten.contains(&account) {
            return;
        }
        let Some(rows) = self.disk.held.slots.get_mut(&account) else { return };
        if let Some(row) = std::rc::Rc::make_mut(rows).values_mut().next() {
            row.value = rotten(&row.value);
            self.disk.rotten.insert(account);
        }
    }
}

fn rotten(value: &Bytes) -> Bytes {
    let mut bytes = value.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes.into()
}
