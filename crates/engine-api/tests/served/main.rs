//! The Engine API over real sockets, in front of a node that says what it is told to.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

mod admission;
mod chain;
mod client;
mod host;
mod hostile;
mod order;
mod phases;
mod queries;
mod versions;
