//! Who says where to go: the Engine API and the JSON-RPC of a node, answered.
//!
//! A consensus client calls [`EngineApi`]'s methods on a port of their own, with a token ([`JwtSecret`]); they ask a [`Node`]. The same server
//! ([`serve`]) gives everybody's methods on another. What is answered when stands in `docs/ENGINE.md`.
//!
//! Trust model: whoever has no token is nobody, and costs the head of a request. Whoever has it may be wrong: parameters are read strictly and
//! into bounded memory, and a payload is hashed before the node sees it. Answers of a node are taken at their word.
//!
//! It follows no chain, executes nothing and writes nothing.

mod engine;
mod error;
mod jwt;
mod node;
mod object;
pub mod rpc;
mod secret;
mod server;

pub use engine::{ClientVersion, EngineApi};
pub use error::{Error, Result};
pub use jwt::{JwtSecret, TokenFault};
pub use node::{Node, Stopped};
pub use server::{Guard, Limits, Running, serve};
