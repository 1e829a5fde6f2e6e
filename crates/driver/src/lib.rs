//! Who does it: the one place where engine, sockets, disk and clock meet.
//!
//! A host holds a [`SnapSync`]: it names a head, watches, and stops. Behind it one thread (`fetch_snap_state`) owns the
//! pure machine that decides everything; workers prove, writers write, and `bridge` wires them together.
//!
//! It trusts the pure crates' decisions and nobody's bytes. Blocks are executed by whoever the host brings; it serves no peer.

mod account_fetcher;
mod agree;
mod applied;
mod ask;
mod asked;
mod block_fetcher;
mod block_follower;
mod blocks_above;
mod bridge;
mod bytecode_fetcher;
mod calls;
mod candidates;
mod catch_up;
mod chain;
pub mod compared;
mod config;
mod ending;
mod error;
mod events;
mod faults;
mod fetch_snap_state;
mod find_codes;
mod follow;
mod follow_head;
mod given_blocks;
mod handle;
mod header_fetcher;
mod hope;
mod host;
mod inbox;
mod lists_above;
mod lookups;
mod naming;
pub mod notices;
mod notifications;
mod outlets;
pub mod parts;
mod payloads;
mod people;
mod planner;
mod prospects;
pub mod provers;
mod publish;
mod questions;
mod readers;
mod rebuild_state_trie;
pub mod receipts;
mod remote;
mod repair;
mod resume;
mod settings;
mod speaking;
mod state_healing;
mod storage_fetcher;
mod stores;
mod stretch;
mod taking;
mod telling;
mod told;
mod trace;
mod underway;
mod versions;
mod waiting;
mod window;
mod work;
mod workers;

pub use chain::Chain;
pub use config::{Checkpoint, Config, History, SnapFallback, SnapVersion, WhenAlone};
pub use ending::{Ending, Exit, Severity};
pub use error::Error;
pub use events::{
    Answer, Applied, Event, Gain, Hashed, Head, HeadRefusal, HeadSource, Leaves, MoveReason, Phase, Place,
    Progress, Reconciled, Reconciler, Stall, TakenBy, Target,
};
pub use handle::SnapSync;
pub use naming::Naming;
pub use notifications::{Milestone, Notification, Notifications};
pub use prospects::Lost;
pub use remote::{ConnectedPeer, Remote};
pub use snapsync_execute::{Forkchoice, ForkchoiceVerdict, NewPayload, PayloadVerdict};
pub use snapsync_peers::Fault as PeerFault;
pub use snapsync_sync::{Fatal, Lack, NoLists};
