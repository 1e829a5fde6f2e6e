//! How bytes are hashed: the one seam to Keccak-256, in batches.
//!
//! Everything in this workspace that needs a Keccak-256 digest asks here, so that a faster kernel replaces the
//! code behind [`keccak256_batch`] and nothing else. This crate trusts nobody and keeps no state but a counter;
//! it knows nothing of tries, frames or blocks.

mod batch;
mod stream;

pub use batch::{hashes_done, keccak256, keccak256_batch};
pub use stream::Stream;
