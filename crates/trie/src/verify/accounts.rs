//! Account ranges.

use alloy_primitives::B256;

use crate::{Account, Fault, HashRange, More, Nodes};

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
}

/// Proves an answer to "the accounts from `range.start()` on, up to and including the first one at or after
/// `range.last()`".
///
/// `accounts` are keys and slim encodings. Accounts beyond `range.last()` are legal: they are proved, then dropped. An
/// answer without a proof stands only from origin zero, when its rows alone give the root.
///
/// # Errors
/// The lie that the answer is.
pub fn verify_accounts(
    root: B256,
    range: HashRange,
    accounts: &[(B256, impl AsRef<[u8]>)],
    proof: &[impl AsRef<[u8]>],
) -> Result<VerifiedAccounts, Fault> {
    let _ = (root, accounts, proof);
    Err(Fault::Unproven { origin: range.start() })
}
