//! The stored branches of a trie beside those that its rows give.
//!
//! ```text
//!   all keys below a path are held      the rows below say what stands there: it is put, if it is not stored
//!   some of them are missing            nobody knows: nothing may be stored
//!   the rows make no branch there       nothing may be stored
//! ```

use std::collections::BTreeMap;

use alloy_primitives::B256;
use snapsync_trie::{Coverage, HashRange, Nodes, Path};

use crate::{
    env::{ReadTxn, Table, WriteTxn},
    error::Result,
    state::{
        fences::Fences,
        nodes,
        pack_cursor::PackCursor,
        pack_writer::{self, Change},
        tables::{ACCOUNT_NODES, STORAGE_NODES},
    },
    verify::is_stored,
};

/// Branches to be put, and those to be taken away, by path.
pub(crate) type BranchChanges = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A trie, or what of it lies below a prefix, whose rows are held as `held` says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compared<'h> {
    /// The storage's account; the account trie has none.
    pub(crate) account: Option<B256>,
    pub(crate) prefix: Path,
    pub(crate) held: &'h Coverage,
}

impl Compared<'_> {
    fn place(&self) -> (&'static Table, &[u8]) {
        self.account.as_ref().map_or((ACCOUNT_NODES, &[]), |account| (STORAGE_NODES, account.as_slice()))
    }

    fn is_held(&self, path: &Path) -> bool {
        self.held.gaps_within(path.range()).next().is_none()
    }

    /// Compares some derived branches with those at their paths; returns how many of these there are.
    pub(crate) fn branches(
        &self,
        txn: &ReadTxn,
        derived: &Nodes,
        changes: &mut BranchChanges,
    ) -> Result<u64> {
        let (table, prefix) = self.place();
        let mut stored = PackCursor::new(txn, table, prefix)?;
        let (mut key, mut found) = (Vec::new(), 0);
        for (path, body) in derived.iter() {
            key.clear();
            path.write_key(&mut key);
            let stands = stored.find(&key)?;
            found += u64::from(stands.is_some());
            match self.is_held(&path) {
                true if stands == Some(body) => {}
                true => drop(changes.insert(key.clone(), Some(body.to_vec()))),
                false if stands.is_some() => drop(changes.insert(key.clone(), None)),
                false => {}
            }
        }
        Ok(found)
    }

    /// How many branches are stored.
    pub(crate) fn stored(&self, txn: &ReadTxn) -> Result<u64> {
        let mut count = 0;
        self.each(txn, |_, _| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    }

    /// Takes away what is stored where the rows make no branch. `rows` gives the keys of the rows in a range.
    pub(crate) fn strays<I: Iterator<Item = Result<B256>>>(
        &self,
        txn: &ReadTxn,
        rows: impl Fn(HashRange) -> Result<I>,
        changes: &mut BranchChanges,
    ) -> Result<()> {
        self.each(txn, |path, key| {
            if !self.is_held(path) || !is_stored(path, rows(path.range())?)? {
                changes.insert(key.to_vec(), None);
            }
            Ok(())
        })
    }

    fn each(&self, txn: &ReadTxn, mut see: impl FnMut(&Path, &[u8]) -> Result<()>) -> Result<()> {
        let (table, prefix) = self.place();
        let mut stored = PackCursor::new(txn, table, prefix)?;
        let mut row = stored.seek(&self.prefix.to_key())?;
        while let Some((key, _)) = row {
            let path = nodes::path(table, key)?;
            if !self.prefix.is_prefix_of(&path) {
                break;
            }
            see(&path, key)?;
            row = stored.next()?;
        }
        Ok(())
    }

    /// Writes what differs.
    pub(crate) fn put(&self, txn: &WriteTxn<'_>, changes: &BranchChanges) -> Result<()> {
        let (table, prefix) = self.place();
        let fences = Fences::of_branches(self.held.gaps().map(|gap| gap.start()));
        let changes: Vec<Change<'_>> =
            changes.iter().map(|(key, body)| Change { key, body: body.as_deref() }).collect();
        pack_writer::merge(txn, table, prefix, &fences, &changes)
    }
}
