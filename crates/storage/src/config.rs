//! The settings of the store: where it is, how large it may become, how much memory its writers may hold.
//!
//! It decides nothing at run time; every number is derived here from `--memory` or named with its reason.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// One KiB.
const KIB: u64 = 1 << 10;
/// One MiB.
const MIB: u64 = 1 << 20;
/// One GiB.
const GIB: u64 = 1 << 30;
/// The page size of both environments: MDBX's usual one, and the kernel's.
pub(crate) const PAGE_BYTES: u64 = 4 * KIB;

/// Where the data is and what it may cost.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory; holds `LOCK`, `state/` and `history/`.
    pub datadir: PathBuf,
    /// Geometry and batches of the state environment.
    pub state: EnvConfig,
    /// Geometry and batches of the history environment.
    pub history: EnvConfig,
}

/// What one environment and its writer may cost.
#[derive(Clone, Debug)]
pub struct EnvConfig {
    /// The map's upper limit in bytes: address space, not disk. A full map is [`crate::Error::MapFull`].
    pub size_max_bytes: u64,
    /// By how many bytes the file grows at a time; small enough for tests on a small disk, large enough to be rare.
    pub growth_step_bytes: u64,
    /// Dirty pages a transaction keeps in memory before it spills, in bytes (anonymous memory: part of the budget).
    pub dirty_max_bytes: u64,
    /// A group commit takes no further write once it holds this many bytes.
    pub batch_max_bytes: u64,
    /// A group commit waits this long at most for more writes after its first; less where commits are quick.
    pub batch_max_wait: Duration,
    /// Writes that may queue before a sender blocks, or `try_send` fails.
    pub queue_writes_max: usize,
}

impl Config {
    /// For a mainnet node with a memory budget of `memory_bytes` (`--memory`): an eighth of it for the state's dirty
    /// pages, a sixteenth for its queued batch, half of each for history; the rest belongs to frames and answers in flight.
    pub fn mainnet(datadir: &Path, memory_bytes: u64) -> Self {
        let share = |part: u64| (memory_bytes / part).max(2 * MIB);
        let state = EnvConfig {
            // A mainnet state needs ~300 GiB as rows and nodes; an address space of 2 TiB costs nothing.
            size_max_bytes: 2 << 40,
            growth_step_bytes: 64 * MIB,
            dirty_max_bytes: share(8),
            batch_max_bytes: share(16),
            batch_max_wait: Duration::from_millis(20),
            // A write of packed rows takes about a MiB, twice the answer that it came from.
            queue_writes_max: 16,
        };
        // All bodies and receipts are ~1.3 TiB today; 8 TiB lasts.
        let history = EnvConfig {
            size_max_bytes: 8 << 40,
            dirty_max_bytes: share(16),
            batch_max_bytes: share(32),
            ..state.clone()
        };
        Self { datadir: datadir.to_owned(), state, history }
    }

    /// For tests and demos: small files, short waits.
    pub fn small(datadir: &Path) -> Self {
        let env = EnvConfig {
            size_max_bytes: 64 * GIB,
            growth_step_bytes: 4 * MIB,
            dirty_max_bytes: 16 * MIB,
            batch_max_bytes: 4 * MIB,
            batch_max_wait: Duration::from_millis(2),
            queue_writes_max: 64,
        };
        Self { datadir: datadir.to_owned(), state: env.clone(), history: env }
    }

    /// The directory of the state environment.
    pub fn state_dir(&self) -> PathBuf {
        self.datadir.join("state")
    }

    /// The directory of the history environment.
    pub fn history_dir(&self) -> PathBuf {
        self.datadir.join("history")
    }
}
