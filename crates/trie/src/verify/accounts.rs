//! Account ranges.

use alloy_primitives::B256;

use super::Verifier;
use super::edge::Proof;
use super::fence::Fence;
use super::rows::Rising;
use crate::{Account, Fault, HashRange, Hashed, More, Nodes, Path};

/// An account and the key it stands under, the digest of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// The digest of the address.
    pub key: B256,
    /// What the state holds for it.
    pub account: Account,
}

/// All accounts of a range, proved against a state root.
///
/// Invariant: made by [`verify_accounts`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAccounts {
    root: B256,
    covered: HashRange,
    more: More,
    rows: Vec<AccountRow>,
    nodes: Nodes,
    hashed: Hashed,
}

impl VerifiedAccounts {
    /// The state root that they were proved against.
    pub fn root(&self) -> B256 {
        self.root
    }

    /// The range in which these are all the accounts there are. It starts where it was asked to and ends with the
    /// last row, or with the limit when the proof shows nothing before it.
    pub fn covered(&self) -> HashRange {
        self.covered
    }

    /// Whether the state holds accounts to the right of what is covered.
    pub fn more(&self) -> More {
        self.more
    }

    /// The accounts, by rising key.
    pub fn rows(&self) -> &[AccountRow] {
        &self.rows
    }

    /// All branches of the state trie that lie strictly inside what is covered: nothing outside can change them.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// What was hashed to prove them: rows beyond the limit and the nodes of the proof among it.
    pub fn hashed(&self) -> Hashed {
        self.hashed
    }
}

/// Proves an answer to "the accounts from `range.start()` on, up to and including the first one at or after
/// `range.last()`".
///
/// `accounts` are keys and slim encodings (see [`rows_of`](crate::rows_of)), `proof` are its nodes in any order. Accounts beyond `range.last()` are legal: they are proved, then dropped. An
/// answer without a proof stands only from origin zero, when its rows alone give the root.
///
/// # Errors
/// The lie that the answer is.
///
/// One that verifies many answers keeps a [`Verifier`].
pub fn verify_accounts<'a>(
    root: B256,
    range: HashRange,
    accounts: impl IntoIterator<Item = (&'a B256, &'a [u8])>,
    proof: impl IntoIterator<Item: AsRef<[u8]>>,
) -> Result<VerifiedAccounts, Fault> {
    Verifier::new().accounts(root, range, accounts, proof)
}

impl Verifier {
    /// See [`verify_accounts`].
    ///
    /// # Errors
    /// The lie that the answer is.
    pub fn accounts<'a>(
        &mut self,
        root: B256,
        range: HashRange,
        accounts: impl IntoIterator<Item = (&'a B256, &'a [u8])>,
        proof: impl IntoIterator<Item: AsRef<[u8]>>,
    ) -> Result<VerifiedAccounts, Fault> {
        let mut rows = read(range, accounts.into_iter())?;
        let proof: Vec<_> = proof.into_iter().collect();
        let proof = Proof::new(&proof)?;
        let ends = rows.first().zip(rows.last()).map(|(first, last)| (first.key, last.key));
        let fence = Fence::around(root, range, ends, &proof)?;
        let (mut nodes, mut hashed) = (Nodes::default(), proof.hashed());
        if !fence.is_settled {
            self.clear();
            let Self { forest, outline } = self;
            forest.reserve(rows.len());
            let layout = fence.lay_out(forest, outline, |forest, outline| {
                rows.iter().try_for_each(|row| {
                    outline.leaf(forest, Path::of_key(&row.key), |batch| batch.open_account(&row.account))
                })
            })?;
            forest.hash();
            let derived = layout.root(forest);
            if derived != root {
                return Err(Fault::RootMismatch { expected: root, derived });
            }
            forest.make_room(&mut nodes);
            forest.emit(layout.nodes, &fence.covered, &mut nodes);
            hashed.add(forest.hashed());
        }
        rows.truncate(rows.partition_point(|row| row.key <= range.last()));
        Ok(VerifiedAccounts { root, covered: fence.covered, more: fence.more, rows, nodes, hashed })
    }
}

/// Reads the accounts of an answer, each in its one canonical encoding.
fn read<'a>(
    range: HashRange,
    accounts: impl Iterator<Item = (&'a B256, &'a [u8])>,
) -> Result<Vec<AccountRow>, Fault> {
    let mut rising = Rising::from(range.start());
    let mut rows = Vec::with_capacity(accounts.size_hint().0);
    for (key, slim) in accounts {
        rising.next(key)?;
        let account = match Account::from_slim(slim) {
            Ok(account) => account,
            Err(_) if slim.is_empty() => return Err(Fault::EmptyValue { key: *key }),
            Err(why) => return Err(Fault::BadAccount { key: *key, why }),
        };
        rows.push(AccountRow { key: *key, account });
    }
    Ok(rows)
}
