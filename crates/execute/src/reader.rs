//! The parent's state from our rows: addresses and slots under their hashes.
//!
//! Rows are read by cursors that are kept for a whole block. What was read is kept by whoever executes, so nothing is read twice; only the
//! hash of an address is remembered here, since each of its slots needs it. It trusts the snapshot to be of the parent, which is checked
//! when the changes are laid over it.

use std::collections::{HashMap, VecDeque};

use alloy_primitives::{Address, B256, Bytes, U256};
use snapsync_keccak::keccak256;
use snapsync_storage::{AsOf, BlockError, HistorySnapshot, PointReads, StateChanges, StateSnapshot};
use snapsync_trie::Account;

use crate::{
    error::{Error, Result},
    executor::ParentState,
};

/// Hashes of addresses that are remembered: 52 bytes each. A block touches a few thousand.
const ADDRESSES_MAX: usize = 16_384;

/// Hashes of older blocks, on the branch that is executed.
pub trait BlockHashes {
    /// The hash of the block with this number; `None`: not known.
    ///
    /// # Errors
    /// When the disk fails.
    fn hash_of(&self, number: u64) -> Result<Option<B256>>;
}

impl BlockHashes for HistorySnapshot {
    /// Those of the canonical blocks: right for a block whose parent is one of them.
    fn hash_of(&self, number: u64) -> Result<Option<B256>> {
        Ok(self.canonical(number)?)
    }
}

/// The hashes of the newest blocks, kept by whoever executes one block after the other.
#[derive(Clone, Debug, Default)]
pub struct RecentHashes {
    /// Rising by one from `first` on, [`Self::COUNT_MAX`] at most.
    hashes: VecDeque<B256>,
    first: u64,
}

impl RecentHashes {
    /// How far back the EVM asks for hashes.
    pub const COUNT_MAX: usize = 256;

    /// Those of a chain up to a block, of which nothing older is known.
    pub fn from(number: u64, hash: B256) -> Self {
        Self { hashes: VecDeque::from([hash]), first: number }
    }

    /// The next block.
    pub fn push(&mut self, hash: B256) {
        self.hashes.push_back(hash);
        if self.hashes.len() > Self::COUNT_MAX {
            self.hashes.pop_front();
            self.first += 1;
        }
    }

    /// The newest block was taken back.
    pub fn pop(&mut self) -> Option<B256> {
        self.hashes.pop_back()
    }
}

impl BlockHashes for RecentHashes {
    fn hash_of(&self, number: u64) -> Result<Option<B256>> {
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        Ok(at.and_then(|at| self.hashes.get(at)).copied())
    }
}

/// The parent's state, read from a snapshot.
pub struct StateReader<'s> {
    snapshot: &'s StateSnapshot,
    rows: PointReads<'s>,
    hashes: &'s dyn BlockHashes,
    /// Bounded: emptied when full.
    addresses: HashMap<Address, B256>,
}

impl std::fmt::Debug for StateReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateReader").field("addresses", &self.addresses.len()).finish_non_exhaustive()
    }
}

impl<'s> StateReader<'s> {
    /// Reads the newest state of a snapshot.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn new(snapshot: &'s StateSnapshot, hashes: &'s dyn BlockHashes) -> Result<Self> {
        Self::at(snapshot, AsOf::Newest, hashes)
    }

    /// Reads the state as it was after an older block. Roots are those of changes above the newest one all the same.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn at(snapshot: &'s StateSnapshot, as_of: AsOf, hashes: &'s dyn BlockHashes) -> Result<Self> {
        let rows = snapshot.reads(as_of)?;
        Ok(Self { snapshot, rows, hashes, addresses: HashMap::new() })
    }

    fn key(&mut self, address: &Address) -> B256 {
        if let Some(key) = self.addresses.get(address) {
            return *key;
        }
        if self.addresses.len() >= ADDRESSES_MAX {
            self.addresses.clear();
        }
        let key = keccak256(address.as_slice());
        self.addresses.insert(*address, key);
        key
    }
}

impl ParentState for StateReader<'_> {
    fn account(&mut self, address: &Address) -> Result<Option<Account>> {
        let key = self.key(address);
        Ok(self.rows.account(&key)?)
    }

    fn slot(&mut self, address: &Address, slot: &U256) -> Result<U256> {
        let account = self.key(address);
        let key = keccak256(&slot.to_be_bytes::<32>());
        Ok(self.rows.slot(&account, &key)?)
    }

    fn code(&mut self, hash: &B256) -> Result<Bytes> {
        let code = self.rows.code(hash)?.ok_or(Error::NoCode { hash: *hash })?;
        Ok(Bytes::copy_from_slice(code))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256> {
        self.hashes.hash_of(number)?.ok_or(Error::NoBlockHash { number })
    }

    fn root_with(&mut self, changes: &StateChanges) -> Result<B256> {
        changes.root_above(self.snapshot).map_err(|error| match error {
            BlockError::Disk(error) => Error::Disk(error),
            other => Error::Misfit(other),
        })
    }
}
