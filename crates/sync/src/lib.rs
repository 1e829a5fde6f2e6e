//! What next: the engine that plans a sync and never touches a row.
//!
//! It is told a target by hash, and asks for headers, accounts, storages, codes, bodies and receipts as [`Job`]s. It sees
//! ranges, counts and ids; it moves forward when something is **durable**, not when it was fetched. It opens no socket
//! and no file, starts no thread, and reads no clock: one [`Event`] in, then [`Effect`]s out until there are none.
//!
//! Trust: events come from our own driver, which has proved what they say. A peer's word never gets here.

mod above;
mod accounts;
mod block_queue;
mod blocks;
#[cfg(feature = "planted-bugs")]
mod bug;
mod catch_up;
mod chain;
mod claims;
mod codes;
mod config;
mod differing;
mod donors;
mod engine;
mod event;
mod finals;
mod gain;
mod head_refusal;
mod headers;
mod heads;
mod healing;
mod history;
mod job;
mod journal;
mod lack;
mod left;
mod listed;
mod machine;
mod made;
mod measure;
mod missing;
mod moves;
mod outdated;
mod owed;
mod phase;
mod pieces;
mod pivot;
mod pruning;
mod reconcile;
mod renewals;
mod report;
mod retreat;
mod state;
mod step;
mod storage_jobs;
mod storages;
mod target;
mod targets;
mod trace;
mod view;
mod walks;

pub use block_queue::{
    Announcer, BlockLink, BlockQueue, DropCause, Dropped, Intake, QueueLimits, QueueShare, QueueStep,
    Reception, Refusal, Rejection,
};
pub use blocks::{BlockGaps, BlockRange};
#[cfg(feature = "planted-bugs")]
pub use bug::Bug;
pub use catch_up::NoLists;
pub use config::{Checkpoint, Config, History, ReceiptsFrom};
pub use event::{Effect, Ended, Event, HeaderReach, HeaderSegment, Join, PartialStorage, Ticket};
pub use gain::Gain;
pub use head_refusal::HeadRefusal;
pub use job::{HeaderTop, Job, JobId};
pub use journal::{Head, HeaderFloor, HeaderPiece, Journal};
pub use lack::Lack;
pub use left::{LeftBlock, RetreatOutcome, RetreatedBlock};
pub use listed::{ListOutcome, ListedBlock};
pub use machine::Engine;
pub use missing::Missing;
pub use phase::Phase;
pub use pivot::MoveReason;
pub use pruning::Finality;
pub use report::{Fatal, Progress, Report, Tally};
pub use snapsync_trie::{Coverage, HashRange, PendingStorage, Standing, StorageClaim, TargetId};
pub use storages::COPIES_MAX;
pub use target::{Pin, Target};
pub use trace::{EffectHash, TraceError, TraceLine, replay};
