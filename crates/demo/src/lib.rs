//! A chain of our own making and peers that serve it: what `demo` and `bench` sync from.
//!
//! The peers are real ones: every answer comes from MDBX and travels through RLPx. Nothing here knows who syncs.

mod blocks;
mod chain;
mod changes;
mod delay;
mod dice;
mod error;
mod executed;
mod genesis;
mod load;
mod loaded_chain;
mod mover;
mod moving;
mod peers;
mod pieces;
mod plan;
mod receipts;
mod rlp;
mod rows;
mod sealer;
mod signers;
mod state;
mod tamper;
#[cfg(test)]
mod tests;
mod transactions;

pub use chain::{DemoChain, open_or_make};
pub use error::Error;
pub use executed::BlockMaker;
pub use load::Load;
pub use loaded_chain::{ExportedBlock, LoadedChain};
pub use mover::{ChainNews, Mover, OnNews};
pub use moving::{DEPTH_MAX, MovingChain, Turn, state_root};
pub use peers::{Announcer, DemoPeers, PeerParams};
pub use plan::DemoParams;
pub use tamper::PeerKind;
