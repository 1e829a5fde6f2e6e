//! A genesis file (geth's format): block 0, the state that it begins with, and the forks of its chain.
//!
//! Trusts the operator's file and nobody else. Whatever geth takes is taken, and gives geth's hash, fork id and rules: `json` has
//! the rules by which Go reads, `file` the fields, `block` the block 0 that they describe, `schedule` the forks, `state` the
//! rows; `public` has those of the networks that everybody knows. It holds the whole allocation in memory.

mod account;
mod block;
mod error;
mod file;
mod json;
mod public;
mod schedule;
mod state;

pub use error::{Fault, GenesisError, Unread};
pub use file::Genesis;
pub use public::{PublicNetwork, UnknownNetwork};
