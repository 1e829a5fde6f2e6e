//! Rows that healing found to differ, in the form in which the writer puts them.
//!
//! They are made of what another's trie was compared by, node by node, and of nothing else: each row stands in the trie of the root that
//! the walk began at.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use snapsync_trie::{Account, Differences, Fault, HashRange, SlotRow, StorageClaim, slot_value};

use crate::state::{
    accounts::{self, ROW_MAX},
    storages,
};

/// What of one trie's rows differs.
#[derive(Clone, Debug)]
pub(crate) struct HealedRows {
    root: B256,
    /// Where no row is.
    pub(crate) gone: Vec<HashRange>,
    /// Rows in the form of the disk.
    pub(crate) rows: BTreeMap<B256, Vec<u8>>,
}

impl HealedRows {
    fn new(
        root: B256,
        differences: &[Differences],
        mut body: impl FnMut(B256, &[u8]) -> Result<Vec<u8>, Fault>,
    ) -> Result<Self, Fault> {
        let mut healed = Self { root, gone: Vec::new(), rows: BTreeMap::new() };
        for found in differences {
            if found.root() != root {
                return Err(Fault::ProofForAnotherRoot { root: found.root() });
            }
            healed.gone.extend(found.gone());
            for (key, leaf) in found.rows() {
                healed.rows.insert(*key, body(*key, leaf)?);
            }
        }
        Ok(healed)
    }

    fn bytes_held(&self) -> usize {
        let bodies: usize = self.rows.values().map(|body| size_of::<(B256, Vec<u8>)>() + body.len()).sum();
        self.gone.capacity() * size_of::<HashRange>() + bodies
    }
}

/// Accounts that differ from those of a state.
#[derive(Clone, Debug)]
pub struct HealedAccounts {
    pub(crate) rows: HealedRows,
}

impl HealedAccounts {
    /// Of the state with this root.
    ///
    /// # Errors
    /// [`Fault::ProofForAnotherRoot`] if a difference is of another; [`Fault::BadAccount`] for a leaf that is no account, which then no
    /// sender made up: the state itself has it.
    pub fn new(root: B256, differences: &[Differences]) -> Result<Self, Fault> {
        let rows = HealedRows::new(root, differences, |key, leaf| {
            let account = Account::from_rlp(leaf).map_err(|why| Fault::BadAccount { key, why })?;
            let mut body = [0; ROW_MAX];
            let length = accounts::encode(&account, &mut body);
            Ok(body[..length].to_vec())
        })?;
        Ok(Self { rows })
    }

    /// The root of the state that they are of.
    pub fn root(&self) -> B256 {
        self.rows.root
    }

    pub(crate) fn bytes_held(&self) -> usize {
        self.rows.bytes_held()
    }
}

/// Slots that differ from those that an account's row claims.
#[derive(Clone, Debug)]
pub struct HealedSlots {
    claim: StorageClaim,
    pub(crate) rows: HealedRows,
}

impl HealedSlots {
    /// Of the storage that is claimed.
    ///
    /// # Errors
    /// As [`HealedAccounts::new`], with [`Fault::BadSlot`].
    pub fn new(claim: StorageClaim, differences: &[Differences]) -> Result<Self, Fault> {
        let rows = HealedRows::new(claim.root, differences, |key, leaf| {
            let value = slot_value(leaf).ok_or(Fault::BadSlot { key })?;
            let mut body = Vec::new();
            storages::encode(&SlotRow { key, value }, |digits| body.extend_from_slice(digits));
            Ok(body)
        })?;
        Ok(Self { claim, rows })
    }

    /// The claim that they are of.
    pub fn claim(&self) -> StorageClaim {
        self.claim
    }

    pub(crate) fn bytes_held(&self) -> usize {
        self.rows.bytes_held()
    }
}
