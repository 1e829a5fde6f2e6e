//! What a sync resumes from, in plain records: the driver turns them into the engine's.

use alloy_primitives::B256;
use snapsync_trie::{Gaps, HashRange, StorageClaim};

use crate::{
    chain::Chain,
    state::progress::{Counters, StateProgress, TargetRecord},
};

/// An account range that is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountGap {
    /// The range.
    pub range: HashRange,
    /// The target that was wanted when it was opened.
    pub target: u32,
}

/// A storage that is not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingStorage {
    /// The account and the root that its row claims.
    pub claim: StorageClaim,
    /// The target that the claim comes from.
    pub target: u32,
    /// What of it is held.
    pub held: Held,
}

/// How much of a pending storage is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// Everything but these sub-ranges, at least one.
    AllBut(Gaps),
    /// All rows; the trie over them is not derived yet.
    Rows,
}

/// Everything that the state environment knows of an unfinished sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateJournal {
    /// The chain of the directory.
    pub chain: Chain,
    /// What the engine recorded last; `None` before its first record.
    pub progress: Option<StateProgress>,
    /// What the writer has counted.
    pub counters: Counters,
    /// All targets that a gap or a pending may name.
    pub targets: Vec<TargetRecord>,
    /// Account ranges that are not held, rising. Empty before the first target, too: `progress` tells.
    pub accounts: Vec<AccountGap>,
    /// Storages that are not settled, by rising account.
    pub storages: Vec<PendingStorage>,
    /// Codes that are not held, rising.
    pub codes: Vec<B256>,
}
