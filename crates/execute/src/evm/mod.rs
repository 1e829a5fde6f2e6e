//! Our executor: alloy-evm and revm on the rows of the parent's state.
//!
//! It executes what the rules of [`Forks`](crate::Forks) say of a block, from Frontier to Amsterdam. The EVM is trusted to be right, and
//! not to be: what it gives is compared with the header, and the root is derived. It keeps nothing from one block to the next but codes,
//! within a bound.

mod call;
mod codes;
mod environment;
mod executor;
mod overlay;
mod reasons;
mod receipts;
mod senders;
mod system;
mod transactions;

pub use call::{Call, CallBlobs, CallFees, CallOutcome, call};
pub use executor::{Config, EvmExecutor};
pub use senders::{recover_senders, sender_of};
pub use transactions::BlockTransaction;
