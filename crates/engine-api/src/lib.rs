//! The Engine API and the JSON-RPC of a node.

mod engine;
mod error;
mod jwt;
mod node;
pub mod rpc;
mod secret;
mod server;

pub use engine::{ClientVersion, Engine};
pub use error::{Error, Result};
pub use jwt::{JwtSecret, TokenFault};
pub use node::{Node, Stopped};
pub use server::{Guard, Limits, Running, serve};
