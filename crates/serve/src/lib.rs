//! What we answer: requests of other nodes, from snapshots of our own disk.
//!
//! Trust model: a request is a wish of somebody who may want to wear us out. Every limit is clamped on our side, what is not found
//! counts like what is, and a line of requests is bounded for each peer. The answers are pure functions of a snapshot; one request
//! opens a snapshot, answers, and closes it, so that readers stay short and the writer never waits.
//!
//! It serves the state that our disk holds whole, and those before it that can still be looked at: of the last 128 blocks. No other root.

mod accounts;
mod announced;
mod answer;
mod bodies;
mod chain;
mod codes;
mod error;
mod headers;
mod limits;
mod lists;
mod log;
mod nodes;
mod queues;
mod receipts;
#[cfg(test)]
mod sample;
mod server;
mod storages;
mod unsent;

pub use accounts::answer_account_range;
pub use answer::{Answer, DiskAnswers};
pub use bodies::answer_block_bodies;
pub use chain::local_chain;
pub use codes::answer_byte_codes;
pub use error::{Error, Result};
pub use headers::answer_block_headers;
pub use limits::Limits;
pub use lists::answer_block_access_lists;
pub use log::{LogWriter, RequestKind, ServeEntry, ServeLog};
pub use nodes::answer_trie_nodes;
pub use receipts::answer_receipts;
pub use server::{Config, Server};
pub use storages::answer_storage_ranges;
