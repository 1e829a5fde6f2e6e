//! A network on loopback: beacon nodes of Prysm that drive execution clients, and validators that make a block every two seconds.
//!
//! The first pair is a geth and the one beacon node that produces; the others join it. Fulu and Osaka hold from the genesis on. It trusts Prysm and geth: what they
//! say of each other's heads is what ours is compared with.

mod beacon;
mod ground;
mod load;
mod ours;
mod process;

pub use beacon::{Beacon, Begins, Place, Syncing};
pub use ground::{CHAIN_ID, GAS_LIMIT, Ground};
pub use load::Load;
pub use ours::{Door, Ours};
pub use process::Daemon;
