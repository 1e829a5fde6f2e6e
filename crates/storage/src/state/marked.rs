//! Rows that change while the branches above them stay: into their packs and marked, in one go, so that no row changes without its mark,
//! which nobody would miss before the root is derived.

use alloy_primitives::B256;
use snapsync_trie::Coverage;

use crate::{
    env::WriteTxn,
    error::Result,
    state::{
        dirty,
        fences::Fences,
        pack_writer::{self, Change},
        progress::CommitNumber,
        tables::{ACCOUNTS, STORAGES},
    },
};

/// Changes rows of the account trie (`account` is `None`) or of one storage, whose rows are held as `held` says. Keys rise; a row without a
/// body goes. Returns how many there were.
pub(crate) fn change<'r>(
    txn: &WriteTxn<'_>,
    account: Option<&B256>,
    held: &Coverage,
    commit: CommitNumber,
    rows: impl IntoIterator<Item = (&'r B256, Option<&'r [u8]>)>,
) -> Result<usize> {
    let (table, prefix) = account.map_or((ACCOUNTS, &[][..]), |account| (STORAGES, account.as_slice()));
    let rows: Vec<(&B256, Option<&[u8]>)> = rows.into_iter().collect();
    let changes: Vec<Change<'_>> =
        rows.iter().map(|(key, body)| Change { key: key.as_slice(), body: *body }).collect();
    let fences = Fences::of_rows(held.gaps().map(|gap| gap.start()));
    pack_writer::merge(txn, table, prefix, &fences, &changes)?;
    #[cfg(feature = "planted-bugs")]
    let skipped = usize::from(crate::planted::is(crate::WriterBug::DirtyKeyMissing));
    #[cfg(not(feature = "planted-bugs"))]
    let skipped = 0;
    dirty::mark(txn, account, rows.iter().skip(skipped).map(|(key, _)| *key), commit)?;
    Ok(rows.len())
}
