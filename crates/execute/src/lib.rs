//! What blocks do: each block checked and executed on our rows, or its access list applied.
//!
//! A block is read ([`Block`]), its header and body are checked against the chain's rules ([`Forks`]), it is executed on the state of its
//! parent by whoever does that ([`BlockExecutor`]), what came of it is compared with what its header claims, and the state's root is derived
//! by storage. Only then there is something that can be written. Where a block has an access list, the list does as well, without an EVM.
//!
//! Trust model: the block is hostile, the executor may be wrong, the parent's state is ours. A bad block costs a typed reason
//! ([`BadBlock`]) and never a panic.
//!
//! It stores nothing, follows no chain and knows no peer. Threads: ours ([`evm`], behind the feature of that name) recovers senders on a few
//! for the time of a block, and none outlives it.

mod advance;
mod bad;
mod block;
mod body;
mod claims;
mod error;
#[cfg(feature = "evm")]
pub mod evm;
mod executor;
mod follower;
mod forks;
pub mod genesis;
mod header;
mod payload;
mod reader;
mod stretch;

pub use advance::{Advanced, apply_list, execute};
pub use bad::{BadBlock, BadTransaction, Commitment};
pub use block::{Block, HeaderRest, Withdrawal};
pub use body::check_body;
pub use claims::check_executed;
pub use error::{Error, Result};
pub use executor::{BlockExecutor, Executed, ParentState};
pub use follower::{Follower, Taken, TakenBy};
pub use forks::{BlobParams, DaoFork, Fork, Forks, Rules};
pub use header::check_header;
pub use payload::{Forkchoice, ForkchoiceVerdict, NewPayload, PayloadVerdict};
pub use reader::{BlockHashes, RecentHashes, StateReader};
pub use stretch::Stretch;
