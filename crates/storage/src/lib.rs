//! What we keep: rows, nodes and progress in MDBX, one transaction at a time.
//!
//! A data directory holds two environments of different rhythm, `state` and `history`, each with one writer thread that
//! gathers writes into group commits. What the disk accepts is a type that carries its proof, and the journal changes in the
//! transaction of the rows that it describes, so that it is never ahead of them or behind them. Readers see snapshots.
//!
//! It trusts the types it is given and MDBX's transactions, and checks the form of what it reads. It does not decide what
//! to fetch (that is `sync`), and it knows no peer. Every byte is drawn in `docs/storage.md`.

mod chain;
mod child;
mod config;
mod env;
mod error;
mod gate;
mod haste;
mod history;
mod identity;
mod lock;
mod mend;
mod others;
#[cfg(feature = "planted-bugs")]
mod planted;
mod record;
mod state;
mod store;
mod verify;
mod writer;

pub use chain::Chain;
pub use config::{Config, EnvConfig};
pub use env::{Flush, MemoryEnv};
pub use error::{Error, Result};
pub use gate::{CommitGate, Open, Verdict};
pub use haste::Haste;
pub use history::{
    gas::GasBounds,
    proven::{BlockFault, ProvenBodies, ProvenHeaders, ProvenReceipts},
    record::{BlockRef, HeaderPiece, HistoryCounters, HistoryJournal},
    snapshot::{HistoryRows, HistorySnapshot},
    spans::BlockSpan,
    store::{HistoryStore, HistoryWriter, HistoryWriterSteps},
    write::{Descent, Finality, HistorySummary, HistoryWrite, Join, Reach},
};
pub use identity::SCHEMA_VERSION;
pub use lock::{DatadirLock, LOCK_FILE};
pub use mend::{Damaged, Mended, answer_mended, mend, mend_behind, mend_history, mend_in_child};
#[cfg(feature = "planted-bugs")]
pub use planted::{WriterBug, plant};
#[cfg(feature = "fuzzing")]
pub use state::spoil::UndoTable;
pub use state::{
    ahead::BlocksAhead,
    block::{AccountChange, BlockError, DerivedBlock, StateChanges, StorageChange},
    claim::BlockClaim,
    estimate::StorageSample,
    healed::{HealedAccounts, HealedSlots},
    journal::StateJournal,
    kept::{Accounts, KeptState, Slots},
    list::{CheckedList, ListFault},
    nodes::NodeChanges,
    packed::{PackedAccounts, PackedStorages},
    progress::{CommitNumber, Counters, StateProgress, TargetRecord},
    reads::{AsOf, PointReads},
    retreat::Retreat,
    snapshot::{StateRows, StateSnapshot},
    source::{AccountTrie, StorageTrie},
    store::{StateStore, StateWriter, StateWriterSteps},
    targets::{Joined, KnownTarget},
    undo::BLOCKS_MAX as UNDO_BLOCKS_MAX,
    write::{
        AccountTrieOutcome, BlockOutcome, Derived, ListedBlock, RetreatOutcome, RetreatedBlock, Settlement,
        StorageCopy, StorageSet, StorageState, Summary, Unsettled, Write,
    },
};
pub use store::{MemoryDisk, Store};
pub use verify::{Finding, Report, VerifyConfig, answer_parent, verify, verify_in_child};
pub use writer::{Notice, Notify, Ticket, Writer};
