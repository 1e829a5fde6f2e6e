//! Rows of a block that the chain has left become those of its parent, but for what the block changed.
//!
//! ```text
//! account that the block changed    mixed from now on: it is asked again, or healed. Its row stays, and so does its storage
//! slot that it changed              its part is mixed; the storage owes its root
//! all other rows                    as true at the parent as at the block: their target is brought there
//! ```
//!
//! No row changes. Rows that count as of an older target than those of the block may be of the block all the same, since neighbours are
//! joined and healed rows keep their stretch: what the block changed is doubted there, too. Rows of later targets never saw it.

use alloy_primitives::B256;
use snapsync_trie::{Coverage, EMPTY_ROOT, HashRange, PendingStorage, Standing, TargetId};

use crate::{
    env::WriteTxn,
    error::Result,
    state::{
        accounts,
        list::ListedAccount,
        pack_writer,
        pending::{self, PendingRow},
        progress::CommitNumber,
        retreat::Retreat,
        tables::ACCOUNTS,
        write::Unsettled,
    },
};

/// Stretches of a storage's slots above which nothing is said any more of any: a row of them is written over as a whole.
const PARTS_MAX: usize = 8192;

/// Accounts that a block changed and whose rows may be of it, rising.
pub(crate) fn doubtful(held: &Coverage, newest: TargetId, retreat: &Retreat) -> Vec<B256> {
    let keys = retreat.changed().map(|(key, _)| *key).filter(|key| may_be_of(newest, held.at(*key)));
    #[cfg(feature = "planted-bugs")]
    let keys = keys.skip(usize::from(crate::planted::is(crate::WriterBug::NamedKeyKept)));
    keys.collect()
}

/// Whether rows that stand like this may be of a block whose newest target this is.
fn may_be_of(newest: TargetId, standing: Standing) -> bool {
    matches!(standing, Standing::At(target) if target <= newest)
}

/// Says of storages what is known of them at the parent. `held` is how accounts stand before.
pub(crate) fn storages(
    txn: &WriteTxn<'_>,
    held: &Coverage,
    newest: TargetId,
    commit: CommitNumber,
    retreat: &Retreat,
) -> Result<Unsettled> {
    let mut forgetting = Forgetting { txn, newest, commit, told: Unsettled::default(), scratch: Vec::new() };
    for (key, listed) in retreat.changed() {
        forgetting.storage(key, listed, held.at(*key))?;
    }
    Ok(forgetting.told)
}

struct Forgetting<'a, 'e> {
    txn: &'a WriteTxn<'e>,
    newest: TargetId,
    commit: CommitNumber,
    told: Unsettled,
    scratch: Vec<u8>,
}

impl Forgetting<'_, '_> {
    fn storage(&mut self, key: &B256, listed: &ListedAccount, standing: Standing) -> Result<()> {
        let is_doubted = may_be_of(self.newest, standing);
        let before = pending::get(self.txn, key)?;
        let settled =
            if before.is_none() && is_doubted { self.settled(key, listed, standing)? } else { None };
        let Some(mut row) = before.clone().or(settled) else { return Ok(()) };
        self.doubt(&mut row.storage.parts, listed);
        if is_doubted {
            // Its row is not known any more, and so neither is what that claims. It is named, since it is asked again by name.
            self.told.freed.extend(row.storage.expected.is_none().then_some(*key));
            self.told.cut.push(*key);
            row.storage.expected = None;
        }
        if before.as_ref() != Some(&row) {
            pending::put(self.txn, &row, &mut self.scratch)?;
        }
        Ok(())
    }

    /// A storage that is not pending, as it stands before anything of it is doubted; nothing, if there is none and was none.
    fn settled(
        &mut self,
        key: &B256,
        listed: &ListedAccount,
        standing: Standing,
    ) -> Result<Option<PendingRow>> {
        let Standing::At(target) = standing else { return Ok(None) };
        let Some(row) = pack_writer::find(self.txn, ACCOUNTS, &[], key.as_slice())? else { return Ok(None) };
        let root = accounts::decode(key.as_slice(), &row)?.storage_root;
        if root == EMPTY_ROOT && listed.slots.is_empty() {
            return Ok(None);
        }
        let storage =
            PendingStorage { account: *key, expected: Some(root), target, parts: Coverage::all(standing) };
        Ok(Some(PendingRow { storage, since: self.commit }))
    }

    fn doubt(&self, parts: &mut Coverage, listed: &ListedAccount) {
        for (slot, _) in &listed.slots {
            if may_be_of(self.newest, parts.at(*slot)) {
                parts.set(HashRange::single(*slot), Standing::Mixed);
            }
        }
        parts.join(PARTS_MAX);
    }
}
