//! A node that a consensus client drives: its flags, its config file, and what is looked at before it starts.
//!
//! What the node does is the engine's (`snapsync-driver`) and what it answers is `snapsync-engine-api`'s; here they are only put together.

pub(crate) mod args;
pub(crate) mod doors;
pub(crate) mod driven;
pub(crate) mod hearing;
pub(crate) mod machine;
pub(crate) mod setup;
pub(crate) mod words;
