//! Storage ranges: many whole tries in an answer, the last of them perhaps cut.

use std::ops::Range;

use alloy_primitives::{B256, U256};
use serde::{Deserialize, Serialize};

use crate::{Fault, HashRange, More, Nodes, Path};

/// What an account's row says of its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StorageClaim {
    /// The digest of the account's address.
    pub account: B256,
    /// The root of its storage trie.
    pub root: B256,
}

/// What was asked: the storage of these accounts, the first of them in `range` only.
#[derive(Clone, Copy, Debug)]
pub struct StorageQuery<'a> {
    /// The accounts, in the order of the request.
    pub claims: &'a [StorageClaim],
    /// The slots of the first account that were asked for; the others were asked for whole.
    pub range: HashRange,
}

/// A slot and the key it stands under, the digest of its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRow {
    /// The digest of the slot's position.
    pub key: B256,
    /// What it holds, never zero.
    pub value: U256,
}

/// The answered sets of a storage request, each proved against the root that its account claims.
///
/// Invariant: made by [`verify_storages`] only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifiedStorages {
    sets: Vec<Set>,
    rows: Vec<SlotRow>,
    nodes: Nodes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    claim: StorageClaim,
    covered: HashRange,
    more: More,
    rows: Range<usize>,
    nodes: Range<usize>,
}

impl VerifiedStorages {
    /// How many accounts were answered, from the first that was asked for on.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether no account was answered.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The answered accounts, in the order of the request.
    pub fn sets(&self) -> impl ExactSizeIterator<Item = VerifiedStorage<'_>> + '_ {
        (0..self.sets.len()).map(|at| VerifiedStorage { all: self, set: &self.sets[at] })
    }

    /// How many slots there are in all sets.
    pub fn rows_len(&self) -> usize {
        self.rows.len()
    }
}

/// One account's slots in a range, proved against its storage root.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedStorage<'a> {
    all: &'a VerifiedStorages,
    set: &'a Set,
}

impl<'a> VerifiedStorage<'a> {
    /// The account, and the root that its slots were proved against.
    pub fn claim(&self) -> StorageClaim {
        self.set.claim
    }

    /// The range in which these are all the slots there are.
    pub fn covered(&self) -> HashRange {
        self.set.covered
    }

    /// Whether the account holds slots to the right of what is covered.
    pub fn more(&self) -> More {
        self.set.more
    }

    /// Whether these are all the slots of the account.
    pub fn is_whole(&self) -> bool {
        self.set.covered == HashRange::FULL
    }

    /// The slots, by rising key.
    pub fn rows(&self) -> &'a [SlotRow] {
        &self.all.rows[self.set.rows.clone()]
    }

    /// Paths and disk forms of all branches that lie strictly inside what is covered, by rising path.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (Path, &'a [u8])> + 'a {
        self.all.nodes.slice(self.set.nodes.clone())
    }
}

/// Proves an answer to a storage request.
///
/// `sets[i]` holds the keys and values (each the RLP of a number, as the trie holds it) of `query.claims[i]`; all sets but
/// the last are whole tries, and so is the last when there is no proof. Claims behind the last set are simply not
/// answered. No set but a proof: the first account has no slots in the range.
///
/// # Errors
/// The lie that the answer is.
pub fn verify_storages(
    query: StorageQuery<'_>,
    sets: &[Vec<(B256, impl AsRef<[u8]>)>],
    proof: &[impl AsRef<[u8]>],
) -> Result<VerifiedStorages, Fault> {
    let _ = (sets, proof);
    Err(Fault::Unproven { origin: query.range.start() })
}
