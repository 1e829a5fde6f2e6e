//! The program against real geth, real sockets and a real disk.
//!
//! This library is the harness: it finds geth, makes a test chain by driving it, starts it with that chain, and puts a
//! throttling relay in front of it, so that "half-way" is a place and not a race. It trusts the machine it runs on and
//! nothing else; what geth says is the reference that the tests compare with. It does not contain the tests: they stand
//! beside it, under `tests/`.

pub mod assembly;
pub mod bill;
pub mod cache;
pub mod chain;
pub mod contracts;
pub mod cost;
pub mod datadir;
pub mod devnet;
pub mod driven;
pub mod dump;
pub mod engine;
mod error;
pub mod genesis;
pub mod geth;
pub mod life;
pub mod line;
pub mod mover;
pub mod moving;
pub mod order;
pub mod patience;
pub mod payload;
pub mod presence;
pub mod program;
pub mod proposer;
pub mod prysm;
pub mod racing;
pub mod recipe;
pub mod relay;
pub mod rpc;
pub mod transaction;

pub use error::Error;
