//! A genesis file (geth's format) becomes the facts of a chain: its id, its genesis header, its forks.
//!
//! Trusts the operator's file and nobody else. Whatever geth takes is taken, and gives geth's hash and fork id: [`json`] has
//! the rules by which Go reads, [`mod@file`] the fields, [`block`] the block 0 that they describe. It does not keep the
//! genesis allocation: the state is fetched.

mod account;
mod block;
mod error;
mod file;
mod json;
#[cfg(test)]
mod tests;

pub(crate) use block::read;
