//! What a sync resumes from, in plain records: the driver turns them into the engine's.

use alloy_primitives::B256;
use snapsync_trie::{Coverage, PendingStorage};

use crate::{
    chain::Chain,
    state::progress::{Counters, StateProgress, TargetRecord},
};

/// Everything that the state environment knows of an unfinished sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateJournal {
    /// The chain of the directory.
    pub chain: Chain,
    /// What the engine recorded last; `None` before its first record.
    pub progress: Option<StateProgress>,
    /// The version of snap that was spoken last; `None` in a directory that is older than this record.
    pub snap: Option<u8>,
    /// What the writer has counted.
    pub counters: Counters,
    /// All targets that rows or pendings may name.
    pub targets: Vec<TargetRecord>,
    /// Of those whose rows lists have brought on: the block that these are of now.
    pub brought: Vec<TargetRecord>,
    /// What is held of the accounts.
    pub accounts: Coverage,
    /// Storages that are not settled, by rising account.
    pub storages: Vec<PendingStorage>,
    /// Codes that are not held, rising.
    pub codes: Vec<B256>,
}
