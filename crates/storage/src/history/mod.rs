//! The history: headers, bodies and receipts, and which of them are still missing.
//!
//! An environment of its own, so that a terabyte of blocks never delays the state's writer. Rows come in only as the proven
//! types of [`proven`]. It does not decide which chain is the right one: the hash that it was given at the top does.

pub(crate) mod apply;
pub(crate) mod forks;
pub(crate) mod gas;
pub(crate) mod pieces;
pub(crate) mod proven;
pub(crate) mod record;
pub(crate) mod snapshot;
pub(crate) mod spans;
pub(crate) mod store;
pub(crate) mod tables;
pub(crate) mod write;
