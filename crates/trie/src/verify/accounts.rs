//! Account ranges.

use alloy_primitives::B256;

use super::Verifier;
use super::edge::Proof;
use super::fence::{Fence, Layout, Part, fits};
use super::rows::Rising;
use crate::{Account, AccountFault, Fault, HashRange, Hashed, More, Nodes, Path};

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
/// `accounts` are keys and slim encodings (see [`rows_of`](crate::rows_of)), `proof` are its nodes in any order. Accounts beyond `range.last()` are
/// legal: they are proved, then dropped. An answer without a proof stands only from origin zero, when its rows alone give the root.
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
        let proof: Vec<_> = proof.into_iter().collect();
        let proof = Proof::new(&proof)?;
        let mut hashed = proof.hashed();
        let fence = Fence { root: &root, range: &range, proof: &proof };
        let mut accounts = accounts.into_iter();
        let mut rows = Vec::with_capacity(accounts.size_hint().0);
        let Some(first) = accounts.next() else {
            let Part { covered, more } = fence.without_rows()?;
            return Ok(VerifiedAccounts { root, covered, more, rows, nodes: Nodes::default(), hashed });
        };
        self.clear();
        let Self { forest, outline } = self;
        forest.reserve(rows.capacity());
        fence.left(forest, outline)?;
        let mut rising = Rising::in_range(&range);
        let mut next = Some(first);
        while let Some((key, slim)) = next {
            rising.next(key)?;
            let account = match Account::from_slim(slim) {
                Ok(account) => account,
                Err(why) => return Err(unreadable(key, slim, why)),
            };
            rows.push(AccountRow { key: *key, account });
            let row = &rows[rows.len() - 1];
            let leaf = outline.leaf(forest, Path::of_key(&row.key), |batch| batch.open_account(&row.account));
            fits(leaf, outline)?;
            next = accounts.next();
        }
        let last = rows.last().map_or(range.last(), |row| row.key);
        let Part { covered, more } = fence.right(&last, forest, outline)?;
        let layout = Layout::since(0, forest, outline)?;
        forest.hash();
        let derived = layout.root(forest);
        if derived != root {
            return Err(Fault::RootMismatch { expected: root, derived });
        }
        let mut nodes = Nodes::default();
        forest.make_room(&mut nodes);
        forest.emit(layout.nodes, &covered, &mut nodes);
        hashed.add(forest.hashed());
        rows.truncate(rows.partition_point(|row| row.key <= range.last()));
        Ok(VerifiedAccounts { root, covered, more, rows, nodes, hashed })
    }
}

/// What is wrong with the encoding of an account.
#[cold]
fn unreadable(key: &B256, slim: &[u8], why: AccountFault) -> Fault {
    if slim.is_empty() { Fault::EmptyValue { key: *key } } else { Fault::BadAccount { key: *key, why } }
}
