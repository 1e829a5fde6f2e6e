//! How many slots storages have, about, told from a few of their rows: for a share of what is held that is honest from the start of a run.
//!
//! Keys are hashes, so rows lie evenly: those of a small stretch tell how many there are in all. It counts no table, and it trusts no claim.

use alloy_primitives::B256;
use snapsync_trie::{Coverage, HashRange};

use crate::{error::Result, state::snapshot::StateSnapshot};

/// Rows that are looked at of one storage: two hundredths off at most, four times of five (1.28 / 64).
const ROWS_MAX: usize = 4096;

/// Storages that are looked at for what is usual, each somewhere else.
const STORAGES: usize = 64;

/// Accounts among which one with a storage is looked for.
const ACCOUNTS: usize = 64;

/// Storages that came whole, and their slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageSample {
    /// How many.
    pub storages: u64,
    /// Their slots together.
    pub slots: u64,
}

impl StateSnapshot {
    /// Slots of the whole storage of `account`, of which `parts` are held; zero if none are.
    pub fn slots_about(&self, account: B256, parts: &Coverage) -> Result<u64> {
        let held = parts.stretches().filter(|(_, standing)| standing.is_held()).map(|(range, _)| range);
        let Some(longest) = held.max_by(|one, other| one.share().total_cmp(&other.share())) else {
            return Ok(0);
        };
        let (mut count, mut looked_at) = (0u64, longest);
        for row in self.slots_from(account, longest.start())?.take(ROWS_MAX) {
            let key = row?.key;
            if !longest.contains(&key) {
                break;
            }
            count += 1;
            if count == ROWS_MAX as u64 {
                looked_at = HashRange::new(longest.start(), key).unwrap_or(longest);
            }
        }
        Ok((count as f64 / looked_at.share()) as u64)
    }

    /// Some of the storages that are settled and that an answer can hold whole.
    pub fn sample_storages(&self) -> Result<StorageSample> {
        let mut sample = StorageSample::default();
        for piece in HashRange::FULL.split(STORAGES) {
            for row in self.accounts_from(piece.start())?.take(ACCOUNTS) {
                let row = row?;
                // Behind a gap lies what other pieces look at.
                if !piece.contains(&row.key) {
                    break;
                }
                if !row.account.has_storage() || self.pending_storage(&row.key)?.is_some() {
                    continue;
                }
                let mut slots = 0;
                for slot in self.slots_from(row.key, B256::ZERO)?.take(ROWS_MAX) {
                    slot?;
                    slots += 1;
                }
                if slots < ROWS_MAX as u64 {
                    sample.storages += 1;
                    sample.slots += slots;
                    break;
                }
            }
        }
        Ok(sample)
    }
}
