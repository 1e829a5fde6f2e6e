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
        pack_writer::{self, Change, Revision},
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
    let changes: Vec<Change<'_>> =
        rows.into_iter().map(|(key, body)| Change { key: key.as_slice(), body }).collect();
    revise(txn, account, held, commit, &changes, |change, _| Ok(change.revision()))
}

/// The same, where `decide` says of each key what its row becomes. Returns how many have changed.
pub(crate) fn revise<'r, K: AsRef<[u8]>>(
    txn: &WriteTxn<'_>,
    account: Option<&B256>,
    held: &Coverage,
    commit: CommitNumber,
    keys: &'r [K],
    mut decide: impl FnMut(&'r K, Option<&[u8]>) -> Result<Revision<'r>>,
) -> Result<usize> {
    let (table, prefix) = account.map_or((ACCOUNTS, &[][..]), |account| (STORAGES, account.as_slice()));
    let fences = Fences::of_rows(held.gaps().map(|gap| gap.start()));
    let mut changed: Vec<&[u8]> = Vec::with_capacity(keys.len());
    pack_writer::revise(txn, table, prefix, &fences, keys, |key, old| {
        let revision = decide(key, old)?;
        if !matches!(revision, Revision::Same) {
            changed.push(key.as_ref());
        }
        Ok(revision)
    })?;
    #[cfg(feature = "planted-bugs")]
    let skipped = usize::from(crate::planted::is(crate::WriterBug::DirtyKeyMissing));
    #[cfg(not(feature = "planted-bugs"))]
    let skipped = 0;
    dirty::mark(txn, account, changed.iter().skip(skipped).copied(), commit)?;
    Ok(changed.len())
}
