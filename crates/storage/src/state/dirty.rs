//! Keys whose rows have changed since the branches above them were derived, each with the number of the commit that changed it.
//!
//! ```text
//! DirtyAccounts   key    keccak(address) 32                          a path of the account trie
//! DirtySlots      key    keccak(address) 32 ++ keccak(slot) 32       a path of the account's storage trie
//!                 value  number of the commit 8 ++ seal 4
//! ```
//!
//! A mark is written in the transaction of the row that causes it. It steers the descent of a derivation: what lies on a marked path is
//! read from rows, whatever branch is stored there. A derivation takes away, together with the branches that it writes, only marks that its
//! snapshot has seen; what was changed later stays marked, so that nothing stale looks right.

use alloy_primitives::B256;
use snapsync_trie::{HashRange, Path};

use crate::{
    env::{ReadCursor, ReadTxn, Table, WriteTxn},
    error::{Error, Result},
    record::{Reader, push_seal},
    state::{
        accounts::hash_key,
        progress::CommitNumber,
        tables::{DIRTY_ACCOUNTS, DIRTY_SLOTS},
    },
};

/// Marks rows of one trie: the account trie's (`account` is `None`), or those of one storage. Keys rise.
pub(crate) fn mark<'k>(
    txn: &WriteTxn<'_>,
    account: Option<&B256>,
    keys: impl Iterator<Item = &'k [u8]>,
    commit: CommitNumber,
) -> Result<()> {
    let (table, prefix) = place(account);
    let mut row = prefix.to_vec();
    let mut value = Vec::with_capacity(12);
    let mut cursor = txn.cursor(table)?;
    for key in keys {
        row.truncate(prefix.len());
        row.extend_from_slice(key);
        value.clear();
        value.extend_from_slice(&commit.0.to_be_bytes());
        push_seal(&row, &mut value);
        cursor.put(&row, &value)?;
    }
    Ok(())
}

/// What is left of a trie's marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marks {
    /// None: what was derived is of the rows as they are.
    Gone,
    /// Some rows have changed since.
    Newer,
}

/// Takes away the marks of one trie that a snapshot of this number has seen.
pub(crate) fn clear(txn: &WriteTxn<'_>, account: Option<&B256>, seen: CommitNumber) -> Result<Marks> {
    #[cfg(feature = "planted-bugs")]
    let seen =
        if crate::planted::is(crate::WriterBug::StaleDerivation) { CommitNumber::NEWEST } else { seen };
    let (table, prefix) = place(account);
    let mut cursor = txn.cursor(table)?;
    let (mut from, mut left) = (prefix.to_vec(), Marks::Gone);
    while let Some((key, value)) = cursor.seek(&from)?
        && key.starts_with(prefix)
    {
        from.clear();
        from.extend_from_slice(&key);
        if commit(table, &key, &value)? <= seen {
            cursor.delete()?;
        } else {
            left = Marks::Newer;
            // The shortest key behind this one.
            from.push(0);
        }
    }
    Ok(left)
}

/// The number of the commit that made a mark.
pub(crate) fn commit(table: &'static Table, key: &[u8], value: &[u8]) -> Result<CommitNumber> {
    let mut reader = Reader::sealed(table.name, key, value)?;
    let commit = CommitNumber(reader.u64()?);
    reader.end()?;
    Ok(commit)
}

/// Looks at all marks: none is of a commit that has not been. Gives what is wrong to `wrong`; returns how many there are.
pub(crate) fn check(txn: &ReadTxn, commits: CommitNumber, mut wrong: impl FnMut(Error)) -> Result<u64> {
    let mut count = 0;
    for table in [DIRTY_ACCOUNTS, DIRTY_SLOTS] {
        let mut cursor = txn.cursor(table)?;
        let mut row = cursor.seek(&[])?;
        while let Some((key, value)) = row {
            count += 1;
            match commit(table, key, value) {
                Ok(commit) if commit <= commits => {}
                Ok(_) => wrong(Error::corrupt(table.name, key, "the mark is of a commit that has not been")),
                Err(error) => wrong(error),
            }
            row = cursor.next()?;
        }
    }
    Ok(count)
}

fn place(account: Option<&B256>) -> (&'static Table, &[u8]) {
    account.map_or((DIRTY_ACCOUNTS, &[]), |account| (DIRTY_SLOTS, account.as_slice()))
}

/// The marks of one trie in a snapshot, asked by rising keys.
#[derive(Debug)]
pub(crate) struct DirtyCursor<'s> {
    cursor: ReadCursor<'s>,
    table: &'static Table,
    prefix: Vec<u8>,
    /// The last question and its answer: every question between the two has the same answer.
    found: Option<(B256, Option<B256>)>,
}

impl<'s> DirtyCursor<'s> {
    pub(crate) fn new(txn: &'s ReadTxn, account: Option<&B256>) -> Result<Self> {
        let (table, prefix) = place(account);
        Ok(Self { cursor: txn.cursor(table)?, table, prefix: prefix.to_vec(), found: None })
    }

    /// The first marked key at or after this one.
    fn next(&mut self, at_or_after: B256) -> Result<Option<B256>> {
        if let Some((asked, answer)) = self.found
            && asked <= at_or_after
            && answer.is_none_or(|answer| at_or_after <= answer)
        {
            return Ok(answer);
        }
        let sought = [self.prefix.as_slice(), at_or_after.as_slice()].concat();
        let row = self.cursor.seek(&sought)?;
        let key = row.and_then(|(key, _)| key.strip_prefix(self.prefix.as_slice()));
        let answer = key.map(|key| hash_key(self.table.name, key)).transpose()?;
        self.found = Some((at_or_after, answer));
        Ok(answer)
    }

    /// Whether a row of the range is marked.
    pub(crate) fn is_marked(&mut self, range: HashRange) -> Result<bool> {
        Ok(self.next(range.start())?.is_some_and(|key| range.contains(&key)))
    }

    /// Below which nibbles of a branch rows are marked, a bit each.
    pub(crate) fn below(&mut self, path: &Path) -> Result<u16> {
        if path.len() == Path::NIBBLES_MAX || !self.is_marked(path.range())? {
            return Ok(0);
        }
        let mut nibbles = 0;
        for nibble in 0..16 {
            nibbles |= u16::from(self.is_marked(path.child(nibble).range())?) << nibble;
        }
        Ok(nibbles)
    }
}
