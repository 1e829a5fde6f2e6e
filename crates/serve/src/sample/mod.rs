//! What this crate's tests serve: a small state and a few blocks, on a real disk.

mod blocks;
mod state;

pub(crate) use blocks::SampleBlocks;
pub(crate) use state::Sample;
